"""A venue that outlives its engines, and the engine that runs on it now, in virtual time.

The engine is built from the same parts as in `app/wiring.py`; only the port, the clock, the disk
and the dice are the schedule's. What costs time and proves nothing is left out: the 10 ms probe
of the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import msgspec

from app.chaos.chaos_market import TIMEFRAME, ChaosMarket
from app.chaos.dice_strategy import DiceParameters, DiceScores, DiceStrategy
from app.chaos.schedule import RATE, Schedule
from app.virtual_time import VirtualTimeLoop
from core.account_desk import AccountDesk
from core.bot_registry import BotRegistry
from core.bots.bot_spec import BotSpec
from core.bots.universe_book import UniverseBook
from core.engine import Engine
from core.event_bus import EventBus
from core.exchange_port import StreamKind
from core.limits.api_rate_limiter import MultiExchangeRateLimiter
from core.market_data.shared_data_manager import SharedDataManager
from core.market_feed import MarketFeed
from core.metrics import LoopGapProbe
from core.portfolio.fixed_percent import FixedPercent
from core.risk.risk_manager import RiskLimits
from core.snapshots import AccountMode
from core.storage.disk import Disk
from core.strategy import Strategy
from core.supervision import Supervisor
from exchanges.simulated.account import Account
from exchanges.simulated.faults import FaultKind, FaultPlan
from exchanges.simulated.faulty_port import Doing, FaultyExchange, Standing
from exchanges.simulated.venue import Venue

ACCOUNT = "chaos"
OUTAGES = {
    FaultKind.PRIVATE_OUTAGE: (StreamKind.PRIVATE,),
    FaultKind.PUBLIC_OUTAGE: (StreamKind.PUBLIC,),
    FaultKind.NETWORK_OUTAGE: tuple(StreamKind),
    FaultKind.MAINTENANCE: tuple(StreamKind),
}
LONGEST_S = 600.0  # no run is longer; the market is prepared for so long


class RunClock:
    """The venue's time, and the engine's with its own error. `rate` market seconds a second."""

    rate = RATE

    def __init__(self, loop: asyncio.AbstractEventLoop, start_ms: int) -> None:
        self._loop = loop
        self._start_ms = start_ms
        self._start_s = loop.time()
        self._slept_s = 0.0
        self._error_s = 0.0
        self._drift = 0.0
        self._drift_from_s = 0.0
        self._corrected_ms = 0

    def now_s(self) -> float:
        """Seconds of the run, without those that the machine has slept."""
        return self._loop.time() - self._start_s

    def time_ms(self) -> int:
        """Of the venue."""
        return self._start_ms + round((self.now_s() + self._slept_s) * 1000 * self.rate)

    def monotonic_s(self) -> float:
        return self._loop.time()

    def sleep(self, seconds: float) -> None:
        """The machine is suspended: the world goes on, the monotonic clock does not."""
        self._slept_s += seconds

    def step(self, seconds: float) -> None:
        """Somebody sets the machine's clock."""
        self._error_s += seconds

    def drift(self, ratio: float) -> None:
        """From now on the machine's clock gains so many seconds per second."""
        self._error_s += self._drift * (self.now_s() - self._drift_from_s)
        self._drift, self._drift_from_s = ratio, self.now_s()

    def engine_error_s(self) -> float:
        """How far the engine's idea of the venue's time is ahead, corrections included."""
        drifted_s = self._drift * (self.now_s() - self._drift_from_s)
        return self._error_s + drifted_s + self._corrected_ms / 1000 / self.rate

    def correct(self, offset_ms: int) -> None:
        """The engine has measured that the venue is ahead by so much, market time."""
        self._corrected_ms += offset_ms


class EngineClock:
    """`core.clock.Clock` as the engine's machine shows it."""

    rate = RATE

    def __init__(self, run: RunClock) -> None:
        self._run = run

    def time_ms(self) -> int:
        return self._run.time_ms() + round(self._run.engine_error_s() * 1000 * self.rate)

    def monotonic_s(self) -> float:
        return self._run.monotonic_s()


