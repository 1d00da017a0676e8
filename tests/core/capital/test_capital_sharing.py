"""Threads and processes on one ledger file: each sees the truth, nobody's update is lost."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from core.capital.shared_capital_manager import SharedCapitalManager
from core.clock import ManualClock
from core.models.fills import Fill, FillKind
from core.models.orders import OrderPurpose, OrderRequest, Side
from core.storage.database import open_database

D = Decimal
MakeOrder = Callable[..., OrderRequest]
MakeFill = Callable[..., Fill]
RACE = Path(__file__).with_name("allocation_race.py")
DAY_MS = 86_400_000


@pytest.fixture
def pair(
    tmp_path: Path, clock: ManualClock
) -> Iterator[tuple[SharedCapitalManager, SharedCapitalManager]]:
    """Two managers of one file, as two processes would have them."""
    databases = [open_database(tmp_path / "capital.sqlite") for _ in range(2)]
    first, second = (
        SharedCapitalManager("bybit", D(10_000), database=database, clock=clock)
        for database in databases
    )
    yield first, second
    for database in databases:
        database.close()


Pair = tuple[SharedCapitalManager, SharedCapitalManager]


@pytest.mark.parametrize(
    ("kind", "workers", "operations"), [("--threads", 64, 60), ("--processes", 8, 50)]
)
def test_a_race_ends_with_no_breach_and_no_lost_update(
    kind: str, workers: int, operations: int
) -> None:
    command = [sys.executable, str(RACE), kind, str(workers), "--operations", str(operations)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["finished"] == workers, done.stderr
    assert result["breaches"] == 0
    assert D(result["lost_updates"]) == 0
    assert D(result["behind"]) == 0
    assert result["granted"] > workers
    assert result["sound"] is True


def test_the_designs_race_between_two_processes_ends_at_8900(pair: Pair) -> None:
    first, second = pair
    assert first.get_available_capital() == second.get_available_capital() == 8_000
    assert first.allocate_for_position("BTCUSDT", D(500))
    assert second.allocate_for_position("ETHUSDT", D(600))
    assert first.snapshot().free == second.snapshot().free == 8_900


def test_what_one_holds_the_other_cannot_spend(pair: Pair, entry: MakeOrder) -> None:
    first, second = pair
    assert first.reserve(entry("one", quantity="79")) is None
    denial = second.reserve(entry("two", quantity="1"))
    assert denial is not None
    assert denial.text == "100.06 USDT needed, 95.66 of 10,000.00 is free under the 80% cap"
    first.give_back("one")
    assert second.reserve(entry("two", quantity="79")) is None
    assert first.committed_to("BTCUSDT") == second.reserved_by("two") == D("7904.345")


def test_an_id_reserves_once_whoever_asks(pair: Pair, entry: MakeOrder) -> None:
    first, second = pair
    assert first.reserve(entry("one")) is None
    assert second.reserve(entry("one")) is None
    assert first.get_allocation_ratio() == D("0.100055")
    second.give_back("one")
    denial = first.reserve(entry("one"))
    assert denial is not None
    assert denial.code == "order_settled"


def test_a_trade_is_booked_by_one_of_them(pair: Pair, fill: MakeFill) -> None:
    first, second = pair
    trade = fill(fee="3")
    assert first.on_fill(trade, OrderPurpose.ENTRY)
    assert not second.on_fill(trade, OrderPurpose.ENTRY)
    assert second.figures().total == 9_997
    assert second.get_locked_symbols() == ["BTCUSDT"]
    assert second.get_cash_by_kind() == {"deposit": 10_000, "fee": -3}


def test_results_of_both_add_up_to_one_day(pair: Pair, fill: MakeFill) -> None:
    first, second = pair
    for number, capital in enumerate([first, second, first, second]):
        trade = fill("", fee=str(number + 1), kind=FillKind.FUNDING)
        capital.on_fill(trade, OrderPurpose.EXTERNAL)
    for capital in pair:
        assert capital.snapshot().daily_realized_pnl == -10
        assert list(capital.get_daily_pnl().values()) == [-10]
        assert [line.amount for line in capital.snapshot().ledger] == [4, 3, 2, 1, 10_000]


def test_prices_that_only_one_has_seen_are_kept_by_it(pair: Pair, fill: MakeFill) -> None:
    first, second = pair
    first.on_fill(fill(quantity="10"), OrderPurpose.ENTRY)
    assert second.get_locked_symbols() == ["BTCUSDT"]
    second.on_mark_price("BTCUSDT", D(150))
    first.on_fill(fill(quantity="1", symbol="ETHUSDT"), OrderPurpose.ENTRY)
    assert second.snapshot().unrealized_pnl == 500
    first.on_fill(fill("", side=Side.SELL, quantity="10"), OrderPurpose.EXIT)
    assert second.snapshot().unrealized_pnl == 0


def test_a_new_day_begins_once(pair: Pair, fill: MakeFill, clock: ManualClock) -> None:
    first, second = pair
    first.on_fill(fill("", fee="40", kind=FillKind.FUNDING), OrderPurpose.EXTERNAL)
    clock.advance_ms(DAY_MS)
    assert second.get_daily_pnl() == {"2023-11-15": -40, "2023-11-16": 0}
    first.on_fill(fill("", fee="2", kind=FillKind.FUNDING), OrderPurpose.EXTERNAL)
    for capital in pair:
        assert capital.get_daily_pnl() == {"2023-11-15": -40, "2023-11-16": -2}


def test_what_another_process_has_broken_is_seen_at_once(
    pair: Pair, entry: MakeOrder, tmp_path: Path, fail_on_unexpected_log: list[object]
) -> None:
    first, _ = pair
    other = open_database(tmp_path / "capital.sqlite")
    other.execute("UPDATE capital_state SET value = '5' WHERE key = 'total'")
    other.close()
    denial = first.reserve(entry())
    assert denial is not None
    assert denial.code == "ledger_unsound"
    assert first.fault == "the lines add up to 10000, the stored total is 5"
    assert not first.probe()
    fail_on_unexpected_log.clear()


def test_a_file_that_is_locked_for_too_long_denies_and_heals(
    tmp_path: Path, clock: ManualClock, entry: MakeOrder, fail_on_unexpected_log: list[object]
) -> None:
    database = open_database(tmp_path / "capital.sqlite")
    capital = SharedCapitalManager("bybit", D(10_000), database=database, clock=clock)
    database.execute("PRAGMA busy_timeout = 1")
    other = open_database(tmp_path / "capital.sqlite")
    other.execute("BEGIN IMMEDIATE")
    denial = capital.reserve(entry())
    assert denial is not None
    assert denial.text == ("no new entries: the ledger could not be written: database is locked")
    assert not capital.probe()
    other.execute("ROLLBACK")
    assert capital.probe()
    assert capital.reserve(entry()) is None
    assert len(fail_on_unexpected_log) == 1  # told once
    fail_on_unexpected_log.clear()
    other.close()
    database.close()


@pytest.mark.parametrize("seed", range(3))
def test_killed_in_the_middle_of_anything_the_ledger_adds_up(tmp_path: Path, seed: int) -> None:
    """Fault row R3: four processes spend one ledger and are killed wherever they are."""
    path = tmp_path / "capital.sqlite"
    database = open_database(path)
    SharedCapitalManager("bybit", D(1_000), database=database, clock=ManualClock())
    count = "SELECT count(*) FROM capital_lines"
    command = [sys.executable, str(RACE), "--file", str(path), "--operations", "1000000"]
    children = [
        subprocess.Popen([*command, "--worker", str(seed * 10 + n)], stdout=subprocess.DEVNULL)
        for n in range(4)
    ]
    deadline_s = time.monotonic() + 60
    try:
        for child in children:
            enough = database.execute(count).fetchone()[0] + 40 + seed
            while database.execute(count).fetchone()[0] < enough:
                assert time.monotonic() < deadline_s, "the workers do not get on"
                time.sleep(0.001)
            child.kill()
            child.wait()
        database.close()
    finally:
        for child in children:
            child.kill()
            child.wait()
    database = open_database(path)
    capital = SharedCapitalManager("bybit", D(0), database=database, clock=ManualClock())
    snapshot = capital.snapshot()
    assert capital.is_sound, capital.fault
    assert snapshot.total == snapshot.initial == 1_000
    assert snapshot.reserved <= 800
    kept = sum((line.amount for line in snapshot.slices), D(0))
    assert kept == snapshot.reserved
    booked = {"reserved": D(0), "given_back": D(0), "deposit": D(0)}
    for kind, amount in database.execute("SELECT kind, amount FROM capital_lines"):
        booked[kind] += D(amount)
    assert booked["reserved"] - booked["given_back"] == snapshot.reserved
    database.close()
