"""The order ticket in the real window, before a hand-made engine at the other end of the link."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal

import msgspec
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from sample_engine import preview_answer

from core.commands import CommandResult, PlaceOrder, PreviewOrder
from core.models.orders import OrderType, Side, TimeInForce
from core.snapshots import AccountMode
from ui.dialogs import questions
from ui.main_window import MainWindow
from ui.widgets.ticket import OrderTicketPanel

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def open_panel(make_window, link_server, until) -> Callable[[], Awaitable[OrderTicketPanel]]:
    """The first bot's ticket, filled in as far as it has to be."""

    async def opened() -> OrderTicketPanel:
        link_server.results[PreviewOrder] = lambda _command: preview_answer()
        panel = await first_ticket(make_window(), until)
        await filled(panel, until)
        return panel

    return opened


async def first_ticket(window: MainWindow, until) -> OrderTicketPanel:
    await until(lambda: window.findChildren(OrderTicketPanel))
    return window.findChildren(OrderTicketPanel)[0]


def write(field, text: str) -> None:
    field.line.setFocus()
    field.line.selectAll()
    QTest.keyClicks(field.line, text)


async def filled(panel: OrderTicketPanel, until) -> None:
    await until(lambda: panel._market_price is not None)
    write(panel.price, "66950")
    write(panel.amount, "0.01")
    await until(lambda: panel.preview is not None and panel.submit.isEnabled())


async def test_ux_48_the_preview_is_the_engines_answer_to_what_is_written(
    open_panel, trader, until
) -> None:
    panel = await open_panel()
    asked = trader.sent(PreviewOrder)[-1].ticket
    assert (asked.price, asked.quantity, asked.side) == (
        Decimal("66950.0"),
        Decimal("0.010"),
        Side.BUY,
    )
    assert panel._value.text() == "669.50"
    assert panel._margin.text() == "66.95"
    assert panel._fee.text() == "0.37"
    assert panel._liquidation.text() == "60,590.4"
    assert panel.submit.text() == "Buy 0.010 BTC"


async def test_ux_55_two_fast_clicks_send_one_order(open_panel, trader, until) -> None:
    panel = await open_panel()
    QTest.mouseClick(panel.submit, LEFT)
    QTest.mouseClick(panel.submit, LEFT)
    await until(lambda: trader.sent(PlaceOrder) and not panel.submit.is_busy)
    [sent] = trader.sent(PlaceOrder)
    assert sent.ticket.order_type is OrderType.LIMIT
    assert sent.ticket.stop_loss is not None


async def test_an_order_nobody_answered_keeps_its_id_and_a_refused_one_gets_a_new(
    open_panel, trader, until, link_server, monkeypatch
) -> None:
    panel = await open_panel()
    first = panel._ticket_id
    send = panel._bridge.link.send

    async def lost(command, timeout_s: float = 10.0):
        if isinstance(command, PlaceOrder):
            return CommandResult(0, False, "No answer from the engine for 10 s.", is_unknown=True)
        return await send(command, timeout_s)

    monkeypatch.setattr(panel._bridge.link, "send", lost)
    QTest.mouseClick(panel.submit, LEFT)
    await until(lambda: not panel.submit.is_busy)
    assert panel._ticket_id == first
    monkeypatch.setattr(panel._bridge.link, "send", send)
    link_server.answers[PlaceOrder] = lambda _command: (False, "Denied: a reason.")
    QTest.mouseClick(panel.submit, LEFT)
    await until(lambda: trader.sent(PlaceOrder) and not panel.submit.is_busy)
    assert trader.sent(PlaceOrder)[0].ticket.ticket_id == first
    assert panel._ticket_id != first


async def test_ux_52_what_the_engine_would_refuse_cannot_be_sent_and_says_why(
    open_panel, trader, until, link_server
) -> None:
    panel = await open_panel()
    link_server.results[PreviewOrder] = lambda _command: preview_answer(
        "position 20.7 % is above 20 %"
    )
    write(panel.amount, "5")
    await until(lambda: not panel.submit.isEnabled() and panel.problem.whole_text)
    assert "20.7 %" in panel.problem.whole_text
    assert panel.submit.toolTip() == panel.problem.whole_text
    QTest.mouseClick(panel.submit, LEFT)
    assert await trader.sent_nothing(PlaceOrder)


@pytest.mark.parametrize("text", ["-5", "abc", "0"])
async def test_ux_45_what_is_no_price_is_marked_and_sends_nothing(
    open_panel, trader, until, text
) -> None:
    panel = await open_panel()
    write(panel.price, text)
    assert panel.price.property("error") is True
    assert not panel.submit.isEnabled()
    QTest.mouseClick(panel.submit, LEFT)
    assert await trader.sent_nothing(PlaceOrder)


async def test_ux_46_a_share_of_what_is_free_stays_when_the_price_moves(
    open_panel, until, link_server
) -> None:
    panel = await open_panel()
    panel.amount.line.clearFocus()
    QTest.mouseClick(panel.shares[1], LEFT)
    half = panel.amount.line.text()
    quantity = Decimal(half)
    free = link_server.snapshot.capital.available
    step = Decimal("0.001") * 66950
    assert free / 2 - 2 * step < quantity * 66950 <= free / 2
    write(panel.price, "60000")
    assert panel.amount.line.text() == half


async def test_ux_47_the_size_turns_into_money_and_back(open_panel, until) -> None:
    panel = await open_panel()
    panel.amount.line.clearFocus()
    assert panel.amount.unit is not None
    QTest.mouseClick(panel.amount.unit, LEFT)
    assert panel.amount.line.text() == "669.50"
    QTest.mouseClick(panel.amount.unit, LEFT)
    assert Decimal(panel.amount.line.text()) == Decimal("0.01")


