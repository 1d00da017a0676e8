"""The chart in the real window: what it asks the engine, and what the engine's answers do to it."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from PyQt6.QtCore import QPointF, Qt
from PyQt6.QtTest import QTest

from core.commands import (
    AmendOrder,
    GetCandles,
    MovePriceAlert,
    MoveStop,
    RemovePriceAlert,
    WatchChart,
)
from core.models.alerts import AlertWish, PriceAlert
from core.models.indicators import STANDARD, IndicatorSpec
from ui import tasks
from ui.charts.drawings import Anchor, Drawing
from ui.dialogs.palette import Palette
from ui.tabs.bot_tab import BotTab


@pytest.fixture
async def tab(make_window, until) -> BotTab:
    """The first bot's, with its history."""
    window = make_window()
    found: list[BotTab] = []

    def stands() -> bool:
        found[:] = [t for t in window.findChildren(BotTab) if t.isVisible() and t.chart.has_bars]
        return bool(found)

    await until(stands)
    return found[0]


def asked(server) -> list[GetCandles]:
    return [command for command in server.commands if isinstance(command, GetCandles)]


async def test_a_new_indicator_is_asked_of_the_engine_and_kept(tab, link_server, until) -> None:
    """ux 34"""
    assert asked(link_server)[0].indicators == STANDARD
    tab.chart.add_study("atr")
    await until(lambda: len(asked(link_server)) > 1)
    assert asked(link_server)[-1].indicators == (*STANDARD, IndicatorSpec("atr", (14,)))
    assert asked(link_server)[-1].end_ms is None
    await until(lambda: tab.chart._series.has("atr_14"))


async def test_a_confirmed_stop_goes_to_the_engine_once(tab, trader, until) -> None:
    """ux 40"""
    await until(lambda: tab.chart.trades.position is not None)
    levels = [x for x in tab.chart.trades.levels.levels if x.handle is not None]
    stop = next(level for level in levels if level.handle.kind == "stop")
    price = Decimal("65500.0")
    tab.chart.level_change_wanted.emit("stop", stop.handle.key, price)
    await until(lambda: trader.sent(MoveStop))
    (sent,) = trader.sent(MoveStop)
    assert (sent.symbol, sent.stop_loss, sent.take_profit) == ("BTCUSDT", price, None)
    assert await trader.sent_nothing(AmendOrder)


async def test_a_typed_interval_loads_that_chart_and_presses_its_chip(
    tab, link_server, until
) -> None:
    """ux 29"""
    tab.chart.setFocus()
    QTest.keyClicks(tab.chart.canvas, "3")
    QTest.keyClicks(tab.chart.ask_box.field, "0")
    QTest.keyClick(tab.chart.ask_box.field, Qt.Key.Key_Return)
    await until(lambda: asked(link_server)[-1].timeframe == "30m")
    watched = [c.charts for c in link_server.commands if isinstance(c, WatchChart)]
    assert ("BTCUSDT", "30m") in watched[-1]
    assert tab._panel.toolbar._chips["30m"].isChecked()


async def test_a_date_before_the_history_is_loaded_and_shown(tab, link_server, until) -> None:
    """ux 30"""
    chart = tab.chart
    oldest = chart.oldest_ms
    wanted = oldest - 3000 * 900_000
    chart.date_wanted.emit(wanted)
    await until(lambda: chart.oldest_ms <= wanted)
    older = asked(link_server)[-1]
    assert older.end_ms == oldest
    assert 3000 <= older.count <= 20_000
    await until(
        lambda: (
            abs(
                chart._series.place_of_time(wanted)
                - (chart.canvas.viewport_model.left + chart.canvas.viewport_model.right) / 2
            )
            < 2
        )
    )


async def test_a_date_too_far_back_is_refused_with_a_sentence(tab, link_server, until) -> None:
    said: list[str] = []
    tasks.refused.connect(said.append)
    before = len(asked(link_server))
    tab.chart.date_wanted.emit(tab.chart.oldest_ms - 200_000 * 900_000)
    await until(lambda: said)
    tasks.refused.disconnect(said.append)
    assert said[0].startswith("That is too far back")
    assert len(asked(link_server)) == before


async def test_a_picture_is_saved_and_its_place_told(tab, tmp_path, until) -> None:
    """ux 30"""
    said: list[str] = []
    tasks.done.connect(said.append)
    tab.chart.take_snapshot()
    await until(lambda: said)
    tasks.done.disconnect(said.append)
    (picture,) = (tmp_path / "pictures").iterdir()
    assert picture.name.startswith("BTCUSDT_15m_")
    assert said == [f"Picture saved: {picture}"]


async def test_the_chart_alone_and_everything_again(tab) -> None:
    """ux 11"""
    tab._panel.expand_wanted.emit()
    assert not tab.header.isVisible()
    assert not tab.blotter.isVisible()
    tab._panel.expand_wanted.emit()
    assert tab.header.isVisible()
    assert tab.blotter.isVisible()


async def test_its_keys_show_the_chart_alone_and_everything_again(tab, until) -> None:
    """ux 11"""
    window = tab.window()
    window.activateWindow()
    await until(window.isActiveWindow)
    for is_shown in (False, True):
        QTest.keyClick(tab.chart.canvas, Qt.Key.Key_Return, Qt.KeyboardModifier.AltModifier)
        assert tab.blotter.isVisible() is is_shown
        assert tab.chart.isVisible()


async def test_the_lock_says_whether_lines_can_be_moved(tab) -> None:
    """ux 43"""
    lock = tab._panel.toolbar.lock
    assert lock.text() == "Chart trading off"
    QTest.mouseClick(lock, Qt.MouseButton.LeftButton)
    assert tab.chart.levels.is_unlocked
    assert lock.text() == "Chart trading on"


