"""Many threads or processes spend one ledger file at once; a judge that knows only the tables
watches (fault E10). By hand, the whole of the acceptance:

    python tests/core/capital/allocation_race.py --threads 64 --operations 5000
    python tests/core/capital/allocation_race.py --processes 8 --operations 1000

The last line is JSON: breaches of the cap seen by the judge, lost_updates (quote currency, what
the workers hold less what the file says), granted, operations_per_s.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from core.capital.shared_capital_manager import SharedCapitalManager
from core.clock import ManualClock
from core.models.orders import OrderPurpose, OrderRequest, OrderType, Side
from core.storage.database import open_database

CAPITAL, CAP = Decimal(1_000), Decimal("0.80")
NO_FEE = Decimal(0)


def open_capital(path: Path, *, synced: bool) -> SharedCapitalManager:
    database = open_database(path)
    if not synced:
        database.execute("PRAGMA synchronous=OFF")  # the race is the subject, not the disk
    return SharedCapitalManager(
        "bybit", CAPITAL, database=database, clock=ManualClock(), taker_fee_ratio=NO_FEE
    )


def spend(capital: SharedCapitalManager, worker: int, operations: int) -> tuple[Decimal, int]:
    """Reserve and give back at random; (what it still holds, how often it was granted)."""
    rng = random.Random(worker)
    held: dict[str, Decimal] = {}
    granted = 0
    for number in range(operations):
        if held and rng.random() < 0.5:
            order_id = rng.choice(list(held))
            capital.give_back(order_id)
            del held[order_id]
            continue
        order_id, amount = f"{worker}-{number}", Decimal(rng.randint(1, 5_000)) / 100
        request = OrderRequest(
            client_order_id=order_id,
            account="main",
            bot_id=f"bot-{worker}",
            strategy="race",
            symbol=f"S{worker % 7}",
            side=Side.BUY,
            order_type=OrderType.MARKET,
            quantity=amount,
            reference_price=Decimal(1),
            purpose=OrderPurpose.ENTRY,
            created_ms=0,
        )
        denial = capital.reserve(request)
        if denial is None:
            held[order_id] = amount
            granted += 1
        elif denial.code != "capital_cap":
            raise AssertionError(denial.text)
    return sum(held.values(), Decimal(0)), granted


class Judge(threading.Thread):
    """Adds up the tables over and over, on a connection of its own."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self.path = path
        self.breaches = 0
        self.looks = 0
        self.over = threading.Event()

    def reserved(self, database: sqlite3.Connection) -> Decimal:
        rows = database.execute("SELECT amount FROM capital_reservations WHERE is_open")
        return sum((Decimal(amount) for (amount,) in rows), Decimal(0))

    def run(self) -> None:
        database = sqlite3.connect(self.path)
        while not self.over.wait(0.005):
            self.breaches += self.reserved(database) > CAP * CAPITAL
            self.looks += 1
        database.close()


def race(path: Path, *, threads: int, processes: int, operations: int) -> dict[str, object]:
    capital = open_capital(path, synced=False)
    judge = Judge(path)
    judge.start()
    started_s = time.perf_counter()
    results: list[tuple[Decimal, int]] = []
    if threads:
        workers = [
            threading.Thread(target=lambda n=n: results.append(spend(capital, n, operations)))
            for n in range(threads)
        ]
        for thread in workers:
            thread.start()
        for thread in workers:
            thread.join()
    else:
        command = [sys.executable, __file__, "--file", str(path), "--operations", str(operations)]
        children = [
            subprocess.Popen([*command, "--worker", str(n)], stdout=subprocess.PIPE, text=True)
            for n in range(processes)
        ]
        for child in children:
            answer, _ = child.communicate()
            if child.returncode == 0:
                held, granted = json.loads(answer)
                results.append((Decimal(held), granted))
    took_s = time.perf_counter() - started_s
    judge.over.set()
    judge.join()
    database = sqlite3.connect(path)
    in_file = judge.reserved(database)
    database.close()
    in_memory = capital.snapshot()
    finished = len(results)
    return {
        "workers": threads or processes,
        "finished": finished,
        "operations": finished * operations,
        "breaches": judge.breaches + (in_file > CAP * CAPITAL),
        "looks": judge.looks,
        "lost_updates": str(sum((held for held, _ in results), Decimal(0)) - in_file),
        "behind": str(in_memory.reserved - in_file),
        "granted": sum(granted for _, granted in results),
        "sound": capital.is_sound,
        "operations_per_s": round(finished * operations / took_s),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--processes", type=int, default=0)
    parser.add_argument("--operations", type=int, default=1000)
    parser.add_argument("--file", type=Path)
    parser.add_argument("--worker", type=int)
    options = parser.parse_args()
    if options.worker is not None:
        capital = open_capital(options.file, synced=False)
        held, granted = spend(capital, options.worker, options.operations)
        print(json.dumps([str(held), granted]))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = options.file or Path(folder) / "capital.sqlite"
        result = race(
            path,
            threads=options.threads,
            processes=options.processes,
            operations=options.operations,
        )
    print(json.dumps(result))


if __name__ == "__main__":
    main()
