"""The trade journal in the real window: read in pages, filtered, sorted, written on, exported."""

from __future__ import annotations

import csv
import io
from collections.abc import Awaitable, Callable
from decimal import Decimal

import msgspec
import pytest
from journal_samples import JournalKeeper, sample_entry
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication

from core.commands import CommandResult, GetCandles, GetJournal, GetTrail, WriteTradeNote
from core.journal.entries import JournalEntry, TradeNote
from core.reports.chosen_statistics import first_day
from core.snapshots import FillRecord, TrailLine
from ui import export, i18n
from ui.main_window import MainWindow
from ui.models import journal as model
from ui.tabs.bot_tab import BotTab
from ui.tabs.charts_page import ChartsPage
from ui.tabs.journal_page import JournalPage
from ui.tabs.trail_page import TrailPage

Until = Callable[[Callable[[], object]], Awaitable[None]]


@pytest.fixture
def keeper(link_server) -> JournalKeeper:  # type: ignore[no-untyped-def]
    keeper = JournalKeeper()
    link_server.results[GetJournal] = keeper.page
    link_server.results[WriteTradeNote] = keeper.keep
    return keeper


@pytest.fixture
def open_journal(make_window, until: Until, keeper: JournalKeeper):  # type: ignore[no-untyped-def]
    async def open_it() -> tuple[MainWindow, JournalPage]:
        window = make_window()
        window.show_page("Journal")
        page = journal_of(window)
        await until(lambda: not page.book.is_loading and page.book.total == len(keeper.entries))
        return window, page

    return open_it


def journal_of(window: MainWindow) -> JournalPage:
    page = window.findChild(JournalPage)
    assert page is not None
    return page


def choose(page: JournalPage, row: int) -> JournalEntry:
    page.table.selectRow(row)
    return page.model.row_at(row)


def cell_text(page: JournalPage, row: int, title: str) -> str:
    number = [column.title for column in page.model.columns].index(title)
    return page.model.columns[number].cell(page.model.row_at(row)).text


async def test_every_trip_stands_in_the_table_the_last_ended_first(open_journal) -> None:  # type: ignore[no-untyped-def]
    _, page = await open_journal()
    assert [entry.trip.trade_id for entry in page.rows] == [f"t{i}" for i in range(9, -1, -1)]
    assert cell_text(page, 0, "Net result") == "+31.42"
    assert cell_text(page, 0, "R") == "+1.71 R"
    assert cell_text(page, 0, "MAE") == "−9.37"
    assert page.summary.text() == "10 trades · 8 won · Fees −24.30 · Funding −3.10"
    net = sum((entry.trip.net_result for entry in page.rows), Decimal(0))
    assert page.net.text() == f"Net result · +{net} USDT"


async def test_what_is_not_known_is_a_dash_with_its_reason(open_journal) -> None:  # type: ignore[no-untyped-def]
    _, page = await open_journal()
    row = next(i for i, entry in enumerate(page.rows) if entry.r_multiple is None)
    entry = choose(page, row)
    assert (cell_text(page, row, "R"), cell_text(page, row, "MFE")) == ("—", "—")
    assert model.r_cell(entry).tool_tip == "No order of ours opened it."
    assert page.detail.lines["MAE"].toolTip() == "Its average prices are not known."
    i18n.use("ko")
    assert model.r_cell(entry).tool_tip == "우리 주문으로 진입한 거래가 아닙니다."
    assert model.r_cell(entry).text == "—"


async def test_ten_thousand_trips_open_with_the_newest_and_all_come(  # type: ignore[no-untyped-def]
    open_journal, keeper: JournalKeeper, link_server, until: Until
) -> None:
    keeper.entries = [sample_entry(i, 10_000) for i in range(10_000)]
    _, page = await open_journal()
    asked = [c for c in link_server.commands if isinstance(c, GetJournal)]
    assert len(asked) == 50  # pages, none of them twice
    assert page.model.rowCount() == 10_000
    assert page.progress.text() == ""
    page.search.setText("btc plan")
    assert page.rows == []
    page.search.setText("btc short")
    assert {e.trip.symbol for e in page.rows} == {"BTCUSDT"}
    assert len(page.rows) == sum(
        e.trip.symbol == "BTCUSDT" and e.trip.side.sign < 0 for e in keeper.entries
    )


