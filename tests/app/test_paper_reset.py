"""A paper account begins anew only while nobody trades on it, and never a live one; ux 76."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.cli import main
from app.options import EXIT_ALREADY_RUNNING, EXIT_OK, StartError
from app.paper_reset import reset_paper
from core.storage.instance_lock import InstanceLock

CONFIG = """[[accounts]]
name = "main"
exchange = "bybit"
mode = "paper"
paper_balance = 5000

[[accounts]]
name = "real"
exchange = "bybit"
mode = "live"
key = "env:REAL"
"""
BOOKS = ("account_main.sqlite", "account_main.sqlite-wal", "account_main.halt", "paper_main.sqlite")
OTHERS = ("account_main2.sqlite", "account_real.sqlite", "engine.sqlite")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "storage").mkdir()
    for name in (*BOOKS, *OTHERS):
        (tmp_path / "storage" / name).write_text(name)
    path = tmp_path / "trading.toml"
    path.write_text(CONFIG)
    return path


def test_all_books_of_the_account_go_together_and_are_kept(config: Path) -> None:
    storage = config.parent / "storage"
    for number in (1, 2):
        said = reset_paper(config, config.parent, "main")
        assert "main begins anew with 5,000" in said
        assert {p.name for p in (storage / "put_aside" / str(number)).iterdir()} == set(BOOKS)
        assert {p.name for p in storage.iterdir()} == {*OTHERS, "put_aside"}
        for name in BOOKS:
            (storage / name).write_text("new")
    for name in BOOKS:
        (storage / name).unlink()
    assert reset_paper(config, config.parent, "main") == "main has no books yet."


@pytest.mark.parametrize(
    ("account", "sentence"), [("real", "only paper money is reset"), ("nobody", "no account")]
)
def test_what_is_not_paper_is_refused(config: Path, account: str, sentence: str) -> None:
    with pytest.raises(StartError, match=sentence):
        reset_paper(config, config.parent, account)
    assert (config.parent / "storage" / "account_real.sqlite").exists()


def test_not_while_an_engine_runs(config: Path) -> None:
    lock = InstanceLock(config.parent / "run" / "engine.lock")
    lock.acquire()
    try:
        words = ["paper", "reset", "main", "--config", str(config), "--data-dir"]
        assert main([*words, str(config.parent)]) == EXIT_ALREADY_RUNNING
        assert (config.parent / "storage" / "paper_main.sqlite").exists()
    finally:
        lock.release()
    assert main([*words, str(config.parent)]) == EXIT_OK


def test_without_a_configuration_there_is_no_paper_account(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="--config"):
        reset_paper(None, tmp_path, "main")
