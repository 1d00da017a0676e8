"""What each sizing method allows, and what the configuration may say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.events import Signal
from core.models.orders import Side
from core.portfolio.fixed_percent import FixedPercent
from core.portfolio.kelly import Kelly, kelly_fraction
from core.portfolio.risk_parity import RiskParity, return_volatility
from core.portfolio.sizing import SizingFacts, SizingMethod
from core.portfolio.sizing_methods import SIZING_METHODS, make_sizing
from core.portfolio.volatility_adjusted import VolatilityAdjusted
from core.trade_log import RoundTrip

D = Decimal


def trips(*results: str) -> list[RoundTrip]:
    return [RoundTrip("BTCUSDT", "bot-1", Side.BUY, D(1), 0, 1, D(result)) for result in results]


def facts(
    *,
    equity: str = "10000",
    stop: str | None = None,
    evidence: dict[str, float] | None = None,
    record: Sequence[RoundTrip] = (),
    closes: Mapping[str, Sequence[Decimal]] | None = None,
) -> SizingFacts:
    signal = Signal(
        bot_id="bot-1",
        account="main",
        strategy="test",
        symbol="BTCUSDT",
        direction=1,
        candle_open_time_ms=0,
        reference_price=D(100),
        time_ms=0,
        stop_distance=D(stop) if stop is not None else None,
        evidence=evidence or {},
    )
    known = closes or {}
    return SizingFacts(
        signal,
        D(equity),
        lambda: record,
        lambda count: {symbol: newest[-count:] for symbol, newest in known.items()},
    )


def test_fixed_percent_is_ten_percent_of_equity_by_default() -> None:
    assert FixedPercent().target_notional(facts(equity="25000")) == 2_500


# Kelly


@pytest.mark.parametrize(
    ("results", "fraction"),
    [
        (("1", "1", "-1"), D(2) / 3 - D(1) / 3),  # even money, two of three
        (("3", "-1", "-1"), D(1) / 3 - D(2) / 3 / 3),
        (("1", "-1"), D(0)),
        (("1", "1", "-2", "0"), D("0.5") - D("0.5") / 1),  # a draw is no win
        (("1", "2"), D(1)),
        (("5", "0"), D("0.5")),
        (("-1", "-2"), D(0)),
    ],
)
def test_the_kelly_fraction_of_a_record(results: tuple[str, ...], fraction: Decimal) -> None:
    assert kelly_fraction(trips(*results)) == pytest.approx(fraction, abs=D("1e-20"))


def test_kelly_takes_half_of_the_fraction() -> None:
    record = trips(*["1.2", "-1"] * 15)  # f = 0.5 - 0.5 / 1.2
    target = Kelly().target_notional(facts(record=record))
    assert target == pytest.approx((D("0.5") - D("0.5") / D("1.2")) / 2 * 10_000)


@pytest.mark.parametrize(("trades", "target"), [(29, 200), (30, 2_000)])
def test_kelly_waits_for_thirty_trades_and_is_capped(trades: int, target: int) -> None:
    assert Kelly().target_notional(facts(record=trips(*["1"] * trades))) == target


def test_kelly_without_an_edge_opens_nothing() -> None:
    assert Kelly().target_notional(facts(record=trips(*["1", "-3"] * 20))) == 0


def test_kelly_looks_at_the_newest_trades_only() -> None:
    record = trips(*["9"] * 500, *["1", "-3"] * 100)
    assert Kelly().target_notional(facts(record=record)) == 0


# volatility adjusted


@pytest.mark.parametrize(
    ("stop", "target"),
    [("10", 1_000), ("5", 2_000), ("4.99", 2_000), ("0.01", 2_000), ("50", 200)],
)
def test_a_stop_hit_costs_one_percent_unless_it_is_so_close_that_the_cap_holds(
    stop: str, target: int
) -> None:
    assert VolatilityAdjusted().target_notional(facts(stop=stop)) == target


def test_without_a_stop_two_atr_stand_for_it() -> None:
    seen = facts(evidence={"rsi_14": 30.0, "atr_14": 4.0})
    assert VolatilityAdjusted().target_notional(seen) == 10_000 * D("0.01") * 100 / 8


@pytest.mark.parametrize(
    "evidence", [{}, {"rsi_14": 3.0}, {"atr_14": float("nan")}, {"atr_14": float("inf")}]
)
def test_without_any_volatility_the_position_is_small(evidence: dict[str, float]) -> None:
    assert VolatilityAdjusted().target_notional(facts(evidence=evidence)) == 200


def test_a_stop_of_nothing_is_no_stop() -> None:
    assert VolatilityAdjusted().target_notional(facts(stop="0")) == 200


# risk parity


def waves(step: str, bars: int = 96) -> list[Decimal]:
    """Closes whose returns alternate between up and down by about `step` (a ratio)."""
    return [D(100) * (1 + D(step) * (n % 2)) for n in range(bars + 1)]


def test_the_calmer_symbol_gets_more_in_inverse_proportion() -> None:
    method = RiskParity(total_ratio=D("0.3"), max_ratio=D(1))
    closes = {"BTCUSDT": waves("0.01"), "ETHUSDT": waves("0.02")}
    calm, wild = (return_volatility(closes[symbol]) for symbol in ("BTCUSDT", "ETHUSDT"))
    expected = 3_000 * wild / (calm + wild)
    target = method.target_notional(facts(closes=closes))
    assert target == pytest.approx(expected)
    assert 1_950 < target < 2_050  # two thirds


def test_a_symbol_alone_is_capped() -> None:
    assert RiskParity().target_notional(facts(closes={"BTCUSDT": waves("0.01")})) == 2_000


@pytest.mark.parametrize("bars", [0, 1, 95])
def test_with_too_few_bars_the_position_is_small(bars: int) -> None:
    closes = {"BTCUSDT": waves("0.01", bars), "ETHUSDT": waves("0.01")}
    assert RiskParity().target_notional(facts(closes=closes)) == 200


def test_a_symbol_that_nobody_knows_or_that_stands_still_is_small() -> None:
    assert RiskParity().target_notional(facts()) == 200
    assert RiskParity().target_notional(facts(closes={"BTCUSDT": [D(1)] * 200})) == 200


def test_a_symbol_without_enough_bars_takes_nothing_from_the_others() -> None:
    method = RiskParity(total_ratio=D("0.1"), max_ratio=D(1))
    closes = {"BTCUSDT": waves("0.01"), "ETHUSDT": waves("0.01", 50)}
    assert method.target_notional(facts(closes=closes)) == 1_000


def test_only_the_newest_bars_count() -> None:
    calm_now = [*waves("0.5", 200), *waves("0.01", 96)]
    closes = {"BTCUSDT": calm_now, "ETHUSDT": waves("0.01")}
    method = RiskParity(total_ratio=D("0.2"), max_ratio=D(1))
    assert method.target_notional(facts(closes=closes)) == pytest.approx(D(1_000))


def test_volatility_is_the_sample_deviation_of_returns() -> None:
    assert return_volatility([D(100), D(110), D(99)]) == pytest.approx(D("0.02").sqrt())
    assert return_volatility([D(100), D(110)]) == 0
    assert return_volatility([]) == 0
    assert return_volatility([D(0), D(100), D(110), D(99)]) == pytest.approx(D("0.02").sqrt())


# limits and configuration


@given(
    method=st.sampled_from([Kelly(), VolatilityAdjusted(), RiskParity()]),
    equity=st.decimals("0.01", "10000000", places=2),
    stop=st.none() | st.decimals("0.00000001", "100", places=8),
    results=st.lists(st.decimals("-100", "100", places=2), max_size=60),
    closes=st.lists(st.decimals("0.01", "1000", places=2), min_size=90, max_size=110),
)
def test_no_method_ever_wishes_more_than_its_cap(
    method: Any,
    equity: Decimal,
    stop: Decimal | None,
    results: list[Decimal],
    closes: list[Decimal],
) -> None:
    seen = facts(
        equity=str(equity),
        stop=str(stop) if stop is not None else None,
        record=trips(*map(str, results)),
        closes={"BTCUSDT": closes},
    )
    assert 0 <= method.target_notional(seen) <= method.max_ratio * equity


def test_the_registry_knows_all_methods_by_name() -> None:
    assert set(SIZING_METHODS) == {"fixed_percent", "kelly", "volatility_adjusted", "risk_parity"}
    for name in SIZING_METHODS:
        assert make_sizing({"method": name}).name == name


def test_a_table_of_the_configuration_keeps_the_digits_as_written() -> None:
    assert make_sizing({}) == FixedPercent()
    assert make_sizing({"ratio": 0.1}) == FixedPercent(D("0.1"))
    assert make_sizing({"ratio": 1}) == FixedPercent(D(1))
    assert make_sizing({"method": "kelly", "min_trades": 10, "max_ratio": "0.05"}) == Kelly(
        max_ratio=D("0.05"), min_trades=10
    )


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"method": "kely"}, "unknown sizing method 'kely'; did you mean 'kelly'"),
        ({"method": "zzz"}, "unknown sizing method 'zzz'; known: fixed_percent, kelly"),
        ({"method": "kelly", "max_rato": 1}, "kelly has no 'max_rato'; did you mean 'max_ratio'"),
        ({"ratio": 0}, "fixed_percent: ratio is more than 0 and at most 1 of equity, not 0"),
        ({"ratio": "-0.1"}, "at most 1 of equity, not -0.1"),
        ({"ratio": 1.01}, "at most 1 of equity, not 1.01"),
        ({"ratio": "much"}, "fixed_percent: "),
        ({"ratio": float("nan")}, "fixed_percent: nan is no number"),
        ({"ratio": float("inf")}, "at most 1 of equity, not Infinity"),
        ({"method": "kelly", "max_ratio": 2}, "kelly: max_ratio is more than 0"),
        ({"method": "kelly", "multiplier": 0}, "multiplier is more than 0 and at most 1, not 0"),
        ({"method": "kelly", "multiplier": "1.1"}, "multiplier is more than 0"),
        ({"method": "kelly", "min_trades": 0}, "min_trades is from 1 to newest_trades, not 0"),
        ({"method": "kelly", "min_trades": 201}, "min_trades is from 1 to newest_trades, not 201"),
        ({"method": "volatility_adjusted", "atr_multiple": 0}, "atr_multiple is more than 0"),
        ({"method": "volatility_adjusted", "risk_ratio": 0}, "risk_ratio is more than 0"),
        ({"method": "risk_parity", "bars": 1}, "bars is at least 2, not 1"),
        ({"method": "risk_parity", "total_ratio": 3}, "total_ratio is more than 0"),
    ],
)
def test_a_fault_in_the_table_is_named(table: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError) as fault:  # noqa: PT011 (the sentence is compared below)
        make_sizing(table)
    assert sentence in str(fault.value)


def test_limits_of_the_parameters_are_inside() -> None:
    Kelly(multiplier=D(1), min_trades=1, newest_trades=1)
    RiskParity(bars=2)


def test_a_method_that_does_not_say_how_much_is_no_method() -> None:
    with pytest.raises(NotImplementedError):
        SizingMethod().target_notional(facts())
