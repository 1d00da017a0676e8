"""Any order of reservations, fills, cancels, funding, marks and restarts: the books add up.

The model is the exchange's side, computed on its own: wallet, positions at average price. The
ledger has to agree with it after every single step.
"""

from __future__ import annotations

import shutil
import tempfile
from decimal import Decimal
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from core.capital.shared_capital_manager import SharedCapitalManager
from core.clock import ManualClock
from core.models.fills import Fill, FillKind
from core.models.orders import (
    Order,
    OrderPurpose,
    OrderRequest,
    OrderStatus,
    OrderType,
    Side,
)
from core.models.positions import Balance, Position
from core.storage.database import open_database

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
FIRST = Decimal(10_000)
CAP = Decimal("0.80")
quantities = st.decimals("0.001", "40", places=3)
prices = st.decimals("1", "200", places=2)
fees = st.decimals("-1", "3", places=8)
fractions = st.sampled_from([Decimal("0.1"), Decimal("0.5"), Decimal(1)])


class CapitalMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.clock = ManualClock()
        self.wallet = FIRST
        self.open_orders: dict[str, Decimal] = {}  # client id -> quantity still to fill
        self.symbol_of: dict[str, str] = {}
        self.held: dict[str, Decimal] = {}
        self.cost: dict[str, Decimal] = {}
        self.marks: dict[str, Decimal] = {}
        self.trades: list[tuple[Fill, OrderPurpose]] = []
        self.number = 0
        self._open()

    def _open(self) -> None:
        self.database = open_database(self.folder / "capital.sqlite")
        self.database.execute("PRAGMA synchronous=OFF")  # speed; no power fails in here
        self.capital = SharedCapitalManager(
            "bybit", FIRST, database=self.database, clock=self.clock
        )

    def teardown(self) -> None:
        for symbol in list(self.held):
            self._exit(symbol, Decimal(1), Decimal(50), Decimal(0))
        for order_id in list(self.open_orders):
            self.cancel(order_id)
        snapshot = self.capital.snapshot()
        assert (snapshot.reserved, snapshot.locked, snapshot.slices) == (0, 0, [])
        assert snapshot.total == self.wallet
        self.database.close()
        shutil.rmtree(self.folder)

    def _fill(self, purpose: OrderPurpose, **values: object) -> None:
        self.number += 1
        self.clock.advance_ms(1_000)
        fill = Fill(
            trade_id=f"t{self.number}",
            exchange_order_id="x",
            account="main",
            bot_id="bot",
            time_ms=self.clock.time_ms(),
            **values,  # type: ignore[arg-type]
        )
        self.wallet += fill.cash_flow
        assert self.capital.on_fill(fill, purpose)
        self.trades.append((fill, purpose))

    @rule(symbol=st.sampled_from(SYMBOLS), quantity=quantities, price=prices)
    def reserve(self, symbol: str, quantity: Decimal, price: Decimal) -> None:
        self.number += 1
        order_id = f"o{self.number}"
        request = OrderRequest(
            client_order_id=order_id,
            account="main",
            bot_id="bot",
            strategy="s",
            symbol=symbol,
            side=Side.BUY,
            order_type=OrderType.MARKET,
            quantity=quantity,
            reference_price=price,
            purpose=OrderPurpose.ENTRY,
            created_ms=self.clock.time_ms(),
        )
        room = self.capital.get_available_capital()
        denial = self.capital.reserve(request)
        assert (denial is None) == (request.notional * Decimal("1.00055") <= room)
        if denial is None:
            figures = self.capital.figures()
            assert figures.committed <= CAP * figures.total
            self.open_orders[order_id] = quantity
            self.symbol_of[order_id] = symbol

    @precondition(lambda self: self.open_orders)
    @rule(data=st.data(), fraction=fractions, price=prices, fee=fees)
    def fill_entry(
        self, data: st.DataObject, fraction: Decimal, price: Decimal, fee: Decimal
    ) -> None:
        order_id = data.draw(st.sampled_from(sorted(self.open_orders)))
        symbol = self.symbol_of[order_id]
        quantity = self.open_orders[order_id] * fraction
        self._fill(
            OrderPurpose.ENTRY,
            client_order_id=order_id,
            symbol=symbol,
            side=Side.BUY,
            quantity=quantity,
            price=price,
            fee=fee,
        )
        self.open_orders[order_id] -= quantity
        if self.open_orders[order_id] == 0:
            del self.open_orders[order_id]
        self.held[symbol] = self.held.get(symbol, Decimal(0)) + quantity
        self.cost[symbol] = self.cost.get(symbol, Decimal(0)) + quantity * price

    @precondition(lambda self: self.held)
    @rule(data=st.data(), fraction=fractions, price=prices, fee=fees)
    def exit(self, data: st.DataObject, fraction: Decimal, price: Decimal, fee: Decimal) -> None:
        self._exit(data.draw(st.sampled_from(sorted(self.held))), fraction, price, fee)

    def _exit(self, symbol: str, fraction: Decimal, price: Decimal, fee: Decimal) -> None:
        quantity = self.held[symbol] * fraction
        closed_cost = self.cost[symbol] * fraction
        self._fill(
            OrderPurpose.STOP_LOSS,
            client_order_id="",
            symbol=symbol,
            side=Side.SELL,
            quantity=quantity,
            price=price,
            fee=fee,
            realized_pnl=quantity * price - closed_cost,
            closed_quantity=quantity,
        )
        self.held[symbol] -= quantity
        self.cost[symbol] -= closed_cost
        if self.held[symbol] == 0:
            del self.held[symbol], self.cost[symbol]
            self.marks.pop(symbol, None)

    @precondition(lambda self: self.open_orders)
    @rule(data=st.data())
    def cancel_any(self, data: st.DataObject) -> None:
        self.cancel(data.draw(st.sampled_from(sorted(self.open_orders))))

    def cancel(self, order_id: str) -> None:
        booked = sum(
            (f.quantity for f, _ in self.trades if f.client_order_id == order_id), Decimal(0)
        )
        order = Order(
            client_order_id=order_id,
            exchange_order_id="x",
            account="main",
            bot_id="bot",
            symbol=self.symbol_of[order_id],
            side=Side.BUY,
            order_type=OrderType.MARKET,
            quantity=booked + self.open_orders.pop(order_id),
            status=OrderStatus.CANCELLED,
            purpose=OrderPurpose.ENTRY,
            created_ms=0,
            updated_ms=0,
            filled_quantity=booked,
        )
        self.capital.on_order(order)
        self.capital.on_order(order)
        self.capital.give_back(order_id)

    @rule(symbol=st.sampled_from(SYMBOLS), fee=fees)
    def funding(self, symbol: str, fee: Decimal) -> None:
        self._fill(
            OrderPurpose.EXTERNAL,
            client_order_id="",
            symbol=symbol,
            side=Side.BUY,
            quantity=Decimal(1),
            price=Decimal(1),
            fee=fee,
            kind=FillKind.FUNDING,
        )

    @rule(amount=st.decimals("-500", "500", places=2).filter(bool))
    def transfer(self, amount: Decimal) -> None:
        before = self.capital.figures()
        assert self.capital.book_transfer(amount, "moved")
        self.wallet += amount
        after = self.capital.figures()
        assert after.daily_pnl == before.daily_pnl
        if before.equity > 0 and after.equity > 0:
            assert abs(after.drawdown - before.drawdown) < Decimal("0.000001")
            loss = after.daily_loss_ratio - before.daily_loss_ratio
            assert abs(loss) < Decimal("0.000001")

    @rule(symbol=st.sampled_from(SYMBOLS), price=prices)
    def mark(self, symbol: str, price: Decimal) -> None:
        self.clock.advance_ms(1_000)  # long enough to be saved
        self.capital.on_mark_price(symbol, price)
        if symbol in self.held:
            self.marks[symbol] = price

    @precondition(lambda self: self.trades)
    @rule(data=st.data())
    def replay_a_trade(self, data: st.DataObject) -> None:
        before = self.capital.snapshot()
        assert not self.capital.on_fill(*data.draw(st.sampled_from(self.trades)))
        assert self.capital.snapshot() == before

    @rule()
    def a_night_passes(self) -> None:
        self.clock.advance_ms(24 * 3_600_000)
        assert self.capital.figures().daily_pnl == 0

    @rule()
    def restart(self) -> None:
        before = self.capital.snapshot()
        self.database.close()
        self._open()
        assert self.capital.snapshot() == before

    @rule()
    def synchronise(self) -> None:
        self.clock.advance_ms(1)
        now_ms = self.clock.time_ms()
        positions = [
            Position(
                account="main",
                symbol=symbol,
                side=Side.BUY,
                quantity=quantity,
                entry_price=self.cost[symbol] / quantity,
                updated_ms=now_ms,
            )
            for symbol, quantity in self.held.items()
        ]
        balance = Balance("main", "USDT", self.wallet, self.wallet, self.wallet, now_ms)
        assert self.capital.synchronise(balance, positions) == 0

    @invariant()
    def books_add_up(self) -> None:
        snapshot = self.capital.snapshot()
        assert self.capital.is_sound, self.capital.fault
        assert snapshot.total == self.wallet
        assert snapshot.total == snapshot.free + snapshot.reserved + snapshot.locked
        assert snapshot.reserved >= 0
        assert snapshot.locked >= 0
        assert snapshot.equity == snapshot.total + snapshot.unrealized_pnl
        assert snapshot.peak >= snapshot.equity
        assert bool(snapshot.reserved) == bool(self.open_orders)

    @invariant()
    def locks_are_the_exchanges_positions(self) -> None:
        amounts = {s.symbol: s for s in self.capital.snapshot().slices if s.state == "locked"}
        assert set(amounts) == set(self.held)
        for symbol, cost in self.cost.items():
            assert abs(amounts[symbol].amount - cost) < Decimal("0.000001")
            if symbol in self.marks:
                expected = self.held[symbol] * self.marks[symbol] - cost
                assert abs(amounts[symbol].unrealized_pnl - expected) < Decimal("0.000001")


TestCapitalLedger = CapitalMachine.TestCase
TestCapitalLedger.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
