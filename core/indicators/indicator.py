"""What an incremental indicator is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import numpy as np

from core.market_data.columns import Columns, FloatArray


class Parameter(NamedTuple):
    """One number that a trader may choose, and what it may be."""

    name: str
    default: float
    least: float = 2
    most: float = 500
    is_whole: bool = True


class Indicator(ABC):
    """State of one indicator after the bars it was given, oldest first.

    `inputs` are the fields of a candle that `update` takes, in that order; `outputs` name what
    `values` returns, the main one first. Values are NaN while warming up. `parameters` are the
    constructor's, in its order.

    How it is shown is part of what it is: `title` is short, `meaning` is written out;
    `is_overlay` ones are prices and lie over the candles, the others have a pane; `guides` are
    its lines of reference (30 and 70 of the RSI).
    """

    __slots__ = ()
    name: ClassVar[str]
    title: ClassVar[str]
    meaning: ClassVar[str]
    inputs: ClassVar[tuple[str, ...]]
    outputs: ClassVar[tuple[str, ...]]
    parameters: ClassVar[tuple[Parameter, ...]] = ()
    is_overlay: ClassVar[bool] = False
    guides: ClassVar[tuple[float, ...]] = ()

    @abstractmethod
    def update(self, *args: Any, **kwargs: Any) -> float:
        """Take the next closed bar; returns the main value."""

    @property
    @abstractmethod
    def values(self) -> tuple[float, ...]:
        """One per output, as of the newest bar."""

    @staticmethod
    @abstractmethod
    def batch(columns: Columns, *parameters: Any) -> tuple[FloatArray, ...]:
        """All bars at once: one array per output, the same values as bar by bar to 1e-9."""

    @classmethod
    def warm_up_bars(cls, parameters: tuple[float, ...], _duration_ms: int) -> int:
        """Older bars after which its beginning no longer shows (an average of n bars keeps
        0.0025 % of it after 5 n)."""
        return 6 * round(max(parameters, default=0.0))


def run(indicator: Indicator, columns: Columns) -> dict[str, FloatArray]:
    """Give `indicator` every bar of `columns`; returns its outputs, one value per bar."""
    rows = zip(*(getattr(columns, name).tolist() for name in indicator.inputs), strict=True)
    update = indicator.update
    history = np.empty((columns.rows, len(indicator.outputs)))
    for number, inputs in enumerate(rows):
        update(*inputs)
        history[number] = indicator.values
    return dict(zip(indicator.outputs, history.T, strict=True))


def check_period(period: int, least: int) -> None:
    """Raises ValueError for a period that means nothing."""
    if period < least:
        raise ValueError(f"a period of {period} bars is too short: at least {least}")
