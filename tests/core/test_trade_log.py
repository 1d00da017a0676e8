"""Round trips from flat to flat, with their net result."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from core.models.fills import Fill, FillKind
from core.models.orders import Side
from core.models.positions import AcceptedPosition
from core.trade_log import OpenTrade, RoundTrip, TradeLog


def fill(
    side: Side,
    quantity: str,
    *,
    pnl: str = "0",
    fee: str = "0.5",
    time_ms: int = 1,
    kind: FillKind = FillKind.TRADE,
) -> Fill:
    return Fill(
        trade_id=f"t{time_ms}",
        exchange_order_id="x",
        client_order_id="c",
        account="demo",
        bot_id="btc",
        symbol="BTCUSDT",
        side=side,
        quantity=Decimal(quantity),
        price=Decimal(100),
        fee=Decimal(fee),
        time_ms=time_ms,
        realized_pnl=Decimal(pnl),
        kind=kind,
    )


def test_a_round_trip_ends_flat_with_fees_and_funding_in_its_result() -> None:
    trades = TradeLog()
    assert trades.on_fill(fill(Side.BUY, "1", time_ms=1)) is None
    assert trades.on_fill(fill(Side.BUY, "1", time_ms=2)) is None
    funding = fill(Side.BUY, "2", fee="0.25", time_ms=3, kind=FillKind.FUNDING)
    assert trades.on_fill(funding) is None
    assert trades.on_fill(fill(Side.SELL, "0.5", pnl="3", time_ms=4)) is None
    ended = trades.on_fill(fill(Side.SELL, "1.5", pnl="9", time_ms=5))
    assert ended is not None
    assert ended.net_result == Decimal("9.75")  # 12 earned, 4 x 0.5 fees, 0.25 funding
    assert (ended.side, ended.quantity) == (Side.BUY, Decimal(2))
    assert (ended.opened_ms, ended.closed_ms) == (1, 5)
    assert trades.open_trades == {}


def test_replaying_the_same_fills_gives_the_same_trades() -> None:
    fills = [
        fill(Side.SELL, "2", time_ms=1),
        fill(Side.BUY, "2", pnl="-4", time_ms=2),
        fill(Side.BUY, "1", time_ms=3),
    ]
    first, second = TradeLog(), TradeLog()
    for one in fills:
        first.on_fill(one)
        second.on_fill(one)
    assert first.round_trips == second.round_trips
    assert [trip.net_result for trip in first.round_trips] == [Decimal(-5)]
    assert first.open_trades["BTCUSDT"].position == 1


def accepted(quantity: str, *, is_dust: bool = False) -> AcceptedPosition:
    return AcceptedPosition("demo", "BTCUSDT", "btc", Decimal(quantity), 10, is_dust)


def test_a_position_taken_over_begins_its_trade_where_it_was_taken_over() -> None:
    trades = TradeLog()
    trades.replay([fill(Side.BUY, "1", time_ms=1), accepted("-2")])
    trade = trades.open_trades["BTCUSDT"]
    assert (trade.side, trade.position, trade.opened_ms) == (Side.SELL, Decimal(-2), 10)
    ended = trades.on_fill(fill(Side.BUY, "2", pnl="7", time_ms=11))
    assert ended is not None
    assert (ended.bot_id, ended.side, ended.opened_ms) == ("btc", Side.SELL, 10)
    assert ended.net_result == Decimal("6.5")  # the fee of the entry that nobody saw is not in it


def test_what_vanished_without_a_fill_is_no_trade_with_a_result() -> None:
    trades = TradeLog()
    trades.replay([fill(Side.BUY, "1", time_ms=1), accepted("0")])
    assert (trades.open_trades, trades.round_trips) == ({}, [])


def test_dust_that_is_gone_ends_the_trade_with_its_result() -> None:
    trades = TradeLog()
    sold = fill(Side.SELL, "0.9", pnl="4", time_ms=2)
    trades.replay([fill(Side.BUY, "1", time_ms=1), sold, accepted("0", is_dust=True)])
    [trip] = trades.round_trips
    assert (trip.net_result, trip.closed_ms) == (Decimal(3), 10)
    assert trades.open_trades == {}


def test_dust_that_stays_ends_nothing() -> None:
    trades = TradeLog()
    trades.replay([fill(Side.BUY, "1", time_ms=1), accepted("0.9999", is_dust=True)])
    assert trades.open_trades["BTCUSDT"].position == Decimal("0.9999")
    trades.replay([accepted("0.0001", is_dust=True)])
    assert trades.round_trips == []


def test_dust_of_a_position_that_no_trade_knows_begins_one() -> None:
    trades = TradeLog()
    trades.replay([accepted("0.0001", is_dust=True)])
    assert trades.open_trades["BTCUSDT"].position == Decimal("0.0001")


def test_the_replay_tells_which_fill_ended_which_trade() -> None:
    trades = TradeLog()
    told = trades.replay([fill(Side.BUY, "1", time_ms=1), fill(Side.SELL, "1", time_ms=2)])
    assert [ended for _, ended in told] == [None, trades.round_trips[0]]


_fills = st.lists(
    st.tuples(
        st.sampled_from(Side), st.integers(1, 3), st.integers(-50, 50), st.integers(0, 5),
        st.sampled_from(FillKind),
    ),
    max_size=40,
)  # fmt: skip


@given(_fills)
def test_round_trips_open_trades_and_stray_funding_are_all_that_the_fills_paid(fills) -> None:  # type: ignore[no-untyped-def]
    trades, stray, paid = TradeLog(), Decimal(0), Decimal(0)
    for i, (side, quantity, pnl, fee, kind) in enumerate(fills):
        is_funding = kind is FillKind.FUNDING
        one = fill(side, str(quantity), pnl="0" if is_funding else str(pnl), fee=str(fee),
                   time_ms=i, kind=kind)  # fmt: skip
        if is_funding and not trades.open_trades:
            stray += one.cash_flow
        paid += one.cash_flow
        trades.on_fill(one)
    every: list[RoundTrip | OpenTrade] = [*trades.round_trips, *trades.open_trades.values()]
    assert sum(trade.net_result for trade in every) + stray == paid
    before_costs = sum(trade.net_result + trade.fees - trade.funding for trade in every)
    assert before_costs == sum(pnl for _, _, pnl, _, kind in fills if kind is FillKind.TRADE)


def priced(side: Side, quantity: str, price: int, time_ms: int) -> Fill:
    return msgspec.structs.replace(fill(side, quantity, time_ms=time_ms), price=Decimal(price))


def test_prices_of_a_round_trip_are_averages_by_quantity() -> None:
    trades = TradeLog()
    trades.on_fill(priced(Side.SELL, "1", 100, 1))
    trades.on_fill(priced(Side.SELL, "3", 120, 2))
    trades.on_fill(priced(Side.BUY, "2", 90, 3))
    ended = trades.on_fill(priced(Side.BUY, "2", 80, 4))
    assert ended is not None
    assert (ended.entry_price, ended.exit_price) == (Decimal(115), Decimal(85))
    assert (ended.fees, ended.funding) == (Decimal(2), Decimal(0))


def test_a_trade_that_turned_round_or_was_taken_over_has_no_prices() -> None:
    trades = TradeLog()
    trades.on_fill(priced(Side.BUY, "1", 100, 1))
    trades.on_fill(priced(Side.SELL, "2", 100, 2))
    turned = trades.on_fill(priced(Side.BUY, "1", 100, 3))
    trades.on_accepted(accepted("2"))
    taken = trades.on_fill(priced(Side.SELL, "2", 100, 4))
    trades.on_fill(priced(Side.BUY, "1", 100, 5))
    trades.on_accepted(accepted("0", is_dust=True))
    for ended in (turned, taken, trades.round_trips[-1]):
        assert ended is not None
        assert (ended.entry_price, ended.exit_price) == (None, None)


def test_a_trip_is_named_by_the_execution_that_opened_it_and_knows_its_orders() -> None:
    trades = TradeLog()
    opened = msgspec.structs.replace(fill(Side.BUY, "1", time_ms=1), client_order_id="in")
    more = msgspec.structs.replace(fill(Side.BUY, "1", time_ms=2), client_order_id="in-2")
    left = msgspec.structs.replace(
        fill(Side.SELL, "2", time_ms=3), client_order_id="out", exchange_purpose="stop_loss"
    )
    trades.replay([opened, more, left])
    [trip] = trades.round_trips
    assert (trip.trade_id, trip.entry_order_id) == ("t1", "in")
    assert (trip.exit_order_id, trip.exit_purpose) == ("out", "stop_loss")
    trades.replay([accepted("1"), fill(Side.SELL, "1", time_ms=11)])
    assert trades.round_trips[1].trade_id == "taken-over-10"
    assert trades.round_trips[1].entry_order_id == ""
