"""Which indicator with which parameters: how charts, bots and the engine name one to each other.

Apart from `core.indicators` so that a screen can name one without loading numpy.
"""

from __future__ import annotations

import msgspec


class IndicatorSpec(msgspec.Struct, frozen=True):
    """`name` is a key of `core.indicators.INDICATORS`; `parameters` in the order it declares."""

    name: str
    parameters: tuple[float, ...] = ()

    def column(self, output: str) -> str:
        """The name of one of its outputs in a block of candles: `ema_20`, `macd_signal_12_26_9`."""
        return "_".join([output, *(f"{value:g}" for value in self.parameters)])


STANDARD = (
    IndicatorSpec("ema", (20,)),
    IndicatorSpec("ema", (60,)),
    IndicatorSpec("rsi", (14,)),
    IndicatorSpec("macd", (12, 26, 9)),
)
"""What a new chart shows."""
