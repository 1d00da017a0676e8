"""What a trader does to orders and positions: asked about where it cannot be taken back, sent
once, and the answer told. Every table, panel and key goes through here, so each action has one
question and one way to the engine.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Sequence
from decimal import Decimal

from PyQt6.QtCore import QObject, pyqtSignal
from PyQt6.QtWidgets import QWidget

from core.commands import CommandResult
from core.models.orders import Order, OrderPurpose
from core.snapshots import AccountMode, PositionSnapshot
from ui import preferences, tasks
from ui.bridge import Bridge
from ui.dialogs import questions
from ui.dialogs.sheet import Sheet
from ui.models import order_edits
from ui.models.blotter import order_key, position_key


class OrderActions(QObject):
    """`window()` is where questions are asked. Signal: busy_changed(): what `is_busy` answers."""

    busy_changed = pyqtSignal()

    def __init__(self, bridge: Bridge, window: Callable[[], QWidget]) -> None:
        super().__init__(bridge)
        self._bridge, self._window = bridge, window
        self._busy: set[Hashable] = set()

    def is_busy(self, key: Hashable) -> bool:
        """Whether something about this position or order is on its way: a second press sends
        nothing."""
        return key in self._busy

    async def close(self, held: PositionSnapshot, *, by_key: bool = False) -> CommandResult | None:
        """Ask, then close; None where the trader changed his mind or it is on its way. A single
        key always asks."""
        if self._refuse(self._bridge.obstacle(held.position.symbol)):
            return None
        if not await self._agreed_once(
            lambda: questions.close_position(self._window(), held),
            {held.position.account},
            always=by_key,
        ):
            return None
        return await self._once(
            [position_key(held)], lambda: self._bridge.orders.close(held.position)
        )

    async def close_all(self, held: Sequence[PositionSnapshot]) -> CommandResult | None:
        """Ask, then close each of these."""
        if not held or not await self._agreed_once(
            lambda: questions.close_all(self._window(), held), _accounts([], held)
        ):
            return None
        positions = [one.position for one in held]
        keys = [position_key(one) for one in held]
        return await self._once(keys, lambda: self._bridge.orders.close_all(positions))

    async def cancel(self, order: Order) -> CommandResult | None:
        """At once; a stop is asked about, its position would stand without it."""
        if order_edits.is_protective(order) and not await self._agreed(
            questions.cancel_stop(self._window(), order)
        ):
            return None
        return await self._once([order_key(order)], lambda: self._bridge.orders.cancel(order))

    async def ask_and_cancel(self, order: Order) -> CommandResult | None:
        """For a single key, which never cancels by itself."""
        if not order_edits.is_protective(order) and not await self._agreed(
            questions.cancel_order(self._window(), order)
        ):
            return None
        return await self.cancel(order)

    async def cancel_all(self, orders: Sequence[Order], symbol: str = "") -> CommandResult | None:
        """Ask, then cancel each of these except stops and take profits."""
        chosen = [
            order
            for order in orders
            if not order_edits.is_protective(order) and symbol in ("", order.symbol)
        ]
        if not chosen:
            self._refuse("There is no order to cancel. Stops stay with their positions.")
            return None
        if not await self._agreed_once(
            lambda: questions.cancel_all(self._window(), chosen), _accounts(chosen, [])
        ):
            return None
        keys = [order_key(order) for order in chosen]
        return await self._once(keys, lambda: self._bridge.orders.cancel_all(chosen))

    async def cancel_and_close(
        self, orders: Sequence[Order], held: Sequence[PositionSnapshot]
    ) -> CommandResult | None:
        """Ask once, then cancel these orders (stops go with their positions) and close these
        positions."""
        chosen = [order for order in orders if not order_edits.is_protective(order)]
        if not await self._agreed_once(
            lambda: questions.cancel_and_close(self._window(), chosen, held),
            _accounts(chosen, held),
        ):
            return None
        return await self.cancel_and_close_now(chosen, held)

    async def cancel_and_close_now(
        self, orders: Sequence[Order], held: Sequence[PositionSnapshot]
    ) -> CommandResult | None:
        """For a question that was asked elsewhere."""
        if orders:
            keys = [order_key(order) for order in orders]
            await self._once(keys, lambda: self._bridge.orders.cancel_all(orders))
        positions = [one.position for one in held]
        keys = [position_key(one) for one in held]
        return await self._once(keys, lambda: self._bridge.orders.close_all(positions))

    async def change_position(self, held: PositionSnapshot, *, title: str, text: str) -> None:
        """A new stop or take profit from the cell under `title`."""
        position = held.position
        price = order_edits.rounded_price(self._bridge, position.symbol, text)
        stop = price if title == "SL" else position.stop_loss
        target = price if title == "TP" else None
        if stop is None:
            self._refuse("Set a stop loss first.")
            return
        await self._move_stop(position_key(held), position.account, position.symbol, stop, target)

    async def move_stop_to_entry(self, held: PositionSnapshot) -> None:
        """The stop loss at the entry, on the tick."""
        entry = f"{held.position.entry_price:f}"
        await self.change_position(held, title="SL", text=entry)

    async def change_order(self, order: Order, *, title: str, text: str) -> None:
        """A new price or size from the cell under `title`."""
        if title == "Size":
            size = order_edits.rounded_quantity(self._bridge, order.symbol, text)
            await self._once(
                [order_key(order)], lambda: self._bridge.orders.amend(order, quantity=size)
            )
            return
        price = order_edits.rounded_price(self._bridge, order.symbol, text)
        if not order_edits.is_protective(order):
            await self._once(
                [order_key(order)], lambda: self._bridge.orders.amend(order, price=price)
            )
            return
        held = self._bridge.position(order.account, order.symbol)
        is_stop = order.purpose is OrderPurpose.STOP_LOSS
        stop = price if is_stop else (held.position.stop_loss if held is not None else None)
        if stop is None:
            self._refuse("Set a stop loss first.")
            return
        target = None if is_stop else price
        await self._move_stop(order_key(order), order.account, order.symbol, stop, target)

    async def _move_stop(
        self,
        key: Hashable,
        account: str,
        symbol: str,
        stop: Decimal,
        target: Decimal | None,
    ) -> None:
        await self._once(
            [key], lambda: self._bridge.orders.move_stop(account, symbol, stop, target)
        )

    async def _agreed(self, sheet: Sheet) -> bool:
        return await sheet.ask() == questions.GO

    async def _agreed_once(
        self, make_sheet: Callable[[], Sheet], accounts: set[str], *, always: bool = False
    ) -> bool:
        """The trader may have chosen fewer questions, where no real money is in it."""
        known = [self._bridge.account(name) for name in accounts]
        is_real = any(one is None or one.mode is AccountMode.LIVE for one in known)
        if preferences.current().asks_less and not is_real and not always:
            return True
        return await self._agreed(make_sheet())

    async def _once(
        self, keys: Sequence[Hashable], ask: Callable[[], Awaitable[CommandResult]]
    ) -> CommandResult | None:
        if any(key in self._busy for key in keys):
            return None
        self._busy.update(keys)
        self.busy_changed.emit()
        try:
            result = await ask()
        finally:
            self._busy.difference_update(keys)
            self.busy_changed.emit()
        tasks.tell(result)
        return result

    def _refuse(self, text: str) -> bool:
        if text:
            tasks.announce(CommandResult(0, False, text))
        return bool(text)


def _accounts(orders: Sequence[Order], held: Sequence[PositionSnapshot]) -> set[str]:
    return {order.account for order in orders} | {one.position.account for one in held}
