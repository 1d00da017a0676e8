"""What a MultiTrader shows of its scan. Display only: nothing here decides about money."""

from __future__ import annotations

import enum
from decimal import Decimal

import msgspec

from core.scanning.settings import ScanSettings

SPARK_BARS = 100


class SymbolState(enum.StrEnum):
    """Where a watched symbol stands, the first that applies."""

    POSITION = "position"  # this bot holds it
    ENTERING = "entering"  # its entry is on its way
    TAKEN = "taken"  # another bot's symbol, or one that waits for the trader's word
    LOADING = "loading"  # its candles are not complete yet
    STALE = "stale"  # the newest closed candle or the price is late: no entry
    COOLING = "cooling"  # left alone until `cooldown_until_ms`
    SIGNAL = "signal"  # above the threshold
    WATCHED = "watched"


class ScanRow(msgspec.Struct, frozen=True):
    """One watched symbol. `score` is 0 to 100 for `direction` (1 long, -1 short, 0 neither), as
    of the newest scan that looked at it; None before. `rank` 1 is the strongest, None unscored.
    `data_age_ms`: market time since the newest candle's close. `closes`: little-endian float32,
    the newest `SPARK_BARS` closes, oldest first (`numpy.frombuffer(row.closes, "<f4")`).
    `parts`: points of the score, in the order of the snapshot's `score_parts`; `reading`: what it
    is read from."""

    symbol: str
    state: SymbolState
    rank: int | None
    score: float | None
    direction: int
    price: Decimal | None
    change_24h_ratio: Decimal | None
    turnover_24h: Decimal | None
    data_age_ms: int | None
    cooldown_until_ms: int | None
    closes: bytes
    parts: list[float] = []
    reading: float | None = None


class PendingSignal(msgspec.Struct, frozen=True):
    """A signal of the newest scan, strongest first. `waits_for` is one short sentence why it has
    not been entered, "" once it was sent."""

    symbol: str
    direction: int
    score: float
    candle_open_time_ms: int
    waits_for: str = ""


class ScanSnapshot(msgspec.Struct, frozen=True):
    """Times are market time, ms UTC; `took_ms` is real. None before the first of its kind.

    While a scan waits for candles `scanned` counts up to `scan_total`. `left_out`: how many
    symbols each filter kept out of the universe (turnover, listing, spread, blocklist, taken,
    rank). `position_symbols`: what this bot holds. `score_parts`: (name, most points) of each part.
    """

    settings: ScanSettings
    scan_number: int
    is_scanning: bool
    scanned: int
    scan_total: int
    last_scan_ms: int | None
    took_ms: float | None
    next_scan_ms: int | None
    polled_symbols: int  # of the last scan: symbols whose candles had to be asked for
    universe_refreshed_ms: int | None
    left_out: dict[str, int]
    rows: list[ScanRow]
    pending: list[PendingSignal]
    position_symbols: list[str]
    score_parts: list[tuple[str, float]] = []
    reading_name: str = ""
    reading_range: tuple[float, float] = (0.0, 100.0)
    reading_marks: tuple[float, ...] = ()
