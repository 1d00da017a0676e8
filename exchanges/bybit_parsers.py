"""Bybit's words into ours: pure functions from what arrived (bytes, decoded rows) to models; the
public stream's are in `bybit_dialect.py`.

Nothing here knows a socket or a clock, so recorded messages are the whole test. Numbers arrive
as strings and become exact `Decimal`; an empty string means "not said" (None). A message that
does not have the promised shape raises `msgspec.ValidationError`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from core.models.candles import Candle, Ticker
from core.models.fills import Fill, FillKind
from core.models.instruments import Instrument
from core.models.orders import Order, OrderPurpose, OrderStatus, OrderType, Side
from core.models.positions import Balance, Position
from exchanges.bybit_words import (
    CATEGORY,
    EXCHANGE,
    NO_REASON,
    PROTECTION,
    SETTLE_COIN,
    STATUSES,
    price_or_none,
    side_of,
)
from exchanges.numbers import decimal, decimal_or_none, decimal_or_zero, milliseconds


class ControlMessage(msgspec.Struct):
    """Answer to something we sent: `op` is subscribe, unsubscribe, ping, pong or auth."""

    op: str = ""
    success: bool = True
    ret_msg: str = ""
    req_id: str | int = ""
    topic: str = ""


_decode_control = msgspec.json.Decoder(ControlMessage).decode

# ---- private stream and REST rows -------------------------------------------------------------


class OrderRow(msgspec.Struct, rename="camel"):
    symbol: str
    order_id: str
    side: str
    order_type: str
    order_status: str
    qty: str
    order_link_id: str = ""
    price: str = ""
    cum_exec_qty: str = ""
    avg_price: str = ""
    cum_exec_fee: str = ""
    trigger_price: str = ""
    stop_order_type: str = ""
    reject_reason: str = ""
    created_time: str = "0"
    updated_time: str = "0"
    reduce_only: bool = False
    category: str = CATEGORY


class ExecutionRow(msgspec.Struct, rename="camel"):
    symbol: str
    exec_id: str
    order_id: str
    side: str
    exec_qty: str
    exec_price: str
    exec_time: str
    exec_type: str = "Trade"
    exec_fee: str = ""
    exec_pnl: str = ""
    closed_size: str = ""
    order_link_id: str = ""
    stop_order_type: str = ""
    is_maker: bool = False
    category: str = CATEGORY


class TransactionRow(msgspec.Struct, rename="camel"):
    trade_id: str = ""
    cash_flow: str = ""


class PositionRow(msgspec.Struct, rename="camel"):
    """REST says `avgPrice`, the stream `entryPrice`."""

    symbol: str
    side: str
    size: str
    position_idx: int = 0
    avg_price: str = ""
    entry_price: str = ""
    mark_price: str = ""
    unrealised_pnl: str = ""
    leverage: str = ""
    stop_loss: str = ""
    take_profit: str = ""
    liq_price: str = ""
    updated_time: str = "0"
    category: str = CATEGORY


class CoinRow(msgspec.Struct):
    coin: str
    wallet_balance: str = msgspec.field(name="walletBalance")
    equity: str = ""
    total_order_im: str = msgspec.field(name="totalOrderIM", default="")
    total_position_im: str = msgspec.field(name="totalPositionIM", default="")


class WalletRow(msgspec.Struct, rename="camel"):
    coin: list[CoinRow]
    total_available_balance: str = ""


class _PrivateEnvelope(msgspec.Struct, rename={"creation_time": "creationTime"}):
    topic: str
    creation_time: int = 0
    data: msgspec.Raw = msgspec.Raw(b"[]")


PrivateItem = Order | Fill | Position | Balance

_decode_private_envelope = msgspec.json.Decoder(_PrivateEnvelope).decode
_decode_orders = msgspec.json.Decoder(list[OrderRow]).decode
_decode_executions = msgspec.json.Decoder(list[ExecutionRow]).decode
_decode_positions = msgspec.json.Decoder(list[PositionRow]).decode
_decode_wallets = msgspec.json.Decoder(list[WalletRow]).decode


def decode_private(payload: str | bytes, account: str) -> ControlMessage | list[PrivateItem]:
    """One message of the private stream: an answer to us, or what it reports about linear USDT
    symbols (spot and options of the same account are left out). Raises msgspec.DecodeError."""
    control = _decode_control(payload)
    if not control.topic:
        return control
    message = _decode_private_envelope(payload)
    items: list[PrivateItem]
    match message.topic:
        case "order":
            items = [order(row, account) for row in _decode_orders(message.data) if _ours(row)]
        case "execution":
            items = [fill(row, account) for row in _decode_executions(message.data) if _ours(row)]
        case "position":
            items = [
                position(row, account) for row in _decode_positions(message.data) if _ours(row)
            ]
        case "wallet":
            balances = (
                balance(row, account, message.creation_time)
                for row in _decode_wallets(message.data)
            )
            items = [found for found in balances if found is not None]
        case _:
            items = []
    return items


def _ours(row: OrderRow | ExecutionRow | PositionRow) -> bool:
    return row.category == CATEGORY and row.symbol.endswith(SETTLE_COIN)


def orders(rows: Sequence[Any], account: str) -> list[Order]:
    """Rows of `/v5/order/realtime` or `/v5/order/history`."""
    return [order(row, account) for row in msgspec.convert(rows, list[OrderRow]) if _ours(row)]


def fills(rows: Sequence[Any], account: str) -> list[Fill]:
    """Rows of `/v5/execution/list`, in their order. Results are not in it: `realized_results`."""
    return [fill(row, account) for row in msgspec.convert(rows, list[ExecutionRow]) if _ours(row)]


def realized_results(rows: Sequence[Any]) -> dict[str, Decimal]:
    """Rows of `/v5/account/transaction-log`: what each trade realised, before fees and funding
    (a trade that closes one position and opens another may have two rows)."""
    results: dict[str, Decimal] = {}
    for row in msgspec.convert(rows, list[TransactionRow]):
        earned = decimal_or_zero(row.cash_flow)
        results[row.trade_id] = results.get(row.trade_id, Decimal(0)) + earned
    return results


def positions(rows: Sequence[Any], account: str) -> list[Position]:
    """Rows of `/v5/position/list`, flat ones included."""
    return [
        position(row, account) for row in msgspec.convert(rows, list[PositionRow]) if _ours(row)
    ]


def position_modes(rows: Sequence[Any]) -> set[int]:
    """`positionIdx` of the rows: 0 one-way, 1 and 2 the sides of hedge mode."""
    return {row.position_idx for row in msgspec.convert(rows, list[PositionRow])}


def wallet(rows: Sequence[Any], account: str, time_ms: int) -> Balance | None:
    """`/v5/account/wallet-balance`; None when the account has no such coin."""
    for row in msgspec.convert(rows, list[WalletRow]):
        found = balance(row, account, time_ms)
        if found is not None:
            return found
    return None


def order(row: OrderRow, account: str) -> Order:
    trigger_price = price_or_none(row.trigger_price)
    order_type = OrderType.LIMIT if row.order_type == "Limit" else OrderType.MARKET
    if trigger_price is not None and order_type is OrderType.MARKET:
        order_type = OrderType.STOP_MARKET
    reject_code = "" if row.reject_reason in NO_REASON else row.reject_reason
    return Order(
        client_order_id=row.order_link_id,
        exchange_order_id=row.order_id,
        account=account,
        bot_id="",
        symbol=row.symbol,
        side=side_of(row.side),
        order_type=order_type,
        quantity=decimal(row.qty),
        status=STATUSES.get(row.order_status, OrderStatus.UNKNOWN),
        purpose=_purpose(row),
        created_ms=milliseconds(row.created_time),
        updated_ms=milliseconds(row.updated_time),
        price=price_or_none(row.price),
        trigger_price=trigger_price,
        filled_quantity=decimal_or_zero(row.cum_exec_qty),
        average_price=price_or_none(row.avg_price),
        fee=decimal_or_zero(row.cum_exec_fee),
        reduce_only=row.reduce_only,
        reason=reject_code,
        reject_code=reject_code,
    )


def _purpose(row: OrderRow) -> OrderPurpose:
    """What the exchange can know; the journal knows better for orders of our own."""
    protection = PROTECTION.get(row.stop_order_type)
    if protection is not None:
        return protection
    if not row.order_link_id:
        return OrderPurpose.EXTERNAL
    return OrderPurpose.EXIT if row.reduce_only else OrderPurpose.ENTRY


def fill(row: ExecutionRow, account: str) -> Fill:
    protection = PROTECTION.get(row.stop_order_type)
    return Fill(
        trade_id=row.exec_id,
        exchange_order_id=row.order_id,
        client_order_id=row.order_link_id,
        account=account,
        bot_id="",
        symbol=row.symbol,
        side=side_of(row.side),
        quantity=decimal(row.exec_qty),
        price=decimal(row.exec_price),
        fee=decimal_or_zero(row.exec_fee),
        time_ms=milliseconds(row.exec_time),
        realized_pnl=decimal_or_zero(row.exec_pnl),
        closed_quantity=decimal_or_zero(row.closed_size),
        kind=FillKind.FUNDING if row.exec_type == "Funding" else FillKind.TRADE,
        is_maker=row.is_maker,
        exchange_purpose=protection.value if protection is not None else "",
    )


def position(row: PositionRow, account: str) -> Position:
    quantity = decimal(row.size)
    return Position(
        account=account,
        symbol=row.symbol,
        side=side_of(row.side) if quantity else Side.BUY,
        quantity=quantity,
        entry_price=decimal_or_zero(row.avg_price or row.entry_price),
        updated_ms=milliseconds(row.updated_time or "0"),
        mark_price=price_or_none(row.mark_price),
        unrealized_pnl=decimal_or_zero(row.unrealised_pnl),
        leverage=decimal(row.leverage) if row.leverage else Decimal(1),
        stop_loss=price_or_none(row.stop_loss),
        take_profit=price_or_none(row.take_profit),
        liquidation_price=price_or_none(row.liq_price),
    )


def balance(row: WalletRow, account: str, time_ms: int) -> Balance | None:
    for coin in row.coin:
        if coin.coin == SETTLE_COIN:
            wallet_balance = decimal(coin.wallet_balance)
            in_use = decimal_or_zero(coin.total_order_im) + decimal_or_zero(coin.total_position_im)
            return Balance(
                account=account,
                currency=SETTLE_COIN,
                wallet_balance=wallet_balance,
                # the account-wide figure is empty in isolated margin mode
                available_balance=decimal(row.total_available_balance)
                if row.total_available_balance
                else max(Decimal(0), wallet_balance - in_use),
                equity=decimal(coin.equity) if coin.equity else wallet_balance,
                updated_ms=time_ms,
            )
    return None


# ---- public REST rows -------------------------------------------------------------------------


class _LotSizeFilter(msgspec.Struct, rename="camel"):
    qty_step: str
    min_order_qty: str
    max_order_qty: str
    max_mkt_order_qty: str = ""
    min_notional_value: str = ""


class _PriceFilter(msgspec.Struct, rename="camel"):
    tick_size: str


class _LeverageFilter(msgspec.Struct, rename="camel"):
    max_leverage: str


class InstrumentRow(msgspec.Struct, rename="camel"):
    symbol: str
    base_coin: str
    quote_coin: str
    status: str
    price_filter: _PriceFilter
    lot_size_filter: _LotSizeFilter
    leverage_filter: _LeverageFilter
    launch_time: str = ""


def instruments(rows: Sequence[Mapping[str, Any]]) -> list[Instrument]:
    """USDT perpetuals that trade now, of `/v5/market/instruments-info`."""
    return [
        _instrument(msgspec.convert(row, InstrumentRow))
        for row in rows
        if row.get("contractType") == "LinearPerpetual"
        and row.get("quoteCoin") == SETTLE_COIN
        and row.get("status") == "Trading"
    ]


def _instrument(row: InstrumentRow) -> Instrument:
    lot = row.lot_size_filter
    max_quantity = decimal(lot.max_order_qty)
    if lot.max_mkt_order_qty:  # what a limit order may have and a market order may not helps nobody
        max_quantity = min(max_quantity, decimal(lot.max_mkt_order_qty))
    return Instrument(
        exchange=EXCHANGE,
        symbol=row.symbol,
        base=row.base_coin,
        quote=row.quote_coin,
        tick_size=decimal(row.price_filter.tick_size),
        quantity_step=decimal(lot.qty_step),
        min_quantity=decimal(lot.min_order_qty),
        max_quantity=max_quantity,
        min_notional=decimal_or_zero(lot.min_notional_value),
        max_leverage=decimal(row.leverage_filter.max_leverage),
        listed_ms=milliseconds(row.launch_time or "0") or None,
    )


def candles(rows: Sequence[Any]) -> list[Candle]:
    """Rows of `/v5/market/kline` (`[start, open, high, low, close, volume, turnover]`, newest
    first), oldest first."""
    converted = msgspec.convert(rows, list[_KlineRow])
    return [
        Candle(
            milliseconds(start), decimal(o), decimal(h), decimal(lo), decimal(c), decimal(volume)
        )
        for start, o, h, lo, c, volume, _turnover in reversed(converted)
    ]


_KlineRow = tuple[str, str, str, str, str, str, str]


def tickers(rows: Sequence[Any], time_ms: int) -> list[Ticker]:
    """Rows of `/v5/market/tickers`; a symbol without a last price is left out."""
    return [
        Ticker(
            EXCHANGE,
            row.symbol,
            decimal(row.last_price),
            time_ms,
            decimal_or_none(row.mark_price),
            decimal_or_none(row.bid_price),
            decimal_or_none(row.ask_price),
            decimal_or_none(row.high_24h),
            decimal_or_none(row.low_24h),
            decimal_or_none(row.change_24h_ratio),
            decimal_or_none(row.turnover_24h),
            decimal_or_none(row.funding_rate),
        )
        for row in msgspec.convert(rows, list[_TickerRow])
        if row.last_price
    ]


class _TickerRow(msgspec.Struct, rename="camel"):
    symbol: str
    last_price: str = ""
    mark_price: str = ""
    bid_price: str = msgspec.field(name="bid1Price", default="")
    ask_price: str = msgspec.field(name="ask1Price", default="")
    high_24h: str = msgspec.field(name="highPrice24h", default="")
    low_24h: str = msgspec.field(name="lowPrice24h", default="")
    change_24h_ratio: str = msgspec.field(name="price24hPcnt", default="")
    turnover_24h: str = msgspec.field(name="turnover24h", default="")
    funding_rate: str = ""
