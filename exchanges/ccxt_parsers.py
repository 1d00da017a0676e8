"""ccxt's unified structures in our models: pure functions, exact numbers.

The client is told to keep numbers as text, so what is read here is what the exchange wrote.
Contracts become base currency by their size. What is not what it claims to be raises
`msgspec.ValidationError`: a row that cannot be read makes the whole answer unread.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from core.models.candles import Candle, Ticker
from core.models.fills import Fill
from core.models.instruments import Instrument
from core.models.orders import Order, OrderPurpose, OrderStatus, OrderType, Side
from core.models.positions import Position
from exchanges.ccxt_quirks import Quirks
from exchanges.numbers import decimal

Row = Mapping[str, Any]
NO_LIMIT = Decimal(10) ** 9  # quantity, where the exchange states none
CONDITIONAL = "algo:"  # in front of the ids of stops that live behind endpoints of their own

_SIDES = {"buy": Side.BUY, "sell": Side.SELL, "long": Side.BUY, "short": Side.SELL}
_STATUSES = {
    "open": OrderStatus.ACKNOWLEDGED,
    "closed": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELLED,
    "expired": OrderStatus.CANCELLED,
    "rejected": OrderStatus.REJECTED,
}
_PROTECTIVE = (OrderPurpose.STOP_LOSS, OrderPurpose.TAKE_PROFIT)
_DECIMAL_PLACES, _SIGNIFICANT_DIGITS = 2, 3  # ccxt's precision modes; 4 is the step itself


def our_symbol(market: Row) -> str:
    return f"{market['base']}{market['quote']}"


def number(row: Row, name: str) -> Decimal | None:
    """None: not said."""
    value = row.get(name)
    return None if value is None or value == "" else decimal(str(value))


def required(row: Row, name: str) -> Decimal:
    value = number(row, name)
    if value is None:
        raise msgspec.ValidationError(f"Expected {name}, got nothing")
    return value


def text(row: Row, name: str) -> str:
    value = row.get(name)
    return "" if value is None else str(value)


def moment_ms(row: Row, name: str = "timestamp") -> int:
    value = row.get(name)
    if value is None:
        return 0
    if not isinstance(value, int):
        raise msgspec.ValidationError(f"Expected a time in ms, got {value!r}")
    return value


def side_of(row: Row) -> Side:
    try:
        return _SIDES[text(row, "side")]
    except KeyError:
        raise msgspec.ValidationError(f"Expected a side, got {row.get('side')!r}") from None


def contract_size(market: Row) -> Decimal:
    return number(market, "contractSize") or Decimal(1)


# ---- public ------------------------------------------------------------------------------------


def is_ours(market: Row, quirks: Quirks) -> bool:
    """Linear perpetuals, or spot, in the currency we settle in; trading now."""
    if market.get("quote") != quirks.quote or market.get("active") is False:
        return False
    if quirks.is_spot:
        return bool(market.get("spot"))
    return bool(market.get("swap") and market.get("linear")) and market.get("settle") == (
        quirks.quote
    )


def instrument(market: Row, quirks: Quirks, mode: int, last_price: Decimal | None) -> Instrument:
    """`mode` is ccxt's precision mode; `last_price` where ticks depend on it."""
    size, limits = contract_size(market), market["limits"]
    precision = market["precision"]
    step = _step(required(precision, "amount"), mode, None) * size
    maxima = [number(limits.get(part) or {}, "max") for part in ("amount", "market")]
    maxima.append(number(market.get("info") or {}, "maxMktSz"))  # OKX; ccxt leaves it out
    return Instrument(
        exchange=quirks.exchange,
        symbol=our_symbol(market),
        base=market["base"],
        quote=market["quote"],
        tick_size=_step(required(precision, "price"), mode, last_price),
        quantity_step=step,
        min_quantity=(number(limits["amount"], "min") or Decimal(0)) * size or step,
        max_quantity=min((found * size for found in maxima if found), default=NO_LIMIT),
        min_notional=number(limits["cost"], "min") or Decimal(0),
        max_leverage=Decimal(1)
        if quirks.is_spot
        else number(limits["leverage"], "max") or quirks.default_max_leverage,
        listed_ms=moment_ms(market, "created") or None,
    )


