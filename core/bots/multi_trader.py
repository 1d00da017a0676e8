"""Watches many symbols, scores them all in one pass, and enters only the strongest.

Each scan works on its own copy of settings and universe, so changing either at any moment breaks
nothing. While as many positions are open as are allowed, only their symbols are acted on. What it
must remember is where it belongs: candles in the store, positions and past entries in the
account's books, the universe in the `UniverseBook`; a restart asks the exchange for nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from typing import ClassVar

from core.bots.bot import Bot, BotParts
from core.bots.bot_spec import BotSpec
from core.bots.signals import evidence_of, frames_of, make_signal, price_to_trade_at
from core.bots.watched_market import WatchedMarket
from core.events import Error, MarketData, Severity
from core.exchange_port import ExchangeError
from core.market_data.candle_store import StoreFault
from core.scanning.scan import Scan, Scored, newest_closed_ms
from core.scanning.settings import ScanSettings
from core.scanning.snapshots import (
    SPARK_BARS,
    PendingSignal,
    ScanRow,
    ScanSnapshot,
    SymbolState,
)
from core.snapshots import BotState
from core.strategy import ScoringStrategy

LEAST_PAUSE_S = 0.05  # real, between two scans, however fast the market's clock runs


class MultiTrader(Bot):
    """See the module."""

    scans: ClassVar[bool] = True

    def __init__(self, spec: BotSpec, parts: BotParts) -> None:
        super().__init__(spec, parts)
        strategy = parts.strategy
        if not isinstance(strategy, ScoringStrategy):
            raise ValueError(f"{strategy.name} does not score symbols: {spec.kind} cannot use it")
        self._strategy = strategy
        self._settings = spec.scan or ScanSettings()
        self._wake = asyncio.Event()
        self._market = WatchedMarket(
            spec, parts, self._settings, tell=self._tell, on_change=self._on_other_symbols
        )
        self._scan = Scan(strategy, spec.timeframe)
        self._scanning: asyncio.Task[None] | None = None
        self._arrived: set[str] = set()  # symbols whose newest bar the stream has brought
        self._engaged: frozenset[str] = frozenset()
        self._taken: frozenset[str] = frozenset()
        self._ended_ms: dict[str, int] = {}  # when the newest entry of a symbol was over
        self._signalled_ms: dict[str, int] = {}  # candle of a symbol's newest signal, either way
        self._ranked: list[Scored] = []
        self._pending: list[PendingSignal] = []
        self._scan_number = self._scan_total = self._polled = 0
        self._is_polling = False
        self._last_scan_ms: int | None = None
        self._next_scan_ms: int | None = None
        self._took_ms: float | None = None

    # --- life --------------------------------------------------------------------------------

    def reconfigure(self, spec: BotSpec) -> None:
        super().reconfigure(spec)
        settings = spec.scan or ScanSettings()
        if settings != self._settings:
            self._settings = settings
            self._market.change(settings)
            self._wake.set()

    async def _prepare(self) -> None:
        self.state_text = "Waiting for its turn to load candles."
        await self._parts.turn_to_load()
        self.state_text = "Choosing the symbols to watch."
        for past in self.account.past_entries():
            self._ended_ms[past.symbol] = max(past.ended_ms, self._ended_ms.get(past.symbol, 0))
        for symbol, sent_ms in self.account.entered_ms().items():
            self._signalled_ms[symbol] = newest_closed_ms(self.spec.timeframe, sent_ms)
        await self._market.open()

    def _begin(self) -> None:
        bus = self._parts.signal_feed.bus
        bus.subscribe(MarketData, self._on_market_data, part=self.spec.bot_id)
        self._scanning = self._parts.supervisor.keep_running(self.spec.bot_id, self._run)

    def _end(self) -> None:
        self._parts.signal_feed.bus.unsubscribe(MarketData, self._on_market_data)
        if self._scanning is not None:
            self._scanning.cancel()
            self._scanning = None
        self._market.close()
        self._is_polling = False
        self._next_scan_ms = None
        self._pending = []

    async def _run(self) -> None:
        """For ever: one scan each interval, and one as soon as every symbol's bar has closed."""
        while True:
            self._wake.clear()
            self._look_at_positions()
            self._market.keep_up(self._engaged)
            await self._scan_once()
            pause_s = max(self._settings.scan_interval_s / self._clock.rate, LEAST_PAUSE_S)
            self._next_scan_ms = self._clock.time_ms() + round(pause_s * 1000 * self._clock.rate)
            await asyncio.sleep(LEAST_PAUSE_S)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause_s - LEAST_PAUSE_S)

    def _on_market_data(self, event: MarketData) -> None:
        update = event.candle
        if (
            update is None
            or update.timeframe is not self.spec.timeframe
            or event.exchange != self._parts.signal_feed.port.exchange
            or event.symbol not in self._market.universe.symbols
        ):
            return
        self.candles_closed += 1
        self._arrived.add(event.symbol)
        if len(self._arrived) >= len(self._market.universe.symbols):
            self._arrived.clear()
            self._wake.set()

    def _on_other_symbols(self) -> None:
        self._arrived.clear()
        self._wake.set()

    # --- one scan ----------------------------------------------------------------------------

    async def _scan_once(self) -> None:
        settings = self._settings  # of this scan: what changes meanwhile is for the next one
        symbols = self._market.symbols(self._engaged)
        has_room = len(self._engaged) < settings.position_limit
        self._scan_total, self._is_polling = len(symbols), True
        started_s = self._clock.monotonic_s()
        try:
            followed = symbols if has_room else sorted(self._engaged)
            self._polled = await self._market.poll_late(followed)
        finally:
            self._is_polling = False
        self._scan.board.forget(keep=set(symbols))
        self._ranked = self._scan.run(
            self._market.managers(symbols),
            now_ms=self._clock.time_ms(),
            turnover_of=self._turnover_of,
        )
        self._took_ms = (self._clock.monotonic_s() - started_s) * 1000
        self._scan_number += 1
        self._last_scan_ms = self._clock.time_ms()
        await self._act(settings, self._ranked)
        if self.state is BotState.RUNNING:
            self.state_text = self._what_it_does(settings)

    def _turnover_of(self, symbol: str) -> Decimal:
        ticker = self._parts.feed.tickers.get(symbol)
        return (ticker.turnover_24h if ticker else None) or Decimal(0)

    async def _act(self, settings: ScanSettings, ranked: list[Scored]) -> None:
        """Exits of what is held, and entries of the strongest while there is room."""
        self._look_at_positions()
        pending: list[PendingSignal] = []
        for scored in ranked:
            if not scored.score >= settings.signal_threshold or scored.direction == 0:
                continue
            if scored.symbol in self._engaged:
                self._exit_if_turned(scored)
                continue
            obstacle = self._why_not(scored, settings) or await self._enter_position(scored)
            pending.append(
                PendingSignal(
                    symbol=scored.symbol,
                    direction=scored.direction,
                    score=scored.score,
                    candle_open_time_ms=scored.candle_open_time_ms,
                    waits_for=obstacle,
                )
            )
        self._pending = pending

    async def _enter_position(self, scored: Scored) -> str:
        """Send the signal; or why nothing came of it, "" if it is on its way."""
        symbol = scored.symbol
        try:
            await self.account.prepare(symbol)
        except ExchangeError as fault:
            self._ended_ms[symbol] = self._clock.time_ms()
            self._tell(f"{symbol} could not be prepared: {fault.text}")
            return "the exchange did not prepare it"
        self._look_at_positions()  # the world has gone on meanwhile
        obstacle = self._why_not(scored, self._settings)
        if not obstacle:
            self._publish(scored)
            self._look_at_positions(entered=symbol)
            obstacle = "" if symbol in self._engaged else "it was refused"
        return obstacle

    def _exit_if_turned(self, scored: Scored) -> None:
        """A strong signal against a position ends it, once a candle."""
        side = self.account.side(scored.symbol)
        is_news = self._signalled_ms.get(scored.symbol, -1) < scored.candle_open_time_ms
        if side is not None and side.sign * scored.direction < 0 and scored.is_fresh and is_news:
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
        newest_ms = newest_closed_ms(self.spec.timeframe, self._clock.time_ms())
        if self.state is not BotState.RUNNING:
            yield "the bot is paused"
        if symbol not in self._market.universe.symbols:
            yield "it has left the universe"
        if symbol in self._taken:
            yield "it is another bot's, or waits for the trader's word"
        if scored.candle_open_time_ms != newest_ms:
            yield "its newest candle has not come yet"
        if price_to_trade_at(self._parts.feed, symbol) is None:
            yield "its price is too old"
        if self._signalled_ms.get(symbol, -1) >= scored.candle_open_time_ms:
            yield "it had its signal on this candle"
        if self._cooldown_until_ms(symbol, settings) is not None:
            yield "it is cooling down"
        if len(self._engaged) >= settings.position_limit:
            yield "the position limit is reached"
        if not self.account.is_ready:
            yield "the account is not reconciled"

    def _look_at_positions(self, entered: str = "") -> None:
        """What has ended since the last look cools down from now on; so does an entry that was
        refused at once."""
        engaged = self.account.engaged()
        before = self._engaged | {entered} if entered else self._engaged
        for symbol in before - engaged:
            self._ended_ms[symbol] = self._clock.time_ms()
        self._engaged, self._taken = engaged, self.account.taken()

    def _cooldown_until_ms(self, symbol: str, settings: ScanSettings) -> int | None:
        ended_ms = self._ended_ms.get(symbol)
        if ended_ms is None:
            return None
        until_ms = ended_ms + round(settings.cooldown_s * 1000)
        return until_ms if until_ms > self._clock.time_ms() else None

    # --- telling -----------------------------------------------------------------------------

    def _what_it_does(self, settings: ScanSettings) -> str:
        if len(self._engaged) >= settings.position_limit:
            return f"In position: {', '.join(sorted(self._engaged))}."
        complete = sum(scored.is_complete for scored in self._ranked)
        if complete < self._scan_total:
            return f"Loading candles: {complete} of {self._scan_total} symbols."
        return f"Scanning {complete} symbols."

    def _tell(self, text: str) -> None:
        now_ms, bot_id = self._clock.time_ms(), self.spec.bot_id
        self._parts.bus.publish(Error(bot_id, text, now_ms, Severity.WARNING, bot_id))

    def scan_snapshot(self) -> ScanSnapshot:
        settings, universe = self._settings, self._market.universe
        ranks = {scored.symbol: rank for rank, scored in enumerate(self._ranked, 1)}
        found = {scored.symbol: scored for scored in self._ranked}
        reading = self._strategy.score_reading
        return ScanSnapshot(
            settings=settings,
            scan_number=self._scan_number,
            is_scanning=self._is_polling,
            scanned=0 if self._is_polling else self._scan_total,
            scan_total=self._scan_total,
            last_scan_ms=self._last_scan_ms,
            took_ms=self._took_ms,
            next_scan_ms=self._next_scan_ms,
            polled_symbols=self._polled,
            universe_refreshed_ms=universe.chosen_ms or None,
            left_out=universe.left_out,
            rows=[
                self._row(symbol, found.get(symbol), ranks.get(symbol), settings)
                for symbol in self._market.symbols(self._engaged)
            ],
            pending=self._pending,
            position_symbols=sorted(self._engaged),
            score_parts=[(part.name, part.most) for part in self._strategy.score_parts],
            reading_name=reading.name,
            reading_range=(reading.low, reading.high),
            reading_marks=reading.marks,
        )

    def _row(
        self, symbol: str, scored: Scored | None, rank: int | None, settings: ScanSettings
    ) -> ScanRow:
        ticker = self._parts.feed.tickers.get(symbol)
        newest_ms = self._scan.board.newest_open_ms(symbol)
        age_ms = None
        if newest_ms is not None:
            age_ms = self._clock.time_ms() - self.spec.timeframe.next_open_ms(newest_ms)
        if scored is not None and not scored.is_complete:
            scored = None
        return ScanRow(
            symbol=symbol,
            state=next(self._states(symbol, scored, settings), SymbolState.WATCHED),
            rank=rank if scored else None,
            score=scored.score if scored else None,
            direction=scored.direction if scored else 0,
            price=ticker.last_price if ticker else None,
            change_24h_ratio=ticker.change_24h_ratio if ticker else None,
            turnover_24h=ticker.turnover_24h if ticker else None,
            data_age_ms=age_ms,
            cooldown_until_ms=self._cooldown_until_ms(symbol, settings),
            closes=self._scan.board.closes(symbol, SPARK_BARS),
            parts=scored.parts if scored else [],
            reading=scored.reading if scored else None,
        )

    def _states(
        self, symbol: str, scored: Scored | None, settings: ScanSettings
    ) -> Iterator[SymbolState]:
        """All that apply, the most telling first."""
        newest_ms = newest_closed_ms(self.spec.timeframe, self._clock.time_ms())
        if symbol in self._engaged:
            is_open = self.account.side(symbol) is not None
            yield SymbolState.POSITION if is_open else SymbolState.ENTERING
        if symbol in self._taken:
            yield SymbolState.TAKEN
        if scored is None:
            yield SymbolState.LOADING
        if self._scan.board.newest_open_ms(symbol) != newest_ms:
            yield SymbolState.STALE
        if price_to_trade_at(self._parts.feed, symbol) is None:
            yield SymbolState.STALE
        if self._cooldown_until_ms(symbol, settings) is not None:
            yield SymbolState.COOLING
        if scored is not None and scored.score >= settings.signal_threshold:
            yield SymbolState.SIGNAL
