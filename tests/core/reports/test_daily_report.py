"""The daily report adds up for every history, and writes down what it was given as plain text."""

from __future__ import annotations

import csv
import io
from datetime import UTC
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.capital.trading_day import TradingDay, day_named
from core.models.fills import Fill, FillKind
from core.models.orders import Side
from core.reports.daily import DailyReport, as_csv, as_markdown, report_of_history

D = Decimal
HOUR_MS = 3_600_000
NAMES = ("2026-11-18", "2026-11-19", "2026-11-20")
START_MS = day_named(NAMES[0], UTC)


def fill(
    hour: int,
    side: Side = Side.BUY,
    quantity: int = 1,
    *,
    pnl: str = "0",
    fee: str = "0.5",
    symbol: str = "BTCUSDT",
    kind: FillKind = FillKind.TRADE,
) -> Fill:
    """`hour` since the start of the first day."""
    return Fill(
        trade_id=f"t{hour}", exchange_order_id="x", client_order_id="c", account="demo",
        bot_id=f"bot of {symbol}", symbol=symbol, side=side, quantity=D(quantity), price=D(100),
        fee=D(fee), time_ms=START_MS + hour * HOUR_MS, realized_pnl=D(pnl), kind=kind,
    )  # fmt: skip


def days(realized: dict[str, Decimal] | None = None) -> dict[str, TradingDay]:
    booked = realized or {}
    return {
        name: TradingDay(day_named(name, UTC), D(1000), D(1010), booked.get(name, D(0)), 1)
        for name in NAMES
    }


def report(history: list[Fill], name: str = NAMES[0], **realized: Decimal) -> DailyReport:
    return report_of_history(
        name, account="demo", exchange="bybit", currency="USDT", timezone=ZoneInfo("UTC"),
        days=days({name: realized["realized"]} if realized else None), history=history,
    )  # fmt: skip


_fills = st.lists(
    st.tuples(
        st.integers(0, 71), st.sampled_from(Side), st.integers(1, 3), st.integers(-50, 50),
        st.integers(0, 5), st.sampled_from(("BTCUSDT", "ETHUSDT")), st.sampled_from(FillKind),
    ),
    max_size=30,
)  # fmt: skip


@given(_fills)
def test_every_execution_is_on_one_day_and_every_sum_ties_out(rows) -> None:  # type: ignore[no-untyped-def]
    history = [
        fill(hour, side, quantity, fee=str(fee), symbol=symbol, kind=kind,
             pnl=str(pnl) if kind is FillKind.TRADE else "0")
        for hour, side, quantity, pnl, fee, symbol, kind in sorted(rows, key=lambda row: row[0])
    ]  # fmt: skip
    reports = [report(history, name) for name in NAMES]
    assert sum(found.cash for found in reports) == sum(one.cash_flow for one in history)
    for found in reports:
        result = found.of_the_day.net_result
        assert result == sum((trip.net_result for trip in found.trips), D(0))
        for groups in (found.by_bot, found.by_symbol):
            assert sum((group.net_result for group in groups.values()), D(0)) == result
            assert sum(group.trades for group in groups.values()) == len(found.trips)
        assert found.day.realized + found.open_change == found.day.result
    assert sum(len(found.trips) for found in reports) == reports[-1].trades_so_far.trades


def test_a_day_that_ties_out_says_so_and_one_that_does_not_by_how_much() -> None:
    history = [fill(1), fill(2, Side.SELL, pnl="8"), fill(2, fee="0.25", kind=FillKind.FUNDING)]
    good = report(history, realized=D("6.75"))
    assert (good.cash, good.closed_result, good.fees, good.funding) == (
        D("6.75"), D(8), D(1), D("-0.25"),
    )  # fmt: skip
    assert good.difference == 0
    assert "The ledger and the executions agree." in as_markdown(good)
    off = as_markdown(report(history, realized=D(10)))
    assert "The ledger has booked +3.25 more than these executions" in off


def test_a_trade_over_midnight_is_a_round_trip_of_the_day_that_it_ended_on() -> None:
    history = [fill(20), fill(30, Side.SELL, pnl="5")]
    first, second = report(history, NAMES[0]), report(history, NAMES[1])
    assert (len(first.trips), len(second.trips)) == (0, 1)
    assert (first.cash, second.cash) == (D("-0.5"), D("4.5"))
    assert second.of_the_day.exposure == 6 / 24
    assert "No round trip ended on this day." in as_markdown(first)
    assert "## By bot" not in as_markdown(first)


def test_only_the_newest_day_may_go_on_and_does_not_count_as_finished() -> None:
    assert report([], NAMES[1]).days_so_far.days == 2
    newest = report([], NAMES[2])
    assert (newest.is_over, newest.days_so_far.days) == (False, 2)
    assert "it may go on" in as_markdown(newest)


def test_the_page_has_the_figures_of_the_day() -> None:
    page = as_markdown(report([fill(1), fill(3, Side.SELL, pnl="8")], realized=D(7)))
    assert page.startswith("# demo, 2026-11-18\n")
    assert "| **Result** | **+10.00** (+1.00%) |" in page
    assert (
        "| 2026-11-18 03:00:00 | bot of BTCUSDT | BTCUSDT | long | 1 | 100.0000 | 100.0000 | 1.00 "
        "| +0.00 | +7.00 |" in page
    )
    assert "| bot of BTCUSDT | 1 | 1 | 0 | 1.00 | +0.00 | +7.00 | 8.33% |" in page
    assert "| Sharpe ratio | — | Needs 20 finished days, there are 1. |" in page


def test_the_csv_has_every_digit_and_no_formula() -> None:
    named = msgspec.structs.replace(fill(1, symbol="=1+1"), bot_id="@bot")
    history = [named, fill(3, Side.SELL, pnl="8.000000001", symbol="=1+1")]
    [row] = csv.DictReader(io.StringIO(as_csv(report(history))))
    assert (row["net_result"], row["entry_price"], row["duration_s"]) == (
        "7.000000001", "100", "7200",
    )  # fmt: skip
    assert (row["bot"], row["symbol"], row["side"]) == ("'@bot", "'=1+1", "long")
    assert row["opened_utc"] == "2026-11-18 01:00:00"


def test_a_trade_that_turned_round_has_no_prices_in_the_files() -> None:
    turned = [fill(1), fill(2, Side.SELL, 2), fill(3)]
    [row] = csv.DictReader(io.StringIO(as_csv(report(turned))))
    assert (row["entry_price"], row["exit_price"]) == ("", "")
    assert "| 2 | — | — |" not in as_markdown(report(turned))
    assert "| 1 | — | — |" in as_markdown(report(turned))


def test_names_from_outside_are_text() -> None:
    history = [fill(1, symbol="A|B\n# C <b>"), fill(2, Side.SELL, symbol="A|B\n# C <b>")]
    page = as_markdown(report(history))
    assert r"A\|B \# C \<b\>" in page
    assert "<b>" not in page.replace(r"\<b\>", "")


def test_a_day_that_is_not_kept_is_an_error() -> None:
    with pytest.raises(KeyError):
        report([], "2026-11-21")
