"""Price alerts, and what the trader is told about them and about the way messages go out."""

from __future__ import annotations

import enum
from decimal import Decimal

import msgspec


class AlertState(enum.StrEnum):
    WAITING = "waiting"
    FIRED = "fired"
    EXPIRED = "expired"


class AlertWish(msgspec.Struct, frozen=True, kw_only=True):
    """What the trader asks for. `repeats`: at each crossing, not only at the first. `expires_ms`
    is market time, None for never. `has_popup`, `has_sound`: on the screen; `is_sent`: also over
    the channels that go out. `exchange` "" is the first one that has the symbol."""

    symbol: str
    price: Decimal
    exchange: str = ""
    repeats: bool = False
    expires_ms: int | None = None
    has_popup: bool = True
    has_sound: bool = True
    is_sent: bool = True


class PriceAlert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert. `waits_for_rise`: the price was below it when it was set or last fired. Times are
    market ms."""

    alert_id: int
    wish: AlertWish
    waits_for_rise: bool
    created_ms: int
    state: AlertState = AlertState.WAITING
    fired_ms: int | None = None
    fired_count: int = 0


class SendingSnapshot(msgspec.Struct, frozen=True):
    """The way out: `channels` by their service's name only, `waiting` messages, `fault` the last
    failure while it lasts, `kinds` what is sent (of `MESSAGE_KINDS`)."""

    channels: list[str] = []
    waiting: int = 0
    fault: str = ""
    kinds: list[str] = []


MESSAGE_KINDS = ("price_alert", "health", "danger", "trade")
"""Price alerts; the condition of machine and connections; alarms; ends of trades."""
