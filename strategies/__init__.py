"""Strategies: candles in, signals out. One file each, and one line here.

No I/O, no clock, no Qt: a strategy is the same in a backtest, on paper and live.
"""

from __future__ import annotations

import difflib

from core.strategy import Strategy
from strategies.macd_rsi_trend import MacdRsiTrend
from strategies.rsi_pattern import RsiPattern

STRATEGIES: dict[str, type[Strategy]] = {
    strategy.name: strategy for strategy in (MacdRsiTrend, RsiPattern)
}


def strategy_type(name: str) -> type[Strategy]:
    """Look a strategy up. Raises ValueError that names the likely one or all of them."""
    if name in STRATEGIES:
        return STRATEGIES[name]
    likely = difflib.get_close_matches(name, STRATEGIES, n=1)
    known = f"did you mean {likely[0]!r}?" if likely else f"known: {', '.join(STRATEGIES)}"
    raise ValueError(f"unknown strategy {name!r}; {known}")
