"""Every symbol contributes the same risk: its share is inverse to its volatility."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, ClassVar

from core.parameter_form import told
from core.portfolio.sizing import ZERO, SizingFacts, SizingMethod


class RiskParity(SizingMethod, frozen=True):
    """`total_ratio` of equity shared out over all symbols that bots of the account trade, by
    1 / volatility of their newest `bars` returns; at most `max_ratio` for one. A symbol with
    fewer bars takes `first_ratio` itself and no part of the others' share."""

    name: ClassVar[str] = "risk_parity"
    summary: ClassVar[str] = "Every symbol contributes the same risk."
    total_ratio: Annotated[Decimal, told("Of the equity, all of them.", "%")] = Decimal("0.60")
    max_ratio: Annotated[Decimal, told("Of the equity, at most.", "%")] = Decimal("0.20")
    first_ratio: Annotated[Decimal, told("Where candles are too few.", "%")] = Decimal("0.02")
    bars: int = 96

    def __post_init__(self) -> None:
        super(RiskParity, self).__post_init__()  # noqa: UP008 (see Kelly)
        if self.bars < 2:
            raise ValueError(f"bars is at least 2, not {self.bars}")

    def target_notional(self, facts: SizingFacts) -> Decimal:
        weights = {}
        for symbol, closes in facts.closes(self.bars + 1).items():
            volatility = return_volatility(closes)
            if len(closes) > self.bars and volatility > 0:
                weights[symbol] = 1 / volatility
        own = weights.get(facts.signal.symbol)
        if own is None:
            return self.first_ratio * facts.equity
        share = own / sum(weights.values(), ZERO)
        return min(self.total_ratio * share, self.max_ratio) * facts.equity


def return_volatility(closes: Sequence[Decimal]) -> Decimal:
    """Standard deviation of the returns from close to close; 0 for fewer than two returns."""
    returns = [b / a - 1 for a, b in itertools.pairwise(closes) if a > 0]
    if len(returns) < 2:
        return ZERO
    mean = sum(returns, ZERO) / len(returns)
    return (sum(((r - mean) ** 2 for r in returns), ZERO) / (len(returns) - 1)).sqrt()
