"""The ledger as the design's JSON, from the command line, beside whoever writes it."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from app.cli import main
from app.options import EXIT_OK, EXIT_USAGE
from core.capital.shared_capital_manager import SharedCapitalManager
from core.clock import ManualClock
from core.storage.database import open_database


@pytest.fixture
def running(tmp_path: Path) -> SharedCapitalManager:
    """The ledger of an engine that is at work in the year 2023."""
    database = open_database(tmp_path / "storage" / "account_demo.sqlite")
    capital = SharedCapitalManager("bybit", Decimal(1000), database=database, clock=ManualClock())
    capital.allocate_for_position("BTCUSDT", Decimal("250.50"))
    return capital


def test_the_ledger_is_printed_and_not_changed(
    tmp_path: Path, running: SharedCapitalManager, capsys: pytest.CaptureFixture[str]
) -> None:
    before = running.figures()
    assert main(["capital", "demo", "--data-dir", str(tmp_path)]) == EXIT_OK
    state = json.loads(capsys.readouterr().out)
    assert state["exchange"] == "bybit"
    assert state["allocations"] == {"BTCUSDT": "250.50"}
    assert state["total_capital"] == "1000"
    assert state["updated_ms"] == ManualClock().time_ms()
    assert list(state["daily_pnl"]) == ["2023-11-14"]
    assert running.figures() == before


def test_an_account_that_is_not_there_is_one_sentence(
    tmp_path: Path, running: SharedCapitalManager, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["capital", "main", "--data-dir", str(tmp_path)]) == EXIT_USAGE
    assert capsys.readouterr().err.endswith("holds no account 'main'; known: demo\n")
    assert main(["capital", "main", "--data-dir", str(tmp_path / "new")]) == EXIT_USAGE
    assert capsys.readouterr().err.endswith("no engine has run there yet\n")
    assert not (tmp_path / "new").exists()


def test_a_file_that_is_no_ledger_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "storage").mkdir()
    path = tmp_path / "storage" / "account_demo.sqlite"
    path.write_bytes(b"no database at all, but long enough to be taken for one" * 20)
    assert main(["capital", "demo", "--data-dir", str(tmp_path)]) == EXIT_USAGE
    assert "the ledger cannot be read (file is not a database)" in capsys.readouterr().err
    path.unlink()
    open_database(path).close()
    assert main(["capital", "demo", "--data-dir", str(tmp_path)]) == EXIT_USAGE
    assert "demo has no ledger yet" in capsys.readouterr().err
