"""What an incremental indicator is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from core.market_data.columns import Columns, FloatArray


class Indicator(ABC):
    """State of one indicator after the bars it was given, oldest first.

    `inputs` are the fields of a candle that `update` takes, in that order; `outputs` name what
    `values` returns, the main one first. Values are NaN while warming up.
    """

    __slots__ = ()
    name: ClassVar[str]
    inputs: ClassVar[tuple[str, ...]]
    outputs: ClassVar[tuple[str, ...]]

    @abstractmethod
    def update(self, *args: Any, **kwargs: Any) -> float:
        """Take the next closed bar; returns the main value."""

    @property
    @abstractmethod
    def values(self) -> tuple[float, ...]:
        """One per output, as of the newest bar."""


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
