"""An order of ours in ccxt's words."""

from __future__ import annotations

from typing import Any

from core.exchange_port import RequestRejected
from core.models.orders import OrderRequest, OrderType, TimeInForce
from exchanges.ccxt_protection import decimal_text
from exchanges.ccxt_quirks import Quirks

_TIME_IN_FORCE: dict[TimeInForce, dict[str, Any]] = {
    TimeInForce.GTC: {},
    TimeInForce.IOC: {"timeInForce": "IOC"},
    TimeInForce.FOK: {"timeInForce": "FOK"},
    TimeInForce.POST_ONLY: {"postOnly": True},
}


def order_words(request: OrderRequest, quirks: Quirks) -> dict[str, Any]:
    """What goes beside symbol, kind, side, amount and price. The client id is always ours: without
    one ccxt makes up its own. Raises RequestRejected."""
    words: dict[str, Any] = {"clientOrderId": request.client_order_id}
    if request.order_type is OrderType.LIMIT:
        words |= _TIME_IN_FORCE[request.time_in_force]
    elif request.order_type is OrderType.STOP_MARKET:
        if request.price is None:
            raise RequestRejected("A stop order needs a price.")
        words["triggerPrice"] = decimal_text(request.price)
    if request.reduce_only and not quirks.is_spot:
        words["reduceOnly"] = True
    if quirks.attaches_protection:
        if request.stop_loss is not None:
            words["stopLoss"] = {"triggerPrice": decimal_text(request.stop_loss)}
        if request.take_profit is not None:
            words["takeProfit"] = {"triggerPrice": decimal_text(request.take_profit)}
    return words
