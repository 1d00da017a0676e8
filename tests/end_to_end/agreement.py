"""When the engine's view and the exchange's books are the same, asked while trading goes on."""

from __future__ import annotations

import time
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
from exchange_books import Books, ExchangeBooks
from link_client import LinkClient

from core.snapshots import BotState, EngineSnapshot, EngineState, Notice

FIFTEEN_MIN_MS = 900_000


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


def has_reconciled(snapshot: EngineSnapshot) -> bool:
    return (
        snapshot.state is EngineState.RUNNING
        and all(account.ledger_error == 0 for account in snapshot.accounts)
        and all(c.private == "connected" for c in snapshot.connections)
    )


def running_bots(snapshot: EngineSnapshot) -> set[str]:
    return {bot.bot_id for bot in snapshot.bots if bot.state is BotState.RUNNING}


def notices(screen: LinkClient) -> list[Notice]:
    items = screen.attached.backlog + screen.feed
    return [item.record for item in items if isinstance(item.record, Notice)]


def orders_of_ours(exchange: ExchangeBooks) -> int:
    """How many orders with an id of ours the exchange has ever had; none of them twice."""
    by_exchange_id = {
        row["orderId"]: row["orderLinkId"] for row in exchange.orders() if row["orderLinkId"]
    }
    counts = Counter(by_exchange_id.values())
    assert [name for name, count in counts.items() if count > 1] == []
    return len(by_exchange_id)


def assert_candles_are_whole(
    data_dir: Path, exchange_bars: dict[str, dict[int, list[Decimal]]], *, at_least: int
) -> None:
    """The Parquet of each symbol has no gap, and is the exchange's bar for bar (the newest one
    of `exchange_bars` was still forming); `at_least` bars can be compared."""
    for symbol, bars in exchange_bars.items():
        rows = pq.read_table(data_dir / "cache" / f"bybit_{symbol.lower()}_15m.parquet")
        kept = {row.pop("timestamp"): list(row.values()) for row in rows.to_pylist()}
        times = sorted(kept)
        assert times == list(range(times[0], times[-1] + 1, FIFTEEN_MIN_MS)), symbol
        shared = (kept.keys() & bars.keys()) - {max(bars)}
        assert len(shared) >= at_least, symbol
        assert [t for t in sorted(shared) if kept[t] != bars[t]] == [], symbol
