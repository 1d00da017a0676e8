"""Alerts in the whole engine: set by command, fired with no screen, kept over a restart; ux 66."""

from __future__ import annotations

import itertools
from decimal import Decimal

import msgspec
import pytest

from app.command_handler import CommandHandler
from core.alerts.alert_desk import NO_CHANNEL
from core.commands import (
    AddPriceAlert,
    ChooseMessages,
    Command,
    CommandResult,
    MovePriceAlert,
    RemovePriceAlert,
    Request,
    SendTestMessage,
)
from core.models.alerts import AlertState, AlertWish
from core.snapshot_builder import SnapshotBuilder

BTC = "BTCUSDT"
NUMBERS = itertools.count(1)


@pytest.fixture
async def up(world):
    await world.start(autostart=False)
    await world.until(lambda: BTC in world.feed.tickers)
    return world


async def ask(world, command: Command) -> CommandResult:
    request = msgspec.json.decode(
        msgspec.json.encode(Request(next(NUMBERS), command)), type=Request
    )
    handler = CommandHandler(world.engine, SnapshotBuilder(world.engine))
    return (await handler.handle(request))[0]


def near(world, ratio: str) -> AlertWish:
    price = world.feed.tickers[BTC].last_price * Decimal(ratio)
    return AlertWish(symbol=BTC, price=price.quantize(Decimal("0.1")))


def state(world) -> list[AlertState]:
    return [alert.state for alert in world.engine.alerts.prices.snapshot()]


async def test_an_alert_fires_without_a_screen_and_waits_to_be_sent(up) -> None:
    for ratio in ("1.002", "0.998"):
        assert (await ask(up, AddPriceAlert(near(up, ratio)))).ok
    await up.until(lambda: AlertState.FIRED in state(up))
    assert up.notices("Price alert")[0].startswith("BTCUSDT has reached ")
    assert up.engine.alerts.outbox.oldest(1)[0].title == "Price alert"
    snapshot = SnapshotBuilder(up.engine).build([])
    assert len(snapshot.alerts) == 2
    assert snapshot.sending.waiting >= 1


async def test_an_alert_of_before_a_crash_fires_after_it(up) -> None:
    for ratio in ("1.003", "0.997"):
        await ask(up, AddPriceAlert(near(up, ratio)))
    await up.crash()
    await up.start(autostart=False)
    assert state(up) == [AlertState.WAITING] * 2
    await up.until(lambda: AlertState.FIRED in state(up))


async def test_one_that_is_not_to_be_sent_stays_in_the_house(up) -> None:
    for ratio in ("1.002", "0.998"):
        quiet = msgspec.structs.replace(near(up, ratio), is_sent=False, has_sound=False)
        await ask(up, AddPriceAlert(quiet))
    await up.until(lambda: AlertState.FIRED in state(up))
    assert up.notices("Price alert")
    assert up.engine.alerts.outbox.waiting == 0


async def test_moving_and_deleting_are_answered(up) -> None:
    await ask(up, AddPriceAlert(near(up, "1.5")))
    ident = up.engine.alerts.prices.snapshot()[0].alert_id
    assert (await ask(up, MovePriceAlert(ident, near(up, "1.6").price))).ok
    assert (await ask(up, RemovePriceAlert(ident))).ok
    again = await ask(up, RemovePriceAlert(ident))
    assert (again.ok, again.text) == (False, "That alert is not there any more.")


async def test_what_goes_out_is_chosen_and_a_test_needs_a_channel(up) -> None:
    assert (await ask(up, ChooseMessages(["trade"]))).ok
    assert up.engine.alerts.outbox.kinds == ["trade"]
    test = await ask(up, SendTestMessage())
    assert (test.ok, test.text) == (False, NO_CHANNEL)
