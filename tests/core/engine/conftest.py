"""A whole engine in virtual time: one exchange that outlives it, engines that come and go."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.config import AccountConfig
from app.virtual_time import VirtualClock, VirtualTimeLoop
from app.wiring import assemble_engine
from core.account_desk import AccountDesk
from core.bots.bot_spec import BotSpec
from core.engine import Engine
from core.limits.api_rate_limiter import MultiExchangeRateLimiter
from core.market_feed import MarketFeed
from core.models.candles import Timeframe
from core.models.fills import FillKind
from core.snapshots import AccountMode, BotState, Notice
from exchanges.simulated.account import Account
from exchanges.simulated.generated_market import GeneratedMarket
from exchanges.simulated.market import Market
from exchanges.simulated.simulated_exchange import SimulatedExchange
from exchanges.simulated.values import Execution
from exchanges.simulated.venue import Venue

ACCOUNT = "demo"
BTC, ETH, SOL = "BTCUSDT", "ETHUSDT", "SOLUSDT"
RATE = 120.0  # market time per virtual time: a virtual second is two market minutes
HOUR_S = 3600 / RATE
LATENCY_S = 0.02


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every test of this folder runs in virtual time."""
    return {"virtual": VirtualTimeLoop}


class SmallMarket(GeneratedMarket):
    """Three symbols of the fifty: what is not watched need not be computed."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.instruments = {symbol: self.instruments[symbol] for symbol in (BTC, ETH, SOL)}


def bot_spec(symbol: str, **more: object) -> BotSpec:
    fields: dict[str, object] = {
        "kind": "UnifiedBot",
        "account": ACCOUNT,
        "timeframe": Timeframe.M15,
        "strategy": "macd_rsi_trend",
    } | more
    return BotSpec(bot_id=f"{symbol.lower()}-15m", symbol=symbol, **fields)  # type: ignore[arg-type]


BOTS = [bot_spec(BTC), bot_spec(ETH)]


class World:
    """`engine` is the one that runs now, `exchange` its port, `account` the venue's own view."""

    engine: Engine
    exchange: SimulatedExchange
    bot = staticmethod(bot_spec)
    bots = BOTS

    def __init__(
        self,
        data_dir: Path,
        *,
        seed: int = 12,
        market: Market | None = None,
        stream_interval_s: float = 0.5,
    ) -> None:
        """`market` instead of the one made from `seed`."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        market = market or SmallMarket(seed)
        self.data_dir = data_dir
        self.stream_interval_s = stream_interval_s
        self.clock = VirtualClock(loop, market_start_ms=market.start_ms, rate=RATE)
        self.venue = Venue(market=market, clock=self.clock)
        self.account: Account = self.venue.account(ACCOUNT)
        self.settings: dict[str, Any] = {}  # of the account, from the next start on
        self._is_up = False

    @property
    def desk(self) -> AccountDesk:
        return self.engine.desks[ACCOUNT]

    @property
    def feed(self) -> MarketFeed:
        return self.engine.feeds[self.exchange.exchange]

    async def start(self, specs: list[BotSpec] | None = None, *, autostart: bool = True) -> Engine:
        """A new engine on the same data directory and exchange, as a new process would be."""
        self.build()
        await self.engine.start(BOTS if specs is None else specs, autostart=autostart)
        return self.engine

    def build(self) -> None:
        """The engine of the product, over the simulated exchange and in virtual time."""
        port = self.make_port()
        engine = assemble_engine(
            [AccountConfig(ACCOUNT, port.exchange, AccountMode.DEMO, **self.settings)],
            data_dir=self.data_dir,
            clock=self.clock,
            rng=random.Random(7),
            limiters=MultiExchangeRateLimiter(self.clock),
            open_port=lambda _: port,
        )
        self.engine, self.exchange, self._is_up = engine, port, True

    def make_port(self) -> SimulatedExchange:
        return SimulatedExchange(
            ACCOUNT,
            venue=self.venue,
            stream_interval_s=self.stream_interval_s,
            latency_s=LATENCY_S,
        )

    async def stop(self) -> None:
        """The ordered end."""
        await self.engine.stop()
        self._is_up = False

    async def close(self) -> None:
        if self._is_up:
            await self.stop()
        self.venue.close()

    async def crash(self) -> None:
        """The engine is gone between two instructions: nothing is closed in order, nothing told."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self.exchange.stop()
        self.desk.close()
        self.engine.alerts.close()
        self.engine.registry.close()
        self.feed.data.store.close()
        self._is_up = False

    async def hours(self, count: float) -> None:
        await asyncio.sleep(count * HOUR_S)

    async def until(self, condition: Callable[[], bool], *, within_h: float = 24) -> None:
        """Looks every virtual second. Raises TimeoutError."""
        async with asyncio.timeout(within_h * HOUR_S):
            while not condition():  # noqa: ASYNC110 (any state of the engine, not one event)
                await asyncio.sleep(1)

    async def running(self) -> None:
        """Until every bot has loaded its history."""
        await self.until(
            lambda: all(b.state is BotState.RUNNING for b in self.engine.bots.values()), within_h=1
        )

    async def settled(self) -> None:
        """Until no order of ours is on its way and everything told has been heard."""
        await self.until(lambda: not self.desk.oms.unresolved(ACCOUNT), within_h=2)
        self.venue.advance()
        await asyncio.sleep(0)  # the events of that

    def held(self) -> dict[str, Decimal]:
        """Signed positions, as the venue has them."""
        return {p.symbol: p.signed_quantity for p in self.account.positions()}

    def executions(self) -> list[Execution]:
        """Trades at the venue, oldest first."""
        found = self.account.executions(limit=10_000).items[::-1]
        return [execution for execution in found if execution.kind is FillKind.TRADE]

    def entries(self) -> list[Execution]:
        return [execution for execution in self.executions() if not execution.closed_quantity]

    def notices(self, title: str = "") -> list[str]:
        """Texts of the log that the screens would show."""
        records = (item.record for item in self.engine.records.backlog(10_000))
        return [r.text for r in records if isinstance(r, Notice) and title in (r.title, "")]

    async def audit(self) -> None:
        """The engine's books against the venue's."""
        await self.settled()
        desk = self.desk
        assert {p.symbol: p.signed_quantity for p in desk.state.positions(ACCOUNT)} == self.held()
        assert {o.exchange_order_id for o in desk.oms.working_orders(ACCOUNT)} == {
            o.order_id for o in self.account.open_orders()
        }
        booked = {fill.trade_id for fill in desk.oms.fills() if fill.kind is FillKind.TRADE}
        assert booked == {execution.trade_id for execution in self.executions()}
        capital = desk.capital.snapshot()
        assert capital.total == self.account.wallet().wallet_balance
        assert capital.total == capital.free + capital.reserved + capital.locked
        assert desk.capital.is_sound
        assert set(desk.capital.get_locked_symbols()) == self.held().keys()
        assert all(position.stop_loss is not None for position in self.account.positions())

    def assert_one_position_at_a_time(self) -> None:
        """A second order for one intent would show as an entry on top of a position."""
        net: dict[str, Decimal] = {}
        entry_orders: dict[str, set[str]] = {}
        for execution in self.executions():
            before = net.get(execution.symbol, Decimal(0))
            after = before + execution.quantity * execution.side.sign
            net[execution.symbol] = after
            opened = entry_orders.setdefault(execution.symbol, set())
            if abs(after) > abs(before):
                opened.add(execution.exchange_order_id)
                assert len(opened) == 1, f"{execution.symbol} was entered twice: {opened}"
            if after == 0:
                opened.clear()
            assert before * after >= 0, f"{execution.symbol} was turned over in one order"


@pytest.fixture
async def world(open_world: Callable[..., World]) -> World:
    return open_world()


@pytest.fixture
async def open_world(tmp_path: Path) -> AsyncIterator[Callable[..., World]]:
    """For tests that compare two worlds; each has its own folder."""
    worlds: list[World] = []

    def make(**more: Any) -> World:
        worlds.append(World(tmp_path / str(len(worlds)), **more))
        return worlds[-1]

    yield make
    for made in worlds:
        await made.close()