async def test_filters_by_word_result_and_the_accounts_own_days(open_journal) -> None:  # type: ignore[no-untyped-def]
    _, page = await open_journal()
    page.search.setText("rsi pattern")
    assert {entry.reason for entry in page.rows} == {"RSI pattern, score 82"}
    page.search.clear()
    QTest.mouseClick(page.results["Lost"], Qt.MouseButton.LeftButton)
    assert [entry.trip.net_result for entry in page.rows] == [Decimal("-11.92")] * 2
    assert page.summary.text().startswith("2 trades · 0 won")
    page.search.setText("nothing like it")
    assert page.rows == []
    assert page.empty.title.text() == "Nothing fits the filter"


def test_a_period_counts_trading_days_with_today() -> None:
    entry = msgspec.structs.replace(sample_entry(1), day="2026-10-21")
    since = model.JournalFilter(since=first_day("2026-11-20", 30))
    assert not since.passes(entry, lambda _: "")
    assert since.passes(msgspec.structs.replace(entry, day="2026-10-22"), lambda _: "")
    assert model.JournalFilter(since=first_day("2026-11-20", 0)).passes(entry, lambda _: "")


async def test_columns_sort_as_numbers_and_what_is_unknown_comes_last(open_journal) -> None:  # type: ignore[no-untyped-def]
    """ux 8"""
    _, page = await open_journal()
    number = [column.title for column in page.model.columns].index("R")
    page.table._sort_by(number)
    found = [entry.r_multiple for entry in page.rows]
    known = [value for value in found if value is not None]
    assert known == sorted(known, reverse=True)
    assert found[-1] is None


async def test_a_note_is_kept_by_the_engine_while_it_is_typed(  # type: ignore[no-untyped-def]
    open_journal, keeper: JournalKeeper, until: Until, trader
) -> None:
    _, page = await open_journal()
    entry = choose(page, 0)
    editor = page.detail.note
    editor.text.setPlainText("too early")
    editor.tags.setText("FOMO, news  day,")
    assert editor.state.text() == "Not saved yet"
    await until(lambda: editor.state.text() == "Saved")
    assert len(trader.sent(WriteTradeNote)) == 1  # not one for each letter
    kept = next(e for e in keeper.entries if e.key == entry.key)
    assert kept.note == TradeNote("too early", ("FOMO", "news day"))
    assert cell_text(page, 0, "Tags") == "FOMO, news day"
    page.search.setText("fomo")
    assert [e.key for e in page.rows] == [entry.key]


async def test_what_was_typed_is_saved_when_another_trade_is_chosen(  # type: ignore[no-untyped-def]
    open_journal, keeper: JournalKeeper, until: Until
) -> None:
    _, page = await open_journal()
    first = choose(page, 0)
    page.detail.note.text.setPlainText("about the first")
    second = choose(page, 1)
    assert page.detail.note.text.toPlainText() == ""
    notes = lambda: {e.key: e.note.text for e in keeper.entries}  # noqa: E731
    await until(lambda: notes()[first.key] == "about the first")
    assert notes()[second.key] == ""
    choose(page, 0)
    assert page.detail.note.text.toPlainText() == "about the first"


async def test_a_note_that_was_refused_stays_in_the_editor_and_says_why(  # type: ignore[no-untyped-def]
    open_journal, keeper: JournalKeeper, until: Until
) -> None:
    _, page = await open_journal()
    keeper.refusal = "The note could not be kept on disk: disk full."
    entry = choose(page, 0)
    editor = page.detail.note
    editor.text.setPlainText("precious")
    editor.save_now()
    await until(lambda: "disk full" in editor.state.text())
    assert editor.state.property("tone") == "danger"
    choose(page, 1)
    choose(page, 0)
    assert editor.text.toPlainText() == "precious"
    keeper.refusal = ""
    editor.save_now()
    await until(lambda: editor.state.text() == "Saved")
    assert next(e for e in keeper.entries if e.key == entry.key).note.text == "precious"


