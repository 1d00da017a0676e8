"""Indicators that take one candle at a time: a new bar costs less than a microsecond, whatever
the history. One file each, and one line here.

Their values are those of TA-Lib on the whole history (tested to 1e-9), so what a chart shows bar
by bar is what a strategy computes at once. `copy.copy` gives an independent state: to see the
value a forming bar would have, update a copy.
"""

from __future__ import annotations

from core.indicators.atr import Atr as Atr
from core.indicators.ema import Ema as Ema
from core.indicators.indicator import Indicator as Indicator
from core.indicators.indicator import run as run
from core.indicators.macd import Macd as Macd
from core.indicators.rsi import Rsi as Rsi

INDICATORS: dict[str, type[Indicator]] = {
    indicator.name: indicator for indicator in (Ema, Rsi, Atr, Macd)
}
