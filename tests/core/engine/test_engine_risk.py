"""M4 in a whole engine: what stops trading, what goes on all the same, and what a restart keeps."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import msgspec
import pytest

from core.engine import Refused
from core.models.orders import OrderPurpose, OrderRequest, OrderType, Side
from core.oms.client_order_id import make_client_order_id
from core.snapshot_builder import SnapshotBuilder
from core.snapshots import BotState, RiskSnapshot, TradingState
from core.storage.database import open_database

D = Decimal
SOL = "SOLUSDT"


async def trading(world) -> str:
    """Up, with one position; its symbol."""
    await world.start()
    await world.running()
    await world.until(lambda: bool(world.held()))
    await world.settled()
    return next(iter(world.held()))


def risk(world) -> RiskSnapshot:
    return SnapshotBuilder(world.engine).build([]).risk


async def entry_by_hand(world) -> tuple[str, str]:
    """An ordinary small order at the market's price; its code and sentence if it was denied."""
    await world.until(lambda: SOL in world.feed.tickers, within_h=0.1)
    price = world.feed.tickers[SOL].last_price
    now_ms = world.clock.time_ms()
    request = OrderRequest(
        client_order_id=make_client_order_id("hand", SOL, now_ms, "1"),
        account="demo",
        bot_id="",
        strategy="hand",
        symbol=SOL,
        side=Side.BUY,
        order_type=OrderType.MARKET,
        quantity=D(1),
        reference_price=price,
        purpose=OrderPurpose.ENTRY,
        created_ms=now_ms,
        stop_loss=(price * D("0.9")).quantize(D("0.01")),
    )
    world.desk.bus.publish(request)
    order = world.desk.oms.order(request.client_order_id)
    return order.reject_code, order.reason


async def test_books_that_do_not_add_up_let_exits_only_also_after_a_restart(
    world, fail_on_unexpected_log
):
    """The invariant is asserted on every look at the ledger, whoever has broken it."""
    symbol = await trading(world)
    other = open_database(world.data_dir / "storage" / "account_demo.sqlite")
    other.execute("UPDATE capital_state SET value = '99999' WHERE key = 'total'")
    other.close()
    for is_restarted in (False, True):
        if is_restarted:
            await world.crash()
            await world.start([], autostart=False)
        await world.until(lambda: risk(world).state is TradingState.REDUCING, within_h=0.1)
        assert "the stored total is 99999" in risk(world).reason
        code, text = await entry_by_hand(world)
        assert code == "ledger_unsound"
        assert "the stored total is 99999" in text
    if symbol in world.held():
        world.engine.close_position("demo", symbol)
    await world.until(lambda: symbol not in world.held(), within_h=1)
    await world.settled()
    assert world.desk.capital.snapshot().total == world.account.wallet().wallet_balance
    fail_on_unexpected_log.clear()


async def test_a_drawdown_above_the_limit_closes_everything_until_it_is_resumed(world):
    world.settings = {"risk": {"max_drawdown": "0.0001"}}
    await world.start()
    await world.running()
    await world.until(lambda: risk(world).state is TradingState.HALTED)
    assert "Drawdown of" in risk(world).reason
    await world.until(lambda: not world.held(), within_h=1)
    assert {bot.state for bot in world.engine.bots.values()} == {BotState.STOPPED}
    assert not [o for o in world.desk.oms.working_orders("demo") if not o.reduce_only]
    code, text = await entry_by_hand(world)
    assert code == "drawdown"
    assert text.startswith("trading is halted: Drawdown of")
    await world.crash()
    await world.start()
    assert risk(world).state is TradingState.HALTED
    assert world.engine.resume().startswith("Trading is allowed again.")
    await asyncio.sleep(2)
    assert risk(world).state is TradingState.ACTIVE  # counted anew from today's equity
    await world.audit()


async def test_a_lost_day_ends_at_midnight_where_the_trader_lives(world):
    """Midnight in Seoul is 15:00 in the exchange's zone."""
    world.settings = {"risk": {"max_daily_loss": "0.00005"}, "timezone": "Asia/Seoul"}
    await world.start()
    await world.running()
    await world.until(lambda: risk(world).state is TradingState.HALTED)
    assert risk(world).reason.startswith("Loss of today, ")
    with pytest.raises(Refused, match="trading can be resumed tomorrow"):
        world.engine.resume()
    day = world.desk.capital.figures().day_start_ms
    assert day % 86_400_000 == 15 * 3_600_000
    await world.until(lambda: not world.held())
    await world.until(lambda: world.desk.capital.figures().day_start_ms > day, within_h=25)
    assert world.clock.time_ms() - day == pytest.approx(86_400_000, abs=600_000)
    assert risk(world).state is TradingState.HALTED  # a new day does not resume by itself
    assert world.engine.resume().startswith("Trading is allowed again.")
    assert risk(world).state is TradingState.ACTIVE


async def test_trading_is_not_said_to_be_resumed_before_the_books_are_open(world):
    """A halt stands in them: an engine that has just come up does not know of it yet."""
    await world.start()
    world.engine.kill()
    await world.crash()
    world.build()
    with pytest.raises(Refused, match="demo is not connected yet: Starting"):
        world.engine.resume()
    await world.engine.start([], autostart=False)
    assert risk(world).state is TradingState.HALTED


async def test_the_limits_of_the_configuration_are_asked_and_shown_as_bars(world):
    world.settings = {
        "risk": {
            "max_position_share": "0.01",
            "max_gross_share": "0.5",
            "symbols": {SOL: {"is_allowed": False}},
        }
    }
    await world.start([])
    bars = {limit.name: (limit.used, limit.limit) for limit in risk(world).limits}
    assert bars["largest_position"] == (0, 1)
    assert bars["daily_loss"] == (0, 3)
    assert await entry_by_hand(world) == (
        "symbol_limit",
        f"{SOL} may only be closed, by the limits set for it",
    )


async def test_an_order_against_an_old_price_is_denied_with_its_age(world):
    await world.start([])
    await world.until(lambda: SOL in world.feed.tickers, within_h=0.1)
    world.feed.prices.received_s[SOL] -= 100
    code, text = await entry_by_hand(world)
    assert code == "stale_price"
    assert text.startswith(f"the newest price of {SOL} is 100.")


async def test_a_price_that_jumps_alone_enters_nothing_until_the_mark_price_agrees(world):
    """Spec M10: abnormal prices."""
    await world.start([])
    world.feed.prices.add([SOL], by="a test")
    await world.until(lambda: SOL in world.feed.tickers, within_h=0.1)
    true = world.feed.tickers[SOL]
    wild = msgspec.structs.replace(true, last_price=true.last_price * D("1.2"))
    world.feed.on_ticker(wild, 0.0)
    code, text = await entry_by_hand(world)
    assert code == "price_jump"
    assert text.endswith(
        "20 % above the mark price; above 3 % entries wait until one of them agrees"
    )
    assert any("the last price of" in told for told in world.notices("risk"))
    await asyncio.sleep(0.1)  # another order id
    world.feed.on_ticker(msgspec.structs.replace(wild, mark_price=wild.last_price), 0.0)
    assert await entry_by_hand(world) == ("", "")
