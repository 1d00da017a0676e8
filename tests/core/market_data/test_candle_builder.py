"""Candles made from trades are the exchange's, or they are not called closed."""

from __future__ import annotations

from decimal import Decimal
from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from core.market_data.candle_builder import CandleBuilder
from core.models.candles import Candle, Timeframe
from core.models.orders import Side
from core.models.trades import PublicTrade

START_MS = 1_700_000_100_000
MINUTE_MS = 60_000
TIMEFRAME = Timeframe.M1


def trade(number, offset_ms, price=100, quantity=1):
    return PublicTrade(
        "bithumb", "KRW-BTC", str(number), Decimal(price), Decimal(quantity), Side.BUY,
        START_MS + offset_ms,
    )  # fmt: skip


def exchange_bars(trades):
    """What the exchange itself would say, all at once."""
    bars = []
    for open_ms, group in groupby(trades, key=lambda t: TIMEFRAME.floor_ms(t.time_ms)):
        rows = list(group)
        prices = [row.price for row in rows]
        volume = sum((row.quantity for row in rows), Decimal(0))
        bars.append(Candle(open_ms, prices[0], max(prices), min(prices), prices[-1], volume))
    return bars


@st.composite
def markets(draw):
    """Trades in the exchange's order, with minutes in which nobody trades."""
    gaps = draw(st.lists(st.integers(0, 150_000), max_size=40))
    time_ms, trades = 0, []
    for number, gap in enumerate(gaps):
        time_ms += gap
        price, quantity = draw(st.integers(1, 10**6)), draw(st.integers(1, 1000))
        trades.append(trade(number, time_ms, price, quantity))
    return trades


@given(markets(), st.integers(1, 5))
def test_bars_are_the_exchanges_however_trades_are_batched(trades, size):
    builder = CandleBuilder(TIMEFRAME)
    builder.begin(START_MS)
    closed = []
    for first in range(0, len(trades), size):
        closed += builder.add(trades[first : first + size])
    closed += builder.close_until(START_MS + 10**10)
    assert closed == exchange_bars(trades)


@given(markets(), st.integers(0, 39))
def test_a_bar_that_was_not_seen_whole_is_never_called_closed(trades, cut):
    builder = CandleBuilder(TIMEFRAME)
    builder.begin(START_MS)
    before, lost, after = trades[:cut], trades[cut : cut + 1], trades[cut + 1 :]
    closed = builder.add(before)
    builder.begin(lost[0].time_ms + 1 if lost else START_MS)
    closed += builder.add(after)
    closed += builder.close_until(START_MS + 10**10)
    truth = exchange_bars(trades)
    assert all(bar in truth for bar in closed)
    assert [bar.open_time_ms for bar in closed] == sorted({bar.open_time_ms for bar in closed})


@given(markets(), st.data())
def test_trades_sent_again_count_once(trades, data):
    sent = []
    for place, one in enumerate(trades):
        sent.append(one)
        if data.draw(st.booleans()):
            sent.append(trades[data.draw(st.integers(0, place))])
    builder = CandleBuilder(TIMEFRAME)
    builder.begin(START_MS)
    closed = builder.add(sent) + builder.close_until(START_MS + 10**10)
    assert closed == exchange_bars(trades)


def test_the_forming_bar_is_what_came_so_far():
    builder = CandleBuilder(TIMEFRAME)
    builder.begin(START_MS + 1)
    assert builder.forming is None
    builder.add([trade(1, 1000, 5), trade(2, 2000, 9), trade(3, 3000, 7)])
    assert builder.forming == Candle(START_MS, *map(Decimal, (5, 9, 5, 7, 3)))
    assert builder.close_until(START_MS + MINUTE_MS) == []  # begun a millisecond too late


def test_the_clock_closes_a_bar_that_no_later_trade_closes():
    builder = CandleBuilder(TIMEFRAME)
    builder.begin(START_MS)
    builder.add([trade(1, 1000)])
    assert builder.close_until(START_MS + MINUTE_MS - 1) == []
    [bar] = builder.close_until(START_MS + MINUTE_MS)
    assert bar.open_time_ms == START_MS
    assert builder.close_until(START_MS + 2 * MINUTE_MS) == []
    assert builder.add([trade(2, 59_000)]) == []  # too late for a bar that has closed
    assert builder.forming is None
