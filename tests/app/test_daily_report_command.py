"""`run.py report` writes the day's files beside whoever writes the ledger."""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal
from pathlib import Path

import pytest

from app.cli import main
from app.options import EXIT_OK, EXIT_USAGE
from core.capital.shared_capital_manager import SharedCapitalManager
from core.capital.trading_day import day_named
from core.clock import ManualClock
from core.models.fills import Fill
from core.models.orders import OrderPurpose, Side
from core.oms.intent_journal import IntentJournal
from core.storage.database import open_database

_HOUR_MS = 3_600_000
_START_MS = day_named("2023-11-14", UTC)


def _fill(hour: int, side: Side, pnl: str) -> Fill:
    closed = "0" if side is Side.BUY else "2"
    return Fill(
        trade_id=f"t{hour}", exchange_order_id="x", client_order_id=f"c{hour}", account="demo",
        bot_id="b1", symbol="BTCUSDT", side=side, quantity=Decimal(2), price=Decimal(100),
        fee=Decimal("0.5"), time_ms=_START_MS + hour * _HOUR_MS, realized_pnl=Decimal(pnl),
        closed_quantity=Decimal(closed),
    )  # fmt: skip


@pytest.fixture
def books(tmp_path: Path) -> SharedCapitalManager:
    """Of an engine at work: a long position from 23:00 on the 14th to 02:00 on the 15th."""
    database = open_database(tmp_path / "storage" / "account_demo.sqlite")
    clock = ManualClock(time_ms=_START_MS + 23 * _HOUR_MS)
    capital = SharedCapitalManager("bybit", Decimal(1000), database=database, clock=clock)
    journal = IntentJournal(database)
    entry, leave = _fill(23, Side.BUY, "0"), _fill(26, Side.SELL, "8")
    for fill, purpose in ((entry, OrderPurpose.ENTRY), (leave, OrderPurpose.EXIT)):
        if fill is leave:
            clock.advance_ms(3 * _HOUR_MS)
        journal.add_fill(fill, purpose, None)
        capital.on_fill(fill, purpose)
    return capital


def test_both_files_are_written_and_the_books_are_not_changed(
    tmp_path: Path, books: SharedCapitalManager, capsys: pytest.CaptureFixture[str]
) -> None:
    before = books.figures()
    assert main(["report", "--data-dir", str(tmp_path)]) == EXIT_OK
    page, table = map(Path, capsys.readouterr().out.split())
    assert page == tmp_path / "reports" / "demo-2023-11-15.md"
    text = page.read_text(encoding="utf-8")
    assert "| of it realised, by the ledger | +7.50 |" in text
    assert "The ledger and the executions agree." in text
    assert len(table.read_text(encoding="utf-8").splitlines()) == 2
    assert books.figures() == before


def test_a_day_is_chosen_by_its_date(
    tmp_path: Path, books: SharedCapitalManager, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["report", "--day", "2023-11-14", "--account", "demo", "--data-dir", str(tmp_path)]
    assert main(words) == EXIT_OK
    page, _ = map(Path, capsys.readouterr().out.split())
    assert "| Fees | -0.50 |" in page.read_text(encoding="utf-8")
    words[2] = "2023-11-16"
    assert main(words) == EXIT_USAGE
    assert capsys.readouterr().err == (
        "TwinStar Quantum: demo has no trading day '2023-11-16'; it has 2, from 2023-11-14 to "
        "2023-11-15\n"
    )


def test_without_a_name_there_must_be_one_account(
    tmp_path: Path, books: SharedCapitalManager, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "--data-dir", str(tmp_path / "new")]) == EXIT_USAGE
    assert "holds 0 accounts; no engine has run there yet" in capsys.readouterr().err
    other = open_database(tmp_path / "storage" / "account_main.sqlite")
    other.close()
    assert main(["report", "--data-dir", str(tmp_path)]) == EXIT_USAGE
    assert "name one with --account: demo, main" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_one_sentence(
    tmp_path: Path, books: SharedCapitalManager, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "reports").write_text("a file where the folder should be", encoding="utf-8")
    assert main(["report", "--data-dir", str(tmp_path)]) == EXIT_USAGE
    assert "the report cannot be written" in capsys.readouterr().err
