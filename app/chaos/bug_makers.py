"""How planted bugs are made: each replaces one method of the program while it is switched on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from decimal import Decimal
from typing import Any

import msgspec

from core.exchange_port import ExchangeError, OutcomeUnknown, RateLimited
from core.models.fills import Fill, FillKind
from core.models.orders import Denial, Order, OrderRequest, OrderStatus
from core.oms import outcomes

Plant = Callable[[ExitStack], None]


def instead(owner: Any, name: str, make: Callable[[Any], Any]) -> Plant:
    """Replace `owner.name` by `make(original)`. The original has to exist: a bug that no longer
    fits the program fails aloud."""

    def plant(undo: ExitStack) -> None:
        original = getattr(owner, name)
        undo.callback(setattr, owner, name, original)
        setattr(owner, name, make(original))

    return plant


def returns(value: Any) -> Callable[[Any], Any]:
    return lambda _: lambda *_args, **_more: value


def async_returns(value: Any) -> Callable[[Any], Any]:
    async def answer(*_args: Any, **_more: Any) -> Any:
        return value

    return lambda _: answer


def with_request(**changes: Any) -> Callable[[Any], Any]:
    """For `submit`: the request leaves changed."""

    def make(original: Any) -> Any:
        def submit(self: Any, request: OrderRequest, *rest: Any) -> None:
            original(self, msgspec.structs.replace(request, **changes), *rest)

        return submit

    return make


# ---- what the bugs do


def resend_at_once(original: Any) -> Any:
    def on_fault(self: Any, client_order_id: str, fault: Exception) -> Any:
        if isinstance(fault, OutcomeUnknown):
            return RateLimited(fault.text, retry_after_s=0.5)
        return original(self, client_order_id, fault)

    return on_fault


def time_out_is_no(original: Any) -> Any:
    def on_fault(self: Any, client_order_id: str, fault: Exception) -> Any:
        if isinstance(fault, OutcomeUnknown):
            self._reject(client_order_id, fault)
            return None
        return original(self, client_order_id, fault)

    return on_fault


def no_proof_of_absence(original: Any) -> Any:
    def init(self: Any, **parts: Any) -> None:
        original(self, **parts | {"absence_proof_s": 0.0})

    return init


def transport_error_is_not_found(original: Any) -> Any:
    async def probe_once(self: Any, order: Order) -> None:
        try:
            await self._ports[order.account].fetch_order(order.symbol, order.client_order_id)
        except ExchangeError:
            known = self._registry.order(order.client_order_id)
            if known is not None and known.status in (OrderStatus.SENT, OrderStatus.UNKNOWN):
                self._reject(order.client_order_id, OutcomeUnknown("not found"))
            return
        await original(self, order)

    return probe_once


def table_entry(kind: type[Exception], follows: outcomes.WhatFollows) -> Plant:
    def plant(undo: ExitStack) -> None:
        table = outcomes._TABLE
        undo.callback(table.__setitem__, kind, table[kind])
        table[kind] = follows

    return plant


def every_delivery_is_new(original: Any) -> Any:
    seen: Counter[str] = Counter()

    def book(self: Any, fill: Fill) -> None:
        seen[fill.trade_id] += 1
        again = f"{fill.trade_id}/{seen[fill.trade_id]}"
        original(self, msgspec.structs.replace(fill, trade_id=again))

    return book


def ledger_sees(**changes: Any) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        def on_fill(self: Any, fill: Fill, purpose: Any) -> Any:
            return original(self, msgspec.structs.replace(fill, **changes), purpose)

        return on_fill

    return make


def no_funding(original: Any) -> Any:
    def book(self: Any, fill: Fill) -> None:
        if fill.kind is not FillKind.FUNDING:
            original(self, fill)

    return book


def first_fill_of_an_order_only(original: Any) -> Any:
    def book(self: Any, fill: Fill) -> None:
        known = self._find(fill.account, fill.client_order_id, fill.exchange_order_id)
        if known is None or self._journal.totals_of(known.client_order_id).quantity == 0:
            original(self, fill)

    return book


def cancelled_when_asked(original: Any) -> Any:
    async def cancel(self: Any, account: str, symbol: str, name: str, exchange_id: str) -> None:
        with suppress(ExchangeError):
            await original(self, account, symbol, name, exchange_id)
        known = self._registry.order(name) if name else None
        if known is not None and not known.status.is_terminal and known.exchange_order_id:
            ended = msgspec.structs.replace(known, status=OrderStatus.CANCELLED)
            self._registry.hear(ended)

    return cancel


def reads_as_flat(original: Any) -> Any:
    def replace_positions(self: Any, account: str, positions: Any, as_of_ms: int) -> None:
        named = {position.symbol for position in positions}
        original(self, account, positions, as_of_ms)
        for known in self.positions(account):
            if known.symbol not in named:
                self.flatten(account, known.symbol)

    return replace_positions


def newest_message_wins(_: Any) -> Any:
    def on_position(self: Any, position: Any) -> None:
        self._positions[(position.account, position.symbol)] = position

    return on_position


def halt_blocks_exits(original: Any) -> Any:
    def check(self: Any, request: OrderRequest) -> Denial | None:
        state, reason = self._trading_state()
        if request.reduce_only and state.value != "active":
            return Denial("halted", reason)
        denial: Denial | None = original(self, request)
        return denial

    return check


def manual_orders_pass(original: Any) -> Any:
    def check(self: Any, request: OrderRequest) -> Denial | None:
        if request.strategy == "manual":
            return None
        denial: Denial | None = original(self, request)
        return denial

    return check


def forgets_what_is_on_its_way(original: Any) -> Any:
    def on_signal(self: Any, signal: Any) -> None:
        self._on_their_way.clear()
        original(self, signal)

    return on_signal


def ignores_the_wait(original: Any) -> Any:
    def init(self: Any, text: str, code: str = "", retry_after_s: float = 1.0) -> None:
        original(self, text, code, retry_after_s)
        self.retry_after_s = 0.0

    return init


def only_from_now_on(_: Any) -> Any:
    return lambda _self, _account, now_ms: (now_ms, now_ms)


def six_times_the_size(original: Any) -> Any:
    def submit(self: Any, request: OrderRequest, *rest: Any) -> None:
        size = request.quantity * (6 if not request.reduce_only else 1)
        original(self, msgspec.structs.replace(request, quantity=size), *rest)

    return submit


def both(*plants: Plant) -> Plant:
    def plant(undo: ExitStack) -> None:
        for each in plants:
            each(undo)

    return plant


def stop_cancelled_first(original: Any) -> Any:
    async def move(self: Any, symbol: str, stop_loss: Decimal, take_profit: Any = None) -> None:
        await self._port.set_protection(symbol, Decimal(0), None)
        await original(self, symbol, stop_loss, take_profit)

    return move


def unchecked_change(_: Any) -> Any:
    async def amend(self: Any, client_order_id: str, **terms: Any) -> None:
        await self._oms.amend(client_order_id, **terms)

    return amend


def released_twice(original: Any) -> Any:
    def on_order(self: Any, order: Order) -> None:
        original(self, order)
        if order.status.is_terminal and order.symbol in self.get_locked_symbols():
            self.release_position(order.symbol, Decimal(0))

    return on_order


def only_what_is_open(original: Any) -> Any:
    def close(self: Any, symbol: str, reason: str, **_: Any) -> Any:
        return original(self, symbol, reason)

    return close


def breach_locks_no_day(original: Any) -> Any:
    def on_breach(self: Any, rule: Any, reason: str, _: int) -> None:
        original(self, rule, reason, -1)

    return on_breach


def symbols_held(_: Any) -> Any:
    def busy_symbols(self: Any) -> set[str]:
        desk = self._desk
        return {p.symbol for p in desk.state.positions(desk.name)} if desk.is_built else set()

    return busy_symbols
