"""Round trips from flat to flat, with their net result."""

from __future__ import annotations

from decimal import Decimal

from core.models.fills import Fill, FillKind
from core.models.orders import Side
from core.trade_log import TradeLog


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
