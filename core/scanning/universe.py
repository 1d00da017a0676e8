"""Which symbols are worth watching: the most traded ones that pass the trader's filters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal

import msgspec

from core.models.candles import Ticker
from core.models.instruments import Instrument
from core.scanning.settings import ScanSettings

_DAY_MS = 86_400_000


class Universe(msgspec.Struct, frozen=True):
    """`symbols` by turnover, largest first. `left_out` counts what each filter kept out.
    `chosen_ms` is market time."""

    symbols: tuple[str, ...]
    chosen_ms: int
    left_out: dict[str, int] = {}

    def within(self, settings: ScanSettings) -> Universe:
        """What of it is allowed by `settings`, as far as that is known without new figures."""
        allowed = [symbol for symbol in self.symbols if symbol not in settings.blocklist]
        return msgspec.structs.replace(self, symbols=tuple(allowed[: settings.watch_count]))


def choose_universe(
    tickers: Iterable[Ticker],
    instruments: Mapping[str, Instrument],
    settings: ScanSettings,
    *,
    now_ms: int,
    taken: Collection[str],
) -> Universe:
    """Equal turnovers are ordered by name, so the same market gives the same universe. What the
    exchange has not said (listing, spread) keeps no symbol out. `taken`: symbols that are not
    this bot's to enter."""
    blocked = frozenset(settings.blocklist)
    left_out: Counter[str] = Counter()
    found: list[tuple[Decimal, str]] = []
    for ticker in tickers:
        instrument = instruments.get(ticker.symbol)
        if instrument is None or not instrument.is_trading:
            continue
        turnover = ticker.turnover_24h or Decimal(0)
        if ticker.symbol in blocked:
            left_out["blocklist"] += 1
        elif turnover < settings.min_turnover_24h:
            left_out["turnover"] += 1
        elif _is_new(instrument, settings, now_ms):
            left_out["listing"] += 1
        elif _spread_ratio(ticker) > settings.max_spread_ratio:
            left_out["spread"] += 1
        elif ticker.symbol in taken:
            left_out["taken"] += 1
        else:
            found.append((-turnover, ticker.symbol))
    found.sort()
    watched = tuple(symbol for _, symbol in found[: settings.watch_count])
    left_out["rank"] = len(found) - len(watched)
    return Universe(watched, now_ms, dict(left_out))


def _is_new(instrument: Instrument, settings: ScanSettings, now_ms: int) -> bool:
    if instrument.listed_ms is None:
        return False
    return now_ms - instrument.listed_ms < settings.min_listing_days * _DAY_MS


def _spread_ratio(ticker: Ticker) -> Decimal:
    """Of the middle price; 0 where the exchange has not said."""
    if not ticker.bid_price or not ticker.ask_price:
        return Decimal(0)
    return 2 * (ticker.ask_price - ticker.bid_price) / (ticker.ask_price + ticker.bid_price)
