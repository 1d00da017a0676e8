"""Results depend on market time, not on how often somebody looks."""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.clock import ManualClock
from core.models.candles import Ticker, Timeframe
from core.models.fills import FillKind
from core.models.orders import OrderType, Side
from exchanges.simulated.generated_market import GeneratedMarket
from exchanges.simulated.values import PlaceOrder, Traded
from exchanges.simulated.venue import Venue

HOURS_MS = 36 * 3_600_000


def run(step_ms):
    """A grid of orders on three symbols for a day and a half, looked at every `step_ms`."""
    market = GeneratedMarket(11)
    clock = ManualClock(market.start_ms)
    venue = Venue(market=market, clock=clock)
    account = venue.account("key")
    for symbol in ("BTCUSDT", "ETHUSDT", "WIFUSDT"):
        instrument = market.instruments[symbol]
        price = venue.ticker(symbol).last_price
        quantity = instrument.round_quantity_down(Decimal(500) / price)
        for percent in range(1, 6):
            distance = instrument.round_price(price * percent / 200)
            for side in Side:
                limit = price - side.sign * distance
                account.place_order(
                    PlaceOrder(
                        symbol=symbol,
                        side=side,
                        order_type=OrderType.LIMIT,
                        quantity=quantity,
                        price=limit,
                        stop_loss=limit - side.sign * distance,
                        take_profit=limit + side.sign * distance,
                    )
                )
    while clock.time_ms() < market.start_ms + HOURS_MS:
        clock.advance_ms(step_ms)
        venue.advance()
    return account.executions(limit=1000).items


