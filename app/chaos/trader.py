"""The trader of a schedule: gives commands at any moment, believes what the engine answers."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any

from app.chaos.actions import Action, ActionKind
from app.chaos.checker import MANUAL, Checker
from app.chaos.world import ACCOUNT, World
from core.engine import Refused
from core.models.orders import Order, OrderPurpose, OrderRequest, OrderType, Side
from core.oms.client_order_id import make_client_order_id, nonce_for
from core.risk.risk_manager import ResumeRefused
from core.snapshot_builder import SnapshotBuilder
from core.snapshots import BotState

_NEAR = Decimal("0.002")  # an order by hand is so many times this away from the price
_SIZE = Decimal("0.08")  # of the balance
_STOP = Decimal("0.01")
_SIZES = Decimal(1), Decimal("0.5"), Decimal("1.5")


class Trader:
    """Answers go to `note`; promises (a kill, a close) to the checker, which holds the engine to
    them. Commands that take time run beside everything else, until `forget`."""

    def __init__(
        self,
        world: World,
        checker: Checker,
        *,
        is_calm: Callable[[], bool],
        note: Callable[[str], None],
    ) -> None:
        self._world = world
        self._checker = checker
        self._is_calm = is_calm
        self._note = note
        self._manual = itertools.count(1)
        self._jobs: set[asyncio.Task[None]] = set()

    def do(self, action: Action) -> None:
        if not self._world.is_up:
            return
        engine, symbol = self._world.engine, action.symbol
        bot_id = self._world.spec(symbol).bot_id
        commands: dict[ActionKind, Callable[[], object]] = {
            ActionKind.START: lambda: self._start(bot_id),
            ActionKind.PAUSE: lambda: self._tell(lambda: engine.pause_bot(bot_id)),
            ActionKind.STOP: lambda: self._ask(
                lambda: engine.stop_bot(bot_id, close_position=False)
            ),
            ActionKind.STOP_AND_CLOSE: lambda: self._ask(
                lambda: self._stop_and_close(bot_id, symbol)
            ),
            ActionKind.CLOSE: lambda: self._close(symbol),
            ActionKind.KILL: self._kill,
            ActionKind.RESUME: self._resume,
            ActionKind.ADD_BOT: lambda: self._add(symbol),
            ActionKind.LIMIT_ORDER: lambda: self._order(action),
            ActionKind.CANCEL: lambda: self._cancel(symbol),
            ActionKind.AMEND: lambda: self._amend(action),
            ActionKind.MOVE_STOP: lambda: self._move_stop(action),
            ActionKind.ACCEPT: lambda: self._accept(action),
            ActionKind.IGNORE: lambda: self._tell(lambda: engine.ignore_finding(ACCOUNT, symbol)),
            ActionKind.REMOVE_BOT: lambda: self._tell(lambda: engine.remove_bot(bot_id)),
        }
        commands[action.kind]()

    def pause_all(self) -> None:
        """No new entries from now on; everything else goes on."""
        if self._world.is_up:
            for bot_id, bot in list(self._world.engine.bots.items()):
                if bot.state is BotState.RUNNING:
                    self._tell(lambda name=bot_id: self._world.engine.pause_bot(name))  # type: ignore[misc]

    def forget(self) -> None:
        """The engine is gone: nobody answers any more."""
        for job in self._jobs:
            job.cancel()

    def _start(self, bot_id: str) -> None:
        engine = self._world.engine
        self._ask(lambda: engine.start_bot(bot_id, confirm_live=False))

    def _add(self, symbol: str) -> None:
        spec = self._world.spec(symbol)
        if self._tell(lambda: self._world.engine.add_bot(spec)):
            self._start(spec.bot_id)

    def _kill(self) -> None:
        if self._tell(self._world.engine.kill):
            self._checker.expect_no_entries()

    def _resume(self) -> None:
        if self._tell(self._world.engine.resume):
            self._checker.allow_entries()

    def _close(self, symbol: str) -> None:
        is_held = any(p.symbol == symbol for p in self._world.account.positions())
        if self._tell(lambda: self._world.engine.close_position(ACCOUNT, symbol)) and is_held:
            self._checker.expect_exit(symbol)

    async def _stop_and_close(self, bot_id: str, symbol: str) -> str:
        """What it says has to be true: closed is flat."""
        if bot_id in self._world.engine.bots:
            held = {position.symbol for position in self._world.account.positions()}
            for each in self._world.symbols_with(symbol):
                self._checker.expect_no_late_entry(each)
                if each in held and self._checker.is_bots(each):
                    self._checker.expect_exit(each)
        text = await self._world.engine.stop_bot(bot_id, close_position=True)
        held = {position.symbol for position in self._world.account.positions()}
        if any(f"{each} " in text or f"{each}," in text for each in held) and self._is_calm():
            self._checker.verdict.fail("not_flat", f"the engine said: {text}")
        return text

    def _order(self, action: Action) -> None:
        """A limit order, down the one road that all orders take."""
        world = self._world
        desk = world.engine.desks[ACCOUNT]
        if not desk.is_ready:
            return
        instrument = world.market.instruments[action.symbol]
        last_price = world.market.price(action.symbol, world.clock.time_ms())
        side = Side.BUY if action.value > 0 else Side.SELL
        price = instrument.round_price(
            last_price * (1 - side.sign * _NEAR * abs(int(action.value)))
        )
        nonce = nonce_for(MANUAL, "chaos", next(self._manual))
        now_ms = world.engine.clock.time_ms()
        quantity = instrument.round_quantity_down(world.schedule.balance * _SIZE / last_price)
        desk.bus.publish(
            OrderRequest(
                client_order_id=make_client_order_id(MANUAL, action.symbol, now_ms, nonce),
                account=ACCOUNT,
                bot_id="" if world.schedule.scan else world.spec(action.symbol).bot_id,
                strategy=MANUAL,
                symbol=action.symbol,
                side=side,
                order_type=OrderType.LIMIT,
                quantity=max(quantity, instrument.min_quantity),
                price=price,
                reference_price=last_price,
                purpose=OrderPurpose.ENTRY,
                created_ms=now_ms,
                stop_loss=instrument.round_price(price * (1 - side.sign * _STOP)),
                reason="By hand.",
            )
        )

    def _cancel(self, symbol: str) -> None:
        order = self._newest_order(symbol)
        if order is not None:
            ids = order.client_order_id, order.exchange_order_id
            self._ask(lambda: self._world.engine.cancel_order(ACCOUNT, symbol, *ids))

    def _amend(self, action: Action) -> None:
        """Nearer to the price or away from it; half of the size, the same, or more."""
        order = self._newest_order(action.symbol)
        if order is None or order.price is None:
            return
        instrument = self._world.market.instruments[action.symbol]
        price = instrument.round_price(order.price * (1 + _NEAR * int(action.value)))
        size = _SIZES[int(action.value) % len(_SIZES)]
        quantity = max(
            instrument.round_quantity_down(order.quantity * size), instrument.min_quantity
        )
        self._ask(lambda: self._amended(order.client_order_id, quantity, price))

    async def _amended(self, client_id: str, quantity: Decimal, price: Decimal) -> str:
        """What it says has to be true: accepted are these terms."""
        text = await self._world.engine.amend_order(ACCOUNT, client_id, quantity, price)
        self._checker.check_amended(client_id, quantity, price)
        return text

    def _move_stop(self, action: Action) -> None:
        price = self._stop_price(action)
        if price is not None:
            self._ask(lambda: self._stop_moved(action.symbol, price))

    async def _stop_moved(self, symbol: str, price: Decimal) -> str:
        number = self._checker.stops.begin_move(symbol)
        text = await self._world.engine.move_stop(ACCOUNT, symbol, price, None)
        self._checker.stops.end_move(symbol, number, price)
        return text

    def _accept(self, action: Action) -> None:
        """Whatever stands there, a position with a stop."""
        self._ask(lambda: self._accepted(action.symbol, self._stop_price(action)))

    async def _accepted(self, symbol: str, price: Decimal | None) -> str:
        number = self._checker.stops.begin_move(symbol)
        text = await self._world.engine.accept_position(ACCOUNT, symbol, price, None)
        if "is taken over" in text:  # else it was flat: what a stranger opens later is his
            self._checker.mark_accepted(symbol)
            if price is not None:
                self._checker.stops.end_move(symbol, number, price)
        return text

    def _stop_price(self, action: Action) -> Decimal | None:
        """Behind the price of the position that the screen shows; None when it shows none."""
        for row in SnapshotBuilder(self._world.engine).build([]).positions:
            position = row.position
            if position.symbol == action.symbol:
                now_ms = self._world.clock.time_ms()
                last_price = self._world.market.price(action.symbol, now_ms)
                away = 1 - position.side.sign * _NEAR * abs(int(action.value))
                return self._world.market.instruments[action.symbol].round_price(last_price * away)
        return None

    def _newest_order(self, symbol: str) -> Order | None:
        """Of ours, that the screen shows and that may open something."""
        orders = [
            order
            for order in SnapshotBuilder(self._world.engine).build([]).working_orders
            if order.symbol == symbol and order.client_order_id and not order.reduce_only
        ]
        return orders[-1] if orders else None

    def _tell(self, command: Callable[[], str]) -> bool:
        """A command that answers at once; False when it was refused."""
        try:
            self._note(command())
        except (Refused, ResumeRefused) as refusal:
            self._note(str(refusal))
            return False
        return True

    def _ask(self, command: Callable[[], Coroutine[Any, Any, str]]) -> None:
        job = asyncio.get_running_loop().create_task(self._answered(command))
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    async def _answered(self, command: Callable[[], Coroutine[Any, Any, str]]) -> None:
        try:
            self._note(await command())
        except Refused as refusal:
            self._note(str(refusal))
            self._checker.expect_errors()
