"""Price alerts: what fires them, once or at each crossing, and that they outlive the engine."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.alerts.alert_book import AlertBook
from core.alerts.price_alerts import MOST_ALERTS, QUIET_S, PriceAlerts
from core.alerts.price_levels import PriceLevels
from core.clock import ManualClock
from core.events import MarketData
from core.models.alerts import AlertState, AlertWish, PriceAlert
from core.models.candles import Ticker
from core.refusal import Refused
from core.storage.database import open_database

BTC = "BTCUSDT"


class Desk:
    """Alerts over one exchange's prices. Attribute: fired, as (alert id, price)."""

    def __init__(self, path: Path, clock: ManualClock) -> None:
        self.clock = clock
        self.database = open_database(path)
        self.prices = {BTC: Decimal(100)}
        self.fired: list[tuple[int, Decimal]] = []
        self.alerts = PriceAlerts(
            AlertBook(self.database),
            clock=clock,
            exchange_of=lambda symbol: "bybit" if symbol in self.prices else None,
            price_of=lambda _exchange, symbol: self.prices.get(symbol),
            on_fired=lambda alert, price: self.fired.append((alert.alert_id, price)),
        )

    def tick(self, price: str, symbol: str = BTC) -> None:
        self.prices[symbol] = Decimal(price)
        ticker = Ticker("bybit", symbol, Decimal(price), self.clock.time_ms())
        self.alerts.on_market_data(MarketData("bybit", symbol, ticker=ticker))

    def add(self, price: str, **more: Any) -> PriceAlert:
        self.alerts.add(AlertWish(symbol=BTC, price=Decimal(price), **more))
        return self.alerts.snapshot()[-1]


@pytest.fixture
def desk(tmp_path: Path):
    made = Desk(tmp_path / "alerts.sqlite", ManualClock())
    yield made
    made.database.close()


@pytest.mark.parametrize(
    ("price", "tick"), [("110", "110"), ("110", "150"), ("90", "90"), ("90", "20")]
)
def test_it_fires_where_the_price_touches_or_jumps_over_it(
    desk: Desk, price: str, tick: str
) -> None:
    alert = desk.add(price)
    desk.tick("100")
    assert desk.fired == []
    desk.tick(tick)
    assert desk.fired == [(alert.alert_id, Decimal(tick))]
    assert desk.alerts.snapshot()[0].state is AlertState.FIRED


def test_once_is_once(desk: Desk) -> None:
    desk.add("110")
    for price in ("111", "100", "111"):
        desk.tick(price)
    assert len(desk.fired) == 1


def test_one_that_repeats_fires_at_each_crossing_but_not_at_a_dance(desk: Desk) -> None:
    desk.add("110", repeats=True)
    desk.tick("111")
    desk.tick("109")
    desk.tick("111")
    assert len(desk.fired) == 1
    desk.clock.advance_ms(int(QUIET_S * 1000))
    desk.tick("109")
    assert len(desk.fired) == 2
    assert desk.alerts.snapshot()[0].fired_count == 4
    assert desk.alerts.snapshot()[0].state is AlertState.WAITING


def test_after_its_time_it_says_nothing(desk: Desk) -> None:
    desk.add("110", expires_ms=desk.clock.time_ms() + 1000)
    desk.clock.advance_ms(1000)
    desk.tick("111")
    assert desk.fired == []
    assert desk.alerts.snapshot()[0].state is AlertState.EXPIRED


def test_one_that_nothing_touches_ends_at_its_time(desk: Desk) -> None:
    desk.add("110", expires_ms=desk.clock.time_ms() + 1000)
    desk.alerts.expire()
    assert desk.alerts.snapshot()[0].state is AlertState.WAITING
    desk.clock.advance_ms(1000)
    desk.alerts.expire()
    assert desk.alerts.snapshot()[0].state is AlertState.EXPIRED


def test_a_moved_line_takes_its_alert_along(desk: Desk) -> None:
    """ux 66: an alert on a drawn line follows the line."""
    alert = desk.add("110")
    desk.alerts.move(alert.alert_id, Decimal(90))
    desk.tick("111")
    assert desk.fired == []
    desk.tick("89")
    assert desk.fired == [(alert.alert_id, Decimal(89))]
    desk.alerts.move(alert.alert_id, Decimal(95))
    desk.tick("96")
    assert len(desk.fired) == 2