async def test_a_trip_that_ends_now_comes_to_the_table(  # type: ignore[no-untyped-def]
    open_journal, keeper: JournalKeeper, link_server, until: Until, fill_record: FillRecord
) -> None:
    _, page = await open_journal()
    chosen = choose(page, 3)
    page.detail.note.text.setPlainText("half a sen")
    keeper.entries.append(msgspec.structs.replace(
        sample_entry(10), trip=msgspec.structs.replace(sample_entry(10).trip, trade_id="t10"))
    )  # fmt: skip
    fill = msgspec.structs.replace(fill_record.fill, trade_id="new")
    link_server.feed(FillRecord(fill, "exit", Decimal("1.5")))
    await until(lambda: page.model.rowCount() == 11)
    assert page.rows[0].trip.trade_id == "t10"
    assert page.table.current_row().key == chosen.key
    assert page.detail.note.text.toPlainText() == "half a sen"


async def test_a_double_click_shows_the_trade_on_its_chart_at_its_time(  # type: ignore[no-untyped-def]
    open_journal, until: Until, link_server
) -> None:
    window, page = await open_journal()
    row = next(i for i, e in enumerate(page.rows) if e.trip.symbol == "ETHUSDT")
    entry = page.model.row_at(row)
    page.table.doubleClicked.emit(page.model.index(row, 1))
    tab = next(tab for tab in window.findChildren(BotTab) if tab._bot.bot_id == "b2")
    assert tab.isVisible()
    model_ = tab.chart.canvas.viewport_model
    await until(lambda: tab.chart.has_bars)

    def middle() -> int | None:
        place = (model_.left + model_.right) / 2
        return abs(place - tab.chart._series.place_of_time(entry.trip.opened_ms)) < 2

    await until(middle)
    assert any(isinstance(c, GetCandles) and c.symbol == "ETHUSDT" for c in link_server.commands)


async def test_a_trade_of_a_symbol_that_no_bot_follows_is_shown_among_the_charts(  # type: ignore[no-untyped-def]
    open_journal, until: Until
) -> None:
    """As those of a bot that scans many."""
    window, page = await open_journal()
    opened_ms = page.rows[0].trip.opened_ms - 3_600_000
    window.show_moment("scanner", "DOGEUSDT", opened_ms)
    charts = window.findChild(ChartsPage)
    assert charts is not None
    shown = charts.charts[0]
    assert (charts.isVisible(), shown.symbol) == (True, "DOGEUSDT")
    await until(lambda: shown.chart.has_bars)
    model_ = shown.chart.canvas.viewport_model

    def is_there() -> bool:
        middle = (model_.left + model_.right) / 2
        return abs(middle - shown.chart._series.place_of_time(opened_ms)) < 2

    await until(is_there)


async def test_a_trade_of_a_bot_that_is_gone_says_that_no_chart_follows_it(  # type: ignore[no-untyped-def]
    open_journal,
) -> None:
    window, page = await open_journal()
    window.show_moment("gone", "GONEUSDT", 1)
    assert page.isVisible()
    assert [toast.words[1] for toast in window.toaster._toasts] == [
        "No bot follows GONEUSDT. Add one to see its chart."
    ]


async def test_return_shows_why_the_trade_began(open_journal, link_server, until: Until) -> None:  # type: ignore[no-untyped-def]
    window, page = await open_journal()
    link_server.results[GetTrail] = lambda _c: CommandResult(
        0, True, trail=[TrailLine(1, "signal", "MACD crossed up")]
    )
    entry = choose(page, 0)
    QTest.keyClick(page.table, Qt.Key.Key_Return)
    await until(lambda: any(isinstance(c, GetTrail) for c in link_server.commands))
    asked = next(c for c in link_server.commands if isinstance(c, GetTrail))
    assert asked.client_order_id == entry.trip.entry_order_id
    trail = window.findChild(TrailPage)
    assert trail is not None
    assert trail.isVisible()