async def test_letters_typed_at_the_chart_search_a_symbol(tab, qapp) -> None:
    """ux 29"""
    QTest.keyClicks(tab.chart.canvas, "s")
    (palette,) = tab.window().findChildren(Palette)
    assert palette.field.text() == "s"
    palette.reject()


async def test_alerts_of_the_exchange_are_on_the_chart_moved_and_removed_by_the_engine(
    tab, trader, link_server, until, make_snapshot
) -> None:
    """ux 66"""
    said: list[str] = []

    def alert(number: int, exchange: str) -> PriceAlert:
        wish = AlertWish(symbol="BTCUSDT", price=Decimal(66_500), exchange=exchange)
        return PriceAlert(alert_id=number, wish=wish, waits_for_rise=False, created_ms=0)

    alerts = [alert(4, "bybit"), alert(5, "upbit")]
    link_server.publish(msgspec.structs.replace(make_snapshot(2), alerts=alerts))
    await until(lambda: tab.chart.trades.alerts)
    assert [a.alert_id for a in tab.chart.trades.alerts] == [4]
    link_server.answers[MovePriceAlert] = lambda _command: (False, "BTCUSDT is at 66510 already.")
    tasks.refused.connect(said.append)
    tab.chart.alert_moved.emit(4, Decimal("66510.0"))
    await until(lambda: said)
    tasks.refused.disconnect(said.append)
    assert trader.sent(MovePriceAlert) == [MovePriceAlert(4, Decimal("66510.0"))]
    tab.chart.alert_unwanted.emit(4)
    await until(lambda: trader.sent(RemovePriceAlert))
    assert trader.sent(RemovePriceAlert) == [RemovePriceAlert(4)]
    link_server.publish(make_snapshot(3))
    await until(lambda: not tab.chart.trades.alerts)


async def test_the_time_axis_speaks_in_the_zone_of_the_account(
    tab, link_server, until, make_snapshot
) -> None:
    """ux 23"""
    snapshot = make_snapshot(2)
    moved = [msgspec.structs.replace(a, timezone="Asia/Seoul") for a in snapshot.accounts]
    link_server.publish(msgspec.structs.replace(snapshot, accounts=moved))
    await until(lambda: str(tab.chart.canvas.time_axis.zone) == "Asia/Seoul")
    tab._change_timeframe("1h")
    await until(lambda: tab._feed.is_live)
    assert str(tab.chart.canvas.time_axis.zone) == "Asia/Seoul"


def shown_texts(tab: BotTab) -> list[str]:
    return [level.text for level in tab.chart.trades.levels.levels]


async def test_the_position_line_follows_the_result_of_every_tick_and_can_be_hidden(
    tab, link_server, until
) -> None:
    """ux 39"""
    await until(lambda: "+80.76 · +1.83 % · +3.2 R" in shown_texts(tab))
    snapshot = link_server.snapshot
    held = snapshot.positions[0]
    moved = msgspec.structs.replace(
        held,
        position=msgspec.structs.replace(held.position, unrealized_pnl=Decimal("-12.40")),
        pnl_ratio=Decimal("-0.0028"),
        r_multiple=Decimal("-0.5"),
    )
    positions = [moved, *snapshot.positions[1:]]
    link_server.publish(msgspec.structs.replace(snapshot, seq=2, positions=positions))
    await until(lambda: "−12.40 · −0.28 % · −0.5 R" in shown_texts(tab))
    menu = tab.chart.menu(QPointF(400, 100))
    (lines,) = (action for action in menu.actions() if action.text() == "Position and orders")
    lines.trigger()
    menu.close()
    assert not tab.chart.trades.levels.isVisible()


async def test_while_older_bars_are_on_their_way_ticks_are_drawn(
    tab, link_server, until, make_snapshot
) -> None:
    """ux 36: a source that never answers holds nothing up."""
    link_server.silent_on.add(GetCandles)
    tab.chart.flush()  # the forming bar stands
    before = tab.chart._series.size
    chart = tab.chart
    chart.canvas.viewport_model.pan(-10_000)
    chart.history_wanted.emit(chart.oldest_ms)
    snapshot = make_snapshot(2)
    candle = msgspec.structs.replace(snapshot.live_candles[0], close=67_111.5)
    link_server.publish(msgspec.structs.replace(snapshot, live_candles=[candle]))
    await until(lambda: chart.canvas.price_axes[0].tags[-1].text == "67,111.5")
    assert chart._series.size == before


async def test_an_alert_that_stands_on_a_drawn_line_goes_with_it(
    tab, trader, link_server, until, make_snapshot
) -> None:
    """ux 66: the engine is asked once, however many charts show the line."""

    def alert(number: int, price: str) -> PriceAlert:
        wish = AlertWish(symbol="BTCUSDT", price=Decimal(price), exchange="bybit")
        return PriceAlert(alert_id=number, wish=wish, waits_for_rise=False, created_ms=0)

    alerts = [alert(4, "66500.0"), alert(5, "66400.0")]
    link_server.publish(msgspec.structs.replace(make_snapshot(2), alerts=alerts))
    await until(lambda: len(tab.chart.trades.alerts) == 2)
    drawings = tab.chart.drawing.drawings
    line = drawings.add("horizontal", (Anchor(tab.chart.oldest_ms, 66_500.0),))
    moved = Drawing(line.drawing_id, "horizontal", (Anchor(tab.chart.oldest_ms, 66_612.3),))
    drawings.replace(moved)
    await until(lambda: trader.sent(MovePriceAlert))
    assert trader.sent(MovePriceAlert) == [MovePriceAlert(4, Decimal("66612.3"))]
