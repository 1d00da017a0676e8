"""The figures of trades and days: known answers, and what must hold for every record."""

from __future__ import annotations

import math
import statistics
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.capital.trading_day import TradingDay
from core.models.orders import Side
from core.reports.statistics import (
    FEWEST_DAYS,
    FEWEST_TRADES,
    NO_CAPITAL,
    NO_DEVIATION,
    NO_LOSING_DAY,
    NO_LOSS,
    TradeTally,
    day_statistics,
    exposure,
    growth_index,
    max_drawdown,
    sharpe,
    sortino,
    trade_statistics,
)
from core.trade_log import RoundTrip

D = Decimal
DAY_MS = 86_400_000
_results = st.decimals(min_value=-10_000, max_value=10_000, places=4)
_spans = st.tuples(st.integers(0, 60), st.integers(0, 20))
_growths = st.lists(st.integers(500, 2_000), min_size=1, max_size=40)  # per mille of the start


def trip(result: Decimal | str, opened_ms: int = 0, closed_ms: int = 1) -> RoundTrip:
    return RoundTrip("BTCUSDT", "b1", Side.BUY, D(1), opened_ms, closed_ms, D(result))


def days_of(*equities: int | str, start: int | str = 1000) -> list[TradingDay]:
    """Days that end with `equities`, each beginning where the one before ended."""
    values = [D(start), *map(D, equities)]
    return [TradingDay(i * DAY_MS, values[i], values[i + 1]) for i in range(len(values) - 1)]


def test_a_known_record_of_trades() -> None:
    found = trade_statistics([trip("30")] * 6 + [trip("-20")] * 3 + [trip("0")])
    assert (found.trades, found.won, found.lost) == (10, 6, 3)
    assert (found.win_rate, found.profit_factor, found.expectancy) == (0.6, 3.0, D(12))
    assert (found.net_result, found.gross_profit, found.gross_loss) == (D(120), D(180), D(60))
    assert found.unknown == {}


@given(st.lists(_results, max_size=30), st.randoms(use_true_random=False))
def test_trade_figures_add_up_and_do_not_depend_on_the_order(results, random) -> None:  # type: ignore[no-untyped-def]
    trips = [trip(result) for result in results]
    found = trade_statistics(trips)
    assert found.gross_profit - found.gross_loss == found.net_result == sum(results)
    assert found.won + found.lost + results.count(D(0)) == found.trades == len(trips)
    if found.expectancy is not None:
        assert abs(found.expectancy * found.trades - found.net_result) < D("1e-18")
    if found.profit_factor is not None:
        assert (found.profit_factor > 1) == (found.net_result > 0)
    random.shuffle(trips)
    assert trade_statistics(trips) == found


@given(st.lists(_results, max_size=FEWEST_TRADES + 2))
def test_what_is_unknown_of_trades_has_a_reason_and_nothing_else_has(results) -> None:  # type: ignore[no-untyped-def]
    found = trade_statistics([trip(result) for result in results])
    names = ("win_rate", "profit_factor", "expectancy", "exposure")
    assert {name for name in names if getattr(found, name) is None} == found.unknown.keys()
    assert (found.win_rate is None) == (len(results) < FEWEST_TRADES)


def test_without_a_loss_there_is_no_profit_factor() -> None:
    found = trade_statistics([trip("1")] * FEWEST_TRADES)
    assert (found.profit_factor, found.unknown) == (None, {"profit_factor": NO_LOSS})


@given(st.lists(_spans, min_size=1, max_size=12), st.integers(0, 40), st.integers(1, 60))
def test_exposure_is_the_share_of_moments_with_a_position(spans, start, length) -> None:  # type: ignore[no-untyped-def]
    trips = [trip("1", opened, opened + held) for opened, held in spans]
    moments = range(start, start + length)
    held = sum(any(t.opened_ms <= m < t.closed_ms for t in trips) for m in moments)
    assert exposure(trips, start, start + length) == pytest.approx(held / length)


def test_exposure_needs_a_period_and_takes_the_records_own() -> None:
    assert exposure([]) is None
    assert exposure([trip("1", 5, 5)]) is None
    assert exposure([trip("1", 0, 10), trip("1", 5, 15), trip("1", 25, 30)]) == 20 / 30


