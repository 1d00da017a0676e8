"""What a trader may do to orders and positions, each as one question with one answer.

Everything goes to the engine, which checks, journals and sends; nothing here decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal

from core.commands import (
    AcceptPosition,
    AmendOrder,
    BookTransfer,
    CancelOrder,
    ClosePosition,
    CommandResult,
    GetTrail,
    IgnoreFinding,
    MoveStop,
)
from core.models.orders import Order
from core.models.positions import Position

_CLOSE_TIMEOUT_S = 30.0


class OrderDesk:
    """`send(command, timeout_s)` asks the engine."""

    def __init__(self, send: Callable[..., Awaitable[CommandResult]]) -> None:
        self._send = send

    async def cancel(self, order: Order) -> CommandResult:
        return await self._send(
            CancelOrder(order.account, order.symbol, order.client_order_id, order.exchange_order_id)
        )

    async def cancel_all(self, orders: Sequence[Order]) -> CommandResult:
        """Each by itself, at once; the answer counts them and gives the first reason."""
        answers = await asyncio.gather(*(self.cancel(order) for order in orders))
        return _together(answers, "{done} of {total} cancels were accepted.")

    async def close(self, position: Position) -> CommandResult:
        return await self._send(ClosePosition(position.account, position.symbol), _CLOSE_TIMEOUT_S)

    async def close_all(self, positions: Sequence[Position]) -> CommandResult:
        answers = await asyncio.gather(*(self.close(position) for position in positions))
        return _together(answers, "{done} of {total} positions are being closed.")

    async def amend(
        self, order: Order, *, quantity: Decimal | None = None, price: Decimal | None = None
    ) -> CommandResult:
        return await self._send(
            AmendOrder(order.account, order.client_order_id, quantity, price), _CLOSE_TIMEOUT_S
        )

    async def move_stop(
        self, account: str, symbol: str, stop_loss: Decimal, take_profit: Decimal | None = None
    ) -> CommandResult:
        return await self._send(MoveStop(account, symbol, stop_loss, take_profit), _CLOSE_TIMEOUT_S)

    async def accept_position(
        self, account: str, symbol: str, stop_loss: Decimal | None, take_profit: Decimal | None
    ) -> CommandResult:
        return await self._send(
            AcceptPosition(account, symbol, stop_loss, take_profit), _CLOSE_TIMEOUT_S
        )

    async def ignore_finding(self, account: str, symbol: str) -> CommandResult:
        return await self._send(IgnoreFinding(account, symbol))

    async def book_transfer(self, account: str, amount: Decimal) -> CommandResult:
        """`amount` was deposited at the exchange, or below zero withdrawn, by the trader's word."""
        return await self._send(BookTransfer(account, amount))

    async def trail(self, client_order_id: str) -> CommandResult:
        """What led to one order and came of it (`CommandResult.trail`)."""
        return await self._send(GetTrail(client_order_id))


def _together(answers: Sequence[CommandResult], counted: str) -> CommandResult:
    done = sum(answer.ok for answer in answers)
    text = counted.format(done=done, total=len(answers))
    reason = next((answer.text for answer in answers if not answer.ok), "")
    return CommandResult(0, done == len(answers), f"{text} {reason}".strip())
