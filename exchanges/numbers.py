"""Text from an exchange becomes exact numbers, or the message is malformed."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

import msgspec


def decimal(text: str) -> Decimal:
    """Exact value of `text`; anything that is not a finite number is a malformed message."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise msgspec.ValidationError(f"Expected a number, got {text!r}") from None
    if not value.is_finite():
        raise msgspec.ValidationError(f"Expected a finite number, got {text!r}")
    return value


def decimal_or_none(text: str) -> Decimal | None:
    """None for "not said"."""
    return decimal(text) if text else None


def decimal_or_zero(text: str) -> Decimal:
    return decimal(text) if text else Decimal(0)
