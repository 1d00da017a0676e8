"""A world for the order room: real bus, journal, registry, OMS and reconciler; the exchange is
scripted, time stands still until somebody sleeps."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from core.clock import ManualClock
from core.event_bus import EventBus
from core.events import Error, Reject
from core.models.fills import Fill
from core.models.instruments import Instrument
from core.models.orders import (
    Order,
    OrderPurpose,
    OrderRequest,
    OrderType,
    Side,
)
from core.models.positions import AcceptedPosition
from core.oms.client_order_id import make_client_order_id, nonce_for
from core.oms.order_management_system import OrderManagementSystem
from core.oms.reconciliation import Reconciler
from core.oms.state_manager import StateManager
from core.order_parts import OrderParts
from core.storage.database import open_database
from core.storage.reserved_file import reserved_beside
from core.supervision import Supervisor

sys.path.insert(0, str(Path(__file__).parent))  # for the scripted exchange, shared with a child

from scripted_exchange import ACCOUNT, ScriptedExchange

BOT = "bot-1"
SYMBOL = "BTCUSDT"
INSTRUMENT = Instrument(
    exchange="bybit",
    symbol=SYMBOL,
    base="BTC",
    quote="USDT",
    tick_size=Decimal("0.1"),
    quantity_step=Decimal("0.001"),
    min_quantity=Decimal("0.001"),
    max_quantity=Decimal(50),
    min_notional=Decimal(5),
    max_leverage=Decimal(100),
)


class World:
    """Everything of one engine run; `restart` is the next run on the same disk and exchange."""

    def __init__(self, folder: Path, seed: int = 1) -> None:
        self.folder = folder
        self.seed = seed
        self.exchange_name = "bybit"  # whose alphabet the ids are in; counts from a restart on
        self.clock = ManualClock()
        self.exchange = ScriptedExchange(self.clock)
        self.owners = {SYMBOL: BOT}
        self.external: list[tuple[str, str, str]] = []
        self.events: list[object] = []
        self.sequence = 0
        self._start()

    def _start(self) -> None:
        self.database = open_database(self.folder / "engine.db")
        self.bus = EventBus(self.clock)
        for kind in (Order, Fill, Reject, Error):
            self.bus.subscribe(kind, self.events.append, part="test")
        self.supervisor = Supervisor(self.bus, self.clock)
        self.state = StateManager(self.bus, self.clock)
        ports = {ACCOUNT: self.exchange}
        self.oms = OrderManagementSystem(
            bus=self.bus,
            clock=self.clock,
            database=self.database,
            ports=ports,
            supervisor=self.supervisor,
            state=self.state,
            owner_of=lambda _account, symbol: self.owners.get(symbol, ""),
            on_external=lambda *finding: self.external.append(finding),
            rng=random.Random(self.seed),
            sleep=self.sleep,
            reserve=reserved_beside(self.database),
            exchange=self.exchange_name,
        )
        self.accepted: list[AcceptedPosition] = []
        self.reconciler = Reconciler(
            oms=self.oms,
            state=self.state,
            ports=ports,
            clock=self.clock,
            sleep=self.sleep,
            owner_of=lambda _account, symbol: self.owners.get(symbol, ""),
            on_accepted=self.accepted.append,
        )

    async def sleep(self, seconds: float) -> None:
        self.clock.advance_ms(int(seconds * 1000))
        await asyncio.sleep(0)

    async def restart(self) -> None:
        await self.stop()
        self._start()

    async def stop(self) -> None:
        await self.idle(2)
        await self.supervisor.stop()
        self.database.close()

    async def idle(self, turns: int = 300) -> None:
        """Let tasks run; virtual time moves with their sleeping."""
        for _ in range(turns):
            await asyncio.sleep(0)

    def deliver(self) -> None:
        """Bring the exchange's waiting stream messages, in their order."""
        while self.exchange.outbox:
            self.hear(self.exchange.outbox.popleft())

    def hear(self, message: Order | Fill) -> None:
        if isinstance(message, Fill):
            self.oms.on_fill(message)
        else:
            self.oms.on_order(message)

    def request(
        self,
        side: Side = Side.BUY,
        quantity: str = "1",
        *,
        purpose: OrderPurpose = OrderPurpose.ENTRY,
        order_type: OrderType = OrderType.MARKET,
        symbol: str = SYMBOL,
    ) -> OrderRequest:
        self.sequence += 1
        now_ms = self.clock.time_ms()
        nonce = nonce_for(BOT, purpose, self.sequence)
        return OrderRequest(
            client_order_id=make_client_order_id("macd_rsi", symbol, now_ms, nonce),
            account=ACCOUNT,
            bot_id=BOT,
            strategy="macd_rsi",
            symbol=symbol,
            side=side,
            order_type=order_type,
            quantity=Decimal(quantity),
            reference_price=Decimal(100),
            purpose=purpose,
            created_ms=now_ms,
            price=Decimal(100) if order_type is OrderType.LIMIT else None,
            reduce_only=purpose is not OrderPurpose.ENTRY,
            stop_loss=Decimal(90) if purpose is OrderPurpose.ENTRY else None,
            reason="RSI above 50",
        )

    def parts(self) -> OrderParts:
        """For what acts on positions; hears of them by `show_positions`."""
        return OrderParts(
            account=ACCOUNT,
            port=self.exchange,
            bus=self.bus,
            clock=self.clock,
            supervisor=self.supervisor,
            oms=self.oms,
            state=self.state,
            instruments={SYMBOL: INSTRUMENT},
            owner_of=lambda _account, symbol: self.owners.get(symbol, ""),
        )

    def show_positions(self) -> None:
        """The private stream's word on every position, flat ones too."""
        for symbol in {fill.symbol for fill in self.exchange.books.fills}:
            self.state.on_position(self.exchange.position(symbol))

    def book_net(self, quantity: str) -> None:
        """What our fills are said to make of the position."""
        now_ms = self.clock.time_ms()
        position = AcceptedPosition(ACCOUNT, SYMBOL, BOT, Decimal(quantity), now_ms)
        self.oms.journal.accept_position(position)

    def alarms(self) -> list[Error]:
        return self.of(Error)

    def of(self, kind: type) -> list:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
async def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    await world.stop()


@pytest.fixture
def make_world(tmp_path: Path) -> Callable[[int], World]:
    """Worlds for many seeds in one test; the test stops each."""

    def make(seed: int) -> World:
        folder = tmp_path / str(seed)
        folder.mkdir()
        return World(folder, seed)

    return make
