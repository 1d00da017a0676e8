"""Many threads at once: never above the cap, and everything comes back (fault E10)."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from core.capital.shared_capital_manager import SharedCapitalManager
from core.clock import ManualClock
from core.models.orders import Denial, OrderRequest
from core.storage.database import open_database


def test_sixteen_threads_never_pass_the_cap(
    tmp_path: Path, clock: ManualClock, entry: Callable[..., OrderRequest]
) -> None:
    database = open_database(tmp_path / "capital.sqlite")
    database.execute("PRAGMA synchronous=OFF")  # the race is the subject, not the disk
    capital = SharedCapitalManager("bybit", Decimal(1000), database=database, clock=clock)
    faults: list[str] = []
    granted = 0
    counting = threading.Lock()

    def trade(worker: int) -> None:
        nonlocal granted
        rng = random.Random(worker)
        held: list[str] = []
        for number in range(30):
            order_id = f"{worker}-{number}"
            quantity = str(rng.randint(1, 3))
            if capital.reserve(entry(order_id, quantity=quantity)) is None:
                held.append(order_id)
                with counting:
                    granted += 1
            figures = capital.figures()
            if figures.committed > Decimal("0.8") * figures.total:
                faults.append(f"{figures.committed} of {figures.total}")
            if held and rng.random() < 0.7:
                capital.give_back(held.pop())
        for order_id in held:
            capital.give_back(order_id)

    threads = [threading.Thread(target=trade, args=(worker,)) for worker in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert granted > 16
    assert capital.is_sound
    assert capital.snapshot().free == 1000
    database.close()


def test_what_two_bots_spend_at_once_adds_up(tmp_path: Path, clock: ManualClock) -> None:
    database = open_database(tmp_path / "capital.sqlite")
    database.execute("PRAGMA synchronous=OFF")
    capital = SharedCapitalManager("bybit", Decimal(10_000), database=database, clock=clock)
    amounts = [Decimal(500), Decimal(600)]
    start = threading.Barrier(2)

    def spend(index: int) -> None:
        start.wait()
        assert capital.allocate_for_position(f"S{index}", amounts[index])

    threads = [threading.Thread(target=spend, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert capital.snapshot().free == 8900
    database.close()


@pytest.mark.parametrize(
    ("cents", "granted"),
    [(4_999, 16), (5_000, 16), (5_001, 15), (80_000, 1), (80_001, 0)],
)
def test_sixteen_bots_at_once_use_the_cap_to_the_cent_and_no_cent_more(
    tmp_path: Path,
    clock: ManualClock,
    entry: Callable[..., OrderRequest],
    cents: int,
    granted: int,
) -> None:
    """800.00 of 1,000 for all: sixteen times 50.00 fits exactly, whoever comes first."""
    database = open_database(tmp_path / "capital.sqlite")
    capital = SharedCapitalManager(
        "bybit", Decimal(1_000), database=database, clock=clock, taker_fee_ratio=Decimal(0)
    )
    start = threading.Barrier(16)
    denials: list[Denial | None] = []

    def bot(number: int) -> None:
        start.wait()
        order = entry(f"bot-{number}", quantity=str(cents), price="0.01")
        denials.append(capital.reserve(order))

    threads = [threading.Thread(target=bot, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert denials.count(None) == granted
    assert {denial.code for denial in denials if denial} <= {"capital_cap"}
    assert capital.snapshot().reserved == granted * Decimal(cents) / 100
    assert capital.get_available_capital() == 800 - granted * Decimal(cents) / 100
    database.close()
