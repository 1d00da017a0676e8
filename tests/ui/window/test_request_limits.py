"""The request limits: bars in the panel, every figure behind "Details"."""

from __future__ import annotations

import msgspec
import pytest
from PyQt6.QtWidgets import QWidget

from core.snapshots import LimiterSnapshot
from ui.bridge import Bridge
from ui.dialogs.request_limits import RequestLimitsSheet
from ui.widgets.basic import LimitRow
from ui.widgets.request_limits import RequestLimits, RequestLimitsPanel

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")
replace = msgspec.structs.replace
CALM = LimiterSnapshot(
    "bybit", "order_create", 0.31, 0.0, 4_011, 21, 0, "main", used=3, allowed=8, published=10,
    window_ms=1_000, avg_wait_ms=1.4, reset_ms=640,
)  # fmt: skip


def looks(row: LimitRow) -> tuple[str, str, bool]:
    """Note, colour of the bar, whether the icon warns."""
    return row._note.text(), row._bar._token, not row._icon.isHidden()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("wait 0 ms", "t3", False)),
        ({"used_ratio": 0.79}, ("wait 0 ms", "t3", False)),
        ({"used_ratio": 0.80}, ("wait 0 ms", "warnf", True)),
        ({"used_ratio": 1.0, "wait_ms": 120.0}, ("wait 120 ms", "danger", True)),
        ({"waiting": 4}, ("4 waiting", "t3", False)),
        ({"blocked_ms": 95_000, "waiting": 4}, ("blocked for 1 min 35 s", "danger", True)),
    ],
)
def test_a_bar_warns_from_80_percent_and_says_what_holds_requests_up(
    still_bridge: Bridge, changes: dict[str, float], expected: tuple[str, str, bool]
) -> None:
    panel = RequestLimits(still_bridge)
    panel.show_limits([replace(CALM, **changes)])
    assert looks(panel.row_of("bybit", "main", "order_create")) == expected


def test_the_tooltip_has_use_reset_and_refusals(still_bridge: Bridge) -> None:
    panel = RequestLimits(still_bridge)
    panel.show_limits([replace(CALM, refused_by_exchange=2)])
    assert panel.row_of("bybit", "main", "order_create").toolTip().splitlines() == [
        "3 of 8 in 1 s; the exchange allows 10",
        "empty again in 0 s",
        "4,011 sent, 21 held back, 2 refused",
    ]


def test_the_sheet_follows_the_limits_while_it_is_open(still_bridge: Bridge) -> None:
    parent = QWidget()
    sheet = RequestLimitsSheet(parent, still_bridge)
    blocked = replace(CALM, family="order_cancel", blocked_ms=5_000, account="")
    still_bridge.limiter.changed.emit([CALM, blocked])
    titles = [column.title for column in sheet.model.columns]

    def shown(row: int) -> dict[str, str]:
        cells = (column.cell(sheet.model.row_at(row)).text for column in sheet.model.columns)
        return dict(zip(titles, cells, strict=True))

    assert shown(0) == {
        "Requests": "new orders", "Exchange": "Bybit", "Account": "main", "Used": "3 / 8",
        "Allowed by exchange": "10 in 1 s", "Empty in": "0.6 s", "Waiting": "0",
        "Wait now / average": "0 / 1.4 ms", "Sent": "4,011", "Held back": "21", "Refused": "0",
        "Blocked for": "no",
    }  # fmt: skip
    assert (shown(1)["Account"], shown(1)["Blocked for"]) == ("this address", "5 s")


def test_many_limits_scroll_in_the_panel(still_bridge: Bridge) -> None:
    panel = RequestLimitsPanel(still_bridge)
    panel.limits.show_limits([replace(CALM, family=f"f{n}") for n in range(30)])
    assert panel.minimumSizeHint().height() <= 200
