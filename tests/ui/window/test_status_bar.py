"""The bar at the bottom: everything a trader wants to be sure of, always in the same place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from PyQt6.QtWidgets import QLabel

from ui.main_window import MainWindow
from ui.widgets.status_bar import StatusBar

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")
Until = Callable[[Callable[[], Any]], Awaitable[None]]
replace = msgspec.structs.replace


@pytest.fixture
async def bar(make_window: Callable[[], MainWindow], until: Until) -> StatusBar:
    window = make_window()
    await until(lambda: "b1" in window._tabs)
    window.resize(1920, 1080)
    await until(window.status._bots.isVisible)
    return window.status


def figures(bar: StatusBar) -> dict[str, str]:
    """What it says, by the names of its parts; the ages run on by themselves."""
    told = {
        shown.objectName(): shown.text()
        for shown in bar.findChildren(QLabel)
        if shown.objectName() and shown.isVisible()
    }
    told.pop("clock", None)
    return told


async def test_every_figure_is_there_and_follows_the_engine(
    bar: StatusBar, link_server: Any, until: Until
) -> None:
    """ux 68"""
    told = figures(bar)
    assert told.pop("last_update").endswith("ago")
    assert told == {
        "connection_bybit": "12 ms",
        "order_latency": "84 ms",
        "rate_limit": "83 %",
        "bots_running": "1 of 3 running",
        "engine_state": "running",
        "account": "main",
        "equity": "25,162.26 USDT",
        "unrealized_pnl": "+95.06",
        "positions": "2",
        "orders": "2",
    }
    assert bar._clock.value.text().startswith("14:32:")
    assert bar.mute.isVisible()
    snapshot = link_server.snapshot
    link = replace(snapshot.connections[0], latency_p50_ms=31.0, order_latency_ms=190.0)
    [account] = snapshot.accounts
    changed = replace(account, equity=Decimal("24000.5"), unrealized_pnl=Decimal("-1066.70"))
    link_server.publish(
        replace(
            snapshot, seq=2, connections=[link], accounts=[changed], bots=snapshot.bots[:2],
            positions=snapshot.positions[:1], working_orders=[], limiters=snapshot.limiters[:1],
        )
    )  # fmt: skip
    await until(lambda: figures(bar)["equity"] == "24,000.50 USDT")
    told = figures(bar)
    told.pop("last_update")
    assert told == {
        "connection_bybit": "31 ms",
        "order_latency": "190 ms",
        "rate_limit": "31 %",
        "bots_running": "1 of 2 running",
        "engine_state": "running",
        "account": "main",
        "equity": "24,000.50 USDT",
        "unrealized_pnl": "−1,066.70",
        "positions": "1",
        "orders": "0",
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("Bybit connected", "accent")),
        ({"last_message_age_ms": 16_000}, ("Bybit silent", "warnf")),
        ({"public": "reconnecting"}, ("Bybit reconnecting", "warnf")),
        ({"private": "reconnecting"}, ("Bybit reconnecting", "warnf")),
    ],
)
async def test_a_connection_is_a_dot_and_a_word(
    bar: StatusBar,
    link_server: Any,
    until: Until,
    changes: dict[str, Any],
    expected: tuple[str, str],
) -> None:
    """ux 68, 72"""
    snapshot = link_server.snapshot
    link = replace(snapshot.connections[0], **changes)
    link_server.publish(replace(snapshot, seq=2, connections=[link]))
    shown = bar._connections["bybit"]
    await until(lambda: (shown.caption.text(), shown.dot._token) == expected)
    assert shown.dot._filled
