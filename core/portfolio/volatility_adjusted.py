"""Every position may lose the same part of the equity: the wider its stop, the smaller it is."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar

from core.events import Signal
from core.parameter_form import told
from core.portfolio.sizing import ZERO, SizingFacts, SizingMethod


class VolatilityAdjusted(SizingMethod, frozen=True):
    """Quantity = `risk_ratio` of equity / stop distance. Strategies set their stops by the ATR;
    without a stop, `atr_multiple` of the signal's own ATR stands for it, and without both
    `first_ratio` is used. Never more than `max_ratio` however close the stop."""

    name: ClassVar[str] = "volatility_adjusted"
    summary: ClassVar[str] = "Every position may lose the same part of the equity at its stop."
    risk_ratio: Annotated[Decimal, told("Of the equity, lost at the stop.", "%")] = Decimal("0.01")
    max_ratio: Annotated[Decimal, told("Of the equity, at most.", "%")] = Decimal("0.20")
    first_ratio: Annotated[Decimal, told("Where no stop is known.", "%")] = Decimal("0.02")
    atr_multiple: Annotated[Decimal, told("Stop distance where none is given.", "ATR")] = Decimal(2)

    def __post_init__(self) -> None:
        super(VolatilityAdjusted, self).__post_init__()  # noqa: UP008 (see Kelly)
        if self.atr_multiple <= 0:
            raise ValueError(f"atr_multiple is more than 0, not {self.atr_multiple}")

    def target_notional(self, facts: SizingFacts) -> Decimal:
        distance = self._stop_distance(facts.signal)
        if distance <= 0:
            return self.first_ratio * facts.equity
        by_risk = self.risk_ratio * facts.equity * facts.signal.reference_price / distance
        return min(by_risk, self.max_ratio * facts.equity)

    def _stop_distance(self, signal: Signal) -> Decimal:
        """Price distance of the stop; 0 when nobody knows one."""
        if signal.stop_distance is not None:
            return signal.stop_distance
        name = next((name for name in signal.evidence if name.startswith("atr")), None)
        atr = Decimal(str(signal.evidence[name])) if name is not None else ZERO
        return self.atr_multiple * atr if atr.is_finite() else ZERO  # warming up, it is NaN
