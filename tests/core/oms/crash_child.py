"""One engine run that kills itself at a named point; the test looks at what is left.

Usage: crash_child.py FOLDER POINT
"""

import asyncio
import os
import random
import signal
import sys
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from scripted_exchange import ACCOUNT, ScriptedExchange

from core.capital.shared_capital_manager import SharedCapitalManager
from core.clock import ManualClock
from core.event_bus import EventBus
from core.models.orders import Order, OrderPurpose, OrderRequest, OrderType, Side
from core.oms.client_order_id import make_client_order_id
from core.oms.order_management_system import OrderManagementSystem
from core.oms.state_manager import StateManager
from core.order_gate import OrderGate
from core.risk.risk_manager import RiskLimits, RiskManager
from core.storage.database import open_database
from core.supervision import Supervisor


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def run(folder: Path, point: str) -> None:
    clock = ManualClock()
    database = open_database(folder / "engine.db")
    bus = EventBus(clock)
    supervisor = Supervisor(bus, clock)
    exchange = ScriptedExchange(clock, folder / "books.json")
    oms = OrderManagementSystem(
        bus=bus,
        clock=clock,
        database=database,
        ports={ACCOUNT: exchange},
        supervisor=supervisor,
        state=StateManager(bus, clock),
        owner_of=lambda *_: "bot-1",
        on_external=lambda *_: None,
        rng=random.Random(1),
    )
    capital = SharedCapitalManager("demo", Decimal(25000), database=database, clock=clock)
    risk = RiskManager(
        bus=bus,
        clock=clock,
        capital=capital,
        database=database,
        limits=RiskLimits(),
        on_liquidate=lambda _: None,
        on_kill=lambda _: None,
    )
    if point == "after_the_fill_before_the_ledger":
        capital.on_fill = lambda *_: die()
    if point == "after_the_ledger_before_its_mark":
        oms.journal.mark_in_capital = lambda *_: die()
    OrderGate(bus=bus, capital=capital, risk=risk, oms=oms, clock=clock)
    if point == "after_the_reservation":
        risk.check = lambda *_: die()
    if point == "after_sent_before_the_request":
        bus.subscribe(Order, lambda order: order.status == "sent" and die(), part="test")
    if point == "after_the_exchange_accepted":
        exchange.on_accepted = die

    bus.publish(
        OrderRequest(
            client_order_id=make_client_order_id("crash", "BTCUSDT", clock.time_ms(), point),
            account=ACCOUNT,
            bot_id="bot-1",
            strategy="crash",
            symbol="BTCUSDT",
            side=Side.BUY,
            order_type=OrderType.MARKET,
            quantity=Decimal(10),
            reference_price=Decimal(100),
            stop_loss=Decimal(90),
            purpose=OrderPurpose.ENTRY,
            created_ms=clock.time_ms(),
        )
    )
    for _ in range(20):
        await asyncio.sleep(0)
    while exchange.outbox:
        message = exchange.outbox.popleft()
        (oms.on_order if isinstance(message, Order) else oms.on_fill)(message)
    die()


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), sys.argv[2]))
