"""What a trader may do about alerts and messages, each as one question to the engine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import TYPE_CHECKING

from core.commands import (
    AddPriceAlert,
    ChooseMessages,
    CommandResult,
    MovePriceAlert,
    RemovePriceAlert,
    SendTestMessage,
)
from core.models.alerts import AlertWish
from ui import tasks

if TYPE_CHECKING:  # numpy is not for the first paint
    from ui.charts.trading_chart import TradingChart

_TEST_TIMEOUT_S = 60.0


class AlertActions:
    """`send(command, timeout_s)` asks the engine."""

    def __init__(self, send: Callable[..., Awaitable[CommandResult]]) -> None:
        self._send = send

    async def add(self, wish: AlertWish) -> CommandResult:
        return await self._send(AddPriceAlert(wish))

    async def move(self, alert_id: int, price: Decimal) -> CommandResult:
        """To where its line was dragged."""
        return await self._send(MovePriceAlert(alert_id, price))

    async def remove(self, alert_id: int) -> CommandResult:
        return await self._send(RemovePriceAlert(alert_id))

    async def choose_messages(self, kinds: list[str]) -> CommandResult:
        return await self._send(ChooseMessages(kinds))

    async def send_test(self) -> CommandResult:
        """A channel may take its time."""
        return await self._send(SendTestMessage(), timeout_s=_TEST_TIMEOUT_S)


def take_lines(chart: TradingChart, send: Callable[..., Awaitable[CommandResult]]) -> None:
    """What is done to the alerts' lines on `chart` is asked of the engine; a refusal is told, a
    success the line shows itself."""
    desk = AlertActions(send)

    async def ask(question: Awaitable[CommandResult]) -> None:
        tasks.announce(await question)

    chart.alert_moved.connect(lambda number, at: tasks.spawn(ask(desk.move(number, at))))
    chart.alert_unwanted.connect(lambda number: tasks.spawn(ask(desk.remove(number))))
