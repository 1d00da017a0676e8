"""How numbers are written."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ui import formatting as f
from ui import i18n, preferences
from ui.preferences import Preferences


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (Decimal("67074.5"), 1, "67,074.5"),
        (92_481_000, 0, "92,481,000"),
        (8.124e-6, 9, "0.0₅8124"),
        (Decimal("0.000008124"), 9, "0.0₅8124"),
        (1e-6, 6, "0.0₅1"),
        (Decimal("0.00012"), 5, "0.00012"),
        (0, 9, "0.000000000"),
        (-3.25, 1, "−3.2"),
        (None, 2, "—"),
        (float("nan"), 2, "—"),
        (float("inf"), 2, "—"),
        (Decimal("NaN"), 2, "—"),
    ],
)
def test_price(value: f.Number | None, decimals: int, text: str) -> None:
    assert f.price(value, decimals) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(80.76, "+80.76"), (Decimal("-11.92"), "−11.92"), (0, "0.00"), (-0.001, "0.00")],
)
def test_a_change_carries_its_sign_unless_it_rounds_to_zero(value: f.Number, text: str) -> None:
    assert f.signed(value) == text


def test_percent_of_a_ratio() -> None:
    assert f.percent(Decimal("0.0183")) == "+1.83 %"
    assert f.percent(-0.0057) == "−0.57 %"
    assert f.percent(Decimal("0.176"), 1, sign=False) == "17.6 %"
    assert f.percent(None) == "—"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (4_180_000_000, "4.18 B"),
        (Decimal("226400000"), "226.40 M"),
        (12_346, "12.35 K"),
        (-2_500_000, "−2.50 M"),
        (226, "226"),
    ],
)
def test_compact(value: f.Number, text: str) -> None:
    assert f.compact(value) == text


def test_won_has_no_decimals_and_long_sums_use_korean_units() -> None:
    assert f.money(Decimal("92481000.4"), "KRW") == "92,481,000"
    assert f.money(Decimal("25162.257")) == "25,162.26"
    assert f.korean_sum(Decimal("123456789012")) == "1,234억 5,678만"
    assert f.korean_sum(-1_0003_0000_0000) == "−1조 3억"
    assert f.korean_sum(9_999) == "9,999"


@pytest.mark.parametrize(
    ("age_ms", "text"),
    [(100, "0.1 s"), (9_999, "10.0 s"), (38_400, "38 s"), (240_000, "4 min"), (7_300_000, "2 h")],
)
def test_age(age_ms: int, text: str) -> None:
    assert f.age(age_ms) == text


def test_durations_and_countdowns() -> None:
    assert f.duration(36_120_000) == "10 h 02 min"
    assert f.duration(6 * 86_400_000 + 4 * 3_600_000) == "6 d 04 h"
    assert f.countdown(773_000) == "12:53"
    assert f.countdown(1) == "00:01"
    assert f.countdown(-5) == "00:00"
    assert f.countdown(11_261_000) == "3:07:41"


def test_times_are_utc() -> None:
    assert f.clock(1_763_649_127_412) == "14:32:07"
    assert f.clock_ms(1_763_649_127_412) == "14:32:07.412"
    assert f.date_time(1_763_649_127_412) == "2025-11-20 14:32"
    assert f.clock(None) == "—"
    assert f.clock(10**20) == "00:00:00"


def test_quantity_is_as_exact_as_it_is() -> None:
    assert f.quantity(Decimal("0.0670")) == "0.067"
    assert f.quantity(Decimal("1E+3")) == "1,000"
    assert f.quantity(Decimal("0.067"), 4) == "0.0670"


@given(st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=0, max_value=10**9))
def test_a_price_reads_back_as_itself(value: Decimal) -> None:
    text = f.price(value, 8)
    digits = {ord(sub): str(n) for n, sub in enumerate("₀₁₂₃₄₅₆₇₈₉")}
    if any(ord(c) in digits for c in text):
        head, _, tail = text.partition("0.0")
        zeros = "".join(digits[ord(c)] for c in tail if ord(c) in digits)
        text = head + "0." + "0" * int(zeros) + "".join(c for c in tail if ord(c) not in digits)
    assert Decimal(text.replace(",", "")) == value


@given(st.floats())
def test_no_float_is_too_strange_to_write(value: float) -> None:
    for write in (f.number, f.signed, f.percent, f.money, f.compact, f.korean_sum, f.volume):
        assert write(value)
    assert f.price(value, 6)
    assert f.age(value)
    assert f.quantity(value)


def test_won_is_grasped_by_its_own_units_in_korean_only(qapp: object) -> None:
    assert f.long_sum(Decimal(123_456_789), "KRW") == "123,456,789"
    i18n.use("ko")
    try:
        assert f.long_sum(Decimal(123_456_789), "KRW") == "1억 2,345만"
        assert f.long_sum(Decimal("123456789.5"), "USDT") == "123,456,789.50"
    finally:
        i18n.use("en")


@pytest.fixture
def hidden() -> Iterator[None]:
    preferences.use(Preferences(hides_balances=True))
    yield
    preferences.use(Preferences())


@pytest.mark.parametrize(
    ("text", "veiled"),
    [
        ("SOLUSDT, filled 14.3 at 167.97", "SOLUSDT, filled ••••• at •••••"),
        ("LINKUSDT, stop loss, result −11.92", "LINKUSDT, stop loss, result •••••"),
        (
            "AVAXUSDT Buy 152.0 · position 20.7 % is above 20 %",
            "AVAXUSDT Buy ••••• · position 20.7 % is above 20 %",
        ),
        (
            "Trading stopped 14:32:07, 1000PEPE 15m candle",
            "Trading stopped 14:32:07, 1000PEPE 15m candle",
        ),
        ("free 25,162.26 USDT.", "free ••••• USDT."),
        ("result −79.89", "result •••••"),
    ],
)
def test_hidden_amounts_are_dots_in_the_engines_sentences_too(
    hidden: None, text: str, veiled: str
) -> None:
    """ux 75"""
    assert f.veiled(text) == veiled


def test_hidden_amounts_say_nothing_and_unknown_ones_stay_unknown(hidden: None) -> None:
    """ux 75"""
    for write in (f.money, f.size, lambda v: f.long_sum(v, "KRW")):
        assert write(Decimal("12.5")) == f.HIDDEN
        assert write(None) == f.UNKNOWN
    assert f.price(Decimal("12.5"), 1) == "12.5"
