"""The indicators of one chart: which, with which numbers, in which colours.

The engine computes them (`core.indicators` says how each is shown); here they are only looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.indicators.catalogue import INDICATORS, columns_of, make
from core.models.indicators import STANDARD, IndicatorSpec
from ui.charts.axes import BandPart
from ui.charts.candle_parts import HistogramPart
from ui.charts.pane import LinePart, Pane, PanePart
from ui.charts.series import CandleSeries

MOST_STUDIES = 12
_OVERLAY_HUES = ("sand", "t3", "accent", "t2")
_SIDE_OPACITY = 0.6  # of a band's edges, beside its middle
_HISTOGRAM = "histogram"


@dataclass(slots=True)
class Study:
    """One indicator on the chart. `hue_index` tells overlays apart."""

    spec: IndicatorSpec
    is_hidden: bool = False
    hue_index: int = 0

    @property
    def is_overlay(self) -> bool:
        return INDICATORS[self.spec.name].is_overlay

    @property
    def columns(self) -> tuple[str, ...]:
        return columns_of(self.spec)

    @property
    def guides(self) -> tuple[float, ...]:
        return INDICATORS[self.spec.name].guides

    @property
    def has_histogram(self) -> bool:
        return any(_HISTOGRAM in output for output in INDICATORS[self.spec.name].outputs)

    @property
    def numbers(self) -> str:
        """The parameters as they are typed: `12 26 9`."""
        return " ".join(f"{value:g}" for value in self.spec.parameters)

    @property
    def title(self) -> str:
        return f"{INDICATORS[self.spec.name].title} {self.numbers}".strip()

    def renumbered(self, text: str) -> IndicatorSpec:
        """The same indicator with the numbers of `text`. Raises ValueError with a sentence."""
        words = text.replace(",", " ").split()
        try:
            numbers = tuple(float(word) for word in words)
        except ValueError:
            raise ValueError("Write numbers with spaces between them.") from None
        spec = IndicatorSpec(self.spec.name, numbers)
        make(spec)
        return spec

    def inks(self) -> list[tuple[str, str]]:
        """(column, colour of its value in the legend), in the order of the legend."""
        if self.is_overlay:
            hue = _OVERLAY_HUES[self.hue_index % len(_OVERLAY_HUES)]
            return [(name, "t2" if hue == "t3" else hue) for name in self.columns]
        if len(self.columns) == 1:
            return [(self.columns[0], "accent")]
        lines = [name for name in self.columns if _HISTOGRAM not in name]
        bars = [(name, "") for name in self.columns if _HISTOGRAM in name]  # "": by its sign
        return bars + list(zip(lines, ("t1", "sand", "accent"), strict=False))

    def parts(self, pane: Pane, series: CandleSeries) -> list[PanePart]:
        """What is drawn of it, from the back to the front."""
        if self.is_hidden:
            return []
        if self.is_overlay:
            hue = _OVERLAY_HUES[self.hue_index % len(_OVERLAY_HUES)]
            return [
                LinePart(pane, series, name, hue, width=1.25, alpha=_SIDE_OPACITY if index else 1.0)
                for index, name in enumerate(self.columns)
            ]
        bars = [HistogramPart(pane, series, name) for name in self.columns if _HISTOGRAM in name]
        lines = [name for name in self.columns if _HISTOGRAM not in name]
        hues = ("accent",) if len(self.columns) == 1 else ("t2", "sand", "accent")
        width = 1.5 if len(self.columns) == 1 else 1.25
        made = [
            LinePart(pane, series, name, hue, width=width)
            for name, hue in zip(lines, hues, strict=False)
        ]
        return [*bars, *made]

    def ground(self, pane: Pane, series: CandleSeries) -> list[PanePart]:
        """What lies under the grid of its pane."""
        if len(self.guides) < 2:
            return []
        return [BandPart(pane, series, min(self.guides), max(self.guides))]


def standard_studies() -> list[Study]:
    """What a chart starts with."""
    return coloured([Study(spec) for spec in STANDARD])


def sound_studies(studies: list[Study]) -> list[Study]:
    """Without those that no longer exist; what comes from a file may be anything."""
    kept = []
    for study in studies[:MOST_STUDIES]:
        try:
            make(study.spec)
        except ValueError:
            continue
        kept.append(study)
    return kept


def coloured(studies: list[Study]) -> list[Study]:
    """Gives each overlay its own colour, in order."""
    for index, study in enumerate(study for study in studies if study.is_overlay):
        study.hue_index = index
    return studies
