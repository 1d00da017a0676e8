"""Bybit's request windows as a client meets them."""

from __future__ import annotations

import pytest

from core.clock import ManualClock
from core.limits.published_limits import ADDRESS, PUBLISHED_LIMITS, Family
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


def test_a_batch_counts_as_many_as_it_holds_orders() -> None:
    clock = ManualClock()
    windows = RateWindows(clock, RateLimits())
    batch = "/v5/order/create-batch"

    first, second = windows.spend("key", batch, 7), windows.spend("key", batch, 7)
    third, single = windows.spend("key", batch, 7), windows.spend("key", CREATE)

    assert first is not None
    assert second is not None
    assert third is not None
    assert single is not None
    assert (first.granted, first.remaining) == (7, 3)
    assert (second.granted, second.remaining, second.wait_s) == (3, 0, 0.0)
    assert (third.granted, third.wait_s) == (0, 1.0)
    assert single.remaining == 9, "single orders have a window of their own"


def test_an_address_may_open_500_streams_in_five_minutes() -> None:
    clock = ManualClock()
    windows = RateWindows(clock, RateLimits())
    for _ in range(500):
        windows.open_stream("10.0.0.1")
    with pytest.raises(HttpRefused) as refused:
        windows.open_stream("10.0.0.1")
    assert refused.value.status == 403
    windows.open_stream("10.0.0.2")
    clock.advance_ms(300_000)
    windows.open_stream("10.0.0.1")


def test_the_published_defaults_are_bybits() -> None:
    """bybit-exchange.github.io/docs/v5/rate-limit, linear, unified account."""
    limits = RateLimits()
    assert (limits.requests_per_address, limits.address_window_s) == (600, 5.0)
    assert (limits.streams_per_address, limits.streams_window_s) == (500, 300.0)
    for count, paths in {
        10: (
            "order/create order/amend order/cancel order/cancel-all order/create-batch "
            "order/cancel-batch position/set-leverage position/trading-stop position/switch-mode "
            "user/query-api"
        ),
        50: (
            "order/realtime order/history execution/list position/list position/closed-pnl "
            "account/wallet-balance account/info"
        ),
        25: "account/transaction-log",
        5: "account/fee-rate asset/coin/query-info",
    }.items():
        for path in paths.split():
            assert limits.per_second[f"/v5/{path}"] == count, path
    assert len(limits.per_second) == 20


def test_our_own_table_asks_for_no_more_than_the_demo_exchange_allows() -> None:
    """What the limiter believes and what the demo enforces are two readings of one page."""
    ours = PUBLISHED_LIMITS["bybit"].limits
    theirs = RateLimits()
    assert ours[ADDRESS].windows[0] == (theirs.requests_per_address, 5_000)
    for family, path in {
        Family.ORDER_CREATE: "order/create",
        Family.ORDER_AMEND: "order/amend",
        Family.ORDER_CANCEL: "order/cancel",
        Family.ORDER_READ: "order/realtime",
        Family.ORDER_HISTORY: "order/history",
        Family.FILLS: "execution/list",
        Family.BOOKINGS: "account/transaction-log",
        Family.POSITIONS: "position/list",
        Family.BALANCE: "account/wallet-balance",
        Family.ACCOUNT: "user/query-api",
        Family.LEVERAGE: "position/set-leverage",
        Family.PROTECTION: "position/trading-stop",
    }.items():
        assert ours[family].windows == ((theirs.per_second[f"/v5/{path}"], 1_000),)
