"""What the trader changes by hand: orders amended, stops moved, findings seen and answered."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import msgspec

from app.command_handler import CommandHandler
from core.commands import (
    AcceptPosition,
    AmendOrder,
    Command,
    CommandResult,
    IgnoreFinding,
    MoveStop,
    Request,
)
from core.models.orders import OrderPurpose, OrderRequest, OrderType, Side
from core.oms.client_order_id import make_client_order_id
from core.snapshot_builder import SnapshotBuilder
from core.snapshots import Notice
from exchanges.simulated.values import PlaceOrder

ACCOUNT, ETH, SOL = "demo", "ETHUSDT", "SOLUSDT"


async def ask(world, command: Command) -> CommandResult:
    handler = CommandHandler(world.engine, SnapshotBuilder(world.engine))
    result, _ = await handler.handle(Request(1, command))
    return result


async def resting_order(world) -> str:
    """An entry of our own, far below the market; its client id."""
    await world.start([], autostart=False)
    [ticker] = [t for t in await world.exchange.fetch_tickers() if t.symbol == ETH]
    price = (ticker.last_price * Decimal("0.8")).quantize(Decimal("0.1"))
    now_ms = world.clock.time_ms()
    request = OrderRequest(
        client_order_id=make_client_order_id("hand", ETH, now_ms, "1"),
        account=ACCOUNT,
        bot_id="",
        strategy="hand",
        symbol=ETH,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        quantity=Decimal("0.5"),
        reference_price=price,
        purpose=OrderPurpose.ENTRY,
        created_ms=now_ms,
        price=price,
        stop_loss=(price * Decimal("0.9")).quantize(Decimal("0.1")),
    )
    world.feed.prices.add([ETH], by="a test")
    await asyncio.sleep(3)
    world.desk.bus.publish(request)
    await world.until(lambda: bool(world.account.open_orders()), within_h=1)
    return request.client_order_id


async def test_a_working_order_is_amended_in_its_place(world):
    order_id = await resting_order(world)
    [before] = world.account.open_orders()
    lower = (before.price * Decimal("0.99")).quantize(Decimal("0.1"))
    answer = await ask(world, AmendOrder(ACCOUNT, order_id, price=lower))
    assert (answer.ok, answer.text) == (True, "The change was accepted.")
    [after] = world.account.open_orders()
    assert (after.order_id, after.price, after.quantity) == (
        before.order_id,
        lower,
        before.quantity,
    )


async def test_an_entry_is_never_amended_above_what_was_checked(world):
    order_id = await resting_order(world)
    [before] = world.account.open_orders()
    answer = await ask(world, AmendOrder(ACCOUNT, order_id, quantity=before.quantity * 2))
    assert not answer.ok
    assert answer.text.startswith("Denied: the change needs ")
    assert answer.text.endswith(" Nothing was sent.")
    assert world.account.open_orders()[0].quantity == before.quantity


async def test_an_order_that_is_not_ours_is_not_amended(world):
    await world.start([], autostart=False)
    answer = await ask(world, AmendOrder(ACCOUNT, "nobody", price=Decimal(1)))
    assert (answer.ok, answer.text) == (False, "order nobody is not ours to change")


async def test_a_stop_is_moved_and_a_wrong_side_is_refused(world):
    await world.start()
    await world.running()
    await world.until(lambda: bool(world.held()))
    await world.settled()
    [position, *_] = world.account.positions()
    nearer = (position.stop_loss + position.entry_price) / 2
    stop = nearer.quantize(Decimal("0.1"))
    answer = await ask(world, MoveStop(ACCOUNT, position.symbol, stop))
    assert answer.ok, answer.text
    assert world.account.positions()[0].stop_loss == stop
    wrong = position.entry_price * (2 if position.side is Side.BUY else Decimal("0.5"))
    refused = await ask(world, MoveStop(ACCOUNT, position.symbol, wrong))
    assert not refused.ok
    assert "wrong side" in refused.text
    assert (await ask(world, MoveStop(ACCOUNT, "XRPUSDT", stop))).text == (
        "there is no position in XRPUSDT"
    )


async def test_a_position_from_nowhere_waits_in_the_snapshot_for_the_traders_word(world):
    await world.start([], autostart=False)
    builder = SnapshotBuilder(world.engine)
    assert builder.build([]).findings == []
    world.account.place_order(
        PlaceOrder(symbol=SOL, side=Side.BUY, order_type=OrderType.MARKET, quantity=Decimal(5))
    )
    await world.hours(0.5)
    [finding] = builder.build([]).findings
    assert (finding.account, finding.symbol, finding.is_ignored) == (ACCOUNT, SOL, False)
    assert "was traded outside this program" in finding.text
    [proof] = builder.build([]).protection
    assert proof.is_foreign
    assert (await ask(world, IgnoreFinding(ACCOUNT, SOL))).ok
    await world.hours(1)
    [ignored] = builder.build([]).findings
    assert ignored.is_ignored
    [position] = world.account.positions()
    stop = (position.entry_price / 2).quantize(Decimal("0.01"))
    assert (await ask(world, AcceptPosition(ACCOUNT, SOL, stop_loss=stop))).ok
    assert builder.build([]).findings == []
    [proof] = builder.build([]).protection
    assert (proof.is_foreign, proof.is_protected) == (False, True)


async def test_a_refused_order_says_which_rule_and_which_order(world):
    order_id = await resting_order(world)
    request = world.desk.oms.journal.request(order_id)
    twin = msgspec.structs.replace(request, client_order_id=f"{order_id}x", stop_loss=None)
    world.desk.bus.publish(twin)
    records = [item.record for item in world.engine.records.backlog(100)]
    [notice] = [r for r in records if isinstance(r, Notice) and r.title == "Denied"]
    assert (notice.code, notice.client_order_id) == ("no_stop", twin.client_order_id)