def _step(precision: Decimal, mode: int, price: Decimal | None) -> Decimal:
    if mode == _DECIMAL_PLACES:
        return Decimal(1).scaleb(-int(precision))
    if mode == _SIGNIFICANT_DIGITS:
        magnitude = price.adjusted() if price else int(precision) - 1
        return Decimal(1).scaleb(magnitude - int(precision) + 1)
    return precision


def candles(rows: Iterable[Any]) -> list[Candle]:
    """Oldest first, each bar once."""
    found: dict[int, Candle] = {}
    for row in rows:
        if len(row) < 6 or not isinstance(row[0], int):
            raise msgspec.ValidationError(f"Expected a candle, got {row!r}")
        prices = [decimal(str(value)) for value in row[1:6]]
        found[row[0]] = Candle(row[0], *prices)
    return [found[open_ms] for open_ms in sorted(found)]


def ticker(row: Row, exchange: str, symbol: str, now_ms: int) -> Ticker | None:
    """None without a last price. The change is computed: what ccxt calls "percentage" has been a
    share in one version and a percentage in the next."""
    last, opened = number(row, "last"), number(row, "open")
    if last is None:
        return None
    return Ticker(
        exchange,
        symbol,
        last,
        moment_ms(row) or now_ms,
        mark_price=number(row, "markPrice"),
        bid_price=number(row, "bid"),
        ask_price=number(row, "ask"),
        high_24h=number(row, "high"),
        low_24h=number(row, "low"),
        change_24h_ratio=last / opened - 1 if opened else None,
        turnover_24h=number(row, "quoteVolume"),
    )


# ---- private -----------------------------------------------------------------------------------


def order(row: Row, account: str, market: Row, *, is_conditional: bool = False) -> Order:
    """`is_conditional`: from an endpoint of conditional orders, whose ids are their own."""
    size = contract_size(market)
    stop_loss, take_profit = number(row, "stopLossPrice"), number(row, "takeProfitPrice")
    trigger = number(row, "triggerPrice") or stop_loss or take_profit
    filled = (number(row, "filled") or Decimal(0)) * size
    status = _STATUSES.get(text(row, "status"), OrderStatus.UNKNOWN)
    if status is OrderStatus.ACKNOWLEDGED and filled:
        status = OrderStatus.PARTLY_FILLED
    order_id = text(row, "id")
    client_id = text(row, "clientOrderId")
    purpose = _purpose(row, client_id, stop_loss, take_profit)
    fee = row.get("fee") or {}
    return Order(
        # a stop of the position was made for us: ccxt's own mark on it is nobody's client id
        client_order_id="" if purpose in _PROTECTIVE else client_id,
        exchange_order_id=f"{CONDITIONAL}{order_id}" if is_conditional else order_id,
        account=account,
        bot_id="",
        symbol=our_symbol(market),
        side=side_of(row),
        order_type=_order_type(row, trigger),
        quantity=(number(row, "amount") or Decimal(0)) * size,
        status=status,
        purpose=purpose,
        created_ms=moment_ms(row),
        updated_ms=moment_ms(row, "lastUpdateTimestamp") or moment_ms(row),
        price=number(row, "price") or None,
        trigger_price=trigger,
        filled_quantity=filled,
        average_price=number(row, "average") or None,
        fee=_fee(fee, market),
        reduce_only=bool(row.get("reduceOnly")),
    )


def _order_type(row: Row, trigger: Decimal | None) -> OrderType:
    kind = text(row, "type").lower()
    if trigger is not None and "limit" not in kind:
        return OrderType.STOP_MARKET
    return OrderType.LIMIT if "limit" in kind else OrderType.MARKET


