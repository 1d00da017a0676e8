"""The order form and the chart show one and the same order before it is sent."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtTest import QTest
from sample_engine import preview_answer

from core.commands import PlaceOrder, PreviewOrder
from core.models.orders import OrderType, Side
from ui import i18n
from ui.tabs.bot_tab import BotTab

D = Decimal
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
async def tab(make_window, link_server, until) -> BotTab:
    """The first bot's, with its history and a price."""
    link_server.results[PreviewOrder] = lambda _command: preview_answer()
    window = make_window()
    await until(lambda: any(t.chart.has_bars for t in window.findChildren(BotTab)))
    found = next(t for t in window.findChildren(BotTab) if t.chart.has_bars)
    await until(lambda: found.ticket._market_price is not None and found.isVisible())
    return found


def write(field, text: str) -> None:
    field.line.setFocus()
    field.line.selectAll()
    QTest.keyClicks(field.line, text)


def lines(tab: BotTab) -> dict[str, float]:
    """Price by field, of what the chart shows of the form."""
    return {
        level.handle.kind.removeprefix("ticket_"): level.price
        for level in tab.chart.trades.levels.levels
        if level.handle is not None and level.handle.is_of_ticket
    }


def fill(tab: BotTab) -> None:
    for field, text in (
        (tab.ticket.price, "66950"),
        (tab.ticket.amount, "0.01"),
        (tab.ticket.stop, "66650"),
        (tab.ticket.target, "67700"),
    ):
        write(field, text)


async def test_what_is_typed_stands_on_the_chart_and_before_a_touch_nothing_does(tab) -> None:
    """ux 42"""
    assert lines(tab) == {}
    fill(tab)
    assert lines(tab) == {"price": 66_950, "stop": 66_650, "target": 67_700}
    QTest.mouseClick(tab.ticket.bracket, LEFT)
    assert lines(tab) == {"price": 66_950}
    QTest.mouseClick(tab.ticket.kind.buttons[OrderType.MARKET.value], LEFT)
    assert lines(tab) == {}


@pytest.mark.parametrize("name", ["price", "stop", "target"])
async def test_a_dragged_line_writes_its_field_and_the_preview_follows(
    tab, trader, until, name: str
) -> None:
    """ux 42: also while the field has the focus."""
    fill(tab)
    field = getattr(tab.ticket, name)
    field.line.setFocus()
    before = D(field.line.text())
    tab.chart.pending_moved.emit(name, before + D("12.3"))
    assert D(field.line.text()) == before + D("12.3")
    assert lines(tab)[name] == float(before + D("12.3"))

    def asked() -> bool:
        ticket = trader.sent(PreviewOrder)[-1].ticket if trader.sent(PreviewOrder) else None
        told = ticket and {
            "price": ticket.price,
            "stop": ticket.stop_loss,
            "target": ticket.take_profit,
        }
        return bool(told) and told[name] == before + D("12.3")

    await until(asked)


async def test_the_mouse_drags_a_line_and_the_order_that_is_asked_for_is_that(
    tab, trader, until
) -> None:
    """ux 42: from the pixel to the engine's preview, on a locked chart."""
    fill(tab)
    pane, port = tab.chart.canvas.panes[0], tab.chart.canvas.viewport()
    y = round(pane.y_of(66_650))
    QTest.mousePress(port, LEFT, pos=QPoint(300, y))
    QTest.mouseMove(port, QPoint(300, y + 12))
    QTest.mouseRelease(port, LEFT, pos=QPoint(300, y + 12))
    stop = D(tab.ticket.stop.line.text())
    assert stop < 66_650
    assert stop % D("0.1") == 0
    assert lines(tab)["stop"] == float(stop)
    assert D(tab.ticket.price.line.text()) == 66_950
    await until(lambda: any(c.ticket.stop_loss == stop for c in trader.sent(PreviewOrder)))
    assert await trader.sent_nothing(PlaceOrder)


