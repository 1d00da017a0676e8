"""Bybit's request windows as a client meets them."""

from __future__ import annotations

import pytest

from core.clock import ManualClock
from exchanges.simulated.wire.errors import HttpRefused
from exchanges.simulated.wire.rate_windows import RateLimits, RateWindows

CREATE = "/v5/order/create"


def test_the_eleventh_order_within_a_second_must_wait_for_the_first_to_leave() -> None:
    clock = ManualClock()
    windows = RateWindows(clock, RateLimits())
    windows.spend("key", CREATE)
    clock.advance_ms(400)
    for _ in range(9):
        windows.spend("key", CREATE)

    refused = windows.spend("key", CREATE)

    assert refused is not None
    assert (refused.limit, refused.remaining) == (10, 0)
    assert refused.wait_s == pytest.approx(0.6)
    clock.advance_ms(600)
    free = windows.spend("key", CREATE)
    assert free is not None
    assert free.wait_s == 0.0


def test_remaining_counts_down_by_account_and_endpoint() -> None:
    windows = RateWindows(ManualClock(), RateLimits())

    first, second = windows.spend("a", CREATE), windows.spend("a", CREATE)
    other_account, other_path = windows.spend("b", CREATE), windows.spend("a", "/v5/order/amend")

    remaining = [x.remaining for x in (first, second, other_account, other_path) if x is not None]
    assert remaining == [9, 8, 9, 9]


def test_a_path_without_a_published_window_is_free() -> None:
    assert RateWindows(ManualClock(), RateLimits()).spend("key", "/v5/market/time") is None


def test_an_address_that_breaks_its_window_is_banned_and_then_forgiven() -> None:
    clock = ManualClock()
    limits = RateLimits(requests_per_address=3, address_window_s=5.0, address_ban_s=600.0)
    windows = RateWindows(clock, limits)
    for _ in range(3):
        windows.enter("10.0.0.1")

    with pytest.raises(HttpRefused) as refused:
        windows.enter("10.0.0.1")
    assert refused.value.status == 403
    windows.enter("10.0.0.2")
    clock.advance_ms(599_000)
    with pytest.raises(HttpRefused):
        windows.enter("10.0.0.1")
    clock.advance_ms(1_000)
    windows.enter("10.0.0.1")


def test_the_published_defaults_are_bybits() -> None:
    limits = RateLimits()
    assert (limits.requests_per_address, limits.address_window_s) == (600, 5.0)
    assert limits.per_second[CREATE] == 10
    assert limits.per_second["/v5/order/realtime"] == 50
