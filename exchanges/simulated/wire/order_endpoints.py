"""Bybit's `/v5/order` paths. The trade stream takes the same requests by the same methods."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from core.models.orders import OrderType, TimeInForce
from exchanges.simulated.values import (
    PlaceOrder,
    StopType,
    TriggerDirection,
    VenueOrder,
    VenueReject,
)
from exchanges.simulated.venue import Venue
from exchanges.simulated.wire import parameters as read
from exchanges.simulated.wire.errors import BybitError, refusal
from exchanges.simulated.wire.messages import order_json
from exchanges.simulated.wire.parameters import Params
from exchanges.simulated.wire.rest import BatchResult, Route, Routes, private_list
from exchanges.simulated.wire.words import ORDER_TYPE_OF, SIDE_OF, TIME_IN_FORCE_OF

_LINK_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")
_DIRECTIONS = {"1": TriggerDirection.RISING, "2": TriggerDirection.FALLING}
_MOST_IN_BATCH = 20


class OrderEndpoints:
    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def routes(self) -> Routes:
        return {
            ("POST", "/v5/order/create"): Route(self.create, is_private=True),
            ("POST", "/v5/order/amend"): Route(self.amend, is_private=True),
            ("POST", "/v5/order/cancel"): Route(self.cancel, is_private=True),
            ("POST", "/v5/order/cancel-all"): Route(self.cancel_all, is_private=True),
            ("POST", "/v5/order/create-batch"): Route(self.create_batch, is_private=True),
            ("POST", "/v5/order/cancel-batch"): Route(self.cancel_batch, is_private=True),
            ("GET", "/v5/order/realtime"): private_list(self.realtime),
            ("GET", "/v5/order/history"): private_list(self.history),
        }

    def create(self, api_key: str, params: Params) -> dict[str, Any]:
        request = self._place_order(params)
        return _ids(self._venue.account(api_key).place_order(request))

    def amend(self, api_key: str, params: Params) -> dict[str, Any]:
        read.require_linear(params)
        order = self._venue.account(api_key).amend_order(
            read.known_symbol(self._venue, params),
            **_named(params),
            quantity=read.decimal(params, "qty"),
            price=read.price(params, "price"),
            trigger_price=read.price(params, "triggerPrice"),
            stop_loss=read.decimal(params, "stopLoss"),
            take_profit=read.decimal(params, "takeProfit"),
        )
        return _ids(order)

    def cancel(self, api_key: str, params: Params) -> dict[str, Any]:
        read.require_linear(params)
        symbol = read.known_symbol(self._venue, params)
        return _ids(self._venue.account(api_key).cancel_order(symbol, **_named(params)))

    def cancel_all(self, api_key: str, params: Params) -> dict[str, Any]:
        read.require_linear(params)
        account = self._venue.account(api_key)
        symbol = read.scope_symbol(self._venue, params)
        if read.string(params, "orderFilter"):
            cancelled = [
                account.cancel_order(order.symbol, order_id=order.order_id)
                for order in _filtered(account.open_orders(symbol), params)
            ]
        else:
            cancelled = account.cancel_all(symbol)
        return {"list": [_ids(order) for order in cancelled], "success": "1"}

    def create_batch(self, api_key: str, params: Params) -> BatchResult:
        def create(item: Params) -> dict[str, Any]:
            ids = self.create(api_key, item)
            return {**ids, "createAt": str(self._venue.time_ms())}

        return _batch(params, create)

    def cancel_batch(self, api_key: str, params: Params) -> BatchResult:
        return _batch(params, lambda item: self.cancel(api_key, item))

    def realtime(self, api_key: str, params: Params) -> dict[str, Any]:
        """Open orders; by id also a final one, as Bybit answers for recent orders."""
        account = self._venue.account(api_key)
        if _is_named(params):
            found = account.order(**_named(params))
            return _order_list([found] if found else [], "")
        symbol = read.scope_symbol(self._venue, params)
        size = read.limit(params, default=20, most=50)
        if read.integer(params, "openOnly", 0) == 1:
            page = account.order_history(
                symbol=symbol, limit=size, cursor=read.sequence_cursor(params)
            )
            return _order_list(page.items, page.next_cursor)
        orders = _filtered(account.open_orders(symbol), params)
        shown, cursor = read.newest_first_page(
            orders,
            lambda order: (order.created_ms, order.order_id),
            read.string(params, "cursor"),
            size,
        )
        return _order_list(shown, cursor)

    def history(self, api_key: str, params: Params) -> dict[str, Any]:
        account = self._venue.account(api_key)
        if _is_named(params):
            found = account.order(**_named(params))
            return _order_list([found] if found and not found.is_open else [], "")
        start_ms, end_ms = read.week(params, self._venue.time_ms())
        page = account.order_history(
            symbol=read.optional_symbol(self._venue, params),
            start_ms=start_ms,
            end_ms=end_ms,
            limit=read.limit(params, default=20, most=50),
            cursor=read.sequence_cursor(params),
        )
        return _order_list(page.items, page.next_cursor)

    def _place_order(self, params: Params) -> PlaceOrder:
        read.require_linear(params)
        symbol = read.known_symbol(self._venue, params)
        if read.integer(params, "positionIdx", 0) != 0:
            raise BybitError(10001, "position idx not match position mode")
        if read.string(params, "tpslMode") == "Partial":
            raise read.bad_parameter("tpslMode Partial is not supported here")
        link_id = read.string(params, "orderLinkId")
        if link_id and not _LINK_ID.fullmatch(link_id):
            raise read.bad_parameter("orderLinkId must be up to 36 letters, digits, - and _")
        order_type = read.one_of(params, "orderType", ORDER_TYPE_OF)
        price = read.price(params, "price")
        if order_type is OrderType.LIMIT and price is None:
            raise read.bad_parameter("price is missing")
        trigger_price = read.price(params, "triggerPrice")
        direction = TriggerDirection.NONE
        if trigger_price is not None:
            direction = read.one_of(params, "triggerDirection", _DIRECTIONS)
        quantity = read.decimal(params, "qty")
        if quantity is None:
            raise read.bad_parameter("qty is missing")
        stop_loss, take_profit = read.price(params, "stopLoss"), read.price(params, "takeProfit")
        reduce_only = read.flag(params, "reduceOnly") or read.flag(params, "closeOnTrigger")
        if reduce_only and (stop_loss or take_profit):
            raise read.bad_parameter("a reduce-only order takes no takeProfit or stopLoss")
        is_limit = order_type is OrderType.LIMIT
        return PlaceOrder(
            symbol=symbol,
            side=read.one_of(params, "side", SIDE_OF),
            order_type=order_type,
            quantity=quantity,
            price=price if is_limit else None,
            time_in_force=(
                read.one_of(params, "timeInForce", TIME_IN_FORCE_OF, TimeInForce.GTC)
                if is_limit
                else TimeInForce.IOC
            ),
            client_order_id=link_id,
            reduce_only=reduce_only,
            trigger_price=trigger_price,
            trigger_direction=direction,
            stop_loss=stop_loss,
            take_profit=take_profit,
        )


def _ids(order: VenueOrder) -> dict[str, Any]:
    return {"orderId": order.order_id, "orderLinkId": order.client_order_id}


def _order_list(orders: list[VenueOrder], cursor: str) -> dict[str, Any]:
    return {
        "category": "linear",
        "list": [order_json(order) for order in orders],
        "nextPageCursor": cursor,
    }


def _is_named(params: Params) -> bool:
    return bool(read.string(params, "orderId") or read.string(params, "orderLinkId"))


def _named(params: Params) -> dict[str, str]:
    """Which order is meant; `orderId` goes first when both are given, as at Bybit."""
    order_id = read.string(params, "orderId")
    if order_id:
        return {"order_id": order_id}
    return {"client_order_id": read.required(params, "orderLinkId")}


def _filtered(orders: list[VenueOrder], params: Params) -> list[VenueOrder]:
    """`orderFilter`: `Order` are working orders, every other word names conditional ones."""
    word = read.string(params, "orderFilter")
    if not word:
        return orders
    wants_conditional = word not in ("Order", "OpenOrder")
    return [
        order for order in orders if (order.stop_type is not StopType.NONE) is wants_conditional
    ]


def _batch(params: Params, do: Callable[[Params], dict[str, Any]]) -> BatchResult:
    """Each order by itself: the list says what was done, `retExtInfo` how each one went."""
    read.require_linear(params)
    requests = params.get("request")
    if not isinstance(requests, list) or not 1 <= len(requests) <= _MOST_IN_BATCH:
        raise read.bad_parameter(f"request must hold 1 to {_MOST_IN_BATCH} orders")
    done: list[dict[str, Any]] = []
    outcomes: list[dict[str, Any]] = []
    for item in requests:
        if not isinstance(item, dict):
            raise read.bad_parameter("request holds something that is no order")
        row: dict[str, Any] = {
            "category": "linear",
            "symbol": read.string(item, "symbol"),
            "orderId": "",
            "orderLinkId": read.string(item, "orderLinkId"),
        }
        code, words = 0, "OK"
        try:
            row.update(do({**item, "category": "linear"}))
        except (BybitError, VenueReject) as error:
            code, words = refusal(error)
        done.append(row)
        outcomes.append({"code": code, "msg": words})
    return BatchResult({"list": done}, {"list": outcomes})
