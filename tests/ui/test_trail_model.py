"""Lines of the journal as steps with figures, durations and a text to copy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PyQt6.QtWidgets import QApplication

from core.snapshots import TrailLine
from ui import i18n
from ui.models.trail import as_text, lasting, limit_words, read_trail

T0 = 1_763_649_000_000  # 2025-11-20 14:30:00 UTC
ORDER = "rsimacd_BTCUSDT_mwpn5s00_wbmdt6xf"
LINES = [
    TrailLine(T0, "candle", "opened 2025-11-20 14:15 UTC, closed at 65867.3"),
    TrailLine(T0, "indicators", "macd_histogram -12.5, rsi 43.8, atr 149.3"),
    TrailLine(T0 + 1, "signal", "long: RSI left oversold and MACD turned up"),
    TrailLine(
        T0 + 1,
        "size",
        "fixed_percent of 25,067.20 USDT allows 4,413.05; 4,413.05 / 65867.3 = 0.0670, in whole "
        "steps 0.067; 0.067 x 65867.3 = 4413.1091",
    ),
    TrailLine(T0 + 2, "intent", "RSI left oversold and MACD turned up"),
    TrailLine(T0 + 3, "capital", "passed: needs 4413.1091, 20053.7600 available"),
    TrailLine(
        T0 + 4,
        "risk",
        "passed: active; daily_loss 0 of 3 %; largest_position 17.6 of 20 %; "
        "orders_per_minute 1 of 10 orders; drawdown 1.71 of 15 %",
    ),
    TrailLine(T0 + 5, "request", "market buy 0.067 BTCUSDT GTC, stop 65495.8, take profit 67362.1 "
              f"as {ORDER}"),
    TrailLine(T0 + 5, "sent", ""),
    TrailLine(T0 + 89, "answer", "accepted 5f2c81d0"),
    TrailLine(T0 + 90, "exchange", "filled 0.067 of 0.067 at 65869.1"),
    TrailLine(T0 + 117, "fill", "buy 0.067 at 65869.1, fee 2.43 (t-1)"),
    TrailLine(T0 + 3_600_000, "cancel", "asked to cancel"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def english(qapp: QApplication) -> Iterator[None]:
    i18n.use("en")
    yield
    i18n.use("en")


def test_each_step_has_its_title_figures_and_time() -> None:
    trail = read_trail(ORDER, LINES)
    steps = {step.title: step for step in trail.steps}
    assert list(steps) == [
        "Candle closed", "Indicators", "Signal: Long", "Size: 0.067", "Intent on disk",
        "Capital reserved", "Risk checks: 4 of 4 passed", "Order sent", "Accepted",
        "At the exchange", "Filled", "Cancel",
    ]  # fmt: skip
    assert steps["Candle closed"].facts == (
        ("opened", "2025-11-20 14:15 UTC"), ("close", "65,867.3"),
    )  # fmt: skip
    assert steps["Indicators"].facts == (
        ("MACD histogram", "−12.5"), ("RSI", "43.8"), ("ATR", "149.3"),
    )  # fmt: skip
    assert steps["Size: 0.067"].words.startswith("4,413.05 ÷ 65,867.3 = 0.0670")
    assert ("0.067 × 65,867.3", "4,413.11") in steps["Size: 0.067"].facts
    assert steps["Intent on disk"].words == "written before anything is sent"
    assert ("available", "20,053.76") in steps["Capital reserved"].facts
    assert ("needs", "4,413.11") in steps["Capital reserved"].facts
    assert ("Largest position", "17.6 / 20 %") in steps["Risk checks: 4 of 4 passed"].facts
    assert ("SL", "65,495.8") in steps["Order sent"].facts
    assert steps["Order sent"].took_ms == 84
    assert steps["Filled"].words == "0.067 at 65,869.1"


def test_the_span_ends_with_the_fill_and_a_demos_time_is_told_in_ours() -> None:
    assert read_trail(ORDER, LINES).total_ms == 117
    fast = read_trail(ORDER, LINES, clock_rate=10)
    assert fast.total_ms == pytest.approx(11.7)
    assert fast.steps[7].took_ms == pytest.approx(8.4)


def test_what_was_known_when_it_was_judged() -> None:
    trail = read_trail(ORDER, LINES)
    assert [limit_words(check) for check in trail.checks] == [
        "0.00 / 3 %", "17.6 / 20 %", "1 / 10", "1.71 / 15 %",
    ]  # fmt: skip
    assert trail.decided_ms == T0 - 900_000
    assert dict(trail.evidence) == {
        "Client order id": ORDER,
        "Exchange order id": "5f2c81d0",
        "Intent on disk": "14:30:00.002",
        "Trade": "t-1",
    }


def test_a_check_that_said_no_gives_its_reason() -> None:
    text = (
        "denied: BTCUSDT would hold 20.7 % of the equity, above 20 % (active; drawdown 0 of 15 %)"
    )
    trail = read_trail(ORDER, [TrailLine(T0, "risk", text)])
    [step] = trail.steps
    assert (step.title, step.tone) == ("Denied by a risk rule", "warn")
    assert step.words == "BTCUSDT would hold 20.7 % of the equity, above 20 %"
    assert not trail.is_passed


def test_the_copy_has_every_step_figure_and_duration() -> None:
    text = as_text("Why: Buy 0.067 BTCUSDT", read_trail(ORDER, LINES))
    assert text.startswith(f"Why: Buy 0.067 BTCUSDT\n{ORDER}\n")
    assert "14:30:00.005  Order sent  (+84 ms)" in text
    for figure in ("65,867.3", "17.6 / 20 %", "5f2c81d0", "2.43"):
        assert figure in text


@pytest.mark.parametrize(
    ("duration_ms", "text"),
    [(0.2, "<1 ms"), (84.2, "84 ms"), (1_240, "1.2 s"), (3_600_000, "1 h 00 min")],
)
def test_durations_are_short(duration_ms: float, text: str) -> None:
    assert lasting(duration_ms) == text


@given(
    step=st.sampled_from([line.step for line in LINES] + ["denied", "unknown", "nonsense", ""]),
    text=st.text(max_size=60),
)
def test_no_line_is_ever_left_out_whatever_it_says(step: str, text: str) -> None:
    trail = read_trail(ORDER, [TrailLine(T0, step, text or "x")])
    assert len(trail.steps) == 1
    assert trail.steps[0].whole == (text or "x")
    as_text("", trail)