async def test_a_price_of_the_book_is_written_though_the_field_has_the_focus(tab) -> None:
    """ux 51"""
    write(tab.ticket.price, "66950")
    tab.book.price_chosen.emit(D("67001.5"))
    assert tab.ticket.price.line.text() == "67001.5"
    assert lines(tab)["price"] == 67_001.5


async def test_exits_that_are_not_the_traders_own_move_with_the_price(tab) -> None:
    write(tab.ticket.price, "66950")
    tab.chart.pending_moved.emit("price", D("66000.0"))
    assert lines(tab)["stop"] == pytest.approx(66_000 * 0.99, abs=0.1)


@pytest.mark.parametrize("how", ["escape", "button", "hidden"])
async def test_closing_the_form_takes_its_lines_away(tab, how: str) -> None:
    """ux 42"""
    fill(tab)
    assert lines(tab)
    if how == "escape":
        QTest.keyClick(tab.ticket.target.line, Qt.Key.Key_Escape)
    elif how == "button":
        QTest.mouseClick(tab.ticket.clear_button, LEFT)
    else:
        tab.set_right_shown(False)
    assert lines(tab) == {}
    if how == "hidden":
        tab.set_right_shown(True)
        assert lines(tab) == {"price": 66_950, "stop": 66_650, "target": 67_700}
    else:
        assert tab.ticket.amount.line.text() == ""
        assert not tab.ticket.clear_button.isVisible()


async def test_a_sent_order_is_no_longer_pending_and_a_refused_one_still_is(
    tab, trader, until, link_server
) -> None:
    """ux 42"""
    fill(tab)
    await until(tab.ticket.submit.isEnabled)
    link_server.answers[PlaceOrder] = lambda _command: (False, "Denied: a reason.")
    QTest.mouseClick(tab.ticket.submit, LEFT)
    await until(lambda: trader.sent(PlaceOrder) and not tab.ticket.submit.is_busy)
    assert set(lines(tab)) == {"price", "stop", "target"}
    await until(tab.ticket.submit.isEnabled)
    link_server.answers[PlaceOrder] = lambda _command: (True, "")
    QTest.mouseClick(tab.ticket.submit, LEFT)
    await until(lambda: len(trader.sent(PlaceOrder)) == 2 and not tab.ticket.submit.is_busy)
    assert lines(tab) == {}
    assert tab.ticket.price.line.text() == "66950"  # what was written stays, for one more


async def test_another_timeframe_keeps_the_lines(tab, until) -> None:
    """ux 42"""
    fill(tab)
    tab._change_timeframe("1h")
    await until(lambda: tab._feed.is_live)
    assert set(lines(tab)) == {"price", "stop", "target"}


async def test_an_order_is_prepared_from_the_chart_and_nothing_is_sent(tab, trader) -> None:
    """ux 42, 43"""
    QTest.mouseClick(tab.ticket.kind.buttons[OrderType.MARKET.value], LEFT)
    tab.chart.order_wanted.emit(Side.SELL, D("67500.0"))
    assert tab.ticket.form.side is Side.SELL
    assert tab.ticket.side.buttons["sell"].isChecked()
    assert lines(tab)["price"] == 67_500
    assert lines(tab)["stop"] > 67_500  # the exits are those of a sell
    assert await trader.sent_nothing(PlaceOrder)


@pytest.mark.parametrize("language", ["en", "ko"])
async def test_the_form_fits_the_narrow_column_whatever_its_figures_say(
    tab, link_server, until, calm, language: str
) -> None:
    """ux 74: 280 px are the right column at 1280 x 800."""
    usual = preview_answer()
    large = {"value": D("246913.56"), "margin": D("24691.36"), "fee": D("135.80")}
    preview = msgspec.structs.replace(usual.preview, risk=D("12345.67"), **large)
    whole = msgspec.structs.replace(usual, preview=preview)
    link_server.results[PreviewOrder] = lambda _command: whole
    i18n.use(language)
    fill(tab)
    await until(lambda: tab.ticket._value.text() == "246,913.56")
    await calm()  # laid out
    assert tab.ticket.minimumSizeHint().width() <= 280
