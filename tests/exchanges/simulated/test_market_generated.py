"""The generated market is the same for a seed, and moves like a market."""

from __future__ import annotations

import numpy as np
import pytest

from core.models.candles import Timeframe
from exchanges.simulated.generated_market import GeneratedMarket

DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def market():
    return GeneratedMarket(7)


@pytest.fixture(scope="module")
def returns(market):
    def of(symbol, days=20):
        bars = market.bars(symbol, market.start_ms - days * DAY_MS, market.start_ms)
        return np.diff(np.log(bars.close))

    return of


def test_a_seed_means_one_market_whatever_was_asked_before(market):
    again = GeneratedMarket(7)
    later_ms = market.start_ms + 3 * DAY_MS + 12_345
    again.candles("XRPUSDT", Timeframe.D1, now_ms=later_ms, limit=50)

    for symbol in ("BTCUSDT", "WIFUSDT"):
        assert list(again.ticks(symbol, later_ms - 60_000, later_ms)) == list(
            market.ticks(symbol, later_ms - 60_000, later_ms)
        )
    assert again.identity == market.identity


def test_another_seed_is_another_market(market):
    other = GeneratedMarket(8)
    assert other.identity != market.identity
    assert other.candles("BTCUSDT", Timeframe.H1, now_ms=market.start_ms, limit=5) != (
        market.candles("BTCUSDT", Timeframe.H1, now_ms=market.start_ms, limit=5)
    )


def test_fifty_symbols_start_at_prices_of_the_right_size(market):
    assert len(market.instruments) == 50
    price = market.last_tick("BTCUSDT", market.start_ms).price
    assert 60_000 < price < 75_000
    for instrument in market.instruments.values():
        last = market.last_tick(instrument.symbol, market.start_ms).price
        assert instrument.min_quantity * last < 100  # a small account can trade it
        assert last / instrument.tick_size > 300  # and its price moves in fine steps


def test_one_day_ends_where_the_next_begins(market):
    for symbol in ("BTCUSDT", "SHIBUSDT"):
        bars = market.bars(symbol, market.start_ms - 5 * DAY_MS, market.start_ms + 5 * DAY_MS)
        assert np.all(np.diff(bars.open_ms) == 60_000)
        assert np.array_equal(bars.open[1:], bars.close[:-1])
        assert np.all(bars.high >= np.maximum(bars.open, bars.close))
        assert np.all(bars.low <= np.minimum(bars.open, bars.close))
        assert bars.low.min() > 0
        assert bars.volume.min() > 0


def test_history_of_two_months_and_more_lies_before_the_start(market):
    asked = market.candles("ETHUSDT", Timeframe.M1, now_ms=market.start_ms, limit=60 * 1440)
    assert len(asked) == 60 * 1440


def test_volatility_clusters_and_returns_do_not_repeat(returns):
    moves = returns("BTCUSDT")
    size = np.abs(moves)
    assert np.corrcoef(size[:-10], size[10:])[0, 1] > 0.1
    assert abs(np.corrcoef(moves[:-1], moves[1:])[0, 1]) < 0.03
    kurtosis = ((moves - moves.mean()) ** 4).mean() / moves.var() ** 2
    assert kurtosis > 4  # fat tails: jumps and changing volatility


def test_symbols_move_together(returns):
    assert np.corrcoef(returns("BTCUSDT"), returns("ETHUSDT"))[0, 1] > 0.6


def test_bitcoin_ranges_are_worth_trading(market):
    candles = market.candles("BTCUSDT", Timeframe.M15, now_ms=market.start_ms, limit=1000)
    ranges = [float((candle.high - candle.low) / candle.open) for candle in candles]
    assert 0.002 < np.median(ranges) < 0.008


def test_volume_is_largest_at_the_ends_of_the_day(market):
    bars = market.bars("BTCUSDT", market.start_ms - 30 * DAY_MS, market.start_ms)
    by_hour = bars.volume.reshape(30, 24, 60).sum(axis=(0, 2))
    assert by_hour[[0, 23]].mean() > 1.5 * by_hour[10:14].mean()


def test_at_another_start_a_market_is_the_same_one_moved(market):
    moved_ms = 200 * DAY_MS + 47 * 900_000
    moved = GeneratedMarket(7, market.start_ms + moved_ms)
    assert moved.is_moved
    assert not market.is_moved
    assert moved.start_ms == market.start_ms + moved_ms
    for offset_ms in (-DAY_MS, -1, 0, 123_456, 3 * DAY_MS + 999):
        now_ms = market.start_ms + offset_ms
        there_ms = now_ms + moved_ms
        block, twin = (
            one.ticks("WIFUSDT", at_ms - 90_000, at_ms)
            for one, at_ms in ((market, now_ms), (moved, there_ms))
        )
        assert (twin.times_ms - moved_ms).tolist() == block.times_ms.tolist()
        for column in ("prices", "quantities", "is_buy"):
            assert getattr(twin, column).tolist() == getattr(block, column).tolist()
        assert (
            moved.order_book("WIFUSDT", there_ms, 5)[2:]
            == (market.order_book("WIFUSDT", now_ms, 5)[2:])
        )
        assert moved.day_statistics("WIFUSDT", there_ms) == (
            market.day_statistics("WIFUSDT", now_ms)
        )


@pytest.mark.parametrize(("seed", "start_ms"), [(7, 1_790_000_100_000), (-3, 1_767_571_200_000)])
def test_an_identity_names_its_market(seed, start_ms):
    market = GeneratedMarket(seed, start_ms)
    found = GeneratedMarket.of_identity(market.identity)
    assert (found.identity, found.seed, found.start_ms) == (market.identity, seed, start_ms)


def test_the_identity_of_another_kind_of_market_names_none():
    assert GeneratedMarket.of_identity("replayed/start=1/BTCUSDT:file.parquet") is None
