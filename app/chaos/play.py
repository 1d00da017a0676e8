"""Plays one schedule: faults, then healing, then the time in which all has to come right."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import logging
import tempfile
import time
import traceback
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from app.chaos.checker import MANUAL, Checker, Failure
from app.chaos.schedule import Action, ActionKind, Schedule
from app.chaos.world import ACCOUNT, OUTAGES, World
from app.virtual_time import VirtualTimeLoop
from core.engine import Refused
from core.models.orders import OrderPurpose, OrderRequest, OrderType, Side
from core.oms.client_order_id import make_client_order_id, nonce_for
from core.snapshot_builder import SnapshotBuilder
from core.snapshots import BotState, EngineSnapshot
from exchanges.simulated.faults import Fault, FaultKind
from exchanges.simulated.values import (
    Executed,
    OrderChanged,
    PlaceOrder,
    VenueEvent,
    VenueReject,
)

LOOK_S = 1.0
SNAPSHOT_EVERY = 4  # looks
DOWN_S = 2.0  # how long an engine that died is away, unless the fault says it
HEAL_LIMIT_S = 120.0
QUIET_S = 5.0  # everything has to stay right for so long
_SHM = Path("/dev/shm")  # noqa: S108 (memory: thousands of runs must not wear the disk)
_STREAM_FAULTS = tuple(OUTAGES)


class Outcome(msgspec.Struct, frozen=True):
    """What became of one schedule. `healed_s` is what it took to come right; None: it did not.
    `trace` is equal for equal runs."""

    seed: int
    failures: list[Failure]
    struck: dict[str, int]
    healed_s: float | None
    unprotected_s_max: float
    ledger_error: Decimal
    trace: str
    cpu_s: float


def play(schedule: Schedule, data_dir: Path | None = None) -> Outcome:
    """In an event loop of its own. `data_dir` None: a temporary one, in memory where possible."""
    began_s = time.process_time()
    memory = _SHM if _SHM.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="twinstar-chaos-", dir=memory) as folder:
        player = _Player(schedule, data_dir or Path(folder))
        try:
            with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
                outcome = runner.run(player.play())
        except Exception:  # noqa: BLE001 (a seed that breaks the harness is told like any other)
            outcome = _broken(schedule, traceback.format_exc())
    return msgspec.structs.replace(outcome, cpu_s=time.process_time() - began_s)


def _broken(schedule: Schedule, text: str) -> Outcome:
    return Outcome(
        seed=schedule.seed,
        failures=[Failure("harness", text, 0.0)],
        struck={},
        healed_s=None,
        unprotected_s_max=0.0,
        ledger_error=Decimal("NaN"),
        trace="0",
        cpu_s=0.0,
    )


class _Player:
    def __init__(self, schedule: Schedule, data_dir: Path) -> None:
        self._schedule = schedule
        self._data_dir = data_dir
        self._trace = hashlib.blake2b(digest_size=16)
        self._jobs: set[asyncio.Task[None]] = set()
        self._looks = 0
        self._calm_from_s = 0.0
        self._saw_whole_series = False
        self._is_healed = False
        self._down_s = DOWN_S
        self._manual = itertools.count(1)
        self._log = _LogWatch()

    async def play(self) -> Outcome:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._on_loop_fault)
        self._world = World(self._schedule, self._data_dir, self._note)
        self._checker = Checker(self._world, self._is_calm)
        self._world.venue.on_event.append(self._on_event)
        with self._log:
            try:
                self._start(is_first=True)
                await self._suffer()
                healed_s = await self._heal()
                snapshot = self._builder.build([]) if self._world.is_up else None
            finally:
                await self._world.close()
        for text in self._log.unexpected:
            self._checker.fail("log", text)
        return Outcome(
            seed=self._schedule.seed,
            failures=self._checker.failures,
            struck=dict(self._world.plan.struck),
            healed_s=healed_s,
            unprotected_s_max=round(self._checker.unprotected_s_max, 2),
            ledger_error=self._ledger_error(snapshot),
            trace=self._trace.hexdigest(),
            cpu_s=0.0,
        )

    # ---- the three phases

    async def _suffer(self) -> None:
        timeline = self._timeline()
        end_s = self._schedule.fault_s
        while (now_s := self._world.clock.now_s()) < end_s:
            while timeline and timeline[0][0] <= now_s:
                _, _, happen = timeline.pop(0)
                happen()
            next_s = min(timeline[0][0] if timeline else end_s, now_s + LOOK_S, end_s)
            await self._pass(next_s - now_s)
        while timeline:  # ends of windows that reach to the end
            timeline.pop(0)[2]()

    async def _heal(self) -> float | None:
        """Seconds until all was right and stayed so; None when it never was."""
        world = self._world
        self._is_healed = True
        world.plan.heal()
        world.clock.drift(0.0)
        world.market.thin.clear()
        world.market.empty.clear()
        if not world.is_up:
            self._start(is_first=False)
        self._act(self._pause_all)
        healed_s = world.clock.now_s()
        right_since_s: float | None = None
        differences: dict[str, str] = {}
        while (passed_s := world.clock.now_s() - healed_s) < HEAL_LIMIT_S + QUIET_S:
            await self._pass(LOOK_S)
            differences = self._differences()
            # a bar that closes is missing until the stream has told it: none of longer ago is
            if self._saw_whole_series or "candles" not in differences:
                self._saw_whole_series = True
                differences.pop("candles", None)
            if differences:
                right_since_s = None
                if passed_s > HEAL_LIMIT_S:
                    break
            elif right_since_s is None:
                right_since_s = world.clock.now_s()
            elif world.clock.now_s() - right_since_s >= QUIET_S:
                return right_since_s - healed_s
        for kind, text in differences.items():
            self._checker.fail(kind, f"{HEAL_LIMIT_S:.0f} s after healing: {text}")
        return None

    async def _pass(self, seconds: float) -> None:
        """Virtual time goes on; looks at everything, and buries the engine when it dies."""
        world = self._world
        try:
            async with asyncio.timeout(max(seconds, 0.001)):
                await world.crash_wanted.wait()
        except TimeoutError:
            pass
        else:
            await self._crash()
        if world.is_up and world.start_fault() is not None and not self._is_healed:
            self._note(f"the engine did not start: {world.start_fault()}")
            await self._crash()  # its process has ended; somebody starts it again
        world.venue.advance()
        self._checker.look()
        self._looks += 1
        if world.is_up and self._looks % SNAPSHOT_EVERY == 0:
            self._checker.look_at_snapshot(self._builder.build([]))

    def _differences(self) -> dict[str, str]:
        world = self._world
        if not world.is_up:
            return {"unresolved": "the engine is down"}
        if world.start_fault() is not None:
            return {"unresolved": f"the engine refused to start: {world.start_fault()!r}"}
        snapshot = self._builder.build([])
        self._checker.look_at_snapshot(snapshot)
        return self._checker.differences(snapshot)

    def _ledger_error(self, snapshot: EngineSnapshot | None) -> Decimal:
        if snapshot is None or snapshot.capital is None:
            return Decimal("NaN")
        return snapshot.capital.total - self._wallet

    # ---- the engine's life

    def _start(self, *, is_first: bool) -> None:
        self._world.start(is_first=is_first)
        self._builder = SnapshotBuilder(self._world.engine)
        self._world.engine.records.listeners.append(self._checker.on_record)
        self._calm_from_s = self._world.clock.now_s() + 5.0

    async def _crash(self) -> None:
        """The engine dies now, and comes back later."""
        down_s, self._down_s = self._down_s, DOWN_S
        self._world.crash_wanted.clear()
        if not self._world.is_up:
            return
        for job in self._jobs:
            job.cancel()
        await self._world.crash()
        self._note("crash")
        self._checker.engine_died()
        asyncio.get_running_loop().call_later(down_s, self._come_back)

    def _come_back(self) -> None:
        if not self._world.is_up:
            self._start(is_first=False)

    def _is_calm(self) -> bool:
        """The engine is up and whole, and nothing but single moments goes wrong now."""
        now_s = self._world.clock.now_s()
        is_struck = any(
            fault.start_s <= now_s < fault.end_s + 3.0 for fault in self._schedule.faults
        )
        if not self._world.is_up or (is_struck and now_s < self._schedule.fault_s + 3.0):
            self._calm_from_s = max(self._calm_from_s, now_s + 5.0)
        return now_s >= self._calm_from_s

    # ---- what happens

    def _timeline(self) -> list[tuple[float, int, Callable[[], None]]]:
        order = itertools.count()
        events: list[tuple[float, int, Callable[[], None]]] = []
        for fault in self._schedule.faults:
            begin, end = self._edges(fault)
            if begin is not None:
                events.append((fault.start_s, next(order), begin))
            if end is not None:
                events.append((fault.end_s, next(order), end))
        for action in self._schedule.actions:
            events.append((action.at_s, next(order), lambda a=action: self._do(a)))  # type: ignore[misc]
        return sorted(events)

    def _edges(self, fault: Fault) -> tuple[Callable[[], None] | None, Callable[[], None] | None]:
        """What a fault does at the start of its window and at its end, beside what the port and
        the disk do all along."""
        world, symbol = self._world, fault.symbol
        match fault.kind:
            case kind if kind in OUTAGES:
                return lambda: self._lose(kind), lambda: self._restore()
            case FaultKind.THIN_BOOK | FaultKind.EMPTY_BOOK:
                thinned = world.market.thin
                if fault.kind is FaultKind.EMPTY_BOOK:
                    thinned = world.market.empty
                return self._counted(fault, lambda: thinned.add(symbol)), lambda: thinned.discard(
                    symbol
                )
            case FaultKind.CLOCK_DRIFT:
                begin = self._counted(fault, lambda: world.clock.drift(fault.value))
                return begin, lambda: world.clock.drift(0.0)
            case kind if kind in self._moments():
                return self._counted(fault, lambda: self._moments()[kind](fault)), None
        return None, None

    def _moments(self) -> dict[FaultKind, Callable[[Fault], None]]:
        world = self._world
        return {
            FaultKind.PRICE_JUMP: lambda f: world.market.jump(
                f.symbol, world.clock.time_ms(), f.value
            ),
            FaultKind.EXTERNAL_ORDER: self._trade_by_hand,
            FaultKind.EXTERNAL_POSITION: self._trade_by_hand,
            FaultKind.EXTERNAL_CLOSE: self._close_by_hand,
            FaultKind.STOP_REMOVED: self._remove_stop,
            FaultKind.CANCELLED_BY_VENUE: self._cancel_by_venue,
            FaultKind.DELISTING: self._delist,
            FaultKind.CLOCK_STEP: self._step_clock,
            FaultKind.SLEEP: self._sleep,
            FaultKind.CRASH: self._crash_soon,
        }

    def _counted(self, fault: Fault, happen: Callable[[], Any]) -> Callable[[], None]:
        def run() -> None:
            self._world.plan.struck[fault.kind.value] += 1
            happen()

        return run

    def _lose(self, kind: FaultKind) -> None:
        self._world.plan.struck[kind.value] += 1
        if self._world.is_up:
            for stream in OUTAGES[kind]:
                self._world.exchange.lose_stream(stream, kind.value)

    def _restore(self) -> None:
        """Whatever no other outage still keeps down."""
        lost = {
            stream
            for kind, streams in OUTAGES.items()
            if self._world.plan.active(kind)
            for stream in streams
        }
        if self._world.is_up:
            for stream in sorted({s for streams in OUTAGES.values() for s in streams} - lost):
                if self._world.exchange.is_lost(stream):
                    self._world.exchange.restore_stream(stream)

    def _trade_by_hand(self, fault: Fault) -> None:
        self._checker.mark_foreign(fault.symbol)
        account, market = self._world.account, self._world.market
        instrument = market.instruments[fault.symbol]
        tick = market.last_tick(fault.symbol, self._world.clock.time_ms())
        assert tick is not None
        quantity = instrument.round_quantity_down(
            self._schedule.balance * Decimal("0.1") / tick.price
        )
        is_order = fault.kind is FaultKind.EXTERNAL_ORDER
        price = instrument.round_price(tick.price * Decimal("0.97")) if is_order else None
        order = PlaceOrder(
            symbol=fault.symbol,
            side=Side.BUY,
            order_type=OrderType.LIMIT if is_order else OrderType.MARKET,
            quantity=max(quantity, instrument.min_quantity),
            price=price,
        )
        self._at_venue(lambda: account.place_order(order))

    def _close_by_hand(self, fault: Fault) -> None:
        for position in self._world.account.positions():
            if position.symbol == fault.symbol:
                self._checker.mark_foreign(fault.symbol)
                order = PlaceOrder(
                    symbol=fault.symbol,
                    side=position.side.opposite,
                    order_type=OrderType.MARKET,
                    quantity=position.quantity,
                    reduce_only=True,
                )
                self._at_venue(lambda order=order: self._world.account.place_order(order))  # type: ignore[misc]

    def _remove_stop(self, fault: Fault) -> None:
        account = self._world.account
        self._at_venue(lambda: account.set_protection(fault.symbol, stop_loss=Decimal(0)))

    def _cancel_by_venue(self, fault: Fault) -> None:
        account = self._world.account
        for order in account.open_orders(fault.symbol):
            if not order.is_protection:
                self._at_venue(
                    lambda o=order: account.cancel_order(o.symbol, order_id=o.order_id)  # type: ignore[misc]
                )

    def _delist(self, fault: Fault) -> None:
        """Orders are cancelled, positions closed by the venue, new orders refused."""
        self._checker.mark_foreign(fault.symbol)
        self._cancel_by_venue(fault)
        self._close_by_hand(fault)
        self._world.exchange.delisted.add(fault.symbol)

    def _crash_soon(self, fault: Fault) -> None:
        self._down_s = fault.value
        self._world.crash_wanted.set()

    def _sleep(self, fault: Fault) -> None:
        self._world.clock.sleep(fault.value)
        self._checker.mark_jump()

    def _step_clock(self, fault: Fault) -> None:
        self._world.clock.step(fault.value)
        if abs(fault.value) > 2:
            self._checker.mark_jump()

    def _at_venue(self, happen: Callable[[], Any]) -> None:
        try:
            happen()
        except VenueReject as refusal:
            self._note(f"venue: {refusal.reason}")

    # ---- the trader

    def _do(self, action: Action) -> None:
        engine, world = self._world.engine, self._world
        bot_id = world.spec(action.symbol).bot_id
        symbol = action.symbol
        match action.kind:
            case ActionKind.START:
                self._spawn_action(lambda: engine.start_bot(bot_id, confirm_live=False))
            case ActionKind.PAUSE:
                self._act(lambda: engine.pause_bot(bot_id))
            case ActionKind.STOP:
                self._spawn_action(lambda: engine.stop_bot(bot_id, close_position=False))
            case ActionKind.STOP_AND_CLOSE:
                self._spawn_action(lambda: self._stop_and_close(bot_id, symbol))
            case ActionKind.CLOSE:
                is_held = any(p.symbol == symbol for p in world.account.positions())
                if self._act(lambda: engine.close_position(ACCOUNT, symbol)) and is_held:
                    self._checker.expect_exit(symbol)
            case ActionKind.KILL:
                if self._act(engine.kill):
                    self._checker.expect_no_entries()
            case ActionKind.RESUME:
                if self._act(engine.resume):
                    self._checker.allow_entries()
            case ActionKind.ADD_BOT:
                if self._act(lambda: engine.add_bot(world.spec(symbol))):
                    self._spawn_action(lambda: engine.start_bot(bot_id, confirm_live=False))
            case ActionKind.LIMIT_ORDER:
                self._order_by_hand(action)
            case ActionKind.CANCEL:
                self._cancel(symbol)

    async def _stop_and_close(self, bot_id: str, symbol: str) -> str:
        """What it says has to be true: closed is flat."""
        text = await self._world.engine.stop_bot(bot_id, close_position=True)
        held = {position.symbol for position in self._world.account.positions()}
        if text.endswith("is closed.") and symbol in held and self._is_calm():
            self._checker.fail("not_flat", f"the engine said: {text}")
        return text

    def _pause_all(self) -> str:
        for bot in list(self._world.engine.bots.values()):
            if bot.state is BotState.RUNNING:
                bot.pause()
        return "paused"

    def _order_by_hand(self, action: Action) -> None:
        """Down the one road that all orders take."""
        world = self._world
        desk = world.engine.desks[ACCOUNT]
        if not world.is_up or not desk.is_built or not desk.is_ready:
            return
        instrument = world.market.instruments[action.symbol]
        tick = world.market.last_tick(action.symbol, world.clock.time_ms())
        assert tick is not None
        side = Side.BUY if action.value > 0 else Side.SELL
        away = Decimal(side.sign)
        price = instrument.round_price(tick.price * (1 - away * Decimal("0.002")))
        nonce = nonce_for(MANUAL, "chaos", next(self._manual))
        now_ms = world.engine.clock.time_ms()
        quantity = instrument.round_quantity_down(
            self._schedule.balance * Decimal("0.08") / tick.price
        )
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
                reference_price=tick.price,
                purpose=OrderPurpose.ENTRY,
                created_ms=now_ms,
                stop_loss=instrument.round_price(price * (1 - away * Decimal("0.01"))),
                reason="By hand.",
            )
        )

    def _cancel(self, symbol: str) -> None:
        if not self._world.is_up:
            return
        snapshot = self._builder.build([])
        orders = [
            o
            for o in snapshot.working_orders
            if o.symbol == symbol and o.client_order_id and not o.reduce_only
        ]
        if orders:
            order = orders[-1]
            engine = self._world.engine
            self._spawn_action(
                lambda: engine.cancel_order(
                    ACCOUNT, symbol, order.client_order_id, order.exchange_order_id
                )
            )

    def _act(self, command: Callable[[], str]) -> bool:
        """A command that answers at once; False when it was refused."""
        if not self._world.is_up:
            return False
        try:
            self._note(command())
        except Refused as refusal:
            self._note(str(refusal))
            return False
        return True

    def _spawn_action(self, command: Callable[[], Any]) -> None:
        if self._world.is_up:
            self._spawn(self._answered(command))

    async def _answered(self, command: Callable[[], Any]) -> None:
        try:
            self._note(await command())
        except Refused as refusal:
            self._note(str(refusal))
            self._checker.expect_errors()

    def _spawn(self, work: Any) -> None:
        job: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    # ---- the record

    def _note(self, text: str) -> None:
        self._trace.update(f"{self._world.clock.now_s():.3f} {text}\n".encode())

    def _on_event(self, event: VenueEvent) -> None:
        match event:
            case OrderChanged(order):
                self._note(f"{order.order_id} {order.status} {order.filled_quantity}")
            case Executed(execution):
                self._note(f"{execution.trade_id} {execution.quantity} {execution.price}")

    def _on_loop_fault(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        fault = context.get("exception")
        if self._world.is_up:
            self._checker.fail("unhandled", f"{context['message']}: {fault!r}")

    @property
    def _wallet(self) -> Decimal:
        return self._world.account.wallet().wallet_balance


class _LogWatch(logging.Handler):
    """Keeps the program's log off the terminal, and what tells of a bug for the judge."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.unexpected: list[str] = []

    def __enter__(self) -> None:
        root = logging.getLogger()
        self._former = root.handlers[:], root.level
        root.handlers[:] = [self]

    def __exit__(self, *_: object) -> None:
        root = logging.getLogger()
        root.handlers[:], level = self._former
        root.setLevel(level)

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.unexpected.append(f"{record.name}: {record.getMessage()}: {record.exc_info[1]!r}")
