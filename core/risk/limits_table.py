"""The trader's limits as the configuration spells them: `[accounts.risk]`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal

import msgspec

from core.risk.rule import RiskLimits, SymbolLimits


def make_limits(table: Mapping[str, object]) -> RiskLimits:
    """Names and meanings are those of `RiskLimits`; `symbols` is a table of tables. Numbers may be
    TOML's own or text. Raises ValueError with what is wrong: a limit outside of its range would
    be no limit (`3` for 3 % is 300 %)."""
    try:
        limits = msgspec.convert(_as_text(table), RiskLimits, strict=False)
    except msgspec.ValidationError as fault:
        raise ValueError(f"risk: {fault}") from None
    _require_sense("", limits)
    for symbol, of_symbol in limits.symbols.items():
        _require_sense(f"{symbol}: ", of_symbol)
    return limits


def _require_sense(place: str, limits: RiskLimits | SymbolLimits) -> None:
    for field in msgspec.structs.fields(limits):
        value = getattr(limits, field.name)
        if isinstance(value, bool | dict) or value is None:
            continue
        is_ratio = isinstance(value, Decimal) and not field.name.endswith(("notional", "multiple"))
        if not math.isfinite(value) or value <= 0 or (is_ratio and value > 1):
            range_ = "more than 0 and at most 1" if is_ratio else "more than 0"
            raise ValueError(f"risk: {place}{field.name} is {range_}, not {value}")


def _as_text(value: object) -> object:
    """Numbers by the digits that were written, at any depth."""
    if isinstance(value, Mapping):
        return {key: _as_text(inner) for key, inner in value.items()}
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
