"""The trader of a schedule: gives commands at any moment, believes what the engine answers."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any

from app.chaos.checker import MANUAL, Checker
from app.chaos.schedule import Action, ActionKind
from app.chaos.world import ACCOUNT, World
from core.engine import Refused
from core.models.orders import OrderPurpose, OrderRequest, OrderType, Side
from core.oms.client_order_id import make_client_order_id, nonce_for
from core.snapshot_builder import SnapshotBuilder
from core.snapshots import BotState

_NEAR = Decimal("0.002")  # an order by hand is so many times this away from the price
_SIZE = Decimal("0.08")  # of the balance
_STOP = Decimal("0.01")


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
        is_held = any(p.symbol == symbol for p in self._world.account.positions())
        if is_held and bot_id in self._world.engine.bots:
            self._checker.expect_exit(symbol)
        text = await self._world.engine.stop_bot(bot_id, close_position=True)
        held = {position.symbol for position in self._world.account.positions()}
        if text.endswith("is closed.") and symbol in held and self._is_calm():
            self._checker.fail("not_flat", f"the engine said: {text}")
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
                bot_id=world.spec(action.symbol).bot_id,
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
        """The newest order that the screen shows."""
        engine = self._world.engine
        orders = [
            order
            for order in SnapshotBuilder(engine).build([]).working_orders
            if order.symbol == symbol and order.client_order_id and not order.reduce_only
        ]
        if orders:
            ids = orders[-1].client_order_id, orders[-1].exchange_order_id
            self._ask(lambda: engine.cancel_order(ACCOUNT, symbol, *ids))

    def _tell(self, command: Callable[[], str]) -> bool:
        """A command that answers at once; False when it was refused."""
        try:
            self._note(command())
        except Refused as refusal:
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
