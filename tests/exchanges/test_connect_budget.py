"""Connection attempts within what an exchange allows, whatever asks for them."""

from __future__ import annotations

import asyncio
from bisect import bisect_left

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.virtual_time import VirtualTimeLoop
from exchanges.stream_backoff import ConnectBudget


def attempts(waits_s, *, most=60, pause_s=0.0, askers=1):
    """Moments at which attempts were allowed, asked for after each of `waits_s`."""
    moments = []

    async def ask(budget):
        for wait_s in waits_s:
            await asyncio.sleep(wait_s)
            await budget.wait()
            moments.append(asyncio.get_running_loop().time())

    async def run():
        budget = ConnectBudget(most, pause_s)
        await asyncio.gather(*(ask(budget) for _ in range(askers)))

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(run())
    return sorted(moments)


@settings(max_examples=40)
@given(
    st.lists(st.floats(0, 20), min_size=1, max_size=100),
    st.integers(1, 60),
    st.integers(1, 5),
)
def test_no_five_minutes_hold_more_than_allowed(waits_s, most, askers):
    moments = attempts(waits_s, most=most, askers=askers)
    assert len(moments) == len(waits_s) * askers
    assert all(bisect_left(moments, m + 300) - at <= most for at, m in enumerate(moments))


def test_what_is_allowed_is_not_held_back():
    assert attempts([0.0] * 60) == [0.0] * 60
    assert attempts([0.0] * 61)[-1] == pytest.approx(301.0)


def test_attempts_keep_their_distance():
    assert attempts([0.0] * 3, pause_s=0.5, askers=2) == pytest.approx([0, 0.5, 1, 1.5, 2, 2.5])