def test_a_deleted_one_is_silent_and_its_number_is_not_used_again(desk: Desk) -> None:
    first = desk.add("110")
    desk.alerts.remove(first.alert_id)
    desk.tick("111")
    assert desk.fired == []
    assert desk.add("120").alert_id > first.alert_id
    with pytest.raises(Refused, match="not there any more"):
        desk.alerts.remove(first.alert_id)


def test_they_outlive_the_engine(desk: Desk, tmp_path: Path) -> None:
    kept = desk.add("110", has_sound=False)
    desk.add("120")
    desk.tick("121")
    again = Desk(tmp_path / "alerts.sqlite", desk.clock)
    assert again.alerts.snapshot() == desk.alerts.snapshot()
    again.tick("200")
    assert again.fired == []
    again.alerts.move(kept.alert_id, Decimal(210))
    again.tick("211")
    assert [ident for ident, _ in again.fired] == [kept.alert_id]
    again.database.close()


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        (AlertWish(symbol="XYZ", price=Decimal(1)), "There is no price of XYZ yet."),
        (AlertWish(symbol=BTC, price=Decimal(100)), "BTCUSDT is at 100 already."),
        (AlertWish(symbol=BTC, price=Decimal(0)), "above zero"),
        (AlertWish(symbol=BTC, price=Decimal("NaN")), "above zero"),
        (AlertWish(symbol=BTC, price=Decimal(1), expires_ms=1), "over before it begins"),
    ],
)
def test_what_could_never_fire_is_refused(desk: Desk, wish: AlertWish, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        desk.alerts.add(wish)
    assert desk.alerts.snapshot() == []


def test_there_is_an_end_to_the_list(desk: Desk) -> None:
    desk.alerts._alerts = dict.fromkeys(range(MOST_ALERTS), desk.add("110"))
    with pytest.raises(Refused, match="delete some first"):
        desk.add("120")


def test_a_disk_that_fails_does_not_silence_it(desk: Desk) -> None:
    desk.add("110")
    desk.database.execute("DROP TABLE price_alerts")
    with pytest.raises(Refused, match="could not be kept"):
        desk.tick("111")
    assert len(desk.fired) == 1
    desk.tick("112")
    assert len(desk.fired) == 1
    with pytest.raises(Refused, match="could not be kept"):
        desk.add("120")
    assert len(desk.alerts.snapshot()) == 1
    assert isinstance(desk.database, sqlite3.Connection)


class Counting(Decimal):
    """Counts how often it is compared."""

    compared = 0

    def __ge__(self, other: object) -> bool:
        Counting.compared += 1
        return Decimal.__ge__(self, other)  # type: ignore[operator]

    def __le__(self, other: object) -> bool:
        Counting.compared += 1
        return Decimal.__le__(self, other)  # type: ignore[operator]


def test_a_tick_looks_at_two_of_ten_thousand() -> None:
    levels = PriceLevels()
    for number in range(10_000):
        levels.add(number, Decimal(1000 + number), waits_for_rise=number >= 5000)
    Counting.compared = 0
    assert levels.crossed(Counting("5999.5")) == []
    assert Counting.compared == 2


@given(
    st.lists(st.tuples(st.integers(1, 50), st.booleans()), max_size=30),
    st.lists(st.integers(1, 50), max_size=30),
)
def test_levels_say_what_looking_at_each_would_say(
    wishes: list[tuple[int, bool]], prices: list[int]
) -> None:
    levels = PriceLevels()
    waiting = {}
    for number, (price, rise) in enumerate(wishes):
        levels.add(number, Decimal(price), waits_for_rise=rise)
        waiting[number] = (price, rise)
    for price in prices:
        due = {n for n, (at, rise) in waiting.items() if (price >= at if rise else price <= at)}
        assert set(levels.crossed(Decimal(price))) == due
        for number in due:
            del waiting[number]
        assert len(levels) == len(waiting)
