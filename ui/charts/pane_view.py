"""One indicator's pane: its picture, its scale and its legend."""

from __future__ import annotations

from ui.charts import autoscale, readout
from ui.charts.axes import GridPart, PriceAxis
from ui.charts.candle_parts import GapsPart
from ui.charts.overlays import LegendItem, VeilPart
from ui.charts.pane import Layer, Pane
from ui.charts.scales import TimeTick
from ui.charts.series import CandleSeries
from ui.charts.studies import Study

_LEGEND_Y = 13.0


class StudyPane:
    """What is drawn in the pane of `study`. Attributes: pane, study, layer, legend."""

    def __init__(self, pane: Pane, series: CandleSeries, study: Study) -> None:
        self.pane, self.study = pane, study
        self._series = series
        self._grid = GridPart(pane, series, study.guides)
        gaps = GapsPart(pane, series, with_count=False)
        back = [*study.ground(pane, series), gaps, self._grid]
        veil = VeilPart(pane, series)
        self.layer = Layer(pane, series, [*back, *study.parts(pane, series), veil])
        self.legend = LegendItem(pane, series, _LEGEND_Y)
        pane.add([self.layer, self.legend])

    def rescale(self, tick: float) -> None:
        autoscale.fit_study(self.pane, self._series, self.study, tick)

    def label(self, axis: PriceAxis, ticks: list[TimeTick]) -> None:
        """Round values for the grid and the axis."""
        self._grid.values, axis.labels = readout.study_labels(self.pane, self.study)
        self._grid.ticks = ticks
