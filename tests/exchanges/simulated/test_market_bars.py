"""Ticks, forming candle and closed candle are one thing seen at different distances."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.models.candles import Candle, Timeframe
from exchanges.simulated.bar_market import BarMarket, Bars
from exchanges.simulated.bar_path import bar_path
from exchanges.simulated.generated_market import GeneratedMarket

MINUTE_MS = 60_000
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def market():
    return GeneratedMarket(7)


def rebuilt(ticks, timeframe):
    """Candles from ticks, the slow and obvious way."""
    bars = {}
    for tick in ticks:
        bars.setdefault(timeframe.floor_ms(tick.time_ms), []).append(tick)
    return [
        Candle(
            open_ms,
            inside[0].price,
            max(tick.price for tick in inside),
            min(tick.price for tick in inside),
            inside[-1].price,
            sum(tick.quantity for tick in inside),
        )
        for open_ms, inside in bars.items()
    ]


@st.composite
def whole_bars(draw):
    low = draw(st.integers(1, 10**9))
    high = low + draw(st.integers(0, 10**6))
    inside = st.integers(low, high)
    volume = draw(st.one_of(st.integers(0, 6), st.integers(0, 10**15)))
    return draw(inside), high, low, draw(inside), volume


@given(whole_bars(), st.integers(0, 2**64 - 1), st.sampled_from([60_000, 300_000, 900_000]))
@example((100, 100, 100, 100, 0), 1, 60_000)
@example((100, 110, 90, 100, 1), 1, 60_000)
@example((100, 110, 90, 105, 4), 1, 900_000)
def test_the_trades_inside_a_bar_give_the_bar_back(bar, key, duration_ms):
    path = bar_path(key, 1_000_000, duration_ms, bar)

    open_, high, low, close, volume = bar
    assert path.prices[0] == open_
    assert path.prices[-1] == close
    assert (path.prices.max(), path.prices.min()) == (high, low)
    assert path.quantities.sum() == volume
    assert path.quantities.min() >= 0
    assert path.times_ms[0] == 1_000_000
    assert path.times_ms[-1] < 1_000_000 + duration_ms
    assert np.all(np.diff(path.times_ms) > 0)
    if volume >= 4:
        assert path.quantities.min() >= 1


@pytest.mark.parametrize("timeframe", [Timeframe.M1, Timeframe.M15, Timeframe.H1])
def test_candles_are_what_their_ticks_showed(market, timeframe):
    now_ms = market.start_ms + 5_432_100
    shown = market.candles("ETHUSDT", timeframe, now_ms=now_ms, limit=3)
    ticks = market.ticks("ETHUSDT", shown[0].open_time_ms - 1, now_ms)

    assert rebuilt(ticks, timeframe) == shown
    assert shown[-1].open_time_ms == timeframe.floor_ms(now_ms)


def test_every_timeframe_opens_where_the_calendar_says(market):
    now_ms = market.start_ms + 40 * 86_400_000 + 12_345
    for timeframe in Timeframe:
        shown = market.candles("BTCUSDT", timeframe, now_ms=now_ms, limit=5)
        assert len(shown) == 5
        expected = timeframe.floor_ms(now_ms)
        for candle in reversed(shown):
            assert candle.open_time_ms == expected
            expected = timeframe.floor_ms(expected - 1)
    month = market.candles("BTCUSDT", Timeframe.MONTH, now_ms=now_ms, limit=2)[0]
    assert datetime.fromtimestamp(month.open_time_ms / 1000, UTC).day == 1


def test_a_range_is_inclusive_and_its_newest_bars_win(market):
    start_ms = market.start_ms
    asked = market.candles(
        "BTCUSDT",
        Timeframe.M15,
        now_ms=start_ms + 10**9,
        start_ms=start_ms,
        end_ms=start_ms + 10 * 900_000,
        limit=4,
    )
    opens = [(candle.open_time_ms - start_ms) // 900_000 for candle in asked]
    assert opens == [7, 8, 9, 10]


def test_nothing_from_the_future_is_shown(market):
    now_ms = market.start_ms + 61_500
    shown = market.candles(
        "BTCUSDT", Timeframe.M1, now_ms=now_ms, start_ms=market.start_ms, end_ms=now_ms * 2
    )
    assert [candle.open_time_ms for candle in shown] == [market.start_ms, market.start_ms + 60_000]
    assert rebuilt(market.ticks("BTCUSDT", market.start_ms - 1, now_ms), Timeframe.M1) == shown


def test_a_range_outside_of_history_is_empty(market):
    now_ms = market.start_ms
    future = market.candles("BTCUSDT", Timeframe.M15, now_ms=now_ms, start_ms=now_ms * 2)
    past = market.candles("BTCUSDT", Timeframe.M15, now_ms=now_ms, end_ms=1000)
    assert future == past == []


def test_the_last_tick_is_the_newest_of_the_ticks(market):
    for offset_ms in (0, 1, 999, 1000, 59_999, 60_000, 123_456):
        now_ms = market.start_ms + offset_ms
        ticks = list(market.ticks("BTCUSDT", now_ms - 120_000, now_ms))
        assert market.last_tick("BTCUSDT", now_ms) == ticks[-1]


def test_ticks_in_parts_are_the_ticks_in_one_piece(market):
    start_ms, end_ms = market.start_ms - 90_500, market.start_ms + 90_500
    whole = list(market.ticks("SOLUSDT", start_ms, end_ms))
    cuts = [start_ms, start_ms + 1, start_ms + 30_499, market.start_ms - 1, market.start_ms, end_ms]
    parts = [
        tick
        for first, last in itertools.pairwise(cuts)
        for tick in market.ticks("SOLUSDT", first, last)
    ]
    assert parts == whole


@pytest.mark.parametrize("symbol", ["BTCUSDT", "SHIBUSDT", "1000PEPEUSDT", "BCHUSDT"])
def test_the_book_is_in_order_around_the_last_price_and_on_the_grid(market, symbol):
    instrument = market.instruments[symbol]
    for second in range(0, 300, 7):
        now_ms = market.start_ms + second * 1000
        book = market.order_book(symbol, now_ms, 50)
        last = market.last_tick(symbol, now_ms)
        bids, asks = [[level.price for level in side] for side in (book.bids, book.asks)]
        assert bids == sorted(set(bids), reverse=True)
        assert asks == sorted(set(asks))
        assert bids[0] < asks[0] <= bids[0] + 2 * instrument.tick_size
        assert last.price in (bids[0], asks[0])
        for price, quantity in book.bids + book.asks:
            assert price % instrument.tick_size == 0
            assert quantity % instrument.quantity_step == 0
            assert quantity > 0


def test_day_statistics_agree_with_the_candles(market):
    now_ms = market.start_ms + 905_000
    shown = market.day_statistics("BTCUSDT", now_ms)
    candles = market.candles(
        "BTCUSDT", Timeframe.M1, now_ms=now_ms, start_ms=market.start_ms - 85_500_000, limit=2000
    )
    assert shown.high == max(candle.high for candle in candles)
    assert shown.low == min(candle.low for candle in candles)
    assert shown.volume == sum(candle.volume for candle in candles)
    assert shown.price_24h_ago == candles[0].open
    assert Decimal("0.9") < shown.turnover / (shown.volume * shown.low) < Decimal("1.5")


def test_day_statistics_do_not_depend_on_what_was_asked_before(market):
    moments_ms = [market.start_ms + step * 47_003 for step in range(60)]

    def asked(moments):
        fresh = GeneratedMarket(7)
        return {now_ms: fresh.day_statistics("ETHUSDT", now_ms) for now_ms in moments}

    forwards = asked(moments_ms)
    assert asked(reversed(moments_ms)) == forwards
    assert {now_ms: asked([now_ms])[now_ms] for now_ms in moments_ms[::13]} == {
        now_ms: forwards[now_ms] for now_ms in moments_ms[::13]
    }


def test_turnover_of_the_day_is_the_bars_closes_times_their_volumes(market):
    now_ms = market.start_ms + 777_000
    candles = market.candles(
        "BTCUSDT", Timeframe.M1, now_ms=now_ms, start_ms=market.start_ms - 86_400_000, limit=2000
    )
    turnover = market.day_statistics("BTCUSDT", now_ms).turnover
    assert turnover == sum(candle.close * candle.volume for candle in candles)


def test_a_book_stands_still_between_trades_and_begins_alike_at_every_depth(market):
    market.order_book("BTCUSDT", market.start_ms - 1, 50)  # what was asked before means nothing
    first, later = (
        market.order_book("BTCUSDT", market.start_ms + offset_ms, 50) for offset_ms in (0, 999)
    )
    assert (later.bids, later.asks) == (first.bids, first.asks)
    shallow = market.order_book("BTCUSDT", market.start_ms + 500, 1)
    assert (shallow.bids, shallow.asks) == (first.bids[:1], first.asks[:1])


class HourBars(BarMarket):
    """Coarse bars, as some files hold: each hour twice as high as the one before."""

    def __init__(self):
        instruments = {"BTCUSDT": GeneratedMarket(7).instruments["BTCUSDT"]}
        super().__init__("hours", 100 * HOUR_MS, instruments)

    def base_timeframe(self, symbol):
        return Timeframe.H1

    def history_start_ms(self, symbol):
        return 100 * HOUR_MS

    def bars(self, symbol, start_ms, end_ms):
        hours = np.arange(100, 110)
        opens = 1000 * 2 ** (hours - 100)
        rows = Bars(hours * HOUR_MS, opens, 2 * opens, opens, 2 * opens, 0 * hours + 3600)
        return rows.between(start_ms, end_ms)


def test_day_statistics_of_coarse_bars_know_nothing_of_the_forming_bars_end():
    market = HourBars()
    instrument = market.instruments["BTCUSDT"]
    tick, step = instrument.tick_size, instrument.quantity_step
    now_ms = 103 * HOUR_MS + 1_800_000
    shown = market.day_statistics("BTCUSDT", now_ms)
    newest = market.ticks("BTCUSDT", 103 * HOUR_MS - 1, now_ms)
    assert shown.high == int(newest.prices.max()) * tick
    assert shown.volume == (3 * 3600 + int(newest.quantities.sum())) * step
    assert shown.low == shown.price_24h_ago == 1000 * tick
