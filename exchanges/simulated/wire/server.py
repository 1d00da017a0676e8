"""Serves a simulated venue as Bybit v5 on one loopback port: REST and the three streams.

One event loop does everything: it moves the market on, answers requests and pushes what
changed. Market time may run many times faster than real time; signatures and rate windows
stay in real time, so unmodified clients work at any speed.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from aiohttp import web

from core.clock import SystemClock
from exchanges.simulated.venue import Venue
from exchanges.simulated.wire.account_endpoints import AccountEndpoints
from exchanges.simulated.wire.errors import HttpRefused
from exchanges.simulated.wire.market_endpoints import MarketEndpoints
from exchanges.simulated.wire.order_endpoints import OrderEndpoints
from exchanges.simulated.wire.private_stream import PrivateStream
from exchanges.simulated.wire.public_stream import PublicStream
from exchanges.simulated.wire.rate_windows import RateLimits, RateWindows
from exchanges.simulated.wire.rest import RestApi
from exchanges.simulated.wire.session import StreamSession
from exchanges.simulated.wire.trade_stream import TradeStream

log = logging.getLogger(__name__)

_PUMP_INTERVAL_S = 0.05
_CONFLATION_S = 0.1  # newest-wins data of a topic goes out so often
_SHORTEST_PAUSE_S = 0.005  # of many topics a few go out one after the other
_AFTER_FAULT_S = 1.0


class _Stream(Protocol):
    def on_request(self, session: StreamSession, request: dict[str, Any]) -> None: ...


class DemoServer:
    """Bybit v5 on loopback.

    `keys` maps each API key that may trade to its secret; every key has an account of its own.
    """

    def __init__(
        self,
        venue: Venue,
        *,
        keys: Mapping[str, str],
        limits: RateLimits | None = None,
    ) -> None:
        self._venue = venue
        windows = self._windows = RateWindows(SystemClock(), limits or RateLimits())
        routes = {
            **MarketEndpoints(venue).routes(),
            **OrderEndpoints(venue).routes(),
            **AccountEndpoints(venue).routes(),
        }
        self._rest = RestApi(routes, keys=keys, windows=windows)
        self._public = PublicStream(venue)
        self._private = PrivateStream(venue, keys=keys)
        self._trade = TradeStream(routes, keys=keys, windows=windows)
        self._sessions: set[StreamSession] = set()
        self._connections = itertools.count(1)
        self._runner: web.AppRunner | None = None
        self._pumps: list[asyncio.Task[None]] = []
        self._port = 0

    async def start(self, *, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen (port 0: any free one) and start moving the market. Raises OSError if taken."""
        application = web.Application(client_max_size=1 << 20)
        application.router.add_get("/v5/public/linear", self._serve_public)
        application.router.add_get("/v5/private", self._serve_private)
        application.router.add_get("/v5/trade", self._serve_trade)
        application.router.add_route("*", "/{path:.*}", self._rest.handle)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        self._port = int(runner.addresses[0][1])
        self._pumps = [
            asyncio.create_task(self._move_market(), name="demo exchange market"),
            asyncio.create_task(self._publish_in_turn(), name="demo exchange publisher"),
        ]

    async def stop(self) -> None:
        """Close every stream (code 1001), stop listening, stop the market."""
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        self._pumps = []
        await asyncio.gather(*(session.close() for session in tuple(self._sessions)))
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def port(self) -> int:
        """The port listened on; 0 before `start`."""
        return self._port

    @property
    def rest_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_public_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v5/public/linear"

    @property
    def ws_private_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v5/private"

    @property
    def ws_trade_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v5/trade"

    async def _move_market(self) -> None:
        """Moves the market on and lets everybody know at once what must not wait."""
        while True:
            pause_s = _PUMP_INTERVAL_S
            try:
                self._venue.advance()
                self._public.publish_closed_bars()
            except Exception:  # clients still get answers; the log says what stands still
                log.exception("the market did not move")
                pause_s = _AFTER_FAULT_S
            await asyncio.sleep(pause_s)

    async def _publish_in_turn(self) -> None:
        """Feeds every topic once in `_CONFLATION_S`, evenly spread over it."""
        clock = asyncio.get_running_loop().time
        counted_s = clock()
        turns = 0.0  # that are due
        while True:
            pause_s = _SHORTEST_PAUSE_S
            topics = self._public.topic_count
            now_s = clock()
            turns = min(turns + (now_s - counted_s) / _CONFLATION_S * topics, float(topics))
            counted_s = now_s
            try:
                while turns >= 1:
                    turns -= 1
                    self._public.publish_next()
                    await asyncio.sleep(0)  # it leaves before the next one is made
            except Exception:  # one topic's fault does not silence the others for long
                log.exception("a topic was not published")
                pause_s = _AFTER_FAULT_S
            await asyncio.sleep(max(pause_s, (1 - turns) * _CONFLATION_S / max(topics, 1)))

    async def _serve_public(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, self._public, self._public.leave)

    async def _serve_private(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, self._private, self._private.leave)

    async def _serve_trade(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, self._trade, None)

    async def _serve(
        self,
        request: web.Request,
        stream: _Stream,
        leave: Callable[[StreamSession], None] | None,
    ) -> web.StreamResponse:
        try:
            self._windows.open_stream(request.remote or "")
        except HttpRefused as refused:
            return web.Response(status=refused.status, text=refused.text)
        session = StreamSession(request, f"demo-{next(self._connections)}")
        self._sessions.add(session)
        try:
            return await session.serve(lambda message: stream.on_request(session, message))
        finally:
            self._sessions.discard(session)
            if leave is not None:
                leave(session)
