"""kill -9 of the engine in the middle of trading, again and again: what the exchange holds and
what the restarted engine believes are the same, and nothing was ordered twice."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import sys
import time

import psutil
import pytest
from agreement import (
    FIFTEEN_MIN_MS,
    assert_candles_are_whole,
    has_reconciled,
    notices,
    orders_of_ours,
    running_bots,
    wait_for_agreement,
)
from link_client import LinkClient
from program import Home

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.timeout(240),
    pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM"),
]
KILLS = 10
SEED = 20
SPEED = "900"  # a bar a second
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "DOGEUSDT")
ACCOUNT = '[[accounts]]\nname = "demo"\nexchange = "bybit"\nmode = "demo"\n'
# short periods and tight exits: an order nearly every bar of every symbol
BOT = """
[[bots]]
account = "demo"
symbol = "{symbol}"
autostart = true
[bots.parameters]
macd_fast = 2
macd_slow = 4
macd_signal = 2
rsi_period = 2
rsi_long_max = 100.0
rsi_short_min = 0.0
stop_atr = 0.4
take_profit_atr = 0.6
"""


class Trigger:
    """When to kill: at any time, as soon as an intent stands in the journal (its request may or
    may not have left), or right behind a fill. The last two wait `patience_s` at most."""

    KINDS = ("any time", "intent", "fill")

    def __init__(self, home: Home, screen: LinkClient, rng: random.Random) -> None:
        self._screen, self._patience_s = screen, rng.uniform(0.0, 1.2)
        file = home.data_dir / "storage" / "account_demo.sqlite"
        self._journal = sqlite3.connect(f"file:{file}?mode=ro", uri=True)

    def wait(self, kind: str) -> None:
        until_s = time.monotonic() + (self._patience_s if kind == "any time" else 3.0)
        before = self._count(kind)
        with contextlib.closing(self._journal):
            while time.monotonic() < until_s and self._count(kind) == before:
                time.sleep(0.001)

    def _count(self, kind: str) -> int:
        table = {"any time": None, "intent": "oms_orders", "fill": "oms_fills"}[kind]
        if table is None:
            return 0
        ((count,),) = self._journal.execute(f"SELECT count(*) FROM {table}")
        return int(count)


def test_ten_kills_in_the_middle_of_trading(home: Home) -> None:
    rng = random.Random(SEED)
    config = home.folder / "bots.toml"
    config.write_text(ACCOUNT + "".join(BOT.format(symbol=symbol) for symbol in SYMBOLS))
    words = ("--config", str(config), "--speed", SPEED)
    engine = home.start_engine(*words)
    demo_pid, first_ms = home.demo().pid, home.demo().market_anchor_ms
    exchange = home.books()
    expected_bots: set[str] = set()
    for kill in range(KILLS + 1):
        with home.attach() as screen:
            snapshot = screen.until(has_reconciled, what=f"reconciled after kill {kill}")
            assert snapshot.clock_rate == float(SPEED)
            bots = expected_bots or {f"{symbol.lower()}-15m" for symbol in SYMBOLS}
            screen.until(lambda s, bots=bots: running_bots(s) == bots, what=f"{bots} run")
            wait_for_agreement(screen, exchange, timeout_s=20)
            assert not [n for n in notices(screen) if n.title == "External"], notices(screen)
            if kill == KILLS:
                break
            Trigger(home, screen, rng).wait(Trigger.KINDS[kill % len(Trigger.KINDS)])
            engine.kill()
            assert screen.snapshot is not None
            assert screen.snapshot.unhandled_exceptions == 0
            expected_bots = running_bots(screen.snapshot)
        assert psutil.pid_exists(demo_pid)
        engine = home.start_engine(*words)
        assert home.demo().pid == demo_pid

    assert orders_of_ours(exchange) >= 5
    last_ms = home.demo().market_anchor_ms + 365 * 86_400_000
    bars = {
        symbol: exchange.candles(symbol, first_ms - 50 * FIFTEEN_MIN_MS, last_ms)
        for symbol in SYMBOLS
    }
    assert engine.terminate() == 0, engine.err
    assert_candles_are_whole(home.data_dir, bars, at_least=KILLS)