def _purpose(
    row: Row, client_id: str, stop_loss: Decimal | None, take_profit: Decimal | None
) -> OrderPurpose:
    """What the exchange can know; the journal knows better for orders of our own."""
    info = row.get("info") or {}
    names = [text(row, "type"), *(text(info, name) for name in ("orderType", "type", "planType"))]
    kinds = {name.lower().replace("_", "") for name in names}
    closes = bool(row.get("reduceOnly")) or text(info, "closePosition").lower() == "true"
    if take_profit is not None or (closes and any("takeprofit" in kind for kind in kinds)):
        return OrderPurpose.TAKE_PROFIT
    if stop_loss is not None or (closes and any(kind.startswith("stop") for kind in kinds)):
        return OrderPurpose.STOP_LOSS
    if not client_id:
        return OrderPurpose.EXTERNAL
    return OrderPurpose.EXIT if row.get("reduceOnly") else OrderPurpose.ENTRY


def fill(row: Row, account: str, market: Row) -> Fill:
    """`realized_pnl` is the exchange's own; what it closed is not said apart, so a fill that
    earned or lost something is taken to have closed its whole quantity."""
    info = row.get("info") or {}
    realized = next(
        (found for name in _REALIZED if (found := number(info, name)) is not None), Decimal(0)
    )
    quantity = required(row, "amount") * contract_size(market)
    fee = row.get("fee") or {}
    return Fill(
        trade_id=text(row, "id"),
        exchange_order_id=text(row, "order"),
        client_order_id=text(info, "clOrdId") or text(info, "clientOid"),
        account=account,
        bot_id="",
        symbol=our_symbol(market),
        side=side_of(row),
        quantity=quantity,
        price=required(row, "price"),
        fee=_fee(fee, market),
        time_ms=moment_ms(row),
        realized_pnl=realized,
        closed_quantity=quantity if realized else Decimal(0),
        is_maker=text(row, "takerOrMaker") == "maker",
    )


def _fee(fee: Row, market: Row) -> Decimal:
    """In the quote currency; one that is paid in another coin does not touch that wallet."""
    if fee.get("currency") not in (None, market["quote"]):
        return Decimal(0)
    return number(fee, "cost") or Decimal(0)


_REALIZED = ("realizedPnl", "fillPnl", "profit", "realisedPNL")


def position(row: Row, account: str, market: Row) -> Position:
    quantity = abs(number(row, "contracts") or Decimal(0)) * contract_size(market)
    return Position(
        account=account,
        symbol=our_symbol(market),
        side=side_of(row) if quantity else Side.BUY,
        quantity=quantity,
        entry_price=number(row, "entryPrice") or Decimal(0),
        updated_ms=moment_ms(row),
        mark_price=number(row, "markPrice") or None,
        unrealized_pnl=number(row, "unrealizedPnl") or Decimal(0),
        leverage=number(row, "leverage") or Decimal(1),
        stop_loss=number(row, "stopLossPrice") or None,
        take_profit=number(row, "takeProfitPrice") or None,
        liquidation_price=number(row, "liquidationPrice") or None,
    )


def with_stops(positions: list[Position], orders: list[Order]) -> list[Position]:
    """Stops are orders of their own there; a position shows those that close it."""
    triggers = {
        (order.symbol, order.purpose, order.side): order.trigger_price
        for order in orders
        if order.trigger_price is not None
    }
    return [
        msgspec.structs.replace(
            position,
            stop_loss=position.stop_loss
            or triggers.get((position.symbol, OrderPurpose.STOP_LOSS, position.side.opposite)),
            take_profit=position.take_profit
            or triggers.get((position.symbol, OrderPurpose.TAKE_PROFIT, position.side.opposite)),
        )
        for position in positions
    ]
