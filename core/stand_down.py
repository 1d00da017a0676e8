"""What the kill switch does to an account's orders and positions.

Entries that work at the exchange are cancelled, protective orders stay: they only ever reduce.
Asked again as long as something is left, over a crash and an exchange that did not answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from core.exchange_port import ExchangeError
from core.models.orders import Order, OrderPurpose
from core.order_parts import OrderParts
from core.risk.risk_manager import RiskManager
from core.snapshots import TradingState


class StandDown:
    """For one account. `close(symbol, reason)` ends a position; False when there is none."""

    def __init__(
        self, parts: OrderParts, *, risk: RiskManager, close: Callable[[str, str], bool]
    ) -> None:
        self._parts = parts
        self._account = parts.account
        self._oms = parts.oms
        self._supervisor = parts.supervisor
        self._risk = risk
        self._close = close
        self._is_cancelling = False

    def begin(self) -> None:
        """The kill switch: cancel what could open a position, and note what came of it."""
        self._supervisor.spawn(f"{self._account}: kill switch", self._cancel_and_record())

    def go_on(self) -> None:
        """After a reconciliation: an entry of ours that a halted account still has working was
        not cancelled. What the trader has placed by hand since then is his own business."""
        is_halted = self._risk.snapshot().state is TradingState.HALTED
        left = [order for order in self._entries() if order.purpose is OrderPurpose.ENTRY]
        if is_halted and left and not self._is_cancelling:
            self._supervisor.spawn(f"{self._account}: kill switch", self._cancel_again(left))

    def liquidate(self, reason: str) -> list[str]:
        """End every position; the symbols of those that are still open."""
        symbols = [position.symbol for position in self._parts.state.positions(self._account)]
        return [symbol for symbol in symbols if self._close(symbol, reason)]

    async def _cancel_and_record(self) -> None:
        orders = self._entries()
        done = await self._cancel(orders)
        exchange = self._parts.port.exchange.capitalize()
        self._risk.record_kill_answer(
            f"{exchange}: {done} of {len(orders)} orders cancelled, stops still rest"
        )

    async def _cancel_again(self, orders: list[Order]) -> None:
        await self._cancel(orders)

    async def _cancel(self, orders: list[Order]) -> int:
        """How many cancels were accepted."""
        self._is_cancelling = True
        try:
            answers = await asyncio.gather(
                *(
                    self._oms.cancel(
                        self._account, o.symbol, o.client_order_id, o.exchange_order_id
                    )
                    for o in orders
                ),
                return_exceptions=True,
            )
        finally:
            self._is_cancelling = False
        for fault in answers:
            if isinstance(fault, BaseException) and not isinstance(fault, ExchangeError):
                self._supervisor.report(f"{self._account}: kill switch", fault)
        return sum(answer is None for answer in answers)

    def _entries(self) -> list[Order]:
        return [o for o in self._oms.working_orders(self._account) if not o.reduce_only]
