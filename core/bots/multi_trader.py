"""Watches many symbols, scores them all in one pass, and enters only the strongest.

Each scan works on its own copy of settings and universe, so changing either at any moment breaks
nothing. While as many positions are open as are allowed, only their symbols are followed. What it
must remember is where it belongs: candles in the store, positions and past entries in the
account's books, the universe in the `UniverseBook`; a restart asks the exchange for nothing.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any, ClassVar

from core.bots.bot import Bot, BotParts
from core.bots.bot_spec import BotSpec
from core.bots.signals import evidence_of, frames_of, make_signal, price_to_trade_at
from core.events import Error, MarketData, Severity
from core.exchange_port import ExchangeError
from core.market_data.bot_data_manager import BotDataManager
from core.market_data.candle_store import StoreFault
from core.scanning.scan import Scan, Scored, newest_closed_ms, strength
from core.scanning.settings import ScanSettings
from core.scanning.snapshots import (
    SPARK_BARS,
    PendingSignal,
    ScanRow,
    ScanSnapshot,
    SymbolState,
)
from core.scanning.universe import Universe, choose_universe
from core.snapshots import BotState
from core.strategy import ScoringStrategy

HISTORY_BARS = 300  # loaded of each symbol: the scored ones, and the warm-up of what sets the stop
LEAST_PAUSE_S = 0.05  # real, between two scans, however fast the market's clock runs
STREAM_GRACE_S = 3.0  # real; a bar that the stream has not brought by then is asked for
POLL_PATIENCE_S = 5.0  # real; a scan waits no longer for candles that it has asked for
RETRY_S = 30.0  # real, after a request for the universe or for candles has failed


class MultiTrader(Bot):
    """See the module."""

    scans: ClassVar[bool] = True

    def __init__(self, spec: BotSpec, parts: BotParts) -> None:
        super().__init__(spec, parts)
        strategy = parts.strategy
        if not isinstance(strategy, ScoringStrategy):
            raise ValueError(
                f"{strategy.name} does not score symbols, so {spec.kind} cannot use it"
            )
        self._strategy = strategy
        self._settings = spec.scan or ScanSettings()
        self._universe = Universe((), 0)
        self._scan = Scan(strategy, spec.timeframe)
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._is_choosing = self._is_loading = False
        self._choose_again_s = self._load_again_s = float("-inf")
        self._arrived: set[str] = set()  # symbols whose newest bar has been streamed
        self._engaged: frozenset[str] = frozenset()
        self._ended_ms: dict[str, int] = {}  # when the newest entry of a symbol was over
        self._signalled_ms: dict[str, int] = {}  # candle of a symbol's newest signal, either way
        self._found: dict[str, Scored] = {}
        self._ranks: dict[str, int] = {}
        self._is_poll_failing = False
        self._pending: list[PendingSignal] = []
        self._scan_number = self._scan_total = self._polled = 0
        self._is_scanning = False
        self._last_scan_ms: int | None = None
        self._next_scan_ms: int | None = None
        self._took_ms: float | None = None

    # --- life --------------------------------------------------------------------------------

    def reconfigure(self, spec: BotSpec) -> None:
        super().reconfigure(spec)
        settings = spec.scan or ScanSettings()
        if settings == self._settings:
            return
        self._settings = settings
        # What must go goes at once; what may come needs fresh figures.
        kept = [s for s in self._universe.symbols if s not in settings.blocklist]
        self._set_universe(
            Universe(tuple(kept[: settings.watch_count]), 0, self._universe.left_out)
        )
        self._choose_again_s = float("-inf")
        self._wake.set()

    async def _prepare(self) -> None:
        """The universe of the last time serves until a newer one is due."""
        self.state_text = "Choosing the symbols to watch."
        for past in self.account.past_entries():
            self._ended_ms[past.symbol] = max(past.ended_ms, self._ended_ms.get(past.symbol, 0))
        for symbol, sent_ms in self.account.entered_ms().items():
            self._signalled_ms[symbol] = newest_closed_ms(self.spec.timeframe, sent_ms)
        kept: Universe | None = None
        with suppress(sqlite3.Error):  # then it is chosen anew
            kept = self._parts.universes.load(self.spec.bot_id)
        if kept is None:
            await self._choose()
        else:
            self._set_universe(kept)

    def _begin(self) -> None:
        bus = self._parts.signal_feed.bus
        bus.subscribe(MarketData, self._on_market_data, part=self.spec.bot_id)
        scanning = self._parts.supervisor.keep_running(self.spec.bot_id, self._run)
        self._tasks.add(scanning)
        scanning.add_done_callback(self._tasks.discard)

    def _end(self) -> None:
        self._parts.signal_feed.bus.unsubscribe(MarketData, self._on_market_data)
        for task in self._tasks:
            task.cancel()
        self._is_choosing = self._is_loading = self._is_scanning = False
        self._next_scan_ms = None
        self._pending = []
        self._parts.signal_feed.release(self.spec.bot_id)

    async def _run(self) -> None:
        """For ever: one scan each interval, and one as soon as every symbol's bar has closed."""
        while True:
            self._wake.clear()
            self._keep_universe_fresh()
            self._load_what_is_missing()
            await self._scan_once()
            pause_s = max(self._settings.scan_interval_s / self._clock.rate, LEAST_PAUSE_S)
            self._next_scan_ms = self._clock.time_ms() + round(pause_s * 1000 * self._clock.rate)
            await asyncio.sleep(LEAST_PAUSE_S)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause_s - LEAST_PAUSE_S)

    def _on_market_data(self, event: MarketData) -> None:
        update = event.candle
        feed = self._parts.signal_feed
        if (
            update is None
            or update.timeframe is not self.spec.timeframe
            or event.exchange != feed.port.exchange
            or event.symbol not in self._universe.symbols
        ):
            return
        self.candles_closed += 1
        self._arrived.add(event.symbol)
        if len(self._arrived) >= len(self._universe.symbols):
            self._arrived.clear()
            self._wake.set()

    # --- the universe ------------------------------------------------------------------------

    def _keep_universe_fresh(self) -> None:
        due_ms = self._universe.chosen_ms + self._settings.universe_refresh_s * 1000
        is_due = self._clock.time_ms() >= due_ms
        if is_due and not self._is_choosing and self._clock.monotonic_s() >= self._choose_again_s:
            self._is_choosing = True
            self._beside("universe", self._choose_or_tell())

    async def _choose_or_tell(self) -> None:
        try:
            await self._choose()
        except ExchangeError as fault:
            self._choose_again_s = self._clock.monotonic_s() + RETRY_S
            self._tell(f"the universe could not be refreshed: {fault.text}")
        finally:
            self._is_choosing = False

    async def _choose(self) -> None:
        """Raises ExchangeError."""
        tickers = await self._parts.feed.port.fetch_tickers()
        universe = choose_universe(
            tickers,
            self.account.instruments,
            self._settings,
            now_ms=self._clock.time_ms(),
            is_free=self.account.is_free,
        )
        self._set_universe(universe)
        try:
            self._parts.universes.keep(self.spec.bot_id, universe)
        except sqlite3.Error as fault:
            self._tell(f"the universe could not be written to disk: {fault}")

    def _set_universe(self, universe: Universe) -> None:
        self._universe = universe
        self._arrived.clear()
        self._parts.feed.port.subscribe_tickers(list(universe.symbols))
        self._wake.set()

    # --- candles -----------------------------------------------------------------------------

    def _load_what_is_missing(self) -> None:
        """Begin to follow what is new in the universe, let go of what has left it."""
        wanted = self._wanted()
        feed, timeframe = self._parts.signal_feed, self.spec.timeframe
        feed.release(self.spec.bot_id, keep=wanted)
        missing = [s for s in wanted if not feed.is_followed_by(self.spec.bot_id, s, timeframe)]
        if missing and not self._is_loading and self._clock.monotonic_s() >= self._load_again_s:
            self._is_loading = True
            self._beside("candles", self._load(missing))

    async def _load(self, symbols: list[str]) -> None:
        try:
            loaded = await self._parts.signal_feed.follow_many(
                symbols, self.spec.timeframe, by=self.spec.bot_id, bars=HISTORY_BARS
            )
            if not all(loaded.values()):
                self._load_again_s = self._clock.monotonic_s() + RETRY_S
        finally:
            self._is_loading = False
            self._wake.set()

    def _wanted(self) -> list[str]:
        """The universe, and what is held though it may have left it."""
        held = self._engaged.difference(self._universe.symbols)
        return [*self._universe.symbols, *sorted(held)]

    # --- one scan ----------------------------------------------------------------------------

    async def _scan_once(self) -> None:
        settings = self._settings  # of this scan: what changes meanwhile is for the next one
        self._look_at_positions()
        has_room = len(self._engaged) < settings.position_limit
        symbols = self._wanted() if has_room else sorted(self._engaged)
        self._scan_total, self._is_scanning = len(symbols), True
        started_s = self._clock.monotonic_s()
        try:
            self._polled = await self._poll_late(symbols)
            ranked = self._rank(symbols)
            self._took_ms = (self._clock.monotonic_s() - started_s) * 1000
            self._scan_number += 1
            self._last_scan_ms = self._clock.time_ms()
            await self._act(settings, ranked)
        finally:
            self._is_scanning = False
        if self.state is BotState.RUNNING:
            self.state_text = self._what_it_does(settings)

    async def _poll_late(self, symbols: list[str]) -> int:
        """Ask for newest bars that no stream has brought; returns how many symbols were asked
        for."""
        feed, timeframe = self._parts.signal_feed, self.spec.timeframe
        now_ms = self._clock.time_ms()
        newest_ms = newest_closed_ms(timeframe, now_ms)
        closed_s = (now_ms - timeframe.floor_ms(now_ms)) / 1000 / self._clock.rate
        late = []
        for symbol, manager in self._managers(symbols).items():
            is_there = manager.newest is not None and manager.newest.open_time_ms >= newest_ms
            is_due = closed_s >= STREAM_GRACE_S or not feed.is_streamed(symbol, timeframe)
            if is_due and not is_there:
                late.append(symbol)
        if late:
            await self._poll(late)
        return len(late)

    async def _poll(self, late: list[str]) -> None:
        """Faults are told once, until all can be asked again."""
        try:
            async with asyncio.timeout(POLL_PATIENCE_S):
                faults = await self._parts.signal_feed.poll(late, self.spec.timeframe)
            text = next((f"{symbol}: {fault.text}" for symbol, fault in faults.items()), "")
        except TimeoutError:
            text = f"no answer within {POLL_PATIENCE_S:.0f} s"
        if text and not self._is_poll_failing:
            self._tell(f"candles could not be asked for ({text}); those symbols wait")
        self._is_poll_failing = bool(text)

    def _managers(self, symbols: list[str]) -> dict[str, BotDataManager]:
        """Of those that are loaded."""
        feed, timeframe = self._parts.signal_feed, self.spec.timeframe
        return {
            symbol: feed.data.get_manager(symbol, timeframe)
            for symbol in symbols
            if feed.is_followed_by(self.spec.bot_id, symbol, timeframe)
        }

    def _rank(self, symbols: list[str]) -> list[Scored]:
        wanted = set(self._wanted())
        self._scan.board.forget(keep=wanted)
        ranked = self._scan.run(
            self._managers(symbols),
            now_ms=self._clock.time_ms(),
            turnover_of=self._turnover_of,
        )
        # A symbol that is not followed now keeps what was last found of it.
        self._found = {s: scored for s, scored in self._found.items() if s in wanted}
        self._found |= {scored.symbol: scored for scored in ranked}
        self._ranks = {
            scored.symbol: rank
            for rank, scored in enumerate(sorted(self._found.values(), key=strength), 1)
        }
        return ranked

    def _turnover_of(self, symbol: str) -> Decimal:
        ticker = self._parts.feed.tickers.get(symbol)
        return (ticker.turnover_24h if ticker else None) or Decimal(0)

    # --- acting on it ------------------------------------------------------------------------

    async def _act(self, settings: ScanSettings, ranked: list[Scored]) -> None:
        signals = [
            scored
            for scored in ranked
            if scored.score >= settings.signal_threshold and scored.direction != 0
        ]
        pending: list[PendingSignal] = []
        for scored in signals:
            if scored.symbol in self._engaged:
                self._exit_if_turned(scored)
                continue
            reason = self._why_not(scored, settings)
            if not reason:
                reason = await self._enter_position(scored)
            pending.append(
                PendingSignal(
                    symbol=scored.symbol,
                    direction=scored.direction,
                    score=scored.score,
                    reason=f"score {scored.score:.0f} of {settings.signal_threshold:.0f}",
                    candle_open_time_ms=scored.candle_open_time_ms,
                    waits_for=reason,
                )
            )
        self._pending = pending

    async def _enter_position(self, scored: Scored) -> str:
        """Send the signal; or why it was not sent, "" if it was."""
        symbol = scored.symbol
        try:
            await self.account.prepare(symbol)
        except ExchangeError as fault:
            self._ended_ms[symbol] = self._clock.time_ms()
            self._tell(f"{symbol} could not be prepared: {fault.text}")
            return f"it could not be prepared: {fault.text}"
        # The world has gone on meanwhile.
        reason = self._why_not(scored, self._settings)
        if reason:
            return reason
        self._publish(scored)
        self._look_at_positions(entered=symbol)
        return "" if symbol in self._engaged else "it was refused"

    def _exit_if_turned(self, scored: Scored) -> None:
        """A strong signal against a position ends it, once a candle."""
        side = self.account.side(scored.symbol)
        if side is None or side.sign * scored.direction > 0 or not scored.is_fresh:
            return
        if self._signalled_ms.get(scored.symbol, -1) < scored.candle_open_time_ms:
            self._publish(scored)

    def _publish(self, scored: Scored) -> None:
        symbol = scored.symbol
        price = price_to_trade_at(self._parts.feed, symbol)
        if price is None:
            return
        try:
            frames = frames_of(self._parts.signal_feed, self._strategy, symbol)
        except StoreFault as fault:
            self._tell(f"{symbol} could not be judged: {fault}")
            return
        row = self._strategy.calculate_indicators(frames).iloc[-1]
        self.indicators = evidence_of(row, frames[self.spec.timeframe])
        signal = make_signal(
            self.spec,
            self._strategy,
            row,
            symbol=symbol,
            direction=scored.direction,
            candle_open_time_ms=scored.candle_open_time_ms,
            reference_price=price,
            time_ms=self._clock.time_ms(),
            evidence=self.indicators,
        )
        self._signalled_ms[symbol] = scored.candle_open_time_ms
        self.last_signal = f"{symbol}: {signal.reason}"
        self._parts.bus.publish(signal)

    def _why_not(self, scored: Scored, settings: ScanSettings) -> str:
        """Why this symbol is not entered now, "" when nothing speaks against it."""
        return next(self._obstacles(scored, settings), "")

    def _obstacles(self, scored: Scored, settings: ScanSettings) -> Iterator[str]:
        symbol = scored.symbol
        if self.state is not BotState.RUNNING:
            yield "the bot is paused"
        if symbol not in self._universe.symbols:
            yield "it has left the universe"
        if not scored.is_fresh or scored.candle_open_time_ms != newest_closed_ms(
            self.spec.timeframe, self._clock.time_ms()
        ):
            yield "its newest candle has not come yet"
        if price_to_trade_at(self._parts.feed, symbol) is None:
            yield "its price is too old"
        if self._signalled_ms.get(symbol, -1) >= scored.candle_open_time_ms:
            yield "it was entered on this candle already"
        if self._cooldown_until_ms(symbol, settings) is not None:
            yield "it is cooling down"
        if len(self._engaged) >= settings.position_limit:
            yield f"the position limit of {settings.position_limit} is reached"
        if not self.account.is_ready:
            yield "the account is not reconciled"
        if not self.account.is_free(symbol):
            yield "another bot trades it, or it waits for the trader's word"

    def _look_at_positions(self, entered: str = "") -> None:
        """What has ended since the last look cools down from now on; so does an entry that was
        refused at once."""
        engaged = self.account.engaged()
        for symbol in (self._engaged | ({entered} if entered else set())) - engaged:
            self._ended_ms[symbol] = self._clock.time_ms()
        self._engaged = engaged

    def _cooldown_until_ms(self, symbol: str, settings: ScanSettings) -> int | None:
        ended_ms = self._ended_ms.get(symbol)
        if ended_ms is None:
            return None
        until_ms = ended_ms + round(settings.cooldown_s * 1000)
        return until_ms if until_ms > self._clock.time_ms() else None

    # --- telling -----------------------------------------------------------------------------

    def _what_it_does(self, settings: ScanSettings) -> str:
        if len(self._engaged) >= settings.position_limit:
            return f"In position: {', '.join(sorted(self._engaged))}. Only that is followed."
        scored = sum(scored.is_complete for scored in self._found.values())
        if scored < len(self._universe.symbols):
            return f"Loading candles: {scored} of {len(self._universe.symbols)} symbols."
        return f"Scanning {scored} symbols."

    def _beside(self, what: str, work: Coroutine[Any, Any, None]) -> None:
        """Work that a scan does not wait for."""
        task = self._parts.supervisor.spawn(f"{self.spec.bot_id}: {what}", work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _tell(self, text: str) -> None:
        self._parts.bus.publish(
            Error(
                part=self.spec.bot_id,
                text=text,
                time_ms=self._clock.time_ms(),
                severity=Severity.WARNING,
                bot_id=self.spec.bot_id,
            )
        )

    def scan_snapshot(self) -> ScanSnapshot:
        settings, universe = self._settings, self._universe
        return ScanSnapshot(
            settings=settings,
            scan_number=self._scan_number,
            is_scanning=self._is_scanning,
            scanned=self._scan_total - self._polled if self._is_scanning else self._scan_total,
            scan_total=self._scan_total,
            last_scan_ms=self._last_scan_ms,
            took_ms=self._took_ms,
            next_scan_ms=self._next_scan_ms,
            polled_symbols=self._polled,
            universe_refreshed_ms=universe.chosen_ms or None,
            left_out=universe.left_out,
            rows=[self._row(symbol, settings) for symbol in self._wanted()],
            pending=self._pending,
            position_symbols=sorted(self._engaged),
        )

    def _row(self, symbol: str, settings: ScanSettings) -> ScanRow:
        scored = self._found.get(symbol)
        ticker = self._parts.feed.tickers.get(symbol)
        newest_ms = self._scan.board.newest_open_ms(symbol)
        age_ms = None
        if newest_ms is not None:
            age_ms = self._clock.time_ms() - self.spec.timeframe.next_open_ms(newest_ms)
        if scored is not None and not scored.is_complete:
            scored = None
        return ScanRow(
            symbol=symbol,
            state=self._state_of(symbol, scored, settings),
            rank=self._ranks[symbol] if scored else None,
            score=scored.score if scored else None,
            direction=scored.direction if scored else 0,
            price=ticker.last_price if ticker else None,
            change_24h_ratio=ticker.change_24h_ratio if ticker else None,
            turnover_24h=ticker.turnover_24h if ticker else None,
            data_age_ms=age_ms,
            cooldown_until_ms=self._cooldown_until_ms(symbol, settings),
            closes=self._scan.board.closes(symbol, SPARK_BARS),
        )

    def _state_of(self, symbol: str, scored: Scored | None, settings: ScanSettings) -> SymbolState:
        return next(self._states(symbol, scored, settings), SymbolState.WATCHED)

    def _states(
        self, symbol: str, scored: Scored | None, settings: ScanSettings
    ) -> Iterator[SymbolState]:
        """All that apply, the most telling first."""
        if symbol in self._engaged:
            is_open = self.account.side(symbol) is not None
            yield SymbolState.POSITION if is_open else SymbolState.ENTERING
        if not self.account.is_free(symbol):
            yield SymbolState.TAKEN
        if scored is None:
            yield SymbolState.LOADING
        newest_ms = newest_closed_ms(self.spec.timeframe, self._clock.time_ms())
        if self._scan.board.newest_open_ms(symbol) != newest_ms:
            yield SymbolState.STALE
        if price_to_trade_at(self._parts.feed, symbol) is None:
            yield SymbolState.STALE
        if self._cooldown_until_ms(symbol, settings) is not None:
            yield SymbolState.COOLING
        if scored is not None and scored.score >= settings.signal_threshold:
            yield SymbolState.SIGNAL