class World:
    """Attributes: `engine`, `exchange` (its port), `venue`, `account` (the venue's own view),
    `standing`, `clock`, `plan`, `risk_limits`, `is_up`; `on_arrival`, told of each instruction
    before it is done and after; `crash_wanted` is set when the engine has to die now."""

    engine: Engine
    exchange: FaultyExchange

    def __init__(
        self, schedule: Schedule, data_dir: Path, on_wire: Callable[[str], None] = lambda _: None
    ) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        self.schedule = schedule
        self.data_dir = data_dir
        self.clock = RunClock(loop, schedule.start_ms)
        self.market = ChaosMarket(
            schedule.seed,
            symbols=len(schedule.symbols),
            start_ms=schedule.start_ms,
            hours=LONGEST_S * RATE / 3600,
        )
        self.venue = Venue(
            market=self.market,
            clock=self.clock,
            initial_balance=schedule.balance,
            profile=schedule.profile,
        )
        self.account: Account = self.venue.account(ACCOUNT)
        self.plan = FaultPlan(schedule.faults, seed=schedule.seed, now_s=self.clock.now_s)
        self.risk_limits = RiskLimits(
            max_orders_per_minute=schedule.orders_per_minute, max_drawdown=schedule.max_drawdown
        )
        self.standing = Standing()
        self.on_arrival: list[Callable[[Doing, bool], None]] = []
        self.crash_wanted = asyncio.Event()
        self.is_up = False
        self._has_come_up = False
        self._dice = random.Random(schedule.seed)
        self._on_wire = on_wire
        self._databases: list[sqlite3.Connection] = []
        self._starting: asyncio.Task[None] | None = None

    def spec(self, symbol: str) -> BotSpec:
        """The bot of a symbol: its own, or the one that scans all of them."""
        schedule, scan = self.schedule, self.schedule.scan
        patience = schedule.patience
        return BotSpec(
            bot_id="scanner" if scan else f"{symbol.lower()}-dice",
            kind="MultiTrader" if scan else "UnifiedBot",
            account=ACCOUNT,
            symbol="" if scan else symbol,
            timeframe=TIMEFRAME,
            strategy=DiceScores.name if scan else DiceStrategy.name,
            parameters={
                "salt": schedule.seed * 10 + (0 if scan else schedule.symbols.index(symbol)),
                "patience": patience,
                "stop_ratio": 0.006 * patience,
                "take_profit_ratio": 0.009 * patience,
            },
            scan=scan,
        )

    def symbols_with(self, symbol: str) -> tuple[str, ...]:
        """All that the bot of a symbol trades."""
        return self.schedule.symbols if self.schedule.scan else (symbol,)

    def start(self) -> None:
        """A new engine on the same data directory and venue, as a new process would be. It comes
        up by itself, as long as that may take."""
        self._build()
        self._starting = asyncio.get_running_loop().create_task(self._bring_up(), name="engine")
        self.is_up = True

    async def _bring_up(self) -> None:
        """The configuration's bots are its own from the first time on that it came up."""
        is_new = not self._has_come_up
        specs = {self.spec(s).bot_id: self.spec(s) for s in self.schedule.symbols[:-1]}
        await self.engine.start([*specs.values()] if is_new else [], autostart=is_new)
        self._has_come_up = True

    def start_fault(self) -> BaseException | None:
        """Why the engine refused to come up; None while it comes up, and afterwards."""
        starting = self._starting
        if starting is None or not starting.done() or starting.cancelled():
            return None
        return starting.exception()

    def _build(self) -> None:
        run_clock, clock = self.clock, EngineClock(self.clock)
        bus = EventBus(clock)
        supervisor = Supervisor(bus, clock)
        self.crash_wanted.clear()
        port = FaultyExchange(
            ACCOUNT,
            venue=self.venue,
            plan=self.plan,
            dice=self._dice,
            now_s=run_clock.now_s,
            clock_error_s=run_clock.engine_error_s,
            on_crash=self.crash_wanted.set,
            on_wire=self._on_wire,
            standing=self.standing,
            on_arrival=self._tell_arrival,
            stream_interval_s=2.0,
        )
        for kind, streams in OUTAGES.items():
            if self.plan.active(kind):
                for stream in streams:
                    port.lose_stream(stream, kind.value)
        data = SharedDataManager(
            port.exchange,
            cache_dir=self.data_dir / "cache",
            clock=clock,
            disk=_FaultyDisk(self.plan),
        )
        feed = MarketFeed(port, data=data, bus=bus, supervisor=supervisor, clock=clock)
        engine: Engine
        desk = AccountDesk(
            mode=AccountMode.DEMO,
            port=port,
            feed=feed,
            bus=EventBus(clock),
            clock=clock,
            supervisor=supervisor,
            database=self._open("account.sqlite", FaultKind.DISK_JOURNAL),
            rng=random.Random(self._dice.random()),
            risk_limits=self.risk_limits,
            sizing=FixedPercent(ratio=self.schedule.size_ratio),
            leverage=Decimal(1),
            owner_of=lambda name, symbol: engine.roster.owner_of(name, symbol),  # noqa: PLW0108
            on_external=lambda *told: engine.roster.pause_external(*told),  # noqa: PLW0108
            on_kill=lambda *told: engine.roster.stop_bots_of(*told),  # noqa: PLW0108
            correct_clock=run_clock.correct,
        )
        database = self._open("engine.sqlite", None)
        engine = Engine(
            clock=clock,
            bus=bus,
            supervisor=supervisor,
            desks={ACCOUNT: desk},
            feeds={port.exchange: feed},
            registry=BotRegistry(database),
            universes=UniverseBook(database),
            limiters=MultiExchangeRateLimiter(clock),
            make_strategy=_make_strategy,
            data_dir=self.data_dir,
        )
        engine.probe = _NoProbe(clock)
        self.engine, self.exchange = engine, port

    def _tell_arrival(self, doing: Doing, is_done: bool) -> None:
        for listener in self.on_arrival:
            listener(doing, is_done)

    def _open(self, name: str, fault: FaultKind | None) -> sqlite3.Connection:
        path = self.data_dir / "storage" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, factory=_FaultyConnection
        )
        database.execute("PRAGMA locking_mode=EXCLUSIVE")  # one connection: no locks to be taken
        database.execute("PRAGMA journal_mode=WAL")
        if fault is not None:
            database.fails = lambda: self.plan.strikes(fault) is not None
        self._databases.append(database)
        return database

    async def crash(self) -> None:
        """The engine is gone between two instructions: what was not durable is lost, nobody is
        told, and no clean-up runs that could touch disk or venue."""
        self.exchange.die()
        for database in self._databases:
            database.close()
        self._databases.clear()
        self.engine.feeds[self.exchange.exchange].data.store.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        self.is_up = False

    async def close(self) -> None:
        if self.is_up:
            await self.crash()
        self.venue.close()


