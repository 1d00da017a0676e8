"""The symbols that a scanning bot watches, and their candles: chosen, loaded, streamed or asked
for, and let go of when nobody needs them any more."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, NamedTuple

from core.bots.bot import BotParts
from core.bots.bot_spec import BotSpec
from core.exchange_port import ExchangeError
from core.market_data.bot_data_manager import BotDataManager
from core.models.candles import Ticker
from core.scanning.scan import newest_closed_ms
from core.scanning.settings import ScanSettings
from core.scanning.universe import Universe, choose_universe

HISTORY_BARS = 300  # loaded of each symbol: the scored ones, and the warm-up of what sets the stop
STREAM_GRACE_S = 3.0  # real; a bar that the stream has not brought by then is asked for
POLL_PATIENCE_S = 5.0  # real; a scan waits no longer for candles that it has asked for
RETRY_S = 30.0  # real, after a request for the universe has failed
LOAD_RETRY_FIRST_S, LOAD_RETRY_MOST_S = 5.0, 3600.0  # for candles: some may never be to be had


class _Failed(NamedTuple):
    """When to try once more, and how long was waited for that; monotonic seconds."""

    again_s: float
    delay_s: float


class WatchedMarket:
    """Attributes: `universe`, replaced as a whole and never changed in place."""

    def __init__(
        self,
        spec: BotSpec,
        parts: BotParts,
        settings: ScanSettings,
        *,
        tell: Callable[[str], None],
        on_change: Callable[[], None],
    ) -> None:
        """`tell(sentence)` for the trader; `on_change()`: other symbols, or new candles."""
        self.universe = self._kept = Universe((), 0)
        self._holder = spec.bot_id
        self._timeframe = spec.timeframe
        self._parts = parts
        self._settings = settings
        self._tell = tell
        self._on_change = on_change
        self._tickers: list[Ticker] = []  # of all symbols, as they were when last asked for
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_choosing = self._is_loading = self._is_poll_failing = False
        self._choose_again_s = float("-inf")
        self._failed: dict[str, _Failed] = {}  # symbols whose candles could not be loaded

    async def open(self) -> None:
        """The universe of the last time serves until a newer one is due. Raises ExchangeError."""
        kept: Universe | None = None
        with suppress(sqlite3.Error):  # then it is chosen anew
            kept = self._parts.universes.load(self._holder)
        if kept is None:
            await self._ask_and_choose()
        else:
            self._set_universe(kept.within(self._settings))
            self._kept = self.universe

    def close(self) -> None:
        """Nothing is followed any more."""
        for task in self._tasks:
            task.cancel()
        self._is_choosing = self._is_loading = False
        self._parts.signal_feed.release(self._holder)
        self._parts.feed.prices.replace((), by=self._holder)

    def change(self, settings: ScanSettings) -> None:
        """In effect on return; without figures of all symbols only as far as the present universe
        allows, and the rest as soon as they come."""
        self._settings = settings
        if self._tickers:
            self._choose()
        else:
            self._set_universe(self.universe.within(settings))
            self._choose_again_s = float("-inf")
            self.universe = Universe(self.universe.symbols, 0, self.universe.left_out)

    def keep_up(self, held: frozenset[str]) -> None:
        """Choose anew when that is due, load what is missing, release what nobody needs. `held`
        are symbols to be followed whether or not they are in the universe."""
        due_ms = self.universe.chosen_ms + self._settings.universe_refresh_s * 1000
        now_ms, now_s = self._parts.clock.time_ms(), self._parts.clock.monotonic_s()
        if now_ms >= due_ms and not self._is_choosing and now_s >= self._choose_again_s:
            self._is_choosing = True
            self._beside("universe", self._refresh())
        self._write_down()
        wanted = self.symbols(held)
        self._parts.signal_feed.release(self._holder, keep=set(wanted))
        self._parts.feed.prices.replace(wanted, by=self._holder)
        self._failed = {s: failed for s, failed in self._failed.items() if s in wanted}
        missing = [
            symbol
            for symbol in wanted
            if not self._is_loaded(symbol)
            and (symbol not in self._failed or now_s >= self._failed[symbol].again_s)
        ]
        if missing and not self._is_loading:
            self._is_loading = True
            self._beside("candles", self._load(missing))

    def symbols(self, held: frozenset[str]) -> list[str]:
        """The universe, and what is held though it may have left it."""
        return [*self.universe.symbols, *sorted(held.difference(self.universe.symbols))]

    def managers(self, symbols: list[str]) -> dict[str, BotDataManager]:
        """Of those whose candles are loaded."""
        data = self._parts.signal_feed.data
        return {
            symbol: data.get_manager(symbol, self._timeframe)
            for symbol in symbols
            if self._is_loaded(symbol)
        }

    async def poll_late(self, symbols: list[str]) -> int:
        """Ask, side by side, for newest bars that no stream has brought; returns how many symbols
        had to be asked for."""
        now_ms = self._parts.clock.time_ms()
        newest_ms = newest_closed_ms(self._timeframe, now_ms)
        closed_ms = now_ms - self._timeframe.floor_ms(now_ms)
        is_overdue = closed_ms >= STREAM_GRACE_S * 1000 * self._parts.clock.rate
        feed = self._parts.signal_feed
        late = [
            symbol
            for symbol, manager in self.managers(symbols).items()
            if (manager.newest is None or manager.newest.open_time_ms < newest_ms)
            and (is_overdue or not feed.is_streamed(symbol, self._timeframe))
        ]
        if late:
            await self._poll(late)
        return len(late)

    async def _poll(self, late: list[str]) -> None:
        """Faults are told once, until all can be asked again."""
        try:
            async with asyncio.timeout(POLL_PATIENCE_S):
                faults = await self._parts.signal_feed.poll(late, self._timeframe)
            text = next((f"{symbol}: {fault.text}" for symbol, fault in faults.items()), "")
        except TimeoutError:
            text = f"no answer within {POLL_PATIENCE_S:.0f} s"
        if text and not self._is_poll_failing:
            self._tell(f"candles could not be asked for ({text}); those symbols wait")
        self._is_poll_failing = bool(text)

    async def _refresh(self) -> None:
        try:
            await self._ask_and_choose()
        except ExchangeError as fault:
            self._choose_again_s = self._parts.clock.monotonic_s() + RETRY_S
            self._tell(f"the universe could not be refreshed: {fault.text}")
        finally:
            self._is_choosing = False

    async def _ask_and_choose(self) -> None:
        """Raises ExchangeError."""
        self._tickers = await self._parts.feed.port.fetch_tickers()
        self._choose()

    def _choose(self) -> None:
        universe = choose_universe(
            self._tickers,
            self._parts.account.instruments,
            self._settings,
            now_ms=self._parts.clock.time_ms(),
            taken=self._parts.account.taken(),
        )
        self._set_universe(universe)

    def _set_universe(self, universe: Universe) -> None:
        self.universe = universe
        self._on_change()

    def _write_down(self) -> None:
        """Once a scan at most, however often it changes; a fault is told once."""
        if self.universe is self._kept:
            return
        self._kept = self.universe
        try:
            self._parts.universes.keep(self._holder, self.universe)
        except sqlite3.Error as fault:
            self._tell(f"the universe could not be written to disk: {fault}")

    async def _load(self, symbols: list[str]) -> None:
        try:
            loaded = await self._parts.signal_feed.follow_many(
                symbols, self._timeframe, by=self._holder, bars=HISTORY_BARS
            )
            for symbol, is_loaded in loaded.items():
                failed = self._failed.pop(symbol, None)
                if not is_loaded:
                    delay_s = LOAD_RETRY_FIRST_S if failed is None else 2 * failed.delay_s
                    delay_s = min(delay_s, LOAD_RETRY_MOST_S)
                    again_s = self._parts.clock.monotonic_s() + delay_s
                    self._failed[symbol] = _Failed(again_s, delay_s)
        finally:
            self._is_loading = False
        self._on_change()

    def _is_loaded(self, symbol: str) -> bool:
        return self._parts.signal_feed.is_followed_by(self._holder, symbol, self._timeframe)

    def _beside(self, what: str, work: Coroutine[Any, Any, None]) -> None:
        """Work that a scan does not wait for."""
        task = self._parts.supervisor.spawn(f"{self._holder}: {what}", work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
