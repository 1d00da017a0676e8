"""The trade journal: every round trip with why it began, what it risked and how it went, beside
the trader's notes.

The record itself is the trade log's, made from the fills; here it is only told. Screens read it in
pages, newest first, so that ten thousand trips neither hold the engine's loop nor the wire.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec

from core.account_desk import AccountDesk
from core.capital.trading_day import day_name
from core.clock import Clock
from core.journal.entries import (
    MOST_NOTE,
    MOST_TAG,
    MOST_TAGS,
    JournalEntry,
    JournalPage,
    TradeKey,
    TradeNote,
)
from core.journal.excursions import NO_CANDLES, NO_PRICES, Excursion, excursion
from core.journal.note_book import NoteBook
from core.market_data.candle_store import CandleStore, StoreFault
from core.market_feed import MarketFeed
from core.models.candles import SeriesKey, Timeframe
from core.refusal import Refused
from core.storage.database import open_database
from core.trade_log import RoundTrip

PAGE_MOST = 500
_AT_ONCE = 25  # trips whose orders are read before the loop is given back
_BARS = tuple(frame for frame in Timeframe if frame is not Timeframe.MONTH)  # shortest first
_EXCURSIONS = ("adverse", "favourable")
_Measured = tuple[str, Excursion]  # with the length of the bars that were looked at
_NOT_OURS = "No order of ours opened it."
_NO_STOP = "Its first order had no stop."
_NO_DISTANCE = "Its first stop stood at its entry price."


class TradeJournal:
    """Its file is opened when somebody reads or writes it first."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        desks: Mapping[str, AccountDesk],
        feeds: Mapping[str, MarketFeed],
    ) -> None:
        """`path` is the file of the notes."""
        self._path, self._clock = path, clock
        self._desks, self._feeds = desks, feeds
        self._opened: NoteBook | None = None
        self._notes: dict[TradeKey, TradeNote] = {}
        self._measured: dict[TradeKey, _Measured] = {}  # what candles said once, they say again

    async def page(self, account: str, end: int | None, count: int) -> JournalPage:
        """The newest `count` trips (500 at most) of those before number `end`, None: of all.
        Raises Refused."""
        desk = self._desk(account)
        self._open()
        total = len(desk.trades.round_trips)
        end = total if end is None else max(0, min(end, total))
        first = max(0, end - max(1, min(count, PAGE_MOST)))
        trips = desk.trades.round_trips[first:end]
        entries: list[JournalEntry] = []
        while len(entries) < len(trips):
            entries += [_told(desk, trip) for trip in trips[len(entries) :][:_AT_ONCE]]
            await asyncio.sleep(0)
        measured = await self._measure(desk, entries)
        shown = [self._whole(entry, measured[entry.key]) for entry in entries]
        return JournalPage(account, total, first, shown)

    def write_note(self, key: TradeKey, text: str, tags: Iterable[str]) -> str:
        """Durable on return. What the trader is told. Raises Refused."""
        desk = self._desk(key.account)
        if not any(
            TradeKey(key.account, trip.symbol, trip.trade_id, trip.opened_ms) == key
            for trip in desk.trades.round_trips
        ):
            raise Refused(f"There is no such trade of {key.symbol} in the journal.")
        note = TradeNote(text.strip(), _plain_tags(tags))
        if len(note.text) > MOST_NOTE:
            raise Refused(f"A note has at most {MOST_NOTE} characters, this one {len(note.text)}.")
        book = self._open()
        try:
            book.write(key, note, now_ms=self._clock.time_ms())
        except sqlite3.Error as fault:
            raise Refused(f"The note could not be kept on disk: {fault}.") from None
        self._notes[key] = note
        return "The note is kept."

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _desk(self, account: str) -> AccountDesk:
        desk = self._desks.get(account)
        if desk is None:
            raise Refused(f"There is no account {account!r}.")
        if not desk.is_built:
            raise Refused(f"{account} is not connected yet: {desk.state_text}")
        return desk

    def _open(self) -> NoteBook:
        if self._opened is None:
            try:
                self._opened = NoteBook(open_database(self._path))
                self._notes = self._opened.load()
            except (OSError, sqlite3.Error, msgspec.MsgspecError) as fault:
                raise Refused(f"The notes cannot be read from disk: {fault}.") from None
        return self._opened

    async def _measure(
        self, desk: AccountDesk, entries: Sequence[JournalEntry]
    ) -> dict[TradeKey, _Measured]:
        """What candles cannot say yet is asked again the next time: they may come later than the
        trip."""
        known = {e.key: self._measured[e.key] for e in entries if e.key in self._measured}
        todo = [entry for entry in entries if entry.key not in known]
        if todo:
            exchange = desk.port.exchange
            trips, store = [entry.trip for entry in todo], self._feeds[exchange].data.store
            found = await asyncio.to_thread(_excursions, store, exchange, trips)
            fresh = {entry.key: one for entry, one in zip(todo, found, strict=True)}
            self._measured |= {key: one for key, one in fresh.items() if not one[1].why}
            known |= fresh
        return known

    def _whole(self, entry: JournalEntry, measured: _Measured) -> JournalEntry:
        """With what the candles and the trader say of it."""
        bars, found = measured
        reasons = dict.fromkeys(_EXCURSIONS, found.why) if found.why else {}
        return msgspec.structs.replace(
            entry,
            adverse=found.adverse,
            favourable=found.favourable,
            bars="" if found.why else bars,
            unknown=entry.unknown | reasons,
            note=self._notes.get(entry.key, TradeNote()),
        )


