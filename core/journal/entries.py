"""What the journal says of one round trip, and what the trader has said of it.

Kept apart from the desk that makes them, so that a screen reads them without the engine's parts.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from core.trade_log import RoundTrip

MOST_NOTE, MOST_TAGS, MOST_TAG = 4_000, 20, 40  # characters, tags, characters of one


class TradeNote(msgspec.Struct, frozen=True):
    """The trader's own words on a trip."""

    text: str = ""
    tags: tuple[str, ...] = ()


class TradeKey(msgspec.Struct, frozen=True):
    """Names a round trip for good, over restarts and replays. The time belongs to it: an exchange
    whose books begin anew (paper) gives its trade ids again."""

    account: str
    symbol: str
    trade_id: str
    opened_ms: int


class JournalEntry(msgspec.Struct, frozen=True):
    """Money in `currency`. A figure that is not known is None, and `unknown` says why by its name
    ("risk" stands for `r_multiple` too).

    `day` is the account's own trading day on which the trip ended ("2026-11-20"). `reason` is the
    signal's. `risk` is the distance to `first_stop` times the size, `r_multiple` the net result by
    it. `adverse` and `favourable` (both >= 0) are how far the price went against and for the
    position, times its size, by the stored bars of `bars` ("15m"): the first and the last bar
    count whole, though the position was held for a part of them only.
    """

    account: str
    exchange: str
    currency: str
    day: str
    trip: RoundTrip
    reason: str = ""
    exit_purpose: str = ""
    first_stop: Decimal | None = None
    risk: Decimal | None = None
    r_multiple: Decimal | None = None
    adverse: float | None = None
    favourable: float | None = None
    bars: str = ""
    unknown: dict[str, str] = {}
    note: TradeNote = TradeNote()

    @property
    def key(self) -> TradeKey:
        trip = self.trip
        return TradeKey(self.account, trip.symbol, trip.trade_id, trip.opened_ms)

    @property
    def gross_result(self) -> Decimal:
        """Before costs: with fees and funding it makes the net result, exactly."""
        return self.trip.net_result + self.trip.fees - self.trip.funding


class JournalPage(msgspec.Struct, frozen=True):
    """Trips number `first` (counted from the account's oldest, 0) and after, oldest first;
    `total` is how many there are."""

    account: str
    total: int
    first: int
    entries: list[JournalEntry]
