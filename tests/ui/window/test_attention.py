"""What waits for the trader's word: told in a band until he has given it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from PyQt6.QtCore import QEvent, Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QLabel

from core.commands import AcceptPosition, BookTransfer, IgnoreFinding
from core.snapshots import DifferencePart, EngineSnapshot, FindingSnapshot, ProtectionSnapshot
from ui import i18n, theme
from ui.bridge import Bridge
from ui.dialogs.accept_position import AcceptPositionDialog
from ui.models.attention import attentions
from ui.widgets.attention_band import AttentionBand
from ui.widgets.capital_bar import CapitalBar
from ui.widgets.services import DataManager
from ui.widgets.status_bar import StatusBar

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", r"raise\(\)")
Until = Callable[[Callable[[], Any]], Awaitable[None]]
replace = msgspec.structs.replace
D = Decimal
TEXT = "SOLUSDT: sell 14.3 at 167.97 was traded outside this program"
FOUND = FindingSnapshot("main", "SOLUSDT", TEXT, is_ignored=False)


@pytest.fixture
def band(bridge: Bridge, qapp: QApplication) -> Iterator[AttentionBand]:
    theme.apply(qapp, "dark", "global")
    i18n.use("en")
    made = AttentionBand(bridge)
    made.resize(1272, 40)
    yield made
    made.hide()
    made.deleteLater()
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    i18n.use("en")


def with_difference(snapshot: EngineSnapshot, amount: str) -> EngineSnapshot:
    part = DifferencePart("transfer", D(amount), "500.00 USDT was withdrawn from the exchange")
    account = replace(snapshot.accounts[0], ledger_error=D(amount), ledger_difference=[part])
    return replace(snapshot, accounts=[account])


def test_open_risk_comes_before_bookkeeping(
    make_snapshot: Callable[[], EngineSnapshot],
) -> None:
    snapshot = with_difference(make_snapshot(), "500")
    naked = ProtectionSnapshot("main", "XRPUSDT", "", False, "No stop rests.", is_foreign=True)
    told = replace(naked, symbol="SOLUSDT")
    ignored = replace(FOUND, symbol="ETHUSDT", is_ignored=True)
    snapshot = replace(
        snapshot, findings=[ignored, FOUND],
        protection=[naked, told, replace(naked, symbol="ETHUSDT")],
    )  # fmt: skip
    found = attentions(snapshot)
    assert [(one.kind, one.symbol) for one in found] == [
        ("finding", "SOLUSDT"), ("finding", "XRPUSDT"), ("ledger", ""),
    ]  # fmt: skip
    assert found[-1].amount == D(-500)  # ours is too high: it was withdrawn


async def test_a_position_is_taken_over_with_a_stop(
    band: AttentionBand, link_server: Any, trader: Any, until: Until
) -> None:
    link_server.publish(replace(link_server.snapshot, findings=[FOUND]))
    await until(band.isVisible)
    assert band._text.whole_text == TEXT
    QTest.mouseClick(band.accept, Qt.MouseButton.LeftButton)
    dialog = await trader.asked()
    assert isinstance(dialog, AcceptPositionDialog)
    assert dialog.stop.text() == "170.20"  # the one that rests
    dialog.stop.setText("171.005")
    QTest.keyClick(dialog.stop, Qt.Key.Key_Return)
    await until(lambda: bool(trader.sent(AcceptPosition)))
    assert trader.sent(AcceptPosition) == [AcceptPosition("main", "SOLUSDT", D("171.00"), None)]
    link_server.publish(replace(link_server.snapshot, findings=[]))
    await until(lambda: not band.isVisible())


async def test_a_stop_on_the_wrong_side_or_none_is_not_sent(
    band: AttentionBand, link_server: Any, trader: Any, until: Until
) -> None:
    held = link_server.snapshot.positions[1]
    bare = replace(held, position=replace(held.position, stop_loss=None))
    link_server.publish(replace(link_server.snapshot, findings=[FOUND], positions=[bare]))
    await until(band.isVisible)
    QTest.mouseClick(band.accept, Qt.MouseButton.LeftButton)
    dialog = await trader.asked()
    assert isinstance(dialog, AcceptPositionDialog)
    assert dialog.problem.text() == "Give a stop loss: none rests at the exchange."
    assert not dialog.accept_button.isEnabled()
    dialog.stop.setText("160")
    assert dialog.problem.text() == "It has to be above the mark price 168.97."
    dialog.stop.setText("170")
    dialog.target.setText("x")
    assert dialog.problem.text() == "That is not a number."
    await trader.answer("")
    assert trader.sent(AcceptPosition) == []


async def test_a_refusal_keeps_the_dialog_open_with_the_engines_reason(
    band: AttentionBand, link_server: Any, trader: Any, until: Until
) -> None:
    link_server.answers[AcceptPosition] = lambda _: (False, "there is no position in SOLUSDT")
    link_server.publish(replace(link_server.snapshot, findings=[FOUND]))
    await until(band.isVisible)
    QTest.mouseClick(band.accept, Qt.MouseButton.LeftButton)
    dialog = await trader.asked()
    QTest.mouseClick(dialog.accept_button, Qt.MouseButton.LeftButton)
    await until(lambda: dialog.problem.text() == "there is no position in SOLUSDT")
    await until(dialog.isVisible)
    await trader.answer("")


async def test_the_trader_may_leave_it_to_himself(
    band: AttentionBand, link_server: Any, trader: Any, until: Until
) -> None:
    link_server.publish(replace(link_server.snapshot, findings=[FOUND]))
    await until(band.isVisible)
    QTest.mouseClick(band.ignore, Qt.MouseButton.LeftButton)
    await until(lambda: trader.sent(IgnoreFinding) == [IgnoreFinding("main", "SOLUSDT")])


async def test_a_ledger_difference_is_explained_and_booked(
    band: AttentionBand, link_server: Any, trader: Any, until: Until
) -> None:
    link_server.publish(with_difference(link_server.snapshot, "500"))
    await until(band.isVisible)
    assert band._text.whole_text == "500.00 USDT was withdrawn from the exchange"
    QTest.mouseClick(band.explain, Qt.MouseButton.LeftButton)
    dialog = await trader.asked()
    assert dialog.windowTitle() == "Our ledger is +500.00 USDT away from Bybit"
    QTest.mouseClick(dialog.buttons["book"], Qt.MouseButton.LeftButton)
    await until(lambda: trader.sent(BookTransfer) == [BookTransfer("main", D(-500))])


async def test_a_difference_without_a_transfer_is_explained_on_the_capital_page(
    bridge: Bridge, link_server: Any, trader: Any, until: Until
) -> None:
    bar = CapitalBar(bridge)
    assert not bar.difference.isVisibleTo(bar)
    text = "-2.43 USDT of fee at the exchange, from 1 executions that are not booked here"
    account = replace(
        link_server.snapshot.accounts[0], ledger_error=D("2.43"),
        ledger_difference=[DifferencePart("fee", D("2.43"), text)],
    )  # fmt: skip
    link_server.publish(replace(link_server.snapshot, accounts=[account]))
    await until(lambda: bar.difference.isVisibleTo(bar))
    bar.difference.click()
    dialog = await trader.asked()
    assert text in [label.text() for label in dialog.findChildren(QLabel)]
    assert "book" not in dialog.buttons
    await trader.answer("")
    bar.deleteLater()


async def test_several_are_shown_one_after_the_other(
    band: AttentionBand, link_server: Any, until: Until
) -> None:
    other = replace(FOUND, symbol="BTCUSDT", text="BTCUSDT: something else")
    link_server.publish(replace(link_server.snapshot, findings=[FOUND, other]))
    await until(band.isVisible)
    assert band._count.text() == "1 of 2"
    QTest.mouseClick(band.next, Qt.MouseButton.LeftButton)
    assert band._text.whole_text == "BTCUSDT: something else"
    link_server.publish(replace(link_server.snapshot, findings=[FOUND, other]))
    await until(lambda: band._count.text() == "2 of 2")  # it stays where the trader is


def test_candles_that_cannot_be_stored_are_said_in_panel_and_status_bar(
    still_bridge: Bridge, make_snapshot: Callable[[], EngineSnapshot]
) -> None:
    panel, status = DataManager(still_bridge), StatusBar(still_bridge)
    assert not panel._fault.isVisibleTo(panel)
    snapshot = make_snapshot()
    broken = replace(snapshot.data, fault="the disk is full")
    still_bridge.take_snapshot(replace(snapshot, data=broken))
    assert panel._fault.text() == ("Candles are not stored, nothing is entered: the disk is full")
    assert panel._fault.isVisibleTo(panel)
    assert status._storage.isVisibleTo(status)
    assert status._storage.value.text() == "not stored"
    still_bridge.take_snapshot(snapshot)
    assert not panel._fault.isVisibleTo(panel)
    assert not status._storage.isVisibleTo(status)
    for made in (panel, status):
        made.deleteLater()
