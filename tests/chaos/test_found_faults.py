"""Faults that the harness has found in the engine, each as the shortest schedule that showed it."""

from __future__ import annotations

import msgspec
import pytest

from app.chaos.play import play
from app.chaos.schedule import Action, ActionKind, Schedule, make_schedule
from exchanges.simulated.faults import Fault, FaultKind


def only(seed: int, *faults: Fault, actions: tuple[Action, ...] = ()) -> Schedule:
    return msgspec.structs.replace(make_schedule(seed), faults=faults, actions=actions)


def fault(kind: FaultKind, start_s: float, end_s: float, **more: float) -> Fault:
    return Fault(kind=kind, start_s=start_s, end_s=end_s, **more)


FOUND = {
    "a lost position message costs a position its stop, and a second entry goes on top": only(
        229, fault(FaultKind.POSITION_DROP, 3.31, 11.6, chance=0.78)
    ),
    "an entry turns a position over that only the fills know of": only(
        396,
        fault(FaultKind.PRIVATE_STALL, 16.4, 38.09),
        actions=(Action(at_s=36.2, kind=ActionKind.LIMIT_ORDER, symbol="BTCUSDT", value=1.0),),
    ),
    "a second entry while the fill of the first is still on its way": only(
        1901, fault(FaultKind.PRIVATE_LATE, 3.34, 45.39, chance=0.72, value=5.605)
    ),
    "an engine whose clock is wrong at its start never comes up": only(
        63,
        fault(FaultKind.CLOCK_STEP, 12.0, 12.5, value=1800.0),
        fault(FaultKind.CRASH, 12.5, 13.0, value=1.0),
    ),
    "a full disk ends the repair of candles": only(
        122, fault(FaultKind.DISK_CANDLES, 5.0, 30.0, chance=0.8)
    ),
    "after a crash a resting order of ours is shown to nobody": only(
        42,
        fault(FaultKind.CRASH, 31.1, 31.6, value=1.0),
        actions=(Action(at_s=16.0, kind=ActionKind.LIMIT_ORDER, symbol="XRPUSDT", value=1.0),),
    ),
    "a kill on a full disk is forgotten by a crash": only(
        867,
        fault(FaultKind.DISK_JOURNAL, 19.85, 34.6, chance=1.0),
        fault(FaultKind.CRASH, 34.57, 35.07, value=1.0),
        actions=(
            Action(at_s=33.84, kind=ActionKind.KILL, symbol="ETHUSDT"),
            Action(at_s=50.76, kind=ActionKind.START, symbol="BTCUSDT"),
        ),
    ),
    "a full disk is an unforeseen fault of the order gate": only(
        5, fault(FaultKind.DISK_JOURNAL, 4.5, 15.0, chance=0.5)
    ),
}


@pytest.mark.parametrize("schedule", FOUND.values(), ids=FOUND.keys())
def test_a_fault_that_was_found_does_not_come_back(schedule):
    assert play(schedule).failures == []
