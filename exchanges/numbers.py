"""Text from an exchange becomes exact numbers, or the message is malformed."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

import msgspec

from core.models.orders import Side


def decimal(text: str) -> Decimal:
    """Exact value of `text`; anything that is not a finite number is a malformed message."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise msgspec.ValidationError(f"Expected a number, got {text!r}") from None
    if not value.is_finite():  # not `finite(value)`: the hottest call of all
        raise msgspec.ValidationError(f"Expected a finite number, got {text!r}")
    return value


def finite(value: Decimal) -> Decimal:
    """`value`, if it is one that something can cost."""
    if not value.is_finite():
        raise msgspec.ValidationError(f"Expected a finite number, got '{value}'")
    return value


def decimal_or_none(text: str) -> Decimal | None:
    """None for "not said"."""
    return decimal(text) if text else None


def decimal_or_zero(text: str) -> Decimal:
    return decimal(text) if text else Decimal(0)


def ratio_of_percent(text: str) -> str:
    """`-0.786` or `-0.09%` as `-0.00786`, `-0.0009`: text again, for it is seldom read."""
    return f"{decimal(text.removesuffix('%')).scaleb(-2):f}" if text else ""


def ratio_of_prices(last: str, before: str) -> str:
    """The change from `before` to `last`, to six places; "" where there is none."""
    base = decimal(before) if before else Decimal(0)
    return f"{decimal(last) / base - 1:.6f}" if base and last else ""


def milliseconds(text: str) -> int:
    if not text.isdecimal():
        raise msgspec.ValidationError(f"Expected a time in ms, got {text!r}")
    return int(text)


def side_of(word: str) -> Side:
    """`buy`, `Buy`, `BUY`; the same of selling."""
    try:
        return _SIDES[word.lower()]
    except KeyError:
        raise msgspec.ValidationError(f"Expected buy or sell, got {word!r}") from None


_SIDES = {"buy": Side.BUY, "sell": Side.SELL}
