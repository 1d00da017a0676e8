"""The sizing methods by name, as the configuration spells them; a new one is a line here."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

import msgspec

from core.portfolio.fixed_percent import FixedPercent
from core.portfolio.kelly import Kelly
from core.portfolio.risk_parity import RiskParity
from core.portfolio.sizing import SizingMethod
from core.portfolio.volatility_adjusted import VolatilityAdjusted

SIZING_METHODS: dict[str, type[SizingMethod]] = {
    kind.name: kind for kind in (FixedPercent, Kelly, VolatilityAdjusted, RiskParity)
}


def make_sizing(table: Mapping[str, object]) -> SizingMethod:
    """From a table of the configuration: `method` is the name, all else its fields; numbers may
    be TOML's own or text. Raises ValueError with what is wrong and what was meant."""
    parameters = dict(table)
    name = str(parameters.pop("method", FixedPercent.name))
    kind = SIZING_METHODS.get(name)
    if kind is None:
        raise ValueError(f"unknown sizing method {name!r}; {_suggest(name, list(SIZING_METHODS))}")
    fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
    for key, value in parameters.items():
        if key not in fields:
            raise ValueError(f"{name} has no {key!r}; {_suggest(key, list(fields))}")
        if fields[key] is not int:  # a decimal keeps the digits that were written
            parameters[key] = str(value)
    try:
        return msgspec.convert(parameters, kind)
    except msgspec.ValidationError as fault:
        raise ValueError(f"{name}: {fault}") from None
    except ArithmeticError:  # a Decimal that is no number cannot be compared
        raise ValueError(f"{name}: nan is no number") from None


def _suggest(word: str, known: list[str]) -> str:
    likely = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {likely[0]!r}?" if likely else f"known: {', '.join(known)}"