class _FaultyConnection(sqlite3.Connection):
    """The disk refuses at the start of a transaction or at its end."""

    fails: Callable[[], bool] | None = None

    def execute(self, sql: str, parameters: object = (), /) -> sqlite3.Cursor:
        is_write = sql.startswith(("BEGIN", "COMMIT", "INSERT", "UPDATE", "DELETE"))
        if is_write and self.fails is not None and self.fails():
            raise sqlite3.OperationalError("database or disk is full")
        return super().execute(sql, parameters)  # type: ignore[arg-type]


class _FaultyDisk(Disk):
    """For the candle files."""

    def __init__(self, plan: FaultPlan) -> None:
        self._plan = plan

    def write(self, path: Path, data: bytes) -> None:
        self._refuse_sometimes()
        super().write(path, data)

    def reach(self, point: str) -> None:
        if point == "append: rows written":
            self._refuse_sometimes()

    def _refuse_sometimes(self) -> None:
        if self._plan.strikes(FaultKind.DISK_CANDLES):
            raise OSError(28, "No space left on device")


class _NoProbe(LoopGapProbe):
    async def run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.get_running_loop().create_future()


def _make_strategy(spec: BotSpec) -> Strategy:
    kind = DiceScores if spec.strategy == DiceScores.name else DiceStrategy
    return kind(msgspec.convert(spec.parameters, DiceParameters))
