"""Limits from the configuration: exact digits, and no limit that is none."""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.risk.limits_table import make_limits
from core.risk.rule import RiskLimits, SymbolLimits

D = Decimal


def test_an_empty_table_is_the_defaults() -> None:
    assert make_limits({}) == RiskLimits()


def test_numbers_keep_the_digits_as_written() -> None:
    table = {
        "max_daily_loss": 0.1,
        "max_symbols": 7,
        "cool_down_s": 30,
        "max_order_multiple": 12.5,
        "max_drawdown": 1,
        "symbols": {
            "BTCUSDT": {"max_order_notional": 2000, "max_position_share": "0.05"},
            "XRPUSDT": {"is_allowed": False},
        },
    }
    assert make_limits(table) == RiskLimits(
        max_daily_loss=D("0.1"),
        max_symbols=7,
        cool_down_s=30.0,
        max_order_multiple=D("12.5"),
        max_drawdown=D(1),
        symbols={
            "BTCUSDT": SymbolLimits(max_order_notional=D(2000), max_position_share=D("0.05")),
            "XRPUSDT": SymbolLimits(is_allowed=False),
        },
    )


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"max_daily_loss": 3}, "max_daily_loss is more than 0 and at most 1, not 3"),
        ({"max_daily_loss": 0}, "max_daily_loss is more than 0 and at most 1, not 0"),
        ({"max_drawdown": "NaN"}, "max_drawdown is more than 0 and at most 1, not NaN"),
        ({"cool_down_s": float("inf")}, "cool_down_s is more than 0, not inf"),
        ({"max_price_away": 1.01}, "max_price_away is more than 0 and at most 1, not 1.01"),
        ({"max_order_multiple": 0}, "max_order_multiple is more than 0, not 0"),
        ({"max_orders_per_minute": -1}, "max_orders_per_minute is more than 0, not -1"),
        ({"max_price_age_s": 0.0}, "max_price_age_s is more than 0, not 0.0"),
        ({"max_dayly_loss": 0.1}, "unknown field `max_dayly_loss`"),
        ({"max_symbols": "many"}, "Expected `int`"),
        (
            {"symbols": {"BTCUSDT": {"max_position_notional": -5}}},
            "BTCUSDT: max_position_notional is more than 0, not -5",
        ),
        (
            {"symbols": {"BTCUSDT": {"max_position_share": 5}}},
            "BTCUSDT: max_position_share is more than 0 and at most 1, not 5",
        ),
        ({"symbols": {"BTCUSDT": {"max": 5}}}, "unknown field `max`"),
    ],
)
def test_a_limit_that_is_none_is_refused(table: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError) as fault:  # noqa: PT011 (the sentence is compared below)
        make_limits(table)
    assert sentence in str(fault.value)
