"""From a seed to a schedule: which venue, which faults and when, what the trader does.

A schedule is plain data. The same seed makes the same one everywhere, and a shorter one (faults
taken away) can be run as well: that is how a failure is made small.
"""

from __future__ import annotations

import random
from collections.abc import Set
from decimal import Decimal
from typing import NamedTuple

import msgspec

from app.chaos.actions import Action, ActionKind, make_actions
from app.chaos.chaos_market import TIMEFRAME
from core.scanning.settings import ScanSettings
from exchanges.simulated.faults import Fault, FaultKind
from exchanges.simulated.venue_profile import ClientIds, VenueProfile

RATE = 60.0  # market seconds per virtual second
_MONDAY_MS = 1_767_571_200_000
_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS

PROFILES = (
    VenueProfile(name="ids for ever"),
    VenueProfile(name="ids among open orders", client_ids=ClientIds.OPEN),
    VenueProfile(name="ids never unique", client_ids=ClientIds.NEVER),
    VenueProfile(name="slow index", client_ids=ClientIds.OPEN, index_lag_s=3.0),
    VenueProfile(name="reduce-only counted", counts_reduce_only=True),
    VenueProfile(name="long window", client_ids=ClientIds.NEVER, receive_window_s=12.0),
)


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds are virtual, from the engine's first start. After `fault_s` everything is whole
    again. `symbols` lists the traded ones; all but the last have a bot from the start on."""

    seed: int
    profile: VenueProfile
    symbols: tuple[str, ...]
    balance: Decimal
    start_ms: int
    orders_per_minute: int  # of the risk manager: mostly out of the way
    size_ratio: Decimal  # of equity, each position
    fault_s: float
    faults: tuple[Fault, ...]
    actions: tuple[Action, ...]
    patience: int = 1  # bars that a bot's opinion lasts, and how much wider its stops are
    max_drawdown: Decimal = Decimal("0.15")  # of the risk manager, a ratio of the equity's peak
    scan: ScanSettings | None = None  # then one bot scans all symbols, and no symbol has its own


class _Shape(NamedTuple):
    """How a kind of fault comes: chance at each opportunity, length in s, value; (low, high)."""

    chance: tuple[float, float] = (0.3, 1.0)
    length_s: tuple[float, float] = (10.0, 45.0)
    value: tuple[float, float] = (0.0, 0.0)
    is_of_symbol: bool = False


_ONCE = (0.5, 0.5)  # a moment: its start is what counts
_OFTEN = (0.2, 0.9)
_REQUEST = _Shape(_OFTEN, (15, 60))
_MESSAGES = _Shape((0.1, 1.0), (8, 45))
SHAPES = {
    FaultKind.LOST_REQUEST: _REQUEST,
    FaultKind.LOST_ACK: _REQUEST,
    FaultKind.LATE_ADMIT: _Shape(_OFTEN, (15, 60), (0.5, 12.0)),
    FaultKind.SLOW_ACK: _Shape(_OFTEN, (15, 60), (0.5, 8.0)),
    FaultKind.DUPLICATE_ACK: _REQUEST,
    FaultKind.AMBIGUOUS_DONE: _REQUEST,
    FaultKind.AMBIGUOUS_NOT_DONE: _REQUEST,
    FaultKind.REJECT: _REQUEST,
    FaultKind.NO_FUNDS: _REQUEST,
    FaultKind.RATE_LIMIT: _Shape(_OFTEN, (15, 45), (0.2, 4.0)),
    FaultKind.BAN: _Shape((1, 1), (10, 40)),
    FaultKind.STOP_REJECTED: _Shape((0.5, 1), (15, 45)),
    FaultKind.SLOW_CANCEL: _Shape((0.5, 1), (15, 60), (0.5, 6.0)),
    FaultKind.READ_ERROR: _Shape(_OFTEN, (8, 45)),
    FaultKind.EMPTY_READ: _Shape(_OFTEN, (8, 45)),
    FaultKind.PARTIAL_READ: _Shape(_OFTEN, (8, 45)),
    FaultKind.STALE_READ: _Shape(_OFTEN, (8, 45)),
    FaultKind.INDEX_LAG: _Shape((1, 1), (15, 60), (0.5, 8.0)),
    FaultKind.ORDER_DROP: _MESSAGES,
    FaultKind.FILL_DROP: _MESSAGES,
    FaultKind.POSITION_DROP: _MESSAGES,
    FaultKind.BALANCE_DROP: _MESSAGES,
    FaultKind.PRIVATE_DUPLICATE: _Shape(_OFTEN, (15, 60), (0.1, 20.0)),
    FaultKind.PRIVATE_LATE: _Shape(_OFTEN, (15, 60), (0.1, 10.0)),
    FaultKind.TICKER_DROP: _MESSAGES,
    FaultKind.CANDLE_DROP: _MESSAGES,
    FaultKind.PUBLIC_DUPLICATE: _Shape(_OFTEN, (15, 45), (0.1, 10.0)),
    FaultKind.PUBLIC_LATE: _Shape(_OFTEN, (15, 45), (0.1, 10.0)),
    FaultKind.PRIVATE_STALL: _Shape((1, 1), (8, 45)),
    FaultKind.PUBLIC_STALL: _Shape((1, 1), (8, 45)),
    FaultKind.PRIVATE_OUTAGE: _Shape((1, 1), (2, 45)),
    FaultKind.PUBLIC_OUTAGE: _Shape((1, 1), (2, 45)),
    FaultKind.NETWORK_OUTAGE: _Shape((1, 1), (2, 45)),
    FaultKind.MAINTENANCE: _Shape((1, 1), (4, 45)),
    FaultKind.THIN_BOOK: _Shape((1, 1), (8, 45), is_of_symbol=True),
    FaultKind.EMPTY_BOOK: _Shape((1, 1), (10, 40), is_of_symbol=True),
    FaultKind.PRICE_JUMP: _Shape((1, 1), _ONCE, (0.93, 1.07), is_of_symbol=True),
    FaultKind.MARKET_CRASH: _Shape((1, 1), _ONCE, (0.4, 1.7)),
    FaultKind.EXTERNAL_ORDER: _Shape((1, 1), _ONCE, is_of_symbol=True),
    FaultKind.EXTERNAL_POSITION: _Shape((1, 1), _ONCE, is_of_symbol=True),
    FaultKind.EXTERNAL_CLOSE: _Shape((1, 1), (5, 30)),
    FaultKind.STOP_REMOVED: _Shape((1, 1), (5, 30)),
    FaultKind.CANCELLED_BY_VENUE: _Shape((1, 1), (5, 30)),
    FaultKind.DELISTING: _Shape((1, 1), _ONCE, is_of_symbol=True),
    FaultKind.HEDGE_MODE: _Shape((1, 1), (5, 40)),
    FaultKind.CLOCK_STEP: _Shape((1, 1), _ONCE, (-3600.0, 3600.0)),
    FaultKind.CLOCK_DRIFT: _Shape((1, 1), (8, 45), (-0.05, 0.05)),
    FaultKind.SLEEP: _Shape((1, 1), _ONCE, (5.0, 60.0)),
    FaultKind.DISK_JOURNAL: _Shape((0.2, 1.0), (5, 40)),
    FaultKind.DISK_CANDLES: _Shape((0.2, 1.0), (5, 40)),
    FaultKind.CRASH: _Shape((1, 1), _ONCE, (0.5, 15.0)),
    FaultKind.CRASH_BEFORE_REQUEST: _Shape((0.3, 1.0), (15, 60)),
    FaultKind.CRASH_AFTER_REQUEST: _Shape((0.3, 1.0), (15, 60)),
}
# rarer: what ends the run for a symbol, or makes everything else invisible
_RARE = frozenset(
    {
        FaultKind.DELISTING,
        FaultKind.BAN,
        FaultKind.CLOCK_STEP,
        FaultKind.EMPTY_BOOK,
        FaultKind.HEDGE_MODE,
    }
)
_COMMON_KINDS = tuple(kind for kind in SHAPES if kind not in _RARE)
_ANSWERS = frozenset(
    {
        FaultKind.EMPTY_READ,
        FaultKind.PARTIAL_READ,
        FaultKind.STALE_READ,
        FaultKind.INDEX_LAG,
        FaultKind.FILL_DROP,
    }
)
_SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "DOGEUSDT")


def shortened(schedule: Schedule, names: Set[str]) -> Schedule:
    """The same schedule with only those of its faults ("f0", "f1" ...) and of the trader's actions
    ("a0" ...) that are named, by their place in it. Raises KeyError for a name it does not have."""
    parts = named_parts(schedule)
    for name in names:
        parts[name]
    return msgspec.structs.replace(
        schedule,
        faults=tuple(f for i, f in enumerate(schedule.faults) if f"f{i}" in names),
        actions=tuple(a for i, a in enumerate(schedule.actions) if f"a{i}" in names),
    )


def named_parts(schedule: Schedule) -> dict[str, Fault | Action]:
    """What `shortened` may keep."""
    faults = {f"f{i}": fault for i, fault in enumerate(schedule.faults)}
    return faults | {f"a{i}": action for i, action in enumerate(schedule.actions)}


def make_schedule(seed: int, *, scans: bool = False) -> Schedule:
    """The schedule of that seed; `scans`: the same one for a bot that scans all symbols."""
    schedule = _with_scene(_by_chance(seed))
    if not scans:
        return schedule
    dice = random.Random(f"scan/{seed}")
    settings = ScanSettings(
        watch_count=len(schedule.symbols),
        scan_interval_s=dice.choice((60.0, 300.0)),
        signal_threshold=40.0,
        position_limit=dice.randint(1, len(schedule.symbols)),
        cooldown_s=dice.choice((0.0, 300.0, 900.0)),
        universe_refresh_s=dice.choice((300.0, 3600.0)),
        min_turnover_24h=Decimal(0),
    )
    return msgspec.structs.replace(schedule, scan=settings)


def _by_chance(seed: int) -> Schedule:
    dice = random.Random(seed)
    symbols = _SYMBOLS[: dice.choice((2, 2, 3, 3, 4, 5))]
    fault_s = float(dice.randint(40, 90))
    # half of the runs meet funding, which the venue books every eight hours of market time
    to_funding_ms = int(dice.uniform(0, 2 * fault_s) * RATE * 1000)
    start_ms = _MONDAY_MS + dice.randint(1, 20) * 8 * _HOUR_MS - to_funding_ms
    faults = [_fault(dice, fault_s, symbols) for _ in range(dice.randint(1, 7))]
    if dice.random() < 0.5:
        faults = _together(faults, fault_s)
    faults += _reconnects(dice, faults)
    actions = make_actions(dice, fault_s, symbols, faults)
    faults += _crashes_after_kill(dice, fault_s, actions)
    faults += _stops_removed(dice, fault_s, faults, actions)
    return Schedule(
        seed=seed,
        profile=dice.choice(PROFILES),
        symbols=symbols,
        balance=Decimal(dice.choice((150, 2_000, 2_000, 10_000, 10_000, 10_000, 25_000, 25_000))),
        start_ms=start_ms,
        orders_per_minute=dice.choice((10, 60, 60, 60)),
        size_ratio=dice.choice((Decimal("0.10"), Decimal("0.19"))),
        fault_s=fault_s,
        faults=tuple(faults),
        actions=actions,
        patience=dice.choice((1, 1, 3, 8)),
    )


def _together(faults: list[Fault], fault_s: float) -> list[Fault]:
    """The same faults at one time: most harm is done by two of them at once."""
    start_s = faults[0].start_s
    return [
        msgspec.structs.replace(
            fault,
            start_s=start_s,
            end_s=round(min(start_s + fault.end_s - fault.start_s, fault_s), 2),
        )
        for fault in faults
    ]


def _reconnects(dice: random.Random, faults: list[Fault]) -> list[Fault]:
    """Wrong answers do harm when somebody asks: a short outage makes the engine ask."""
    return [
        Fault(
            kind=FaultKind.PRIVATE_OUTAGE,
            start_s=round(dice.uniform(fault.start_s, fault.end_s - 1), 2),
            end_s=round(fault.end_s - 0.5, 2),
        )
        for fault in faults
        if fault.kind in _ANSWERS and fault.end_s - fault.start_s > 2 and dice.random() < 0.5
    ]


def _crashes_after_kill(
    dice: random.Random, fault_s: float, actions: tuple[Action, ...]
) -> list[Fault]:
    """A kill switch has to survive what comes next."""
    times_s = [
        round(action.at_s + dice.uniform(0.1, 5), 2)
        for action in actions
        if action.kind is ActionKind.KILL and dice.random() < 0.4
    ]
    return [
        Fault(kind=FaultKind.CRASH, start_s=at_s, end_s=at_s + 0.5, value=1.0)
        for at_s in times_s
        if at_s < fault_s
    ]


def _stops_removed(
    dice: random.Random, fault_s: float, faults: list[Fault], actions: tuple[Action, ...]
) -> list[Fault]:
    """A stop that is refused has to be asked for first; one that was moved comes back there."""
    moved = [action.at_s for action in actions if action.kind is ActionKind.MOVE_STOP]
    begin_s = [fault.start_s for fault in faults if fault.kind is FaultKind.STOP_REJECTED]
    begin_s += [at_s + 2 for at_s in moved if dice.random() < 0.4]
    return [
        Fault(kind=FaultKind.STOP_REMOVED, start_s=start_s, end_s=min(start_s + 20, fault_s))
        for start_s in begin_s
        if start_s < fault_s
    ]


def _fault(dice: random.Random, fault_s: float, symbols: tuple[str, ...]) -> Fault:
    is_rare = dice.random() < 0.12
    kind = dice.choice(sorted(_RARE) if is_rare else _COMMON_KINDS)
    shape = SHAPES[kind]
    start_s = dice.uniform(0, fault_s - 5)
    return Fault(
        kind=kind,
        start_s=round(start_s, 2),
        end_s=round(min(start_s + dice.uniform(*shape.length_s), fault_s), 2),
        chance=round(dice.uniform(*shape.chance), 2),
        symbol=dice.choice(symbols) if shape.is_of_symbol else "",
        value=round(dice.uniform(*shape.value), 3),
    )


# ---- scenes: what chance alone brings about too seldom


def _with_scene(schedule: Schedule) -> Schedule:
    """One schedule in three gets a scene beside all the rest, with dice of its own."""
    dice = random.Random(f"scene/{schedule.seed}")
    scenes = (_day_lost, _fallen_from_peak, _closed_unheard)
    scene = dice.choice((*scenes, *[None] * 2 * len(scenes)))
    if scene is None:
        return schedule
    schedule = scene(dice, schedule)
    actions = [action for action in schedule.actions if action.at_s < schedule.fault_s]
    return msgspec.structs.replace(
        schedule, actions=tuple(sorted(actions, key=lambda action: action.at_s))
    )


def _day_lost(dice: random.Random, schedule: Schedule) -> Schedule:
    """The market leaps over every stop; the trader wants to go on, on the same day and often on
    the next one too."""
    crash_s = round(dice.uniform(12, schedule.fault_s - 25), 2)
    ratio = dice.choice((dice.uniform(0.5, 0.8), dice.uniform(1.25, 1.6)))
    resumes_s = [crash_s + dice.uniform(8, 18)]
    start_ms = schedule.start_ms
    if dice.random() < 0.5:
        midnight_s = crash_s + dice.uniform(10, 22)
        days = (start_ms - _MONDAY_MS) // _DAY_MS + 1
        start_ms = _MONDAY_MS + days * _DAY_MS - int(midnight_s * RATE * 1000)
        resumes_s.append(midnight_s + dice.uniform(0.2, 4))
    actions = [go_on for at_s in resumes_s for go_on in _resumed(dice, at_s, schedule.symbols)]
    return msgspec.structs.replace(
        schedule,
        start_ms=start_ms,
        faults=(*schedule.faults, _market_crash(crash_s, ratio)),
        actions=(*schedule.actions, *actions),
    )


def _fallen_from_peak(dice: random.Random, schedule: Schedule) -> Schedule:
    """The market swings by less than the stops are away, so that what the limit closes is still
    held: one of the two ways is against the bots, unless they hold as much long as short."""
    first_s = round(dice.uniform(12, schedule.fault_s - 25), 2)
    ratio = dice.choice((dice.uniform(0.87, 0.9), dice.uniform(1.1, 1.13)))
    swing = _market_crash(first_s, ratio), _market_crash(first_s + dice.uniform(10, 20), 1 / ratio)
    resume_s = first_s + dice.uniform(8, 40)
    resumed = _resumed(dice, resume_s, schedule.symbols) if dice.random() < 0.3 else []
    return msgspec.structs.replace(
        schedule,
        size_ratio=Decimal("0.19"),
        patience=24,
        max_drawdown=Decimal("0.02"),
        faults=(*schedule.faults, *swing),
        actions=(*schedule.actions, *resumed),
    )


def _closed_unheard(dice: random.Random, schedule: Schedule) -> Schedule:
    """A bot is stopped and closed while its first entry, or a later one, is on its way, and the
    network is gone before anybody hears of it."""
    bar_s = TIMEFRAME.duration_ms / 1000 / RATE
    bar_s_of_start = -schedule.start_ms % TIMEFRAME.duration_ms / 1000 / RATE
    sent_s = bar_s_of_start + bar_s * dice.choice((1, 1, 2, 3))
    lost_s = sent_s + dice.uniform(0.3, 1)
    late = Fault(
        kind=FaultKind.LATE_ADMIT,
        start_s=round(sent_s - 0.5, 2),
        end_s=round(lost_s, 2),
        value=round(dice.uniform(1, 8), 2),
    )
    outage = Fault(
        kind=FaultKind.NETWORK_OUTAGE,
        start_s=round(lost_s, 2),
        end_s=round(lost_s + dice.uniform(12, 18), 2),
    )
    closes = [
        Action(
            at_s=round(lost_s + dice.uniform(0, 3), 2),
            kind=ActionKind.STOP_AND_CLOSE,
            symbol=symbol,
        )
        for symbol in schedule.symbols[:-1]
    ]
    return msgspec.structs.replace(
        schedule,
        faults=(*schedule.faults, late, outage),
        actions=(*schedule.actions, *closes),
    )


def _market_crash(at_s: float, ratio: float) -> Fault:
    at_s = round(at_s, 2)
    return Fault(kind=FaultKind.MARKET_CRASH, start_s=at_s, end_s=at_s + 0.5, value=round(ratio, 3))


def _resumed(dice: random.Random, at_s: float, symbols: tuple[str, ...]) -> list[Action]:
    """Trading is resumed, and every bot started."""
    start_s = round(at_s + dice.uniform(0.2, 3), 2)
    resume = Action(at_s=round(at_s, 2), kind=ActionKind.RESUME, symbol=symbols[0])
    starts = [Action(at_s=start_s, kind=ActionKind.START, symbol=symbol) for symbol in symbols]
    return [resume, *starts]
