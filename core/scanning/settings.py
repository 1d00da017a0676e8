"""What a MultiTrader is told: which symbols it watches, how often it looks, when it enters."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import msgspec
from msgspec import Meta


class ScanSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds and days are market time, money is in the quote currency.

    `watch_count` symbols of the largest 24 h turnover that pass the filters are watched. A score
    (0 to 100) of at least `signal_threshold` makes a signal; the strongest are entered while
    fewer than `position_limit` positions of the bot are open. After a position of it has ended,
    or an entry was refused, a symbol is left alone for `cooldown_s`.

    Raises ValueError (ValidationError when decoded) for a value that means nothing.
    """

    watch_count: Annotated[int, Meta(ge=1, le=1000)] = 50
    scan_interval_s: Annotated[float, Meta(ge=1, le=86_400)] = 30.0
    signal_threshold: Annotated[float, Meta(ge=0, le=100)] = 70.0
    position_limit: Annotated[int, Meta(ge=1, le=100)] = 1
    cooldown_s: Annotated[float, Meta(ge=0, le=604_800)] = 3600.0
    universe_refresh_s: Annotated[float, Meta(ge=60, le=604_800)] = 3600.0
    min_turnover_24h: Decimal = Decimal(1_000_000)
    min_listing_days: Annotated[float, Meta(ge=0, le=10_000)] = 30.0
    max_spread_ratio: Decimal = Decimal("0.005")  # of the middle price
    blocklist: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (self.min_turnover_24h.is_finite() and self.min_turnover_24h >= 0):
            raise ValueError(f"min_turnover_24h is {self.min_turnover_24h}; it must be 0 or above")
        if not 0 < self.max_spread_ratio <= 1:
            raise ValueError(f"max_spread_ratio is {self.max_spread_ratio}; it must be in (0, 1]")
