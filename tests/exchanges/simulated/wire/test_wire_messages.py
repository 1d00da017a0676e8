"""The demo's messages hold what Bybit's hold: keys compared with recorded ones, values exact."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.models.candles import Candle
from core.models.fills import FillKind
from core.models.instruments import Instrument
from core.models.orders import OrderType, Side, TimeInForce
from exchanges.simulated.market import Tick
from exchanges.simulated.values import (
    CancelReason,
    CreateType,
    Execution,
    StopType,
    TriggerDirection,
    VenueOrder,
    VenueOrderStatus,
    VenuePosition,
    VenueTicker,
    Wallet,
)
from exchanges.simulated.wire import messages
from exchanges.simulated.wire.words import mean_text, text

D = Decimal
ORDER = VenueOrder(
    sequence=7,
    priority=1,
    order_id="order-1",
    client_order_id="mine-1",
    account="key",
    symbol="BTCUSDT",
    side=Side.BUY,
    order_type=OrderType.LIMIT,
    quantity=D("0.300"),
    status=VenueOrderStatus.PARTLY_FILLED,
    created_ms=1_700_000_000_000,
    updated_ms=1_700_000_000_500,
    last_price_on_created=D("67001.5"),
    price=D("67000.0"),
    time_in_force=TimeInForce.POST_ONLY,
    stop_loss=D("66000.0"),
    filled_quantity=D("0.100"),
    filled_value=D("6700.00"),
    fee=D("1.34"),
)
EXECUTION = Execution(
    trade_id="trade-1",
    exchange_order_id="order-1",
    client_order_id="mine-1",
    account="key",
    bot_id="",
    symbol="BTCUSDT",
    side=Side.SELL,
    quantity=D("0.100"),
    price=D("67100.0"),
    fee=D("3.69"),
    time_ms=1_700_000_000_500,
    realized_pnl=D("10.00000001"),
    closed_quantity=D("0.100"),
    sequence=8,
    order_price=None,
    order_quantity=D("0.100"),
    leaves_quantity=D(0),
    order_type=OrderType.MARKET,
    fee_rate=D("0.00055"),
    mark_price=D("67100.1"),
    closed_entry_value=D("6699.99999999"),
)
POSITION = VenuePosition(
    account="key",
    symbol="BTCUSDT",
    side=Side.SELL,
    quantity=D("0.100"),
    entry_price=D("6700") / D("0.3"),
    updated_ms=1_700_000_000_500,
    mark_price=D("67100.1"),
    leverage=D(5),
    stop_loss=D("68000.0"),
    sequence=9,
    created_ms=1_700_000_000_000,
)
WALLET = Wallet(
    account="key",
    currency="USDT",
    wallet_balance=D("25006.31000001"),
    available_balance=D("23666.0"),
    equity=D("25000"),
    updated_ms=1_700_000_000_500,
    position_margin=D("1000"),
    order_margin=D("250"),
)
INSTRUMENT = Instrument(
    exchange="bybit",
    symbol="1000PEPEUSDT",
    base="1000PEPE",
    quote="USDT",
    tick_size=D("0.0000001"),
    quantity_step=D(100),
    min_quantity=D(100),
    max_quantity=D("1000000000"),
    min_notional=D(5),
    max_leverage=D(50),
)
TICKER = VenueTicker(
    exchange="bybit",
    symbol="BTCUSDT",
    last_price=D("67000.0"),
    exchange_time_ms=1_700_000_000_500,
    mark_price=D("67000.1"),
    bid_price=D("66999.9"),
    ask_price=D("67000.0"),
    high_24h=D("68000.0"),
    low_24h=D("66000.0"),
    change_24h_ratio=D("0.0123"),
    turnover_24h=D("1000000"),
    funding_rate=D("0.0001"),
    bid_size=D("1.5"),
    ask_size=D("2"),
    volume_24h=D("15"),
    price_24h_ago=D("66000.0"),
    price_1h_ago=D("66500.0"),
    next_funding_ms=1_700_006_400_000,
    open_interest=D("50000"),
)
TICK = Tick(1_700_000_000_000, D("67000.0"), D("0.010"), Side.SELL)


def recorded(real_wire: Path, channel: str) -> list[dict[str, Any]]:
    lines = (real_wire / "bybit.messages.jsonl").read_text("utf-8").splitlines()
    rows = [msgspec.json.decode(line) for line in lines]
    payloads = [row["payload"] for row in rows if row["channel"] == channel]
    assert payloads, f"no recorded message of {channel}"
    return payloads


@pytest.mark.parametrize(
    ("channel", "ours"),
    [
        ("ws_account_order_filled", messages.order_json(ORDER)),
        ("ws_account_order_stop_loss", messages.order_json(ORDER)),
        ("ws_account_execution", messages.streamed_execution_json(EXECUTION)),
        ("ws_account_execution_fast", messages.fast_execution_json(EXECUTION)),
        ("ws_account_position", messages.position_json(POSITION, entry_key="entryPrice")),
        ("ws_account_wallet_small_order", messages.wallet_json(WALLET) | {"totalPerpUpl": ""}),
    ],
)
def test_every_key_of_a_recorded_private_message_is_there(
    real_wire: Path, channel: str, ours: dict[str, Any]
) -> None:
    for payload in recorded(real_wire, channel):
        for data in payload["data"]:
            assert set(data) <= set(ours)


@pytest.mark.parametrize(
    ("channel", "ours"),
    [
        ("http_get_executions", messages.execution_json(EXECUTION)),
        ("http_get_orders_history_with_duplicate", messages.order_json(ORDER)),
        (
            "http_get_instruments_linear_symbol_type",
            messages.instrument_json(INSTRUMENT) | {"symbolId": 0},
        ),
        ("http_get_trades_recent", messages.public_trade_json("BTCUSDT", TICK)),
    ],
)
def test_every_key_of_a_recorded_list_is_there(
    real_wire: Path, channel: str, ours: dict[str, Any]
) -> None:
    for payload in recorded(real_wire, channel):
        for row in payload["result"]["list"]:
            assert set(row) <= set(ours)


def test_every_key_of_a_recorded_linear_ticker_is_there(real_wire: Path) -> None:
    absent_in_a_perpetual = {"preOpenPrice", "preQty", "curPreListingPhase", "usdIndexPrice"}
    not_modelled = {"fundingCap", "singleOpenInterest", "singleOpenInterestValue"}
    ours = {"tickDirection", *messages.ticker_json(TICKER)}
    for payload in recorded(real_wire, "tickers.BTCUSDT"):
        assert set(payload["data"]) - absent_in_a_perpetual - not_modelled <= ours


def test_an_order_keeps_every_digit() -> None:
    order = messages.order_json(ORDER)
    assert order["qty"] == "0.300"
    assert order["leavesQty"] == "0.200"
    assert order["leavesValue"] == "13400.0000"
    assert order["avgPrice"] == "67000"
    assert order["cumExecFee"] == "1.34"
    assert (order["timeInForce"], order["orderStatus"]) == ("PostOnly", "PartiallyFilled")
    assert (order["stopLoss"], order["takeProfit"], order["tpslMode"]) == ("66000.0", "", "Full")
    assert order["createdTime"] == "1700000000000"


def test_a_protection_order_is_told_from_the_traders_own() -> None:
    order = messages.order_json(
        msgspec.structs.replace(
            ORDER,
            client_order_id="",
            order_type=OrderType.MARKET,
            price=None,
            reduce_only=True,
            status=VenueOrderStatus.UNTRIGGERED,
            stop_type=StopType.STOP_LOSS,
            create_type=CreateType.STOP_LOSS,
            trigger_price=D("66000.0"),
            trigger_direction=TriggerDirection.FALLING,
            stop_loss=None,
        )
    )
    assert (order["stopOrderType"], order["createType"]) == ("StopLoss", "CreateByStopLoss")
    assert (order["orderStatus"], order["closeOnTrigger"]) == ("Untriggered", True)
    assert (order["triggerPrice"], order["triggerDirection"]) == ("66000.0", 2)
    assert (order["triggerBy"], order["orderLinkId"], order["tpslMode"]) == (
        "LastPrice",
        "",
        "Full",
    )


def test_a_post_only_order_that_would_take_says_so() -> None:
    order = messages.order_json(
        msgspec.structs.replace(
            ORDER,
            status=VenueOrderStatus.CANCELLED,
            cancel_reason=CancelReason.POST_ONLY_WOULD_TAKE,
        )
    )
    assert order["rejectReason"] == "EC_PostOnlyWillTakeLiquidity"
    assert (order["orderStatus"], order["leavesQty"]) == ("Cancelled", "0")


def test_an_execution_carries_fee_and_result_exactly() -> None:
    execution = messages.streamed_execution_json(EXECUTION)
    assert (execution["execFee"], execution["execPnl"]) == ("3.69", "10.00000001")
    assert (execution["execValue"], execution["closedSize"]) == ("6710.0000", "0.100")
    assert (execution["execType"], execution["stopOrderType"]) == ("Trade", "UNKNOWN")


def test_the_execution_list_leaves_the_result_to_the_transaction_log() -> None:
    assert "execPnl" not in messages.execution_json(EXECUTION)
    assert messages.transaction_json(EXECUTION)["cashFlow"] == "10.00000001"


def test_funding_is_an_execution_of_its_own_type_and_a_settlement_in_the_log() -> None:
    funding = msgspec.structs.replace(EXECUTION, kind=FillKind.FUNDING, realized_pnl=D(0))
    assert messages.execution_json(funding)["execType"] == "Funding"
    row = messages.transaction_json(funding)
    assert (row["type"], row["funding"], row["fee"], row["change"]) == (
        "SETTLEMENT",
        "-3.69",
        "0",
        "-3.69",
    )


def test_closed_pnl_is_after_the_fee() -> None:
    row = messages.closed_pnl_json(EXECUTION, D(5))
    assert (row["closedPnl"], row["avgEntryPrice"]) == ("6.31000001", "66999.9999999")


def test_a_mean_is_written_with_ten_decimals_at_most_and_a_flat_position_has_no_side() -> None:
    position = messages.position_json(POSITION, entry_key="avgPrice")
    assert position["avgPrice"] == "22333.3333333333"
    assert (position["side"], position["stopLoss"], position["takeProfit"]) == (
        "Sell",
        "68000.0",
        "0",
    )
    flat = messages.position_json(
        msgspec.structs.replace(POSITION, quantity=D(0)), entry_key="avgPrice"
    )
    assert (flat["side"], flat["size"], flat["avgPrice"]) == ("", "0", "0")


def test_the_wallet_rates_are_ratios_of_equity() -> None:
    wallet = messages.wallet_json(WALLET)
    assert wallet["accountIMRate"] == "0.05"
    assert wallet["coin"][0]["walletBalance"] == "25006.31000001"


@pytest.mark.parametrize(
    ("number", "written"),
    [(D("1E-7"), "0.0000001"), (D("1E+2"), "100"), (D("0.0"), "0.0"), (None, "")],
)
def test_numbers_are_written_without_exponent(number: Decimal | None, written: str) -> None:
    assert text(number) == written


def test_a_mean_of_large_numbers_keeps_its_integer_part() -> None:
    assert mean_text(D("123456789.5")) == "123456789.5"


def test_a_bar_row_is_bybits_order_of_columns() -> None:
    bar = Candle(1_700_000_000_000, D(1), D(4), D("0.5"), D(2), D(10))
    assert messages.kline_row(bar) == ["1700000000000", "1", "4", "0.5", "2", "10", "22.5"]
