"""From an indicator's name and numbers to the indicator: made, checked, computed at once."""

from __future__ import annotations

import functools

from core.indicators.atr import Atr
from core.indicators.bollinger import Bollinger
from core.indicators.ema import Ema
from core.indicators.indicator import Indicator
from core.indicators.macd import Macd
from core.indicators.rsi import Rsi
from core.indicators.sma import Sma
from core.indicators.vwap import Vwap
from core.market_data.columns import Columns, FloatArray
from core.models.indicators import IndicatorSpec

INDICATORS: dict[str, type[Indicator]] = {
    indicator.name: indicator for indicator in (Ema, Sma, Bollinger, Vwap, Rsi, Macd, Atr)
}


def default_spec(name: str) -> IndicatorSpec:
    """Raises KeyError for an unknown name."""
    return IndicatorSpec(name, tuple(p.default for p in INDICATORS[name].parameters))


@functools.lru_cache(maxsize=256)
def columns_of(spec: IndicatorSpec) -> tuple[str, ...]:
    """The columns that `spec` gives to a block of candles."""
    return tuple(spec.column(output) for output in INDICATORS[spec.name].outputs)


def make(spec: IndicatorSpec) -> Indicator:
    """Raises ValueError, with one sentence, for what is no indicator."""
    kind = INDICATORS.get(spec.name)
    if kind is None:
        raise ValueError(f"There is no indicator {spec.name!r}.")
    if len(spec.parameters) != len(kind.parameters):
        names = ", ".join(p.name for p in kind.parameters) or "no parameters"
        raise ValueError(f"{kind.title} takes {names}.")
    for parameter, value in zip(kind.parameters, spec.parameters, strict=True):
        is_inside = parameter.least <= value <= parameter.most
        if not is_inside or (parameter.is_whole and value != round(value)):
            sort = "a whole number" if parameter.is_whole else "a number"
            raise ValueError(
                f"{kind.title}: {parameter.name} is {sort} from {parameter.least:g} "
                f"to {parameter.most:g}."
            )
    try:
        return kind(*_numbers(spec))
    except ValueError as fault:  # numbers that are right one by one, and not together
        raise ValueError(f"{kind.title}: {fault}.") from None


def batch(spec: IndicatorSpec, columns: Columns) -> dict[str, FloatArray]:
    """Its columns over all bars. Raises ValueError as `make`."""
    make(spec)
    if columns.rows == 0:
        return dict.fromkeys(columns_of(spec), columns.close)
    values = INDICATORS[spec.name].batch(columns, *_numbers(spec))
    return dict(zip(columns_of(spec), values, strict=True))


def _numbers(spec: IndicatorSpec) -> list[float]:
    kinds = INDICATORS[spec.name].parameters
    return [
        round(value) if parameter.is_whole else value
        for parameter, value in zip(kinds, spec.parameters, strict=True)
    ]
