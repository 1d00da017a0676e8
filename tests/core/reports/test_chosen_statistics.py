"""Statistics of a part add up to those of the whole, and days are not reckoned for parts."""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.capital.trading_day import TradingDay, day_named
from core.models.orders import Side
from core.reports.chosen_statistics import WHOLE_ONLY, Choice, chosen_statistics, first_day
from core.reports.statistics import Statistics
from core.trade_log import RoundTrip

D = Decimal
HOUR_MS = 3_600_000
NAMES = ("2026-11-17", "2026-11-19", "2026-11-20")  # on the 18th nothing ran
START_MS = day_named(NAMES[0], UTC)
NOW_MS = day_named(NAMES[-1], UTC) + 12 * HOUR_MS
DAYS = {
    name: TradingDay(day_named(name, UTC), D(1000), D(1000) + i, D(i), 1)
    for i, name in enumerate(NAMES)
}


def trip(closed_h: int, bot_id: str = "a", symbol: str = "BTCUSDT", net: int = 1) -> RoundTrip:
    closed_ms = START_MS + closed_h * HOUR_MS
    return RoundTrip(symbol, bot_id, Side.BUY, D(1), closed_ms - HOUR_MS, closed_ms, D(net))


def chosen(trips: list[RoundTrip], **choice: object) -> Statistics:
    return chosen_statistics(trips, DAYS, Choice(**choice), NOW_MS)  # type: ignore[arg-type]


_trips = st.lists(
    st.builds(trip, st.integers(0, 83), st.sampled_from(("a", "b", "")),
              st.sampled_from(("BTCUSDT", "ETHUSDT")), st.integers(-9, 9)),
    max_size=30,
)  # fmt: skip


@given(_trips, st.sampled_from((0, 1, 2, 30)))
def test_bots_add_up_to_all_and_so_do_symbols(trips: list[RoundTrip], days: int) -> None:
    whole = chosen(trips, days=days).trades
    for parts in (
        [chosen(trips, bot_id=bot, days=days).trades for bot in ("a", "b", "")],
        [chosen(trips, symbol=name, days=days).trades for name in ("BTCUSDT", "ETHUSDT")],
    ):
        assert sum(part.trades for part in parts) == whole.trades
        assert sum((part.net_result for part in parts), D(0)) == whole.net_result
        assert sum((part.gross_profit for part in parts), D(0)) == whole.gross_profit


def test_a_period_begins_with_its_first_trading_day() -> None:
    trips = [trip(5), trip(50), trip(71), trip(73)]  # 17th, 19th, 19th, 20th
    assert chosen(trips, days=1).trades.trades == 1
    assert chosen(trips, days=2).trades.trades == 3
    assert chosen(trips, days=3).trades.trades == 3  # the 18th to the 20th
    assert chosen(trips, days=4).trades.trades == 4
    assert chosen(trips).trades.trades == 4
    assert [name for name, _ in chosen(trips, days=2).calendar] == ["2026-11-19", "2026-11-20"]
    assert chosen(trips, days=1).trades.exposure == pytest.approx(1 / 12)


def test_days_are_reckoned_for_the_whole_account_only() -> None:
    trips = [trip(5), trip(50)]
    whole = chosen(trips, days=2).days
    assert whole.total_return == pytest.approx(1.001 * 1.002 - 1)
    assert whole.unknown["sharpe"] == "Needs 20 finished days, there are 1."
    for part in (chosen(trips, bot_id="a"), chosen(trips, symbol="BTCUSDT")):
        assert part.days.total_return is None
        assert set(part.days.unknown.values()) == {WHOLE_ONLY}
        assert part.trades.unknown["win_rate"] == "Needs 10 trades, there are 2."


def test_the_first_day_of_a_period_counts_today() -> None:
    assert first_day("2026-11-20", 1) == "2026-11-20"
    assert first_day("2026-11-20", 30) == "2026-10-22"
    assert first_day("2026-11-20", 0) == ""
