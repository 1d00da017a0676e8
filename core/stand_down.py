"""What the kill switch does to an account's orders and positions.

Entries that work at the exchange are cancelled, protective orders stay: they only ever reduce.
Asked again as long as something is left, over a crash and an exchange that did not answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from core.exchange_port import ExchangeError
from core.models.orders import Order
from core.order_parts import OrderParts
from core.risk.risk_manager import RiskManager
from core.snapshots import TradingState


class StandDown:
    """For one account. `close(symbol, reason)` ends a position."""

    def __init__(
        self, parts: OrderParts, *, risk: RiskManager, close: Callable[[str, str], object]
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
        """After a reconciliation: what a halted account still has working was not cancelled."""
        is_halted = self._risk.snapshot().state is TradingState.HALTED
        if is_halted and not self._is_cancelling and self._entries():
            self._supervisor.spawn(f"{self._account}: kill switch", self._cancel_again())

    def liquidate(self, reason: str) -> None:
        for position in self._parts.state.positions(self._account):
            self._close(position.symbol, reason)

    async def cancel_working_orders(self) -> str:
        """Cancel all but protective orders; a sentence with the count, for the kill band."""
        orders = self._entries()
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
        done = sum(answer is None for answer in answers)
        exchange = self._parts.port.exchange.capitalize()
        return f"{exchange}: {done} of {len(orders)} orders cancelled, stops still rest"

    async def _cancel_and_record(self) -> None:
        self._risk.record_kill_answer(await self.cancel_working_orders())

    async def _cancel_again(self) -> None:
        await self.cancel_working_orders()

    def _entries(self) -> list[Order]:
        return [o for o in self._oms.working_orders(self._account) if not o.reduce_only]
