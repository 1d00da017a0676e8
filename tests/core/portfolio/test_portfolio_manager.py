"""Signals meet positions: what is opened, closed, left alone or refused."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest

from core.capital.shared_capital_manager import SharedCapitalManager
from core.clock import ManualClock
from core.event_bus import EventBus
from core.events import Reject, Signal
from core.models.instruments import Instrument
from core.models.orders import Order, OrderPurpose, OrderRequest, OrderStatus, OrderType, Side
from core.models.positions import Position
from core.portfolio.fixed_percent import FixedPercent
from core.portfolio.portfolio_manager import PortfolioManager
from core.portfolio.sizing import SizingFacts, SizingMethod
from core.storage.database import open_database
from core.trade_log import RoundTrip

D = Decimal
BTC = Instrument(
    exchange="bybit",
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    tick_size=D("0.5"),
    quantity_step=D("0.001"),
    min_quantity=D("0.001"),
    max_quantity=D(100),
    min_notional=D(5),
    max_leverage=D(100),
)


class Desk:
    """A portfolio manager on a real bus with a real ledger; remembers what it published."""

    def __init__(self, folder: Path, capital: str = "10000", **options: object) -> None:
        clock = ManualClock()
        self.bus = EventBus(clock)
        self.position: Position | None = None
        self.database = open_database(folder / "capital.sqlite")
        self.requests: list[OrderRequest] = []
        self.rejects: list[Reject] = []
        self.instruments = {"BTCUSDT": BTC}
        self.capital = SharedCapitalManager(
            "bybit", D(capital), database=self.database, clock=clock
        )
        PortfolioManager(
            bus=self.bus,
            clock=clock,
            capital=self.capital,
            instruments=self.instruments,
            position_of=lambda account, symbol: self.position,
            sizing=FixedPercent(),
            make_client_order_id=lambda signal, purpose: f"{purpose}-{signal.candle_open_time_ms}",
            **options,  # type: ignore[arg-type]
        )
        self.bus.subscribe(OrderRequest, self.requests.append, part="test")
        self.bus.subscribe(Reject, self.rejects.append, part="test")

    def hold(self, side: Side, quantity: str) -> None:
        self.position = Position("main", "BTCUSDT", side, D(quantity), D(50_000), 0)

    def signal(self, direction: int, **changes: object) -> None:
        wish = Signal(
            bot_id="bot-1",
            account="main",
            strategy="macd",
            symbol="BTCUSDT",
            direction=direction,
            candle_open_time_ms=900_000,
            reference_price=D(50_000),
            time_ms=1_800_000,
            stop_distance=D("300.3"),
            take_profit_distance=D(600),
            reason="RSI 28 and MACD up",
        )
        self.bus.publish(msgspec.structs.replace(wish, **changes))

    def answer(self, request: OrderRequest, status: OrderStatus) -> None:
        self.bus.publish(
            Order(
                client_order_id=request.client_order_id,
                exchange_order_id="x",
                account=request.account,
                bot_id=request.bot_id,
                symbol=request.symbol,
                side=request.side,
                order_type=request.order_type,
                quantity=request.quantity,
                status=status,
                purpose=request.purpose,
                created_ms=0,
                updated_ms=0,
            )
        )


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.database.close()


def test_a_long_signal_opens_ten_percent_with_its_stops(desk: Desk) -> None:
    desk.signal(1)
    [request] = desk.requests
    assert (request.side, request.order_type, request.purpose, request.reduce_only) == (
        Side.BUY,
        OrderType.MARKET,
        OrderPurpose.ENTRY,
        False,
    )
    assert request.quantity == D("0.02")
    assert (request.stop_loss, request.take_profit) == (D("49699.5"), D(50_600))
    assert request.client_order_id == "entry-900000"
    assert request.reason == "RSI 28 and MACD up"
    assert request.increases_risk


def test_an_entry_says_how_its_size_came_about(desk: Desk) -> None:
    desk.signal(1)
    [request] = desk.requests
    price = request.reference_price
    assert request.sizing == (
        f"fixed_percent of 10,000.00 USDT allows 1,000.00; 1,000.00 / {price} = "
        f"{D(1000) / price:.6g}, in whole steps {request.quantity}"
    )


def test_a_short_signal_has_its_stop_above(desk: Desk) -> None:
    desk.signal(-1)
    [request] = desk.requests
    assert request.side is Side.SELL
    assert (request.stop_loss, request.take_profit) == (D("50300.5"), D(49_400))


def test_a_stop_stays_at_least_one_tick_away(desk: Desk) -> None:
    desk.signal(1, stop_distance=D("0.01"), take_profit_distance=None)
    [request] = desk.requests
    assert (request.stop_loss, request.take_profit) == (D("49999.5"), None)


def test_a_stop_below_zero_is_refused(desk: Desk) -> None:
    desk.signal(1, stop_distance=D(50_000))
    assert desk.requests == []
    assert [reject.code for reject in desk.rejects] == ["no_valid_stop"]


def test_a_target_below_zero_is_left_out(desk: Desk) -> None:
    desk.signal(-1, take_profit_distance=D(60_000))
    assert desk.requests[0].take_profit is None


@pytest.mark.parametrize(("side", "direction"), [(Side.BUY, 1), (Side.SELL, -1)])
def test_the_same_direction_does_nothing(desk: Desk, side: Side, direction: int) -> None:
    desk.hold(side, "0.02")
    desk.signal(direction)
    assert desk.requests == []


@pytest.mark.parametrize(
    ("side", "direction"), [(Side.BUY, -1), (Side.BUY, 0), (Side.SELL, 1), (Side.SELL, 0)]
)
def test_the_opposite_direction_or_zero_closes_everything(
    desk: Desk, side: Side, direction: int
) -> None:
    desk.hold(side, "0.0217")
    desk.signal(direction)
    [request] = desk.requests
    assert (request.side, request.quantity) == (side.opposite, D("0.0217"))
    assert (request.purpose, request.reduce_only) == (OrderPurpose.EXIT, True)
    assert not request.increases_risk
    assert request.stop_loss is None


def test_zero_while_flat_does_nothing(desk: Desk) -> None:
    desk.signal(0)
    desk.hold(Side.BUY, "0")
    desk.signal(0)
    assert desk.requests == []


def test_too_small_is_refused_with_the_numbers(tmp_path: Path) -> None:
    desk = Desk(tmp_path, capital="499")
    desk.signal(1)
    assert desk.requests == []
    [reject] = desk.rejects
    assert (reject.code, reject.is_ours, reject.side) == ("below_minimum", True, Side.BUY)
    assert reject.text == (
        "fixed_percent allows 49.90 USDT: 0.000 BTC is below the exchange's minimum of 0.001 BTC"
    )
    desk.database.close()


def test_what_is_not_traded_is_refused(desk: Desk) -> None:
    desk.signal(1, symbol="ETHUSDT")
    desk.instruments["BTCUSDT"] = msgspec.structs.replace(BTC, is_trading=False)
    desk.signal(1)
    assert [reject.code for reject in desk.rejects] == ["not_trading", "not_trading"]


def test_no_second_entry_while_one_is_on_its_way(desk: Desk) -> None:
    desk.signal(1)
    desk.answer(desk.requests[0], OrderStatus.UNKNOWN)
    desk.signal(1)
    assert len(desk.requests) == 1
    desk.answer(desk.requests[0], OrderStatus.REJECTED)
    desk.signal(1)
    assert len(desk.requests) == 2


def test_a_denied_entry_leaves_the_way_free(desk: Desk) -> None:
    desk.signal(1)
    first = desk.requests[0]
    desk.bus.publish(
        Reject(
            client_order_id=first.client_order_id,
            account="main",
            bot_id="bot-1",
            symbol="BTCUSDT",
            side=Side.BUY,
            quantity=first.quantity,
            code="capital_cap",
            text="",
            time_ms=0,
        )
    )
    desk.signal(1)
    assert len(desk.requests) == 2


def test_an_exit_follows_a_pending_entry_but_not_another_exit(desk: Desk) -> None:
    desk.signal(1)
    desk.hold(Side.BUY, "0.01")
    desk.signal(-1)
    desk.signal(0)
    assert [request.purpose for request in desk.requests] == ["entry", "exit"]
    desk.answer(desk.requests[0], OrderStatus.FILLED)  # the entry's end does not end the exit
    desk.signal(0)
    desk.answer(desk.requests[1], OrderStatus.CANCELLED)
    desk.signal(0)
    assert [request.purpose for request in desk.requests] == ["entry", "exit", "exit"]


@pytest.mark.parametrize("status", [OrderStatus.REJECTED, OrderStatus.FILLED])
def test_an_exit_that_the_exchange_refuses_is_handed_on(
    tmp_path: Path, status: OrderStatus
) -> None:
    refused: list[Order] = []
    desk = Desk(tmp_path, on_exit_refused=refused.append)
    desk.signal(1)
    desk.answer(desk.requests[0], OrderStatus.REJECTED)  # an entry is nobody's business
    desk.hold(Side.BUY, "0.01")
    desk.signal(-1)
    desk.answer(desk.requests[1], status)
    desk.answer(desk.requests[1], status)
    ids = [order.client_order_id for order in refused]
    assert ids == ([desk.requests[1].client_order_id] if status is OrderStatus.REJECTED else [])


class Recording(SizingMethod, frozen=True):
    """A sizing method that remembers what it was shown."""

    name: ClassVar[str] = "recording"
    seen: list[SizingFacts] = msgspec.field(default_factory=list)

    def target_notional(self, facts: SizingFacts) -> Decimal:
        self.seen.append(facts)
        return D(500)


def test_a_bot_may_have_a_sizing_method_of_its_own(tmp_path: Path) -> None:
    own = Recording()
    trip = RoundTrip("BTCUSDT", "bot-1", Side.BUY, D(1), 0, 1, D(5))
    desk = Desk(
        tmp_path,
        sizing_of={"bot-1": own}.get,
        round_trips_of={"bot-1": [trip]}.get,
        closes=lambda symbols, count: {symbol: [D(7)] * count for symbol in symbols},
    )
    desk.signal(1)
    desk.signal(-1, bot_id="bot-2", candle_open_time_ms=1_800_000, account="other")
    assert [request.quantity for request in desk.requests] == [D("0.01"), D("0.02")]
    [facts] = own.seen
    assert (facts.equity, facts.signal.bot_id) == (10_000, "bot-1")
    assert (facts.round_trips(), facts.closes(2)) == ([trip], {"BTCUSDT": [D(7), D(7)]})
    desk.database.close()


def test_a_bot_without_a_record_is_sized_by_a_method_that_asks_for_one(tmp_path: Path) -> None:
    own = Recording()
    desk = Desk(tmp_path, sizing_of=lambda _: own)
    desk.signal(1)
    [facts] = own.seen
    assert (facts.round_trips(), facts.closes(9)) == ((), {})
    desk.database.close()


def test_closes_are_those_of_what_the_account_trades(tmp_path: Path) -> None:
    """Another account's symbols, and what is only watched, must not thin out this one's share."""
    method = Recording()
    desk = Desk(
        tmp_path,
        sizing_of=lambda _: method,
        closes=lambda symbols, count: dict.fromkeys(symbols, [D(7)] * count),
        traded=lambda: {"ETHUSDT"},
    )
    desk.capital.allocate_for_position("SOLUSDT", D(10))
    desk.signal(1)
    assert method.seen[0].closes(1).keys() == {"BTCUSDT", "ETHUSDT", "SOLUSDT"}
