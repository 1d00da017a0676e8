"""The real engine trades through a network that misbehaves at random, by a seed; when it has
healed, positions, orders, wallet, journal and candles are the exchange's."""

from __future__ import annotations

import sys

import pytest
from kill_run import KillRun
from misbehaving_proxy import Dice, HttpFault
from program import Home

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM"),
]
SPEED = 600
# ten minutes without a request, as Bybit wants it: the adapter's tests look at that
BANS = frozenset({HttpFault.FORBIDDEN})


def test_after_a_storm_everything_is_as_the_exchange_has_it(home: Home) -> None:
    dice = Dice(7, request_share=0.15, message_share=0.003, without=BANS)
    with KillRun(home, seed=7, speed=SPEED) as run:
        run.storm(dice, lasts_s=25)
    assert dice.struck.total() >= 10
    assert run.figures.orders >= 1
