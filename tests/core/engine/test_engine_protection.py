"""Every position has its stop at the exchange; the program watches that it does (rule 5)."""

from __future__ import annotations

from decimal import Decimal

from core.exchange_port import StreamKind
from core.models.orders import OrderPurpose


async def with_position(world, *, stop_atr: float = 40.0) -> str:
    """A position that will not end by itself while the test looks on."""
    far = {"stop_atr": stop_atr, "take_profit_atr": 90.0}
    await world.start([world.bot("ETHUSDT", parameters=far)])
    await world.running()
    await world.until(lambda: bool(world.held()))
    [symbol] = world.held()
    return symbol


def stop_of(world, symbol) -> Decimal | None:
    [position] = world.account.positions(symbol)
    return position.stop_loss


async def test_a_stop_that_vanishes_is_set_again(world):
    symbol = await with_position(world)
    wanted = stop_of(world, symbol)
    world.account.set_protection(symbol, stop_loss=Decimal(0))
    assert stop_of(world, symbol) is None
    await world.until(lambda: stop_of(world, symbol) == wanted, within_h=0.25)
    assert any("was set again" in text for text in world.notices())
    await world.audit()


async def test_a_stop_that_vanishes_while_the_orders_stream_is_down_is_set_again(world):
    symbol = await with_position(world)
    wanted = stop_of(world, symbol)
    world.exchange.lose_stream(StreamKind.PRIVATE, "gone")
    world.account.set_protection(symbol, stop_loss=Decimal(0))
    await world.until(lambda: symbol not in world.held() or stop_of(world, symbol) == wanted)
    assert symbol in world.held(), "it ended before anybody looked"


async def test_a_position_that_cannot_be_protected_any_more_is_closed(open_world):
    """Its stop vanished, and the price is beyond it already."""
    world = open_world(seed=11)
    symbol = await with_position(world, stop_atr=1.0)
    [position] = world.account.positions(symbol)
    wanted = position.stop_loss

    def is_beyond() -> bool:
        price = world.venue.ticker(symbol).last_price
        return (price - wanted) * position.side.sign < -wanted * Decimal("0.001")

    world.account.set_protection(symbol, stop_loss=Decimal(0), take_profit=Decimal(0))
    world.exchange.is_reachable = False
    await world.until(is_beyond)
    world.exchange.is_reachable = True
    await world.until(lambda: symbol not in world.held(), within_h=0.5)
    await world.audit()
    assert len([text for text in world.notices() if "is not protected yet" in text]) == 1
    last = world.executions()[-1]
    assert world.desk.oms.order(last.client_order_id).purpose is OrderPurpose.EXIT
    assert any("cannot be protected" in text for text in world.notices())
    world.assert_one_position_at_a_time()


async def test_after_a_crash_the_stop_is_looked_for_first(world):
    symbol = await with_position(world)
    wanted = stop_of(world, symbol)
    await world.crash()
    world.account.set_protection(symbol, stop_loss=Decimal(0))
    await world.start([], autostart=False)
    await world.until(lambda: stop_of(world, symbol) == wanted, within_h=0.25)
    await world.audit()