def test_the_same_happens_however_often_the_exchange_is_asked():
    often, seldom = run(HOURS_MS // 1000), run(HOURS_MS // 2)
    assert len(often) > 10
    assert often == seldom
    assert often == run(HOURS_MS // 2)  # and every time


def test_watched_symbols_tell_every_trade_once(bench):
    bench.venue.watch("BTCUSDT")
    bench.venue.watch("BTCUSDT")
    for price in ("1001.0", "1002.0", "1003.0"):
        bench.trade(price)
    bench.trade("900.0", symbol="ETHUSDT")
    told = [tick.price for e in bench.events if isinstance(e, Traded) for tick in e.ticks]
    assert told == [1001, 1002, 1003]

    bench.venue.unwatch("BTCUSDT")
    bench.trade("1004.0")
    bench.venue.unwatch("BTCUSDT")
    bench.trade("1005.0")
    told = [tick.price for e in bench.events if isinstance(e, Traded) for tick in e.ticks]
    assert told == [1001, 1002, 1003, 1004]


def test_ticker_candles_and_trades_agree():
    market = GeneratedMarket(2)
    venue = Venue(market=market, clock=ManualClock(market.start_ms + 777_777))
    ticker = venue.ticker("BTCUSDT")
    forming = venue.candles("BTCUSDT", Timeframe.M15, limit=1)[0]
    trades = venue.recent_trades("BTCUSDT", 5)

    assert ticker.last_price == forming.close == trades[0].price
    assert len(trades) == 5
    assert trades[0].time_ms > trades[-1].time_ms
    assert ticker.bid_price < ticker.ask_price
    assert ticker.low_24h <= ticker.last_price <= ticker.high_24h


def test_a_late_live_price_is_not_lost(bench):
    """Paper trading: a message may arrive after the venue has gone past its time."""
    order = bench.limit_order(Side.BUY, "1", "990.0")
    bench.clock.advance_ms(5000)
    bench.venue.advance()
    bench.market.push("BTCUSDT", Decimal("989.0"), bench.clock.time_ms() - 3000)
    bench.clock.advance_ms(50)
    bench.venue.advance()
    assert bench.now(order).filled_quantity == 1


def test_a_live_ticker_sets_the_quote_and_a_new_price_trades(bench):
    order = bench.limit_order(Side.BUY, "1", "995.0")
    bench.clock.advance_ms(1000)
    bench.market.on_ticker(
        Ticker(
            exchange="bybit",
            symbol="BTCUSDT",
            last_price=Decimal("994.0"),
            exchange_time_ms=bench.clock.time_ms(),
            bid_price=Decimal("993.5"),
            ask_price=Decimal("994.5"),
        )
    )
    bench.venue.advance()
    assert bench.now(order).filled_quantity == 1
    assert bench.market_order(Side.BUY, "1").average_price == Decimal("994.5")
    assert bench.market_order(Side.SELL, "1").average_price == Decimal("993.5")


def test_live_prices_keep_no_candles(bench):
    with pytest.raises(LookupError):
        bench.venue.candles("BTCUSDT", Timeframe.M1)


def test_restored_books_wait_for_the_first_live_price(open_bench, tmp_path):
    before = open_bench(tmp_path / "books.db")
    before.market_order(Side.BUY, "1", stop_loss="980.0")
    before.venue.close()

    after = open_bench(tmp_path / "books.db", type(before.market)(first_price=None))
    after.clock.advance_ms(600_000)
    after.venue.advance()
    with pytest.raises(LookupError):
        after.account.wallet()
    after.trade("979.0")
    after.clock.advance_ms(60_000)
    after.venue.advance()
    assert after.position() == 0


def run_all_in(step_ms, leverage):
    """Everything the margin allows on one long and one short, until the market has had enough."""
    market = GeneratedMarket(11)
    clock = ManualClock(market.start_ms)
    venue = Venue(market=market, clock=clock)
    account = venue.account("key")
    for symbol, side in (("BTCUSDT", Side.BUY), ("DOGEUSDT", Side.SELL)):
        instrument = market.instruments[symbol]
        account.set_leverage(symbol, leverage)
        value = account.wallet().available_balance * leverage * Decimal("0.4")
        quantity = instrument.round_quantity_down(value / venue.ticker(symbol).last_price)
        account.place_order(
            PlaceOrder(symbol=symbol, side=side, order_type=OrderType.MARKET, quantity=quantity)
        )
    while clock.time_ms() < market.start_ms + 2 * HOURS_MS:
        clock.advance_ms(step_ms)
        venue.advance()
    return account.executions(limit=1000).items


@pytest.mark.parametrize("leverage", [Decimal(5), Decimal(50)])
def test_funding_and_liquidation_come_at_their_moment_however_long_nobody_looked(leverage):
    often, seldom = run_all_in(30_000, leverage), run_all_in(2 * HOURS_MS, leverage)
    assert often == seldom
    assert any(execution.kind is FillKind.FUNDING for execution in often)
    assert any(execution.is_liquidation for execution in often) == (leverage == 50)


def test_months_without_anybody_looking_are_made_up_for_at_once():
    """By what is looked at, not by a stopwatch: one look at a stretch of hours, not at minutes."""

    class CountingMarket(GeneratedMarket):
        looks = 0

        def ticks(self, symbol, start_ms, end_ms):
            self.looks += 1
            return super().ticks(symbol, start_ms, end_ms)

    market = CountingMarket(11)
    clock = ManualClock(market.start_ms)
    venue = Venue(market=market, clock=clock)
    account = venue.account("key")
    for symbol in ("BTCUSDT", "ETHUSDT"):
        quantity = market.instruments[symbol].round_quantity_down(
            Decimal(500) / venue.ticker(symbol).last_price
        )
        account.place_order(
            PlaceOrder(
                symbol=symbol,
                side=Side.BUY,
                order_type=OrderType.MARKET,
                quantity=quantity,
                stop_loss=Decimal(1),
            )
        )
    before = market.looks
    clock.advance_ms(60 * 86_400_000)
    assert len(account.executions(limit=1000).items) == 2 + 2 * 60 * 3
    assert market.looks - before < 1_000
