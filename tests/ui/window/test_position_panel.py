"""The position panel in the real window: what it lets a trader send, and when."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest

from core.commands import ClosePosition, MoveStop
from ui import tasks
from ui.dialogs import questions
from ui.main_window import MainWindow

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")
Until = Callable[[Callable[[], Any]], Awaitable[None]]
replace = msgspec.structs.replace


async def test_one_press_moves_the_stop_to_the_entry_once_the_price_is_beyond_it(
    make_window: Callable[[], MainWindow], until: Until, link_server: Any, trader: Any
) -> None:
    window = make_window()
    await until(lambda: "b1" in window._tabs)
    panel = window._tabs["b1"].position
    await until(panel.secure_button.isVisible)
    QTest.mouseClick(panel.secure_button, Qt.MouseButton.LeftButton)
    await until(lambda: trader.sent(MoveStop))
    assert trader.sent(MoveStop) == [MoveStop("main", "BTCUSDT", Decimal("65869.1"))]

    def publish(**changes: Decimal) -> None:
        snapshot = link_server.snapshot
        held, *others = snapshot.positions
        held = replace(held, position=replace(held.position, **changes))
        link_server.publish(replace(snapshot, seq=snapshot.seq + 1, positions=[held, *others]))

    publish(stop_loss=Decimal("65869.1"))
    await until(
        lambda: panel.secure_button.toolTip() == "The stop loss is at the entry or beyond it"
    )
    publish(stop_loss=Decimal("65495.8"), mark_price=Decimal("65869.1"))
    await until(
        lambda: panel.secure_button.toolTip() == "The price has to be beyond the entry first"
    )
    assert not panel.secure_button.isEnabled()
    assert panel.close_button.isEnabled()


async def test_a_refused_closing_is_told_once(
    make_window: Callable[[], MainWindow],
    until: Until,
    link_server: Any,
    trader: Any,
    calm: Callable[[], Awaitable[None]],
) -> None:
    link_server.answers[ClosePosition] = lambda _command: (False, "Not now.")
    told: list[str] = []
    tasks.refused.connect(told.append)
    window = make_window()
    await until(lambda: "b1" in window._tabs)
    panel = window._tabs["b1"].position
    await until(panel.close_button.isVisible)
    QTest.mouseClick(panel.close_button, Qt.MouseButton.LeftButton)
    await trader.answer(questions.GO)
    await until(lambda: told)
    await calm()
    tasks.refused.disconnect(told.append)
    assert told == ["Not now."]
