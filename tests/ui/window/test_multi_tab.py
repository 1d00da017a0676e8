"""A scanning bot's tab, driven as a trader drives it, on the real window."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from PyQt6.QtCore import QEvent, QPoint, Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication
from sample_engine import NOW_MS
from scan_samples import SCANNER, scan_rows, scan_snapshot, scanning_bot, scanning_engine

from core.commands import ChangeScanSettings, GetCandles, PauseBot, StopBot
from core.scanning.settings import ScanSettings
from core.scanning.snapshots import PendingSignal, SymbolState
from core.snapshots import BotState
from ui import i18n
from ui.main_window import MainWindow
from ui.models.ranking import RankRow, state_cell
from ui.tabs.multi_tab import MultiTab
from ui.widgets.sparkline import sparkline

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")
Until = Callable[[Callable[[], Any]], Awaitable[None]]
replace = msgspec.structs.replace


@pytest.fixture
async def window(link_server: Any, make_window: Callable[[], MainWindow], until: Until) -> Any:
    link_server.publish(scanning_engine())
    made = make_window()
    await until(lambda: SCANNER in made.bridge.bots)
    return made


@pytest.fixture
async def tab(window: MainWindow, until: Until) -> MultiTab:
    window.show_bot(SCANNER)
    shown = window._tabs[SCANNER]
    assert isinstance(shown, MultiTab)
    await until(lambda: shown.ranking.model.rowCount() == len(scan_rows()))
    return shown


def symbols(tab: MultiTab) -> list[str]:
    model = tab.ranking.model
    return [model.row_at(i).symbol.symbol for i in range(model.rowCount())]


def cell(tab: MultiTab, symbol: str, title: str) -> str:
    model = tab.ranking.model
    row = model.row_at(symbols(tab).index(symbol))
    return next(c for c in model.columns if c.title == title).cell(row).text


def rank_row(tab: MultiTab, symbol: str) -> RankRow:
    return tab.ranking.model.row_at(symbols(tab).index(symbol))


async def show(server: Any, until: Until, tab: MultiTab, **changes: object) -> None:
    """The engine publishes another scan, and the tab has taken it."""
    number = changes.setdefault("scan_number", 1743)
    server.publish(scanning_engine(**changes))
    await until(lambda: tab.strip.title.text() == f"Scan {number:,}")


async def test_a_bot_that_scans_has_the_tab_with_the_ranking(tab: MultiTab) -> None:
    assert symbols(tab)[:4] == ["SUIUSDT", "NEARUSDT", "AVAXUSDT", "SOLUSDT"]
    assert cell(tab, "SUIUSDT", "Score") == "86"
    assert cell(tab, "SUIUSDT", "Last") == "1.2874"
    assert cell(tab, "SUIUSDT", "Reading") == "34.2"
    assert tab.header._stats["Watching"].value.text() == "21 symbols"
    assert tab.header._stats["Scan every"].value.text() == "30 s"
    assert tab.header._since.whole_text == "holding SOLUSDT"


async def test_scan_progress_and_its_time_are_shown(
    tab: MultiTab, link_server: Any, until: Until
) -> None:
    """ux 18"""
    assert tab.strip.title.text() == "Scan 1,742"
    assert tab.strip.progress.whole_text == (
        "21 of 21 scored in 0.48 s · 19 streamed, 2 requested · 20 fresh, 1 late"
    )
    assert tab.strip.next.text() == "next in 11 s"
    assert tab.strip.universe.whole_text == (
        "21 symbols watched · left out: volume 12, too young 3, not free 1, rank 40"
    )
    await show(link_server, until, tab, is_scanning=True, scanned=12, scan_total=50)
    assert tab.strip.progress.whole_text == "Scanning 12 of 50"


async def test_one_starving_symbol_is_seen_though_all_others_are_fresh(tab: MultiTab) -> None:
    """ux 16"""
    stale = [s for s in symbols(tab) if tab.ranking.model.is_stale(rank_row(tab, s))]
    assert stale == ["ATOMUSDT"]
    assert cell(tab, "ATOMUSDT", "Age") == "38 s"
    assert cell(tab, "ATOMUSDT", "State") == "Stale 38 s"
    assert cell(tab, "SUIUSDT", "Age") == "0.1"


@pytest.mark.parametrize(
    ("symbol", "text"),
    [
        ("SUIUSDT", "Signal"),
        ("NEARUSDT", "Denied"),
        ("SOLUSDT", "In position"),
        ("DOTUSDT", "Cooling down 12 min"),
        ("BTCUSDT", "Not free"),
        ("AVAXUSDT", "Watching"),
    ],
)
async def test_every_state_has_its_word(tab: MultiTab, symbol: str, text: str) -> None:
    assert cell(tab, symbol, "State") == text


async def test_a_symbol_that_loads_is_not_called_late(tab: MultiTab) -> None:
    loading = replace(scan_rows()[0], state=SymbolState.LOADING, score=None, rank=None)
    row = rank_row(tab, "SUIUSDT")._replace(symbol=loading, price_age_ms=None)
    assert state_cell(row).text == "Loading"


def turned(**changes: object) -> dict[str, object]:
    """The ranking upside down."""
    rows = scan_rows()
    backwards = [replace(row, rank=len(rows) - i, score=float(4 * i)) for i, row in enumerate(rows)]
    return {"rows": backwards, **changes}


async def test_the_order_stands_still_under_the_mouse_and_is_right_when_it_leaves(
    tab: MultiTab, link_server: Any, until: Until
) -> None:
    before = symbols(tab)
    view = tab.ranking.table.viewport()
    assert view is not None
    QApplication.sendEvent(view, QEvent(QEvent.Type.Enter))
    await show(link_server, until, tab, **turned())
    assert symbols(tab) == before
    assert rank_row(tab, before[-1]).symbol.rank == 1  # the values are the newest all the same
    QApplication.sendEvent(view, QEvent(QEvent.Type.Leave))
    assert symbols(tab) == before[::-1]


async def test_a_score_tells_how_it_changed_since_the_scan_before(
    tab: MultiTab, link_server: Any, until: Until
) -> None:
    rows = scan_rows()
    rows[0] = replace(rows[0], score=rows[0].score + 4)
    await show(link_server, until, tab, rows=rows)
    assert cell(tab, "SUIUSDT", "Since last") == "+4"
    assert cell(tab, "AVAXUSDT", "Since last") == "0"
    await show(link_server, until, tab, rows=rows, scan_number=1743)
    assert cell(tab, "SUIUSDT", "Since last") == "+4"  # the same scan told again


async def test_a_price_alone_repaints_its_own_cells(
    tab: MultiTab, link_server: Any, until: Until
) -> None:
    painted: list[tuple[int, int, int]] = []
    tab.ranking.model.dataChanged.connect(
        lambda first, last, _roles: painted.append((first.row(), first.column(), last.column()))
    )
    rows = scan_rows()
    rows[2] = replace(rows[2], price=rows[2].price + 1)
    rows[5] = replace(rows[5], state=SymbolState.STALE)
    link_server.publish(scanning_engine(rows=rows))
    await until(lambda: cell(tab, "AVAXUSDT", "Last") == "35.212")
    last = tab.ranking.model.columnCount() - 1
    assert painted == [(2, 2, 4), (5, 0, last)]


async def test_a_narrow_window_drops_columns_in_the_order_of_the_design(tab: MultiTab) -> None:
    table, columns = tab.ranking.table, tab.ranking.model.columns
    whole = sum(column.width for column in columns)
    titles = [column.title for column in columns]

    def left_out(room: int) -> list[str]:
        shown = {i for i, _ in table._with_room(room)}
        return [title for i, title in enumerate(titles) if i not in shown]

    assert left_out(whole) == []
    assert left_out(whole - 1) == ["100 candles"]
    assert left_out(whole - 130) == ["Volume", "100 candles"]
    assert left_out(whole - 220) == ["Volume", "100 candles", "Since last"]
    assert set(left_out(300)) == {"Volume", "100 candles", "Since last", "Reading"}


async def test_only_some_states_may_be_shown(tab: MultiTab) -> None:
    tab.ranking.states.setCurrentIndex(3)
    assert symbols(tab) == ["ATOMUSDT"]
    assert tab.ranking._count.text() == "1 of 21"


async def test_the_strongest_says_what_its_score_is_made_of_and_what_it_waits_for(
    tab: MultiTab, link_server: Any, until: Until
) -> None:
    card = tab.strongest
    assert (card.symbol, card.score.text()) == ("SUIUSDT", "86")
    assert card.what.whole_text == "Buy at market about 1.2874"
    assert [p._points.text() for p in card._shown] == ["40", "46", "0", "0"]
    assert card.verdict.whole_text == "Waiting: SOLUSDT is open"
    assert card.reason.whole_text == "One position at a time."
    await until(lambda: card.chart.bars > 0)
    asked = [c for c in link_server.commands if isinstance(c, GetCandles)]
    assert ("SUIUSDT", "15m") in [(c.symbol, c.timeframe) for c in asked]


async def test_candles_that_were_refused_say_why_and_are_asked_for_at_the_next_scan(
    tab: MultiTab, link_server: Any, until: Until
) -> None:
    why = "The engine is busy with the history of the symbol."
    link_server.answers[GetCandles] = lambda _command: (False, why)
    bot, snapshot = tab._bot.latest, tab._bridge.snapshot
    card = tab.strongest
    card.take(bot, snapshot, "DOTUSDT")
    assert card.chart.words == "Loading candles"
    await until(lambda: card.chart.words == why)
    del link_server.answers[GetCandles]
    card.take(bot, snapshot, "DOTUSDT")
    assert card.chart.bars == 0  # not at every snapshot
    scan = msgspec.structs.replace(bot.scan, last_scan_ms=bot.scan.last_scan_ms + 30_000)
    card.take(msgspec.structs.replace(bot, scan=scan), snapshot, "DOTUSDT")
    await until(lambda: card.chart.bars > 0)


async def test_a_click_on_a_row_brings_that_symbol_to_the_card(tab: MultiTab, until: Until) -> None:
    row = symbols(tab).index("DOTUSDT")
    table = tab.ranking.table
    table.scrollTo(tab.ranking.model.index(row, 1))
    place = table.visualRect(tab.ranking.model.index(row, 1)).center()
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(place))
    assert tab.strongest.symbol == "DOTUSDT"
    assert tab.strongest.release.isVisible()
    tab.strongest.release.click()
    assert tab.strongest.symbol == "SUIUSDT"


async def test_a_double_click_opens_the_bot_of_that_symbol(
    tab: MultiTab, window: MainWindow
) -> None:
    """ux 13"""
    tab.ranking.table.chosen.emit(rank_row(tab, "BTCUSDT"))
    assert window._current == "b1"


async def test_its_position_is_shown_with_its_symbol(tab: MultiTab) -> None:
    assert tab._other.text() == "SOLUSDT"
    assert tab.position._pnl.text() == "−14.30"


async def test_signals_say_what_they_wait_for(tab: MultiTab) -> None:
    model = tab.signals.model
    rows = [model.row_at(i) for i in range(model.rowCount())]
    assert [(r.symbol, r.decision) for r in rows[:2]] == [
        ("SUIUSDT", "waiting"), ("NEARUSDT", "refused")
    ]  # fmt: skip
    assert model.columns[5].cell(rows[0]).text == "The position limit is reached"
    assert tab.signals._count.text() == "0 entered · 1 denied · 1 waiting"


async def test_a_new_signal_is_heard_once_and_only_where_that_is_wanted(
    tab: MultiTab, window: MainWindow, link_server: Any, until: Until
) -> None:
    """ux 17"""
    heard: list[str] = []
    sounds = window.alert_centre.sounds
    sounds._play_file = lambda path: heard.append(path.stem)
    before = scan_snapshot().pending
    await show(link_server, until, tab, pending=before, scan_number=1750)
    assert heard == []  # they were there when the window came
    fresh = [*before, PendingSignal("AVAXUSDT", 1, 78.0, before[0].candle_open_time_ms, "")]
    for number in (1751, 1752):
        await show(link_server, until, tab, pending=fresh, scan_number=number)
    assert heard == ["signal"]
    sounds.set_wanted("signal", wanted=False)
    later = [replace(signal, candle_open_time_ms=NOW_MS) for signal in fresh]
    await show(link_server, until, tab, pending=later, scan_number=1753)
    assert heard == ["signal"]


async def test_reasons_of_entries_are_in_the_traders_language(qapp: QApplication) -> None:
    i18n.use("ko")
    told = i18n.sentence("RSI turned back from overbought to 59.8, score 79")
    i18n.use("en")
    assert told == "RSI가 과매수에서 59.8로 반전, 점수 79"


async def test_a_blocked_symbol_is_added_to_the_settings(
    tab: MultiTab, link_server: Any, trader: Any, until: Until
) -> None:
    tab.strongest.block.click()
    await trader.answer("go")
    await until(lambda: trader.sent(ChangeScanSettings))
    (command,) = trader.sent(ChangeScanSettings)
    assert command == ChangeScanSettings(SCANNER, ScanSettings(blocklist=("SUIUSDT",)))


async def test_space_pauses_it_and_stop_lists_what_it_holds(
    tab: MultiTab, window: MainWindow, trader: Any, until: Until
) -> None:
    QTest.keyClick(window, Qt.Key.Key_Space)
    await until(lambda: trader.sent(PauseBot))
    tab.header.stop.click()
    await trader.answer("keep")
    await until(lambda: trader.sent(StopBot))
    assert trader.sent(StopBot) == [StopBot(SCANNER, close_position=False)]


async def test_a_bot_before_its_first_scan_says_so(
    tab: MultiTab, link_server: Any, until: Until
) -> None:
    await show(
        link_server, until, tab, rows=[], pending=[], position_symbols=[], scan_number=0,
        last_scan_ms=None, took_ms=None, next_scan_ms=None, scan_total=0, scanned=0,
    )  # fmt: skip
    assert tab.strip.progress.whole_text == "No scan yet"
    assert tab.ranking._empty.isVisible()
    assert tab.strongest.symbol == ""


async def test_korean_is_everywhere_at_once(tab: MultiTab) -> None:
    i18n.use("ko")
    assert cell(tab, "SOLUSDT", "State") == "보유 중"
    assert tab.strip.title.text() == "스캔 1,742"
    assert tab.strongest.verdict.whole_text == "대기: SOLUSDT 보유 중"
    assert tab.header._stats["Watching"].caption.text() == "감시 중"


async def test_the_right_column_fits_its_width(tab: MultiTab, window: MainWindow) -> None:
    for language in ("en", "ko"):
        i18n.use(language)
        for size in ((1280, 800), (1920, 1080)):
            window.resize(*size)
            QApplication.processEvents()
            content, view = tab._right.widget(), tab._right.viewport()
            assert content is not None
            assert view is not None
            assert content.minimumSizeHint().width() <= view.width(), (language, size)


async def test_its_panels_are_taken_out_and_come_back(tab: MultiTab, window: MainWindow) -> None:
    """ux 5"""
    window.resize(1920, 1080)
    QApplication.processEvents()
    assert (tab.signals.height(), tab._right.width()) == (172, 388)
    tab.docks.take_out("signals")
    tab.docks.take_out("side")
    QApplication.processEvents()
    assert tab.signals.window() is not window
    assert tab.strongest.isVisible()
    window.workspaces.restore_default()
    QApplication.processEvents()
    assert (tab.signals.height(), tab._right.width()) == (172, 388)
    window.toggle_right()
    assert not tab.strongest.isVisible()
    window.toggle_right()
    assert tab.strongest.isVisible()


def test_a_line_is_drawn_of_what_is_known(qapp: QApplication) -> None:
    closes = scan_snapshot().rows[0].closes
    image = sparkline(closes, 80, 16, "#ffffff", 1.0).toImage()
    columns = {
        x for x in range(80) for y in range(16) if image.pixelColor(x, y).alpha() > 0
    }  # fmt: skip
    assert columns >= set(range(3, 77))
    nothing = sparkline(b"", 80, 16, "#ffffff", 1.0).toImage()
    assert all(nothing.pixelColor(x, y).alpha() == 0 for x in range(80) for y in range(16))


async def test_a_bot_that_stands_still_promises_no_next_scan(
    tab: MultiTab, link_server: Any, until: Until
) -> None:
    snapshot = scanning_engine()
    stopped = scanning_bot(state=BotState.STOPPED, scan=scan_snapshot(scan_number=1744))
    link_server.publish(replace(snapshot, bots=[*snapshot.bots[:-1], stopped]))
    await until(lambda: tab.strip.title.text() == "Scan 1,744")
    assert tab.strip.next.text() == "—"
