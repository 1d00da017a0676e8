"""The risk limits in the real window: how much of each is used, and which one has stopped us."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from core.snapshots import RiskLimit, RiskSnapshot, TradingState
from ui.main_window import MainWindow
from ui.widgets.basic import LimitRow
from ui.widgets.risk_panel import RiskPanel

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")
Until = Callable[[Callable[[], Any]], Awaitable[None]]
replace = msgspec.structs.replace


@pytest.fixture
async def panel(make_window: Callable[[], MainWindow], until: Until) -> RiskPanel:
    """The one on the capital page, with its consequences."""
    window = make_window()
    await until(lambda: "b1" in window._tabs)
    window.show_page("Capital")
    found = [p for p in window.findChildren(RiskPanel) if p._consequences is not None]
    await until(found[0].isVisible)
    return found[0]


def told(panel: RiskPanel) -> dict[str, tuple[str, str, float]]:
    """Used, limit and the filled part of its bar, by the rule's name."""
    return {
        row._name.text(): (row._used.text(), row._limit.text(), row._bar._ratio)
        for row in panel.findChildren(LimitRow)
    }


async def test_each_limit_is_a_bar_of_what_is_used(
    panel: RiskPanel, link_server: Any, until: Until
) -> None:
    """ux 63"""
    assert told(panel) == {
        "Daily loss": ("0.00", "/ 3 %", 0.0),
        "Largest position": ("17.6", "/ 20 %", pytest.approx(0.88)),
        "Orders this minute": ("1", "/ 10", pytest.approx(0.1)),
        "Drawdown": ("1.42", "/ 15 %", pytest.approx(1.42 / 15)),
        "Capital in use": ("32.0", "/ 80 %", pytest.approx(0.4)),
    }
    snapshot = link_server.snapshot
    limits = [
        replace(limit, used=2.4) if limit.name == "daily_loss" else limit
        for limit in snapshot.risk.limits
    ]
    link_server.publish(replace(snapshot, seq=2, risk=replace(snapshot.risk, limits=limits)))
    await until(lambda: told(panel)["Daily loss"] == ("2.40", "/ 3 %", pytest.approx(0.8)))


async def test_a_breach_names_its_rule_until_when_and_what_goes_on(
    panel: RiskPanel, link_server: Any, until: Until
) -> None:
    """ux 63"""
    assert not panel._reason.isVisible()
    assert panel._state.text() == "Trading allowed"
    reason = "Loss of today 3.1 % is above 3 %. Trading stands still until tomorrow."
    limits = [RiskLimit("daily_loss", 3.1, 3.0, "%", "kill switch, no trading today")]
    risk = RiskSnapshot(TradingState.HALTED, reason, limits)
    link_server.publish(replace(link_server.snapshot, seq=2, risk=risk))
    await until(panel._reason.isVisible)
    assert panel._reason.text() == reason
    assert panel._state.text() == "Trading stopped"
    assert told(panel)["Daily loss"] == ("3.10", "/ 3 %", 1.0)
