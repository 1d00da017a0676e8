"""Bounds of the wait between connection attempts."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from exchanges.stream_backoff import FullJitterBackoff


class Longest(random.Random):
    def uniform(self, a: float, b: float) -> float:
        return b


@given(seed=st.integers(), attempts=st.integers(1, 60))
def test_a_wait_is_never_negative_nor_above_the_cap(seed, attempts):
    backoff = FullJitterBackoff(random.Random(seed))
    assert all(0 <= backoff.next_delay_s() <= 60 for _ in range(attempts))


def test_the_ceiling_doubles_up_to_the_cap():
    backoff = FullJitterBackoff(Longest())
    assert [backoff.next_delay_s() for _ in range(9)] == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]


def test_only_a_connection_that_lasted_starts_small_again():
    backoff = FullJitterBackoff(Longest())
    for _ in range(8):
        backoff.next_delay_s()
    backoff.connection_lasted(59)
    assert backoff.next_delay_s() == 60
    backoff.connection_lasted(60)
    assert backoff.next_delay_s() == 0.5


def test_five_minutes_of_refusal_cost_few_attempts():
    backoff = FullJitterBackoff(random.Random(1))
    elapsed_s, attempts = 0.0, 0
    while elapsed_s < 300:
        elapsed_s += backoff.next_delay_s()
        attempts += 1
    assert attempts <= 60
