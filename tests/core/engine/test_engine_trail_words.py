"""What the engine writes into a trail is what the screen reads out of it, for orders sent and
orders denied."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from core.models.orders import OrderStatus
from ui.models.trail import read_trail


async def test_every_line_of_a_real_trail_is_understood(world) -> None:
    await world.start()
    await world.running()
    await world.until(lambda: bool(world.entries()))
    await world.settled()
    order_id = world.entries()[0].client_order_id
    lines = world.engine.trail(order_id)
    trail = read_trail(order_id, lines, world.clock.rate)
    assert len(trail.steps) == len([line for line in lines if line.step != "sent"])
    facts = {line.step: step.facts for line, step in zip(
        [line for line in lines if line.step != "sent"], trail.steps, strict=True
    )}  # fmt: skip
    for step in ("candle", "indicators", "size", "capital", "risk", "request", "answer", "fill"):
        assert facts[step], step
    names = dict(facts["size"])
    assert "equity" in names
    assert "fixed percent" in names
    assert {check.name for check in trail.checks} >= {"daily_loss", "largest_position", "drawdown"}
    assert trail.is_passed
    assert trail.decided_ms is not None
    assert trail.decided_ms % 900_000 == 0
    fill_ms = max(line.time_ms for line in lines if line.step == "fill")
    assert trail.total_ms == (fill_ms - lines[0].time_ms) / world.clock.rate


async def test_a_denied_order_tells_which_check_said_no(world) -> None:
    await world.start()
    await world.running()
    world.desk.risk.limits = msgspec.structs.replace(
        world.desk.risk.limits, max_position_share=Decimal("0.01")
    )
    orders = world.desk.oms.orders_of
    denied: list[str] = []

    def is_denied() -> bool:
        denied[:] = [
            order.client_order_id
            for bot_id in world.engine.bots
            for order in orders(bot_id)
            if order.status is OrderStatus.DENIED
        ]
        return bool(denied)

    await world.until(is_denied)
    trail = read_trail(denied[0], world.engine.trail(denied[0]), world.clock.rate)
    assert not trail.is_passed
    by_icon = {step.icon: step for step in trail.steps}
    said_no = by_icon["shield-x"]
    assert said_no.tone == "warn"
    assert "above 1 %" in said_no.words
    assert trail.steps[-1].title == "Denied, nothing was sent"
    assert world.entries() == []
