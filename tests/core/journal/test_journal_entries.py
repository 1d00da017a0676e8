"""Round trips add up to the ledger, notes outlive the engine, excursions say what is not known."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.capital.book import CapitalBook
from core.journal.entries import JournalEntry, TradeKey, TradeNote
from core.journal.excursions import (
    MISSING_CANDLES,
    NO_CANDLES,
    NO_PRICES,
    TOO_NEW,
    excursion,
)
from core.journal.note_book import NoteBook
from core.market_data.columns import Columns
from core.models.candles import Timeframe
from core.models.fills import Fill, FillKind
from core.models.orders import OrderPurpose, Side
from core.storage.database import open_database
from core.trade_log import RoundTrip, TradeLog

D = Decimal
MINUTE_MS = 60_000
HUNDRED = Decimal(100)
KEY = TradeKey("main", "BTCUSDT", "t1", 1)


def fill(
    number: int,
    side: Side,
    quantity: int,
    *,
    symbol: str,
    kind: FillKind,
    fee: Decimal,
    realized_pnl: Decimal,
) -> Fill:
    return Fill(
        trade_id=f"t{number}", exchange_order_id=f"x{number}", client_order_id=f"c{number}",
        account="main", bot_id="b", symbol=symbol, side=side, quantity=D(quantity), price=D(100),
        fee=fee, time_ms=number * MINUTE_MS, realized_pnl=realized_pnl, kind=kind,
    )  # fmt: skip


_executions = st.lists(
    st.tuples(
        st.sampled_from(Side), st.integers(1, 3), st.integers(-5000, 5000), st.integers(-50, 500),
        st.sampled_from(("BTCUSDT", "ETHUSDT")), st.sampled_from(FillKind),
    ),
    max_size=40,
)  # fmt: skip


@given(_executions)
def test_results_fees_and_funding_of_all_trips_are_what_the_ledger_changed(rows) -> None:  # type: ignore[no-untyped-def]
    """Whatever was traded: trips that ended, those still open, and funding of no trade make the
    ledger's change, to the last digit."""
    log, ledger = TradeLog(), CapitalBook(D("0.8"))
    no_trade = D(0)
    for number, (side, quantity, pnl, fee, symbol, kind) in enumerate(rows):
        is_trade = kind is FillKind.TRADE
        one = fill(
            number, side, quantity, symbol=symbol, kind=kind, fee=D(fee) / 1000,
            realized_pnl=D(pnl) / 100 if is_trade else D(0),
        )  # fmt: skip
        if not is_trade and symbol not in log.open_trades:
            no_trade += one.cash_flow
        log.on_fill(one)
        ledger.fill(one, OrderPurpose.ENTRY)
    entries = [JournalEntry("main", "bybit", "USDT", "", trip) for trip in log.round_trips]
    gross = sum((entry.gross_result for entry in entries), D(0))
    fees = sum((entry.trip.fees for entry in entries), D(0))
    funding = sum((entry.trip.funding for entry in entries), D(0))
    still_open = sum((trade.net_result for trade in log.open_trades.values()), D(0))
    assert gross - fees + funding + still_open + no_trade == ledger.total
    assert len({entry.key for entry in entries}) == len(entries)


def test_a_note_is_there_after_a_restart_and_an_empty_one_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    book = NoteBook(open_database(path))
    written = TradeNote('late entry, "greedy" 늦은 진입', ("plan", "실수"))
    book.write(KEY, written, now_ms=1)
    book.write(msgspec.structs.replace(KEY, trade_id="t2"), TradeNote("other"), now_ms=1)
    book.close()
    again = NoteBook(open_database(path))
    assert again.load()[KEY] == written
    again.write(KEY, TradeNote("new"), now_ms=2)
    assert again.load()[KEY] == TradeNote("new")
    again.write(KEY, TradeNote(), now_ms=3)
    assert [key.trade_id for key in again.load()] == ["t2"]
    again.close()


def trip(
    opened_min: float,
    closed_min: float,
    *,
    side: Side = Side.BUY,
    entry_price: Decimal | None = HUNDRED,
    exit_price: Decimal = HUNDRED + 1,
) -> RoundTrip:
    return RoundTrip(
        "BTCUSDT", "b", side, D(2), int(opened_min * MINUTE_MS), int(closed_min * MINUTE_MS), D(2),
        entry_price, exit_price,
    )  # fmt: skip


def bars(minutes: list[int], lows: dict[int, float] | None = None) -> Columns:
    """Of one minute each, from 99 to 102 where `lows` does not say lower."""
    count = len(minutes)
    low = np.array([(lows or {}).get(minute, 99.0) for minute in minutes])
    same = np.full(count, 100.0)
    times = np.array(minutes, dtype=np.int64) * MINUTE_MS
    return Columns(times, same, np.full(count, 102.0), low, same, same)


def test_how_far_the_price_went_against_and_for_a_position() -> None:
    shown = bars([0, 1, 2, 3, 4], lows={0: 50.0, 2: 97.0, 4: 50.0})
    held = excursion(trip(1.5, 3.2), shown, Timeframe.M1)
    assert (held.adverse, held.favourable, held.why) == (6.0, 4.0, "")  # 3 and 2 away, times 2
    short = excursion(trip(1.5, 3.2, side=Side.SELL), shown, Timeframe.M1)
    assert (short.adverse, short.favourable) == (4.0, 6.0)
    beyond = excursion(trip(1.5, 3.2, exit_price=D(110)), shown, Timeframe.M1)
    assert beyond.favourable == 20.0  # filled where no bar has been


@pytest.mark.parametrize(
    ("minutes", "why"),
    [([], NO_CANDLES), ([1, 3], MISSING_CANDLES), ([2, 3], MISSING_CANDLES),
     ([0, 1, 2], TOO_NEW), ([7, 8], NO_CANDLES)],
)  # fmt: skip
def test_candles_that_are_not_all_there_give_a_reason_and_no_figure(
    minutes: list[int], why: str
) -> None:
    assert excursion(trip(1.5, 3.2), bars(minutes), Timeframe.M1) == (None, None, why)


def test_a_trade_whose_prices_are_not_known_has_no_excursion() -> None:
    found = excursion(trip(1.5, 3.2, entry_price=None), bars([1, 2, 3]), Timeframe.M1)
    assert found == (None, None, NO_PRICES)
