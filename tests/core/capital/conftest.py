"""A ledger on disk and short ways to say "an order" and "a fill"."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from core.capital.shared_capital_manager import SharedCapitalManager
from core.clock import ManualClock
from core.models.fills import Fill, FillKind
from core.models.orders import OrderPurpose, OrderRequest, OrderType, Side
from core.storage.database import open_database

MIDDAY_MS = 1_700_049_600_000  # 2023-11-15 12:00 UTC


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(MIDDAY_MS)


@pytest.fixture
def open_capital(
    tmp_path: Path, clock: ManualClock
) -> Iterator[Callable[..., SharedCapitalManager]]:
    """Open the one ledger of this test; again for a restart (the former connection is closed)."""
    connections = []

    def open_it(initial: str = "10000", **options: object) -> SharedCapitalManager:
        if connections:
            connections.pop().close()
        connections.append(open_database(tmp_path / "capital.sqlite"))
        options = {"database": connections[-1], "clock": clock, **options}
        return SharedCapitalManager("bybit", Decimal(initial), **options)  # type: ignore[arg-type]

    yield open_it
    for connection in connections:
        connection.close()


@pytest.fixture
def capital(open_capital: Callable[..., SharedCapitalManager]) -> SharedCapitalManager:
    return open_capital()


@pytest.fixture
def entry() -> Callable[..., OrderRequest]:
    def make(
        client_order_id: str = "order-1",
        *,
        symbol: str = "BTCUSDT",
        quantity: str = "10",
        price: str = "100",
        purpose: OrderPurpose = OrderPurpose.ENTRY,
    ) -> OrderRequest:
        return OrderRequest(
            client_order_id=client_order_id,
            account="main",
            bot_id="bot-1",
            strategy="test",
            symbol=symbol,
            side=Side.BUY,
            order_type=OrderType.MARKET,
            quantity=Decimal(quantity),
            reference_price=Decimal(price),
            purpose=purpose,
            created_ms=MIDDAY_MS,
            reduce_only=purpose is not OrderPurpose.ENTRY,
        )

    return make


@pytest.fixture
def fill() -> Callable[..., Fill]:
    numbers = itertools.count(1)

    def make(
        client_order_id: str = "order-1",
        *,
        side: Side = Side.BUY,
        symbol: str = "BTCUSDT",
        quantity: str = "10",
        price: str = "100",
        fee: str = "0",
        pnl: str = "0",
        closed: str = "0",
        time_ms: int = MIDDAY_MS,
        trade_id: str = "",
        kind: FillKind = FillKind.TRADE,
    ) -> Fill:
        return Fill(
            trade_id=trade_id or f"trade-{next(numbers)}",
            exchange_order_id="x",
            client_order_id=client_order_id,
            account="main",
            bot_id="bot-1",
            symbol=symbol,
            side=side,
            quantity=Decimal(quantity),
            price=Decimal(price),
            fee=Decimal(fee),
            time_ms=time_ms,
            realized_pnl=Decimal(pnl),
            closed_quantity=Decimal(closed),
            kind=kind,
        )

    return make
