"""kill -9 of the engine in the middle of everything, again and again: what the exchange holds and
what the restarted engine believes and has written are the same, and nothing was ordered twice.

By hand, as often as wanted: `python tests/end_to_end/kill_engine.py --kills 500`.
"""

from __future__ import annotations

import importlib
import signal
import sys
from pathlib import Path

import pytest
from kill_points import PLACES
from kill_run import ANY_TIME, WIRE_POINTS, KillRun
from program import Home

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL"),
]
SPEED = 900  # a bar a second
KILLS = (
    ANY_TIME,
    "before the journal",
    "request on its way",
    "sent written",
    "accepted, not told",
    "reconciliation begins",
    "fill on its way",
    "fill written",
    "ledger compared",
    "fill in capital",
    "file in place",
    "request lost on its way",
)


def test_twelve_kills_in_the_middle_of_trading(home: Home) -> None:
    with KillRun(home, seed=20, speed=SPEED) as run:
        run.run(KILLS)
    assert run.figures.kills.total() == len(KILLS)
    assert run.figures.orders >= 5


@pytest.mark.parametrize("name", PLACES)
def test_every_deadly_moment_is_one_of_the_product(name: str) -> None:
    module, _, names = PLACES[name].method.partition(":")
    owner, _, method = names.partition(".")
    assert method in vars(getattr(importlib.import_module(module), owner))


def test_the_moments_have_names_of_their_own() -> None:
    assert not PLACES.keys() & WIRE_POINTS.keys()
    assert set(KILLS) <= {ANY_TIME, *PLACES, *WIRE_POINTS}


def test_a_deadly_moment_kills(home: Home) -> None:
    launcher = str(Path(__file__).with_name("kill_points.py"))
    engine = home.start("engine", program=(launcher, "reconciliation written", "1", "start"))
    assert engine.wait() == -signal.SIGKILL
