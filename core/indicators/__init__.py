"""Indicators that take one candle at a time: a new bar costs about a microsecond, whatever the
history. One file each, and one line in `catalogue`.

Their values are those of TA-Lib on the whole history (tested to 1e-9), so what a chart shows bar
by bar is what a strategy computes at once. `copy.copy` gives an independent state: to see the
value a forming bar would have, update a copy.
"""

from __future__ import annotations

from core.indicators.atr import Atr as Atr
from core.indicators.catalogue import INDICATORS as INDICATORS
from core.indicators.catalogue import batch as batch
from core.indicators.catalogue import columns_of as columns_of
from core.indicators.catalogue import default_spec as default_spec
from core.indicators.catalogue import make as make
from core.indicators.ema import Ema as Ema
from core.indicators.indicator import Indicator as Indicator
from core.indicators.indicator import run as run
from core.indicators.macd import Macd as Macd
from core.indicators.rsi import Rsi as Rsi
