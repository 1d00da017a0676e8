"""What the orders stream swallowed is noticed within seconds, and asked for ever more rarely."""

from __future__ import annotations

import pytest
from scripted_exchange import ACCOUNT

from core.models.orders import OrderType
from core.silence_watch import PAUSE_S, SILENT_S, SilenceWatch

SYMBOL = "BTCUSDT"


class Watching:
    """A watch that looks once a second, as the desk does."""

    def __init__(self, world) -> None:
        self.clock = world.clock
        self.watch = SilenceWatch(ACCOUNT, oms=world.oms, clock=world.clock)

    def readings(self, seconds: float) -> list[int]:
        """After how many seconds the books have to be read."""
        due = []
        for second in range(int(seconds)):
            if self.watch.look():
                due.append(second)
            self.clock.advance_ms(1000)
        return due


@pytest.fixture
def watching(world):
    return Watching(world)


async def test_a_market_order_that_is_not_heard_of_is_asked_for(world, watching):
    world.oms.submit(world.request())
    await world.idle(20)  # acknowledged and filled; the stream says nothing
    first, second = int(SILENT_S), int(SILENT_S + PAUSE_S)
    assert watching.readings(40) == [first, second, int(second + 2 * PAUSE_S)]
    world.deliver()
    world.show_positions()
    assert watching.readings(10) == []


async def test_a_fill_without_its_position_is_asked_for(world, watching):
    world.oms.submit(world.request())
    await world.idle(20)
    world.deliver()
    assert world.oms.unclear_symbols(ACCOUNT) == {SYMBOL}
    assert watching.readings(5) == [int(SILENT_S)]


async def test_what_is_late_by_a_moment_is_waited_for(world, watching):
    world.oms.submit(world.request())
    await world.idle(20)
    assert watching.readings(2) == []
    world.deliver()
    world.show_positions()
    assert watching.readings(10) == []


async def test_an_order_that_waits_for_its_price_is_not_missing(world, watching):
    world.oms.submit(world.request(order_type=OrderType.LIMIT))
    await world.idle(20)
    world.deliver()
    assert watching.readings(30) == []