@given(_growths)
def test_without_transfers_the_return_is_end_over_start(growths) -> None:  # type: ignore[no-untyped-def]
    equities, equity = [], D(1000)
    for growth in growths:
        equity = (equity * growth / 1000).quantize(D("1e-8"))
        equities.append(str(equity))
    days = days_of(*equities)
    found = day_statistics(days[:-1], days[-1])
    assert found.total_return == pytest.approx(float(equity / 1000 - 1), abs=1e-9)
    index = growth_index(days)
    assert index is not None
    falls = [1 - index[j] / index[i] for i in range(len(index)) for j in range(i, len(index))]
    assert found.max_drawdown == pytest.approx(float(max(falls)))
    assert 0 <= max_drawdown(index) < 1


def test_a_deposit_is_no_return() -> None:
    deposited = TradingDay(DAY_MS, D(5000), D(5000))  # 4,000 came during the day
    found = day_statistics([*days_of("1000"), deposited], None)
    assert (found.total_return, found.max_drawdown) == (0, 0)


def test_sharpe_and_sortino_by_hand() -> None:
    returns = [0.01, -0.02, 0.03, 0.00]
    root = math.sqrt(365)
    assert sharpe(returns) == pytest.approx(0.005 / statistics.stdev(returns) * root)
    assert sortino(returns) == pytest.approx(0.005 / math.sqrt(0.0004 / 4) * root)


@given(
    st.lists(st.floats(-0.5, 0.5, allow_subnormal=False), min_size=2, max_size=50),
    st.floats(0.1, 10),
)
def test_the_ratios_have_the_means_sign_and_do_not_know_the_leverage(returns, factor) -> None:  # type: ignore[no-untyped-def]
    mean = math.fsum(returns) / len(returns)
    for ratio in (sharpe, sortino):
        found, scaled = ratio(returns), ratio([value * factor for value in returns])
        if found is None or scaled is None:
            continue
        assert found == pytest.approx(scaled, rel=1e-6)
        assert math.copysign(1, found) == math.copysign(1, mean) or mean == 0


def test_too_few_days_say_how_many_there_are() -> None:
    found = day_statistics(days_of(*["1001"] * (FEWEST_DAYS - 1)), days_of("1002")[0])
    assert (found.sharpe, found.sortino, found.days) == (None, None, FEWEST_DAYS - 1)
    assert found.unknown["sharpe"] == "Needs 20 finished days, there are 19."
    assert found.total_return is not None


def test_days_without_a_loss_or_without_a_difference_have_no_ratio() -> None:
    even = day_statistics(days_of(*["1000"] * FEWEST_DAYS), None)
    assert even.unknown == {"sharpe": NO_DEVIATION, "sortino": NO_LOSING_DAY}
    rising = day_statistics(days_of(*range(1001, 1001 + FEWEST_DAYS)), None)
    assert rising.unknown == {"sortino": NO_LOSING_DAY}


def test_no_day_and_a_day_without_capital_have_no_figures() -> None:
    names = {"total_return", "max_drawdown", "sharpe", "sortino"}
    nothing = day_statistics([], None)
    assert nothing.unknown.keys() == names
    assert (nothing.total_return, nothing.max_drawdown) == (None, None)
    broke = day_statistics(days_of("0", "0"), None)
    assert broke.unknown == dict.fromkeys(names, NO_CAPITAL)


@given(
    st.lists(
        st.tuples(st.decimals(-50, 50, places=2), st.integers(0, 60), st.integers(0, 20)),
        max_size=40,
    )
)
def test_a_tally_that_grows_by_one_says_the_same_as_the_whole_record(rows) -> None:  # type: ignore[no-untyped-def]
    """After each trip, in whatever order they come, to the last digit."""
    tally, trips = TradeTally(), []
    for result, opened, length in rows:
        trips.append(trip(result, opened, opened + length))
        tally.add(trips[-1])
        assert tally.statistics(tally.exposure) == trade_statistics(trips)
    assert (tally.exposure is None) == (exposure(trips) is None)
