"""A venue behind the exchange port, in process: no sockets, the same words.

For engines that run in virtual time (tests, later research), and for anything that wants the
demo exchange without its process. Its connections can fail like real ones: a stream may be lost,
a request may not arrive, or its answer may not come back.
"""

from __future__ import annotations

import asyncio
import difflib
import logging
from collections.abc import Callable
from typing import TypeVar

from core.exchange_port import (
    ExchangeError,
    ExchangeListener,
    OutcomeUnknown,
    RequestRejected,
    StreamKind,
    StreamState,
    Unavailable,
)
from core.models.candles import Candle, CandleUpdate, Ticker, Timeframe
from core.models.instruments import Instrument
from exchanges.simulated.account import Account
from exchanges.simulated.bar_stream import BarStream
from exchanges.simulated.instruments import EXCHANGE
from exchanges.simulated.venue import Venue
from exchanges.simulated.venue_trading import VenueTrading, core_part

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")
Message = TypeVar("Message")


class SimulatedExchange(VenueTrading):
    """Both ports of one account of `venue`.

    Attributes: `is_reachable`: False loses every request or answer that is on its way. A request
    lost on the way there never happened, one lost on the way back did; the caller cannot tell.
    """

    def __init__(
        self,
        account: str,
        *,
        venue: Venue,
        stream_interval_s: float = 0.1,
        latency_s: float = 0.0,
    ) -> None:
        """`stream_interval_s`: pause between two messages of a series; `latency_s`: what a
        request takes there, and its answer back. Both in the loop's seconds."""
        super().__init__(account)
        self.is_reachable = True
        self._source = venue
        self._stream_interval_s = stream_interval_s
        self._latency_s = latency_s
        self._listeners: dict[StreamKind, ExchangeListener] = {}
        self._lost: set[StreamKind] = set()
        self._tickers: dict[str, None] = {}  # in order of subscription
        self._bars: dict[tuple[str, Timeframe], BarStream] = {}
        self._streaming: asyncio.Task[None] | None = None
        self._open_account(venue)

    @property
    def exchange(self) -> str:
        return EXCHANGE

    # ---- streams

    async def start_market_data(self, listener: ExchangeListener) -> None:
        self._start_stream(StreamKind.PUBLIC, listener)

    async def start_trading(self, listener: ExchangeListener) -> None:
        """Raises Unavailable, RequestRejected for an account in hedge mode."""
        await self._ask(Account.wallet)
        if self._source.profile.is_hedge_mode:
            raise RequestRejected(
                f"The account {self.account} holds longs and shorts side by side (hedge mode); "
                "switch it to one-way mode at the exchange."
            )
        self._start_stream(StreamKind.PRIVATE, listener)

    async def stop(self) -> None:
        """The venue stays: it belongs to whoever made it."""
        if self._streaming is not None:
            self._streaming.cancel()
            await asyncio.gather(self._streaming, return_exceptions=True)
            self._streaming = None
        self._close_account()
        self._listeners.clear()

    def lose_stream(self, kind: StreamKind, detail: str) -> None:
        """What would come meanwhile never comes."""
        self._lost.add(kind)
        if kind is StreamKind.PRIVATE:
            self._close_stream()
        if kind in self._listeners:
            self._listeners[kind].on_stream_state(kind, StreamState.DISCONNECTED, detail)

    def restore_stream(self, kind: StreamKind) -> None:
        """Connected and subscribed anew, from now on."""
        self._lost.discard(kind)
        if kind in self._listeners:
            self._connect(kind)

    def subscribe_candles(self, symbol: str, timeframe: Timeframe) -> None:
        if symbol in self._source.instruments:
            series = (symbol, timeframe)
            self._bars.setdefault(series, BarStream(self._source, *series))

    def unsubscribe_candles(self, symbol: str, timeframe: Timeframe) -> None:
        self._bars.pop((symbol, timeframe), None)

    def subscribe_tickers(self, symbols: list[str]) -> None:
        known = (symbol for symbol in symbols if symbol in self._source.instruments)
        self._tickers.update(dict.fromkeys(known))

    def unsubscribe_tickers(self, symbols: list[str]) -> None:
        for symbol in symbols:
            self._tickers.pop(symbol, None)

    def _start_stream(self, kind: StreamKind, listener: ExchangeListener) -> None:
        if kind in self._listeners:
            return
        self._listeners[kind] = listener
        listener.on_stream_state(kind, StreamState.CONNECTING, "in process")
        if kind not in self._lost:
            self._connect(kind)
        if self._streaming is None:
            self._streaming = asyncio.create_task(self._stream(), name="simulated streams")

    def _connect(self, kind: StreamKind) -> None:
        listener = self._listeners[kind]
        if kind is StreamKind.PUBLIC:
            self._bars = {series: BarStream(self._source, *series) for series in self._bars}
        else:
            self._open_stream(listener)
        listener.on_stream_state(kind, StreamState.CONNECTED, "in process")

    async def _stream(self) -> None:
        while True:
            await asyncio.sleep(self._stream_interval_s)
            try:
                self._source.advance()
                self._tell_market()
            except Exception:  # rule 9: seen, and the next round tries again
                log.exception("the simulated exchange's streams failed")

    def _tell_market(self) -> None:
        """Prices first: a bar's close should find everybody at the same market."""
        listener = self._listeners.get(StreamKind.PUBLIC)
        if listener is None or StreamKind.PUBLIC in self._lost:
            return
        for symbol in list(self._tickers):  # a price may end the need of one
            ticker = self._ticker(symbol)
            if ticker is not None:
                _deliver(listener.on_ticker, ticker)
        for (symbol, timeframe), bars in list(self._bars.items()):
            forming = bars.forming()
            told = [(bar, True) for bar in bars.closed()]
            told += [(forming, False)] if forming is not None else []
            for bar, is_closed in told:
                now_ms = self._source.time_ms()
                update = CandleUpdate(EXCHANGE, symbol, timeframe, bar, is_closed, now_ms)
                _deliver(listener.on_candle, update)

    # ---- public requests

    async def fetch_instruments(self) -> list[Instrument]:
        return await self._read(lambda: list(self._source.instruments.values()))

    async def fetch_candles(
        self,
        symbol: str,
        timeframe: Timeframe,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 1000,
    ) -> list[Candle]:
        if symbol not in self._source.instruments:
            near = difflib.get_close_matches(symbol, self._source.instruments, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise RequestRejected(f"{EXCHANGE} has no symbol {symbol}.{hint}")
        return await self._read(
            lambda: self._closed_candles(symbol, timeframe, start_ms, end_ms, limit)
        )

    async def fetch_tickers(self) -> list[Ticker]:
        return await self._read(self._newest_tickers)

    async def fetch_clock_offset_ms(self) -> int:
        """The venue and the engine go by one clock."""
        return 0

    def _closed_candles(
        self,
        symbol: str,
        timeframe: Timeframe,
        start_ms: int | None,
        end_ms: int | None,
        limit: int,
    ) -> list[Candle]:
        venue = self._source
        last_ms = timeframe.floor_ms(venue.time_ms()) - 1  # the newest that has closed opens before
        if end_ms is not None:
            last_ms = min(last_ms, end_ms)
        if start_ms is None:
            return venue.candles(symbol, timeframe, end_ms=last_ms, limit=limit)
        found: list[Candle] = []
        while start_ms <= last_ms and len(found) < limit:
            # The venue gives the newest of a range: one that cannot hold more than the limit.
            page_end_ms = min(last_ms, start_ms + timeframe.duration_ms * (limit - 1))
            found += venue.candles(
                symbol, timeframe, start_ms=start_ms, end_ms=page_end_ms, limit=limit
            )
            start_ms = page_end_ms + 1
        return found[:limit]

    def _newest_tickers(self) -> list[Ticker]:
        """Symbols that have not traded yet are left out."""
        found = (self._ticker(symbol) for symbol in self._source.instruments)
        return [ticker for ticker in found if ticker is not None]

    def _ticker(self, symbol: str) -> Ticker | None:
        try:
            return core_part(Ticker, self._source.ticker(symbol))
        except LookupError:
            return None

    # ---- the way there and back

    async def _read(self, question: Callable[[], Answer]) -> Answer:
        await self._travel(Unavailable)
        answer = question()
        await self._travel(Unavailable)
        return answer

    async def _ask(self, question: Callable[[Account], Answer]) -> Answer:
        return await self._read(lambda: self._answer(question))

    async def _instruct(self, action: Callable[[Account], Answer]) -> Answer | None:
        await self._travel(OutcomeUnknown)
        try:
            return self._act(action)
        finally:  # a refusal travels too
            await self._travel(OutcomeUnknown)

    async def _travel(self, lost: type[ExchangeError]) -> None:
        if self._latency_s:
            await asyncio.sleep(self._latency_s)
        if not self.is_reachable:
            raise lost("The simulated exchange did not answer.")


def _deliver(receive: Callable[[Message, float], None], message: Message) -> None:
    try:
        receive(message, 0.0)
    except Exception:  # the listener's fault is its own; the next message is still delivered
        log.exception("a listener failed on %s", type(message).__name__)
