"""kill -9 of the engine in the middle of trading, again and again: what the exchange holds and
what the restarted engine believes are the same, and nothing was ordered twice."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import sys
import time
from collections import Counter
from decimal import Decimal

import psutil
import pyarrow.parquet as pq
import pytest
from exchange_books import Books, ExchangeBooks
from link_client import LinkClient
from program import Home

from core.snapshots import BotState, EngineSnapshot, EngineState, Notice

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.timeout(240),
    pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM"),
]
KILLS = 10
SEED = 20
SPEED = "900"  # a bar a second
FIFTEEN_MIN_MS = 900_000
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


def believed(snapshot: EngineSnapshot) -> Books:
    """What the engine shows, in the shape of the exchange's books."""
    assert snapshot.capital is not None
    positions = {
        shown.position.symbol: shown.position.signed_quantity for shown in snapshot.positions
    }
    orders = frozenset(order.exchange_order_id for order in snapshot.working_orders)
    return Books(snapshot.capital.total, positions, orders)


def wait_for_agreement(screen: LinkClient, exchange: ExchangeBooks, timeout_s: float) -> None:
    """A snapshot that lies between two equal readings of the exchange shows the same as they.

    Trading goes on meanwhile, so a comparison may hit a message on its way: it is repeated.
    """
    deadline_s = time.monotonic() + timeout_s
    while True:
        before = exchange.books()
        shown = believed(screen.next_snapshot())
        after = exchange.books()
        if before == after == shown:
            return
        assert time.monotonic() < deadline_s, f"exchange: {after}\nengine:   {shown}"


def running_bots(snapshot: EngineSnapshot) -> set[str]:
    return {bot.bot_id for bot in snapshot.bots if bot.state is BotState.RUNNING}


def has_reconciled(snapshot: EngineSnapshot) -> bool:
    return (
        snapshot.state is EngineState.RUNNING
        and all(account.ledger_error == 0 for account in snapshot.accounts)
        and all(c.private == "connected" for c in snapshot.connections)
    )


def notices(screen: LinkClient) -> list[Notice]:
    items = screen.attached.backlog + screen.feed
    return [item.record for item in items if isinstance(item.record, Notice)]


def assert_no_order_was_sent_twice(exchange: ExchangeBooks) -> int:
    """The number of orders of ours that the exchange has ever had."""
    mine = [row for row in exchange.orders() if row["orderLinkId"]]
    by_exchange_id = {row["orderId"]: row["orderLinkId"] for row in mine}
    twice = [name for name, count in Counter(by_exchange_id.values()).items() if count > 1]
    assert twice == []
    return len(by_exchange_id)


def assert_candles_are_the_exchanges(
    home: Home, exchange_bars: dict[str, dict[int, list[Decimal]]]
) -> None:
    for symbol, bars in exchange_bars.items():
        rows = pq.read_table(home.data_dir / "cache" / f"bybit_{symbol.lower()}_15m.parquet")
        kept = {row.pop("timestamp"): list(row.values()) for row in rows.to_pylist()}
        times = sorted(kept)
        assert times == list(range(times[0], times[-1] + 1, FIFTEEN_MIN_MS)), symbol
        forming_ms = max(bars)  # when it was read
        shared = (kept.keys() & bars.keys()) - {forming_ms}
        assert len(shared) > KILLS
        assert [t for t in sorted(shared) if kept[t] != bars[t]] == [], symbol


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

    placed = assert_no_order_was_sent_twice(exchange)
    assert placed >= 5
    last_ms = home.demo().market_anchor_ms + 365 * 86_400_000
    bars = {
        symbol: exchange.candles(symbol, first_ms - 50 * FIFTEEN_MIN_MS, last_ms)
        for symbol in SYMBOLS
    }
    assert engine.terminate() == 0, engine.err
    assert_candles_are_the_exchanges(home, bars)