async def test_the_export_has_every_trip_shown_with_every_digit_and_the_note(  # type: ignore[no-untyped-def]
    open_journal, keeper: JournalKeeper
) -> None:
    """ux 8"""
    keeper.entries[9] = msgspec.structs.replace(
        keeper.entries[9], note=TradeNote("=1+1 is not run", ("plan",))
    )
    _, page = await open_journal()
    written = await export.csv_bytes(page.model)
    rows = list(csv.DictReader(io.StringIO(written.decode("utf-8-sig"))))
    assert len(rows) == 10
    assert rows[0]["Net result"] == "31.42"
    assert rows[0]["Note"] == "'=1+1 is not run"
    assert (rows[0]["Tags"], rows[0]["Account"], rows[0]["Currency"]) == ("plan", "main", "USDT")
    assert rows[0]["Closed"] == "2025-11-20 13:32:07"
    assert rows[3]["R"] == ""
    assert sum(Decimal(row["Net result"]) for row in rows) == sum(
        entry.trip.net_result for entry in keeper.entries
    )


async def test_the_journal_of_an_engine_that_cannot_tell_it_says_why(  # type: ignore[no-untyped-def]
    make_window, until: Until, link_server
) -> None:
    link_server.answers[GetJournal] = lambda _c: (False, "main is not connected yet: Starting.")
    window = make_window()
    window.show_page("Journal")
    page = journal_of(window)
    await until(lambda: page.empty.title.text() == "The journal cannot be read")
    assert page.empty.hint.text() == "main is not connected yet: Starting."


async def test_every_text_of_the_page_changes_with_the_language(open_journal) -> None:  # type: ignore[no-untyped-def]
    _, page = await open_journal()
    choose(page, 0)
    i18n.use("ko")
    QApplication.processEvents()
    assert page.summary.text().startswith("거래 10건 · 이익 8건")
    heads = page.model.plain_titles(page.model.plain_columns())
    assert "순손익" in heads
    assert page.detail.lines["First stop"].name.text() == "첫 손절가"


async def test_a_journal_that_could_not_be_read_anew_says_so_beside_what_is_known(  # type: ignore[no-untyped-def]
    open_journal, keeper: JournalKeeper, link_server, until: Until
) -> None:
    _, page = await open_journal()
    del link_server.results[GetJournal]
    link_server.answers[GetJournal] = lambda _c: (False, "The notes cannot be read from disk: x.")
    page.book.refresh()
    await until(lambda: page.progress.text() != "")
    assert page.progress.text() == (
        "It may not be up to date. The notes cannot be read from disk: x."
    )
    assert page.model.rowCount() == 10
    link_server.results[GetJournal] = keeper.page
    page.book.refresh()
    await until(lambda: page.progress.text() == "")


async def test_a_journal_that_is_on_its_way_is_not_called_empty(  # type: ignore[no-untyped-def]
    make_window, link_server, until: Until, calm
) -> None:
    link_server.silent_on.add(GetJournal)
    window = make_window()
    window.show_page("Journal")
    page = journal_of(window)
    await calm()
    assert page.empty.title.text() == "Reading the journal"


async def test_what_was_typed_is_saved_at_once_when_the_page_is_left(  # type: ignore[no-untyped-def]
    open_journal, keeper: JournalKeeper, until: Until
) -> None:
    window, page = await open_journal()
    entry = choose(page, 2)
    page.detail.note.text.setPlainText("on the way out")
    window.show_page("Trail")
    assert not page.detail.note._timer.isActive()
    await until(lambda: next(e for e in keeper.entries if e.key == entry.key).note.text)


async def test_a_page_that_nobody_sees_is_filled_when_it_is_seen(  # type: ignore[no-untyped-def]
    open_journal, keeper: JournalKeeper, until: Until
) -> None:
    window, page = await open_journal()
    window.show_page("Trail")
    trip = msgspec.structs.replace(sample_entry(10).trip, trade_id="t10")
    keeper.entries.append(msgspec.structs.replace(sample_entry(10), trip=trip))
    page.book.refresh()
    await until(lambda: page.book.total == 11 and not page.book.is_loading)
    assert page.model.rowCount() == 10
    window.show_page("Journal")
    assert page.model.rowCount() == 11
