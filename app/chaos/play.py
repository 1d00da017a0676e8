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
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from app.chaos.checker import Checker
from app.chaos.misfortunes import Misfortunes
from app.chaos.schedule import Schedule
from app.chaos.trader import Trader
from app.chaos.verdict import Failure
from app.chaos.world import World
from app.virtual_time import VirtualTimeLoop
from core.snapshot_builder import SnapshotBuilder
from core.snapshots import EngineSnapshot
from exchanges.simulated.faults import FaultKind
from exchanges.simulated.values import Executed, OrderChanged, VenueEvent

LOOK_S = 1.0
SNAPSHOT_EVERY = 4  # looks
# these give the engine something to do, and keep it from nothing
HARMLESS = frozenset(
    {
        FaultKind.STOP_REMOVED,
        FaultKind.CANCELLED_BY_VENUE,
        FaultKind.EXTERNAL_ORDER,
        FaultKind.EXTERNAL_POSITION,
        FaultKind.EXTERNAL_CLOSE,
        FaultKind.PRICE_JUMP,
        FaultKind.MARKET_CRASH,
        FaultKind.CANDLE_DROP,
        FaultKind.PUBLIC_DUPLICATE,
        FaultKind.PUBLIC_LATE,
        FaultKind.PRIVATE_DUPLICATE,
        FaultKind.BALANCE_DROP,
    }
)
DOWN_S = 2.0  # how long an engine that died is away, unless the fault says it
HEAL_LIMIT_S = 120.0
QUIET_S = 5.0  # everything has to stay right for so long
_SHM = Path("/dev/shm")  # thousands of runs must not wear the disk


class Outcome(msgspec.Struct, frozen=True):
    """What became of one schedule. `healed_s` is what it took to come right; None: it did not.
    `seen` counts what was there to be judged. `trace` is equal for equal runs."""

    seed: int
    failures: list[Failure]
    struck: dict[str, int]
    seen: dict[str, int]
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
        # a seed that breaks the harness is told like any other
        except (Exception, asyncio.CancelledError):  # noqa: BLE001
            outcome = _broken(schedule, traceback.format_exc())
    return msgspec.structs.replace(outcome, cpu_s=time.process_time() - began_s)


def _broken(schedule: Schedule, text: str) -> Outcome:
    return Outcome(
        seed=schedule.seed,
        failures=[Failure("harness", text, 0.0)],
        struck={},
        seen={},
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
        self._looks = 0
        self._calm_from_s = 0.0
        self._saw_whole_series = False
        self._is_healed = False
        self._log = _LogWatch()

    async def play(self) -> Outcome:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._on_loop_fault)
        self._world = World(self._schedule, self._data_dir, self._note)
        self._checker = Checker(self._world, self._is_calm)
        self._trader = Trader(self._world, self._checker, is_calm=self._is_calm, note=self._note)
        self._misfortunes = Misfortunes(self._world, self._checker, self._note)
        self._world.venue.on_event.append(self._on_event)
        with self._log:
            try:
                self._start()
                await self._suffer()
                healed_s = await self._heal()
                snapshot = self._builder.build([]) if self._world.is_up else None
            finally:
                await self._world.close()
        for text in self._log.unexpected:
            self._checker.verdict.fail("log", text)
        return Outcome(
            seed=self._schedule.seed,
            failures=self._checker.verdict.failures,
            struck=dict(self._world.plan.struck),
            seen=self._checker.seen(),
            healed_s=healed_s,
            unprotected_s_max=round(self._checker.stops.unprotected_s_max, 2),
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
            self._misfortunes.seize_chances()
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
        if world.start_fault() is not None:
            await self._crash()  # the refusal was a fault's; it is started again
        if not world.is_up:
            self._start()
        healed_s = world.clock.now_s()
        right_since_s: float | None = None
        differences: dict[str, str] = {}
        while (passed_s := world.clock.now_s() - healed_s) < HEAL_LIMIT_S + QUIET_S:
            self._trader.pause_all()  # also those that come up only now, after a crash
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
            self._checker.verdict.fail(kind, f"{HEAL_LIMIT_S:.0f} s after healing: {text}")
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

    def _start(self) -> None:
        self._world.start()
        self._builder = SnapshotBuilder(self._world.engine)
        self._world.engine.records.listeners.append(self._checker.on_record)
        self._calm_from_s = self._world.clock.now_s() + 5.0

    async def _crash(self) -> None:
        """The engine dies now, and comes back later."""
        down_s, self._misfortunes.down_s = self._misfortunes.down_s or DOWN_S, None
        self._world.crash_wanted.clear()
        if not self._world.is_up:
            return
        self._trader.forget()
        await self._world.crash()
        self._note("crash")
        self._checker.engine_died()
        asyncio.get_running_loop().call_later(down_s, self._come_back)

    def _come_back(self) -> None:
        if not self._world.is_up:
            self._start()

    def _is_calm(self) -> bool:
        """The engine is up and whole, and nothing but single moments goes wrong now."""
        now_s = self._world.clock.now_s()
        is_struck = any(
            fault.start_s <= now_s < fault.end_s + 3.0 and fault.kind not in HARMLESS
            for fault in self._schedule.faults
        )
        if not self._world.is_up or (is_struck and now_s < self._schedule.fault_s + 3.0):
            self._calm_from_s = max(self._calm_from_s, now_s + 5.0)
        return now_s >= self._calm_from_s

    def _timeline(self) -> list[tuple[float, int, Callable[[], None]]]:
        order = itertools.count()
        events: list[tuple[float, int, Callable[[], None]]] = []
        for fault in self._schedule.faults:
            begin, end = self._misfortunes.edges(fault)
            if begin is not None:
                events.append((fault.start_s, next(order), begin))
            if end is not None:
                events.append((fault.end_s, next(order), end))
        for action in self._schedule.actions:
            events.append((action.at_s, next(order), partial(self._trader.do, action)))
        return sorted(events)

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
            self._checker.verdict.fail("unhandled", f"{context['message']}: {fault!r}")

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
