"""What may be done to an order that is already at the exchange: cancel, amend, replace.

Each is a request of its own and has the same four outcomes as an order. A cancel may be repeated,
it cannot do harm twice. An amendment is sent once: when its outcome is unknown, the order itself
is asked for until it shows the new terms or the request can no longer arrive.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal

import msgspec

from core.clock import Clock
from core.exchange_port import (
    AmendingPort,
    ExchangeError,
    OutcomeUnknown,
    RateLimited,
    RequestRejected,
    TradingPort,
)
from core.models.orders import Order, OrderRequest, OrderStatus
from core.oms.order_registry import OrderRegistry
from core.oms.order_state import needs_answer

MAX_TRIES = 5
END_TRIES = 20  # questions for the end of an order whose cancel was accepted


class OrderChanges:
    """`ask(account, symbol, client_order_id)` is the order as the exchange shows it now, None
    when it is not found now; raises ExchangeError. `backoff_s(attempt)` is how long to wait."""

    def __init__(
        self,
        *,
        ports: Mapping[str, TradingPort],
        registry: OrderRegistry,
        clock: Clock,
        ask: Callable[[str, str, str], Awaitable[Order | None]],
        is_in_flight: Callable[[str], bool],
        is_fully_booked: Callable[[Order], bool],
        backoff_s: Callable[[int], float],
        sleep: Callable[[float], Awaitable[None]],
        absence_proof_s: float,
    ) -> None:
        self._ports = ports
        self._registry = registry
        self._clock = clock
        self._ask = ask
        self._is_in_flight = is_in_flight
        self._is_fully_booked = is_fully_booked
        self._backoff_s = backoff_s
        self._sleep = sleep
        self._absence_proof_s = absence_proof_s
        self._withdrawn: set[str] = set()  # to be cancelled as soon as they are found
        self._being_amended: set[str] = set()

    def is_withdrawn(self, client_order_id: str) -> bool:
        """True while the order is to be cancelled as soon as it is found."""
        return client_order_id in self._withdrawn

    def withdraw(self, client_order_id: str) -> None:
        self._withdrawn.add(client_order_id)

    async def cancel_withdrawn(self, client_order_id: str) -> None:
        """Cancel what was withdrawn while nobody knew where it was. Raises OutcomeUnknown."""
        if client_order_id not in self._withdrawn:
            return
        self._withdrawn.discard(client_order_id)
        order = self._registry.order(client_order_id)
        if order is None or order.status.is_terminal:
            return
        with contextlib.suppress(RequestRejected):  # it ended otherwise; that has been published
            await self.cancel(order.account, order.symbol, client_order_id, order.exchange_order_id)

    async def cancel(
        self, account: str, symbol: str, client_order_id: str, exchange_order_id: str
    ) -> None:
        """See OrderManagementSystem.cancel."""
        order = self._registry.order(client_order_id) if client_order_id else None
        if order is not None:
            if needs_answer(order):
                self._withdrawn.add(client_order_id)
                if self._is_in_flight(client_order_id):
                    return
            self._registry.note(client_order_id, "cancel", "asked to cancel")
        for attempt in range(MAX_TRIES):
            delay_s = self._backoff_s(attempt)
            try:
                await self._ports[account].cancel_order(symbol, client_order_id, exchange_order_id)
            except RateLimited as no:
                delay_s = no.retry_after_s
            except ExchangeError as fault:
                if await self._is_off(account, symbol, client_order_id, fault):
                    return
            else:
                return
            await self._sleep(delay_s)
        if order is not None:
            self._withdrawn.add(client_order_id)  # asked again at the next reconciliation
        raise OutcomeUnknown(
            f"cancelling {client_order_id or exchange_order_id} on {symbol} is not confirmed "
            f"after {MAX_TRIES} tries"
        )

    async def _is_off(
        self, account: str, symbol: str, client_order_id: str, fault: ExchangeError
    ) -> bool:
        """After a cancel that was not accepted: True when it is off all the same, False when
        asking again may help. Raises RequestRejected when it cannot be cancelled."""
        is_refused = isinstance(fault, RequestRejected)
        if is_refused and not client_order_id:
            raise fault
        known = await self._try_ask(account, symbol, client_order_id)
        if known is None:
            if not is_refused:
                return False
            ours = self._registry.order(client_order_id)
            if ours is None or ours.status.is_terminal:
                raise fault  # nobody knows it any more: there is nothing to ask again
            return client_order_id in self._withdrawn
        if known.status is OrderStatus.CANCELLED:
            return True
        if known.status.is_terminal:
            raise RequestRejected(
                f"order {client_order_id} cannot be cancelled: it is {known.status.value}",
                fault.code,
            ) from fault
        return False

    # --- amend ------------------------------------------------------------------------------

    async def amend(
        self, client_order_id: str, *, quantity: Decimal | None, price: Decimal | None
    ) -> Order:
        """See OrderManagementSystem.amend."""
        order = self._amendable(client_order_id, quantity)
        port = self._ports[order.account]
        if not isinstance(port, AmendingPort):
            raise RequestRejected(
                f"{order.symbol} orders of {order.account} cannot be changed in their place: "
                "cancel it and place another"
            )
        wanted = msgspec.structs.replace(
            order,
            quantity=order.quantity if quantity is None else quantity,
            price=order.price if price is None else price,
        )
        if wanted == order:
            return order
        self._being_amended.add(client_order_id)
        try:
            self._registry.note(client_order_id, "amend", f"asked for {_terms(wanted)}")
            await self._amend(port, order, wanted, quantity=quantity, price=price)
        finally:
            self._being_amended.discard(client_order_id)
        return self._registry.order(client_order_id) or order

    def _amendable(self, client_order_id: str, quantity: Decimal | None) -> Order:
        order = self._registry.order(client_order_id)
        if order is None:
            raise RequestRejected(f"order {client_order_id} is not ours to change")
        problem = ""
        if order.status.is_terminal or not order.exchange_order_id:
            problem = f"it is {order.status.value}"
        elif client_order_id in self._being_amended:
            problem = "another change of it is on its way"
        elif quantity is not None and quantity <= order.filled_quantity:
            problem = f"{order.filled_quantity} of it is filled already"
        if problem:
            raise RequestRejected(f"order {client_order_id} cannot be changed: {problem}")
        return order

    async def _amend(
        self,
        port: AmendingPort,
        order: Order,
        wanted: Order,
        *,
        quantity: Decimal | None,
        price: Decimal | None,
    ) -> None:
        client_order_id = order.client_order_id
        tries = 0
        while True:
            try:
                await port.amend_order(
                    order.symbol,
                    client_order_id,
                    order.exchange_order_id,
                    quantity=quantity,
                    price=price,
                )
            except RateLimited as no:
                tries += 1
                if tries == MAX_TRIES:
                    raise
                await self._sleep(no.retry_after_s)
            except RequestRejected as no:
                self._registry.note(client_order_id, "answer", f"the change was refused: {no.text}")
                await self._try_ask(order.account, order.symbol, client_order_id)
                raise
            except ExchangeError as fault:
                self._registry.note(client_order_id, "answer", f"unknown: {fault.text}")
                await self._ask_for_terms(order, wanted)
                return
            else:
                self._registry.note(client_order_id, "answer", "the change was accepted")
                return

    async def _ask_for_terms(self, order: Order, wanted: Order) -> None:
        """Until the order shows the new terms, has ended, or the request cannot arrive any more.
        Raises RequestRejected, OutcomeUnknown (the exchange could not be read all the while)."""
        asked_s = self._clock.monotonic_s()
        for attempt in range(END_TRIES):
            await self._sleep(self._backoff_s(attempt))
            waited_s = self._clock.monotonic_s() - asked_s
            known = await self._try_ask(order.account, order.symbol, order.client_order_id)
            if known is None:
                continue
            if (known.quantity, known.price) == (wanted.quantity, wanted.price):
                return
            if known.status.is_terminal:
                raise RequestRejected(
                    f"order {order.client_order_id} was not changed: it is {known.status.value}"
                )
            if waited_s > self._absence_proof_s:
                raise RequestRejected(
                    f"order {order.client_order_id} was not changed: the exchange shows "
                    f"{_terms(known)}"
                )
        raise OutcomeUnknown(f"nobody knows whether order {order.client_order_id} was changed")

    # --- replace ----------------------------------------------------------------------------

    async def replace(self, client_order_id: str, request: OrderRequest) -> OrderRequest:
        """See OrderManagementSystem.replace."""
        order = self._registry.order(client_order_id)
        if order is None:
            raise RequestRejected(f"order {client_order_id} is not ours to replace")
        if not order.status.is_terminal:
            await self.cancel(order.account, order.symbol, client_order_id, order.exchange_order_id)
        ended = await self._ended(order)
        rest = min(request.quantity, order.quantity - ended.filled_quantity)
        if rest <= 0:
            raise RequestRejected(
                f"order {client_order_id} cannot be replaced: it is {ended.status.value}"
            )
        return msgspec.structs.replace(request, quantity=rest)

    async def _ended(self, order: Order) -> Order:
        """The order once it has ended and all of its fills are booked. Raises OutcomeUnknown."""
        for attempt in range(END_TRIES):
            known = self._registry.order(order.client_order_id) or order
            if known.status.is_terminal and self._is_fully_booked(known):
                return known
            await self._sleep(self._backoff_s(attempt))
            await self._try_ask(order.account, order.symbol, order.client_order_id)
        raise OutcomeUnknown(
            f"the end of order {order.client_order_id} is not confirmed: nothing replaces it"
        )

    async def _try_ask(self, account: str, symbol: str, client_order_id: str) -> Order | None:
        """None also when the exchange could not be read."""
        if not client_order_id:
            return None
        try:
            return await self._ask(account, symbol, client_order_id)
        except ExchangeError:
            return None


def _terms(order: Order) -> str:
    return f"{order.quantity}" if order.price is None else f"{order.quantity} at {order.price}"
