"""What may be set in a struct of settings: each field's kind, default and limits, for a screen.

The limits are read from the type itself, so that a form refuses what the engine would refuse.
"""

from __future__ import annotations

import enum
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import inspect


class ParameterKind(enum.StrEnum):
    WHOLE = "whole"  # a whole number
    NUMBER = "number"
    EXACT = "exact"  # a decimal
    FLAG = "flag"
    TEXT = "text"


class ParameterForm(msgspec.Struct, frozen=True):
    """One field. `default` as text; `low` and `high` None where there is no limit, `above` for a
    limit that is itself too low. `unit` and `text` (one sentence) are the type's own, or ""."""

    name: str
    kind: ParameterKind
    default: str
    low: float | None = None
    high: float | None = None
    above: float | None = None
    unit: str = ""
    text: str = ""


class PartForm(msgspec.Struct, frozen=True):
    """Something that is chosen by name and has fields: a strategy, a sizing method. For a strategy
    `timeframe` is the one it enters on, and `scores` whether it can rank symbols."""

    name: str
    text: str
    parameters: list[ParameterForm]
    timeframe: str = ""
    scores: bool = False


def told(text: str, unit: str = "") -> msgspec.Meta:
    """What a screen says of a field: one sentence and its unit, in an `Annotated` type. The unit %
    is for a ratio, which is shown times a hundred."""
    return msgspec.Meta(description=text, extra={"unit": unit})


def describe_parameters(kind: type[msgspec.Struct]) -> list[ParameterForm]:
    """Fields whose kind has no form (lists, nested structs) are left out."""
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    described = (_describe(field) for field in info.fields)
    return [form for form in described if form is not None]


def _describe(field: inspect.Field) -> ParameterForm | None:
    found, text, unit = field.type, "", ""
    if isinstance(found, inspect.Metadata):
        schema = found.extra_json_schema or {}
        text, unit = str(schema.get("description", "")), str((found.extra or {}).get("unit", ""))
        found = found.type
    kinds: dict[type[Any], ParameterKind] = {
        inspect.IntType: ParameterKind.WHOLE,
        inspect.FloatType: ParameterKind.NUMBER,
        inspect.DecimalType: ParameterKind.EXACT,
        inspect.BoolType: ParameterKind.FLAG,
        inspect.StrType: ParameterKind.TEXT,
    }
    kind = kinds.get(type(found))
    if kind is None:
        return None
    limits: dict[str, float | None] = {}
    if isinstance(found, inspect.IntType | inspect.FloatType):
        limits = {"low": found.ge, "high": found.le, "above": found.gt}
    default = field.default
    return ParameterForm(field.name, kind, _as_text(default), unit=unit, text=text, **limits)


def _as_text(value: object) -> str:
    if value is msgspec.NODEFAULT:
        return ""
    if isinstance(value, float):
        return f"{Decimal(str(value)).normalize():f}"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)