async def test_ux_49_time_in_force_post_only_and_reduce_only_reach_the_order(
    open_panel, trader, until
) -> None:
    panel = await open_panel()
    panel.time_in_force.setCurrentText("FOK")
    panel.reduce_only.click()
    await until(lambda: trader.sent(PreviewOrder)[-1].ticket.reduce_only)
    ticket = trader.sent(PreviewOrder)[-1].ticket
    assert ticket.time_in_force is TimeInForce.FOK
    assert ticket.stop_loss is None
    panel.post_only.click()
    await until(lambda: trader.sent(PreviewOrder)[-1].ticket.time_in_force is TimeInForce.POST_ONLY)


async def test_ux_77_real_money_asks_and_its_default_is_no(
    make_window, link_server, trader, until, make_snapshot
) -> None:
    link_server.results[PreviewOrder] = lambda _command: preview_answer()
    snapshot = make_snapshot(0)
    live = [msgspec.structs.replace(a, mode=AccountMode.LIVE) for a in snapshot.accounts]
    panel = await first_ticket(make_window(), until)
    link_server.publish(msgspec.structs.replace(snapshot, accounts=live))
    await until(lambda: panel._mode is AccountMode.LIVE)
    await filled(panel, until)
    QTest.mouseClick(panel.submit, LEFT)
    await trader.press(Qt.Key.Key_Return)
    assert await trader.sent_nothing(PlaceOrder)
    await until(panel.submit.isEnabled)
    QTest.mouseClick(panel.submit, LEFT)
    await trader.answer(questions.GO)
    await until(lambda: trader.sent(PlaceOrder))
    assert trader.sent(PlaceOrder)[0].confirm_live


async def test_the_proposed_price_follows_the_market_until_the_first_touch(
    make_window, link_server, until, make_snapshot
) -> None:
    panel = await first_ticket(make_window(), until)
    await until(panel.price.line.text)
    before = panel.price.line.text()
    snapshot = make_snapshot(0)
    rows = [
        msgspec.structs.replace(
            row, ticker=msgspec.structs.replace(row.ticker, last_price=Decimal("70000.0"))
        )
        for row in snapshot.tickers
    ]
    link_server.publish(msgspec.structs.replace(snapshot, tickers=rows))
    await until(lambda: panel.price.line.text() == "70000.0")
    write(panel.amount, "0.01")
    link_server.publish(snapshot)
    await until(lambda: panel._market_price != Decimal("70000.0"))
    panel._show()
    assert panel.price.line.text() == "70000.0" != before


async def test_ux_45_what_is_between_ticks_is_shown_as_it_is_sent(
    open_panel, trader, until
) -> None:
    panel = await open_panel()
    for field, typed in (
        (panel.price, "66950.07"),
        (panel.amount, "0.0109"),
        (panel.stop, "66650.04"),
        (panel.target, "67,700.55"),
    ):
        write(field, typed)
        QTest.keyClick(field.line, Qt.Key.Key_Return)
    fields = (panel.price, panel.amount, panel.stop, panel.target)
    shown = [field.line.text() for field in fields]
    assert shown == ["66950.1", "0.010", "66650.0", "67700.6"]
    await until(panel.submit.isEnabled)
    QTest.mouseClick(panel.submit, LEFT)
    await until(lambda: trader.sent(PlaceOrder) and not panel.submit.is_busy)
    [sent] = trader.sent(PlaceOrder)
    ticket = sent.ticket
    told = (ticket.price, ticket.quantity, ticket.stop_loss, ticket.take_profit)
    assert [f"{value:f}" for value in told] == shown


async def test_ux_45_a_click_on_buy_settles_the_field_that_still_has_the_focus(
    open_panel, trader, until
) -> None:
    panel = await open_panel()
    write(panel.price, "66950.07")
    await until(panel.submit.isEnabled)
    QTest.mouseClick(panel.submit, LEFT)
    await until(lambda: trader.sent(PlaceOrder) and not panel.submit.is_busy)
    assert panel.price.line.text() == "66950.1"
    assert trader.sent(PlaceOrder)[0].ticket.price == Decimal("66950.1")


async def test_ux_45_less_than_the_exchange_takes_is_not_sent_and_says_so(
    open_panel, trader, until, link_server
) -> None:
    panel = await open_panel()
    least = "The exchange takes at least 5 USDT of BTCUSDT."
    link_server.results[PreviewOrder] = lambda _command: preview_answer(least)
    write(panel.price, "1000")
    write(panel.amount, "0.001")
    await until(lambda: panel.problem.whole_text == least)
    assert not panel.submit.isEnabled()
    write(panel.amount, "0.0004")  # less than a step
    assert not panel.submit.isEnabled()
    QTest.mouseClick(panel.submit, LEFT)
    assert await trader.sent_nothing(PlaceOrder)


async def test_ux_69_on_an_old_price_nothing_is_bought(
    open_panel, trader, until, link_server
) -> None:
    panel = await open_panel()
    snapshot = link_server.snapshot
    old = [msgspec.structs.replace(row, age_ms=16_000) for row in snapshot.tickers]
    link_server.publish(msgspec.structs.replace(snapshot, seq=2, tickers=old))
    await until(lambda: panel._bridge.is_price_stale("BTCUSDT"))
    panel._refresh()
    assert not panel.submit.isEnabled()
    assert panel.submit.toolTip() == "Waiting for a fresh price"
    QTest.mouseClick(panel.submit, LEFT)
    assert await trader.sent_nothing(PlaceOrder)


async def test_the_button_that_sends_is_the_tallest_of_the_form(open_panel) -> None:  # type: ignore[no-untyped-def]
    panel = await open_panel()
    assert panel.submit.height() == 36
    assert all(share.height() <= 30 for share in panel.shares)
