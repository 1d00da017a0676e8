"""The median of the last minute of a price."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from core.recent_prices import FEWEST_S, WITHIN_S, RecentPrices

BTC = "BTCUSDT"


def filled(prices: list[int], step_s: float = 1.0) -> RecentPrices:
    recent = RecentPrices()
    for number, price in enumerate(prices):
        recent.add(BTC, Decimal(price), number * step_s)
    return recent


def test_one_wrong_price_is_not_the_median() -> None:
    assert filled([100, 101, 100, 5_000, 100]).median(BTC, 4.0) == 100


def test_a_new_level_is_the_median_after_half_a_minute() -> None:
    recent = filled([100] * WITHIN_S + [120] * 31)
    assert recent.median(BTC, WITHIN_S + 31) == 120


def test_too_little_says_nothing() -> None:
    assert filled([100] * (FEWEST_S - 1)).median(BTC, 4.0) is None
    assert filled([100] * FEWEST_S).median(BTC, 4.0) == 100
    assert RecentPrices().median(BTC, 0.0) is None


def test_what_is_older_than_a_minute_says_nothing() -> None:
    recent = filled([100] * FEWEST_S)
    assert recent.median(BTC, WITHIN_S - 0.1) == 100
    assert recent.median(BTC, WITHIN_S) is None


def test_a_flood_within_a_second_counts_once() -> None:
    recent = filled([100] * 5)
    for number in range(1_000):
        recent.add(BTC, Decimal(900), 5.0 + number / 1_000)
    assert recent.median(BTC, 6.0) == 100


def test_what_is_forgotten_begins_anew() -> None:
    recent = filled([100] * 10)
    recent.forget(BTC)
    recent.forget(BTC)
    assert recent.median(BTC, 9.0) is None


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 1_000)), max_size=300))
def test_no_more_than_a_minute_is_kept_and_the_median_is_one_of_its_prices(
    steps: list[tuple[float, int]],
) -> None:
    recent, at_s = RecentPrices(), 0.0
    told: list[tuple[float, int]] = []
    for step_s, price in steps:
        at_s += step_s
        recent.add(BTC, Decimal(price), at_s)
        told.append((at_s, price))
    assert len(recent._seconds.get(BTC, ())) <= WITHIN_S
    median = recent.median(BTC, at_s)
    if median is not None:
        assert median in {price for when_s, price in told if when_s > at_s - WITHIN_S - 1}
