"""Faults that the harness has found in the engine, each as a short schedule that showed it.

Whole schedules, not seeds: what `make_schedule` makes of a seed changes with the harness. Each
failed on the engine as it was before its fault was mended.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from app.chaos.actions import Action, ActionKind
from app.chaos.play import play
from app.chaos.schedule import Schedule
from exchanges.simulated.faults import Fault, FaultKind
from exchanges.simulated.venue_profile import ClientIds, VenueProfile

START_MS = 1_767_574_800_000  # 2026-01-05 01:00 UTC


def only(
    seed: int, *faults: Fault, actions: tuple[Action, ...] = (), patience: int = 1
) -> Schedule:
    """`seed` is the market's and the strategies'."""
    return Schedule(
        seed=seed,
        profile=VenueProfile(client_ids=ClientIds.OPEN),
        symbols=("BTCUSDT", "ETHUSDT", "SOLUSDT"),
        balance=Decimal(10_000),
        start_ms=START_MS,
        orders_per_minute=60,
        size_ratio=Decimal("0.10"),
        fault_s=60.0,
        faults=faults,
        actions=actions,
        patience=patience,
    )


def fault(kind: FaultKind, start_s: float, end_s: float, **more: float | str) -> Fault:
    return Fault(kind=kind, start_s=start_s, end_s=end_s, **more)


def act(at_s: float, kind: ActionKind, symbol: str = "BTCUSDT", value: float = 0.0) -> Action:
    return Action(at_s=at_s, kind=kind, symbol=symbol, value=value)


FOUND = {
    "a lost position message costs a position its stop, and a second entry goes on top": only(
        2, fault(FaultKind.POSITION_DROP, 3.0, 20.0, chance=0.8)
    ),
    "an entry is made on top of a position that only the fills know of": only(
        20,
        fault(FaultKind.PRIVATE_STALL, 16.0, 38.0),
        actions=(act(36.2, ActionKind.LIMIT_ORDER, value=1.0),),
    ),
    "a second entry while the fill of the first is still on its way": only(
        7, fault(FaultKind.PRIVATE_LATE, 3.0, 45.0, chance=0.7, value=6.0)
    ),
    "an engine whose clock is wrong at its start never comes up": only(
        0,
        fault(FaultKind.CLOCK_STEP, 12.0, 12.5, value=1800.0),
        fault(FaultKind.CRASH, 12.5, 13.0, value=1.0),
    ),
    "a full disk ends the repair of candles": only(
        0, fault(FaultKind.DISK_CANDLES, 5.0, 30.0, chance=0.8)
    ),
    "after a crash a resting order of ours is shown to nobody": only(
        0,
        fault(FaultKind.CRASH, 30.0, 30.5, value=1.0),
        actions=(act(29.0, ActionKind.LIMIT_ORDER, "SOLUSDT", value=40.0),),
    ),
    "a full disk is an unforeseen fault of the order gate": only(
        0, fault(FaultKind.DISK_JOURNAL, 4.5, 40.0, chance=0.4)
    ),
    "a kill on a full disk is forgotten by a crash": only(
        0,
        fault(FaultKind.DISK_JOURNAL, 15.0, 30.6),
        fault(FaultKind.CRASH, 30.5, 31.0, value=1.0),
        actions=(
            act(29.0, ActionKind.KILL),
            act(38.0, ActionKind.START, "BTCUSDT"),
            act(38.0, ActionKind.START, "ETHUSDT"),
        ),
    ),
    "a close waits for a bot's lost exit until its absence is proved": only(
        41,
        fault(FaultKind.LATE_ADMIT, 6.0, 55.0, chance=0.96, value=11.0),
        actions=(act(53.5, ActionKind.STOP_AND_CLOSE),),
    ),
    "what others trade between the first balance and the first fills is never booked": only(
        0, fault(FaultKind.EXTERNAL_POSITION, 0.27, 0.5, symbol="BTCUSDT")
    ),
    "a bot that is stopped and closed leaves a position that only its fills know of": only(
        16,
        fault(FaultKind.POSITION_DROP, 2.0, 24.0, chance=0.9),
        actions=(act(22.0, ActionKind.STOP_AND_CLOSE),),
    ),
    "a close is forgotten when the entry is heard of too late": only(
        16,
        fault(FaultKind.PRIVATE_STALL, 6.0, 27.0),
        actions=(act(16.0, ActionKind.STOP_AND_CLOSE),),
    ),
    "a position that is not seen yet is taken over without a stop": only(
        0,
        fault(FaultKind.POSITION_DROP, 4.0, 38.0),
        fault(FaultKind.EXTERNAL_POSITION, 4.5, 5.0, symbol="SOLUSDT"),
        actions=(act(6.5, ActionKind.ACCEPT, "SOLUSDT", 2.0),),
    ),
    "an order by hand that makes a position smaller costs it the guard of its stop": only(
        2,
        fault(FaultKind.STOP_REMOVED, 18.6, 20.0),
        actions=(
            act(16.8, ActionKind.LIMIT_ORDER, value=-1.0),
            act(18.65, ActionKind.AMEND, value=-1.0),
        ),
        patience=8,
    ),
    "a stop moved while the disk is full is an unforeseen fault": only(
        0,
        fault(FaultKind.DISK_JOURNAL, 12.0, 30.0),
        actions=(act(16.0, ActionKind.MOVE_STOP, value=8.0),),
        patience=8,
    ),
    "old answers make a position flat whose fills were lost": only(
        0,
        fault(FaultKind.FILL_DROP, 1.0, 40.0),
        fault(FaultKind.STALE_READ, 1.0, 47.0),
        fault(FaultKind.PRIVATE_OUTAGE, 11.0, 12.0),
        patience=8,
    ),
    "one refusal of an exit costs a position its stop": only(
        0,
        fault(FaultKind.LOST_REQUEST, 14.0, 18.5),
        fault(FaultKind.REJECT, 18.5, 30.0),
        actions=(act(15.0, ActionKind.CLOSE),),
        patience=8,
    ),
    "a position that one answer left out is gone for good": only(
        5,
        fault(FaultKind.EXTERNAL_POSITION, 10.0, 10.5, symbol="SOLUSDT"),
        fault(FaultKind.FILL_DROP, 9.0, 40.0),
        fault(FaultKind.PARTIAL_READ, 9.5, 30.0),
        fault(FaultKind.PRIVATE_OUTAGE, 12.0, 13.0),
    ),
    "a fill that a full disk keeps in memory costs its position the stop": only(
        1,
        fault(FaultKind.DISK_JOURNAL, 4.5, 16.0),
        fault(FaultKind.POSITION_DROP, 4.5, 16.0),
        actions=(act(4.0, ActionKind.LIMIT_ORDER, "SOLUSDT", 1.0),),
    ),
    "trading is said to be allowed again before the halt has been read": only(
        0,
        fault(FaultKind.MARKET_CRASH, 12.0, 12.5, value=0.5),
        fault(FaultKind.NETWORK_OUTAGE, 26.0, 36.0),
        fault(FaultKind.CRASH, 29.0, 29.5, value=1.0),
        actions=(act(36.5, ActionKind.RESUME),),
    ),
}


@pytest.mark.parametrize("schedule", FOUND.values(), ids=FOUND.keys())
def test_a_fault_that_was_found_does_not_come_back(schedule):
    assert play(schedule).failures == []