def _told(desk: AccountDesk, trip: RoundTrip) -> JournalEntry:
    journal = desk.oms.journal
    unknown: dict[str, str] = {}
    entry = journal.request(trip.entry_order_id) if trip.entry_order_id else None
    left = journal.request(trip.exit_order_id) if trip.exit_order_id else None
    stop = entry.stop_loss if entry is not None else None
    risk: Decimal | None = None
    if entry is None:
        unknown["risk"] = _NOT_OURS
    elif stop is None:
        unknown["risk"] = _NO_STOP
    elif trip.entry_price is None:
        unknown["risk"] = NO_PRICES
    else:
        risk = abs(trip.entry_price - stop) * trip.quantity or None
        if risk is None:
            unknown["risk"] = _NO_DISTANCE
    return JournalEntry(
        account=desk.name,
        exchange=desk.port.exchange,
        currency=desk.capital.currency,
        day=day_name(trip.closed_ms, desk.timezone),
        trip=trip,
        reason=entry.reason if entry is not None else "",
        exit_purpose=trip.exit_purpose or (left.purpose.value if left is not None else "external"),
        first_stop=stop,
        risk=risk,
        r_multiple=trip.net_result / risk if risk else None,
        unknown=unknown,
    )


def _excursions(store: CandleStore, exchange: str, trips: Sequence[RoundTrip]) -> list[_Measured]:
    """Of each trip, and by which bars: the shortest that reach over it. Reads files."""
    found: dict[int, _Measured] = {}
    for symbol in {trip.symbol for trip in trips}:
        of_symbol = [(i, trip) for i, trip in enumerate(trips) if trip.symbol == symbol]
        try:
            found |= _of_one_symbol(store, exchange, symbol, of_symbol)
        except StoreFault as fault:
            found |= {i: ("", Excursion(None, None, str(fault))) for i, _ in of_symbol}
    return [found[i] for i in range(len(trips))]


def _of_one_symbol(
    store: CandleStore, exchange: str, symbol: str, trips: list[tuple[int, RoundTrip]]
) -> dict[int, _Measured]:
    found: dict[int, _Measured] = {}
    for timeframe in _BARS:
        todo = [(i, trip) for i, trip in trips if i not in found or found[i][1].why]
        key = SeriesKey(exchange, symbol, timeframe)
        if not todo or not store.info(key).rows:
            continue
        bars = store.read_columns(
            key,
            start_ms=min(timeframe.floor_ms(trip.opened_ms) for _, trip in todo),
            end_ms=max(trip.closed_ms for _, trip in todo),
        )
        for i, trip in todo:
            measured = excursion(trip, bars, timeframe)
            if i not in found or not measured.why:
                found[i] = (timeframe.value, measured)
    return {i: found.get(i, ("", Excursion(None, None, NO_CANDLES))) for i, _ in trips}


def _plain_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Without blanks around them, each once. Raises Refused."""
    kept: dict[str, str] = {}
    for tag in tags:
        plain = " ".join(tag.split())
        if plain:
            kept.setdefault(plain.casefold(), plain)
    if len(kept) > MOST_TAGS:
        raise Refused(f"A trade has at most {MOST_TAGS} tags, these are {len(kept)}.")
    for plain in kept.values():
        if len(plain) > MOST_TAG:
            raise Refused(f"A tag has at most {MOST_TAG} characters; {plain[:12]!r}… has more.")
    return tuple(kept.values())
