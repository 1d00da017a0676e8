"""Orders that rest at the exchange and were not sent from here hold capital too; the trader's own
orders are reserved like a bot's."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest

from core.capital.shared_capital_manager import SharedCapitalManager
from core.models.fills import Fill
from core.models.orders import Order, OrderPurpose, OrderRequest, OrderStatus, OrderType, Side
from core.models.positions import Balance, Position
from core.snapshots import CapitalSlice

D = Decimal
MakeOrder = Callable[..., OrderRequest]
MakeFill = Callable[..., Fill]
NOW_MS = 1_700_049_600_000
BALANCE = Balance("main", "USDT", D(10_000), D(10_000), D(10_000), NOW_MS)


@pytest.fixture
def capital(open_capital: Callable[..., SharedCapitalManager]) -> SharedCapitalManager:
    return open_capital(taker_fee_ratio=D("0.001"))


def working(exchange_order_id: str = "e-1", **changes: object) -> Order:
    order = Order(
        client_order_id="",
        exchange_order_id=exchange_order_id,
        account="main",
        bot_id="",
        symbol="BTCUSDT",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        quantity=D(10),
        status=OrderStatus.ACKNOWLEDGED,
        purpose=OrderPurpose.EXTERNAL,
        created_ms=0,
        updated_ms=0,
        price=D(100),
    )
    return msgspec.structs.replace(order, **changes)


def held(capital: SharedCapitalManager) -> list[tuple[str, str, Decimal]]:
    slices: list[CapitalSlice] = capital.snapshot().slices
    return [(entry.bot_id, entry.state, entry.amount) for entry in slices]


def see(capital: SharedCapitalManager, *orders: Order, positions: list[Position] = []) -> None:  # noqa: B006
    capital.synchronise(BALANCE, positions, open_orders=orders)


def test_a_foreign_entry_order_is_reserved_with_its_fee(capital: SharedCapitalManager) -> None:
    see(capital, working())
    assert held(capital) == [("external", "reserved", D(1_001))]
    assert capital.get_available_capital() == 8_000 - 1_001
    assert capital.snapshot().ledger[0].text == "BTCUSDT, order of 10 found at the exchange"
    lines = len(capital.snapshot().ledger)
    see(capital, working())
    assert len(capital.snapshot().ledger) == lines


def test_above_the_cap_it_is_held_all_the_same_and_only_ends_entries(
    capital: SharedCapitalManager, entry: MakeOrder
) -> None:
    see(capital, working(quantity=D(95)))
    assert capital.get_available_capital() == 0
    assert capital.is_sound
    denial = capital.reserve(entry())
    assert denial is not None
    assert denial.code == "capital_cap"


def test_when_it_is_gone_its_capital_is_free(capital: SharedCapitalManager) -> None:
    see(capital, working(), working("e-2", quantity=D(1)))
    see(capital, working("e-2", quantity=D(1)))
    assert held(capital) == [("external", "reserved", D("100.1"))]
    assert capital.snapshot().ledger[0].text == "BTCUSDT, order at the exchange ended"
    see(capital)
    assert held(capital) == []
    see(capital, working())  # seen again, held again
    assert held(capital) == [("external", "reserved", D(1_001))]


def test_without_an_answer_about_orders_they_stay_as_they_were(
    capital: SharedCapitalManager,
) -> None:
    see(capital, working())
    capital.synchronise(BALANCE, [])
    assert held(capital) == [("external", "reserved", D(1_001))]


def test_it_survives_a_restart(open_capital: Callable[..., SharedCapitalManager]) -> None:
    see(open_capital(taker_fee_ratio=D("0.001")), working())
    reopened = open_capital(taker_fee_ratio=D("0.001"))
    assert held(reopened) == [("external", "reserved", D(1_001))]
    see(reopened)
    see(reopened, working())
    again = open_capital(taker_fee_ratio=D("0.001"))
    assert held(again) == [("external", "reserved", D(1_001))]


def test_what_it_fills_moves_from_reserved_to_locked(
    capital: SharedCapitalManager, fill: MakeFill
) -> None:
    see(capital, working())
    part = msgspec.structs.replace(fill("", quantity="4"), exchange_order_id="e-1", bot_id="")
    capital.on_fill(part, OrderPurpose.EXTERNAL)
    assert held(capital) == [("external", "locked", D(400)), ("external", "reserved", D("600.6"))]
    held_there = Position("main", "BTCUSDT", Side.BUY, D(4), D(100), NOW_MS)
    lines = len(capital.snapshot().ledger)
    see(capital, working(filled_quantity=D(4)), positions=[held_there])
    assert held(capital) == [("external", "locked", D(400)), ("external", "reserved", D("600.6"))]
    assert len(capital.snapshot().ledger) <= lines + 1


def test_our_own_orders_are_reserved_once(capital: SharedCapitalManager, entry: MakeOrder) -> None:
    capital.reserve(entry("ours"))
    see(capital, working(client_order_id="ours"))
    assert held(capital) == [("bot-1", "reserved", D(1_001))]


def test_an_order_of_ours_that_lost_its_reservation_keeps_its_owner(
    capital: SharedCapitalManager,
) -> None:
    see(capital, working(client_order_id="lost", bot_id="bot-7"))
    assert held(capital) == [("bot-7", "reserved", D(1_001))]


@pytest.mark.parametrize(
    "changes",
    [
        {"reduce_only": True},
        {"purpose": OrderPurpose.EXIT},
        {"purpose": OrderPurpose.STOP_LOSS},
        {"purpose": OrderPurpose.TAKE_PROFIT},
        {"status": OrderStatus.CANCELLED},
        {"price": None},  # a market order on its way: nobody knows what it costs
        {"filled_quantity": D(10)},
    ],
)
def test_what_opens_nothing_holds_nothing(
    capital: SharedCapitalManager, changes: dict[str, object]
) -> None:
    see(capital, working(**changes))
    assert held(capital) == []


def test_a_conditional_order_is_held_by_its_trigger(capital: SharedCapitalManager) -> None:
    see(capital, working(price=None, trigger_price=D(50)))
    assert held(capital) == [("external", "reserved", D("500.5"))]


@pytest.mark.parametrize(
    ("quantity", "reserved"), [("4", None), ("10", None), ("10.01", "1.001"), ("12", "200.2")]
)
def test_an_order_against_the_position_holds_only_what_it_would_turn(
    capital: SharedCapitalManager, fill: MakeFill, quantity: str, reserved: str | None
) -> None:
    capital.on_fill(fill(), OrderPurpose.ENTRY)
    there = [Position("main", "BTCUSDT", Side.BUY, D(10), D(100), NOW_MS)]
    see(capital, working(side=Side.SELL, quantity=D(quantity)), positions=there)
    amounts = [amount for _, state, amount in held(capital) if state == "reserved"]
    assert amounts == ([D(reserved)] if reserved else [])


def test_an_order_beside_the_position_holds_all_of_it(
    capital: SharedCapitalManager, fill: MakeFill
) -> None:
    capital.on_fill(fill(), OrderPurpose.ENTRY)
    there = [Position("main", "BTCUSDT", Side.BUY, D(10), D(100), NOW_MS)]
    see(capital, working(), positions=there)
    assert held(capital)[1] == ("external", "reserved", D(1_001))


# the trader's own orders


def test_a_manual_order_is_reserved_and_locked_by_its_own_owner(
    capital: SharedCapitalManager, entry: MakeOrder, fill: MakeFill
) -> None:
    request = msgspec.structs.replace(entry("by-hand"), bot_id="", strategy="manual")
    assert capital.reserve(request) is None
    assert held(capital) == [("manual", "reserved", D(1_001))]
    part = msgspec.structs.replace(fill("by-hand", quantity="4"), bot_id="")
    capital.on_fill(part, OrderPurpose.ENTRY)
    assert held(capital) == [("manual", "locked", D(400)), ("manual", "reserved", D("600.6"))]


def test_a_manual_order_meets_the_same_cap(capital: SharedCapitalManager, entry: MakeOrder) -> None:
    capital.reserve(entry("bot", quantity="79"))
    request = msgspec.structs.replace(entry("by-hand", quantity="1"), bot_id="")
    denial = capital.reserve(request)
    assert denial is not None
    assert denial.code == "capital_cap"


def test_what_calls_itself_an_exit_and_could_open_needs_capital(
    capital: SharedCapitalManager, entry: MakeOrder
) -> None:
    slipped = msgspec.structs.replace(entry(purpose=OrderPurpose.EXIT), reduce_only=False)
    assert capital.reserve(slipped) is None
    assert capital.reserved_by("order-1") == 1_001
    assert capital.reserved_by("order-2") == 0
