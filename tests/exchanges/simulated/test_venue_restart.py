"""A restarted exchange has the same books, and market time never goes back."""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.clock import ManualClock
from core.models.orders import OrderType, Side
from exchanges.simulated.generated_market import GeneratedMarket
from exchanges.simulated.store import BooksMismatch, VenueStore
from exchanges.simulated.values import PlaceOrder, RejectReason, VenueReject
from exchanges.simulated.venue import Venue

BUY, SELL = Side.BUY, Side.SELL


def books(bench):
    account = bench.account
    return (
        account.wallet().wallet_balance,
        [(p.symbol, p.signed_quantity, p.entry_price, p.stop_loss) for p in account.positions()],
        account.open_orders(),
        account.executions(),
        account.order_history(),
        account.leverage("ETHUSDT"),
    )


def test_a_restart_finds_orders_position_money_and_client_ids(open_bench, tmp_path):
    before = open_bench(tmp_path / "books.db")
    before.market_order(BUY, "2", client_order_id="used", stop_loss="980.0")
    before.limit_order(BUY, "1", "990.0", client_order_id="resting")
    before.account.set_leverage("ETHUSDT", Decimal(7))
    kept = books(before)
    before.venue.close()

    after = open_bench(tmp_path / "books.db", before.market)
    assert books(after) == kept
    with pytest.raises(VenueReject) as caught:
        after.market_order(BUY, "1", client_order_id="used")
    assert caught.value.reason is RejectReason.DUPLICATE_CLIENT_ID
    after.trade("989.9")
    assert after.position() == 3
    after.trade("980.0")
    assert after.position() == 0


def test_what_was_answered_survives_a_crash(open_bench, tmp_path):
    before = open_bench(tmp_path / "books.db")
    order = before.market_order(BUY, "2")
    kept = books(before)

    after = open_bench(tmp_path / "books.db", before.market)  # the first was never closed
    assert books(after) == kept
    assert after.now(order) == order
    fresh = after.market_order(SELL, "1")
    assert fresh.order_id != order.order_id
    assert fresh.sequence > order.sequence


def test_the_time_to_resume_at_is_never_before_what_was_shown(tmp_path):
    market = GeneratedMarket(1)
    clock = ManualClock(market.start_ms, rate=900)
    store = VenueStore(tmp_path / "books.db")
    venue = Venue(market=market, clock=clock, store=store)
    for _ in range(200):
        clock.advance_ms(45_000)  # 50 ms of real time
        venue.advance()
        resume_ms = VenueStore(tmp_path / "books.db").resume_ms
        assert resume_ms >= clock.time_ms()
    assert VenueStore(tmp_path / "books.db").resume_ms > clock.time_ms()
    venue.close()
    assert VenueStore(tmp_path / "books.db").resume_ms == clock.time_ms()


def test_a_crash_in_the_first_second_does_not_take_time_back(tmp_path):
    """Also the second time, when the books on disk are older than the clock."""
    market = GeneratedMarket(1)
    resume_ms = market.start_ms
    for _ in range(3):
        clock = ManualClock(resume_ms, rate=900)
        Venue(market=market, clock=clock, store=VenueStore(tmp_path / "books.db"))
        shown_ms = clock.time_ms() + 900 * 999
        resume_ms = VenueStore(tmp_path / "books.db").resume_ms
        assert resume_ms >= shown_ms


def test_time_that_passed_while_it_was_down_is_made_up_for(tmp_path):
    def run(stops):
        market = GeneratedMarket(3)
        path = tmp_path / f"{stops}.db"
        clock = ManualClock(market.start_ms)
        venue = Venue(market=market, clock=clock, store=VenueStore(path))
        price = venue.ticker("BTCUSDT").last_price
        venue.account("key").place_order(
            PlaceOrder(
                symbol="BTCUSDT",
                side=BUY,
                order_type=OrderType.MARKET,
                quantity=Decimal("0.1"),
                stop_loss=price - 300,
                take_profit=price + 300,
            )
        )
        if stops:
            venue.close()
            venue = Venue(market=market, clock=clock, store=VenueStore(path))
        clock.advance_ms(86_400_000)
        venue.advance()
        return venue.account("key").executions().items

    through = run(stops=False)
    assert len(through) >= 2
    assert run(stops=True) == through


def test_books_of_another_market_are_refused(tmp_path):
    clock = ManualClock()
    Venue(market=GeneratedMarket(1), clock=clock, store=VenueStore(tmp_path / "b.db")).close()
    with pytest.raises(BooksMismatch, match="seed=1"):
        Venue(market=GeneratedMarket(2), clock=clock, store=VenueStore(tmp_path / "b.db"))
