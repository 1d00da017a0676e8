"""A symbol is delisted while a bot holds it: the others go on; fault C17."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import BTC, ETH, LATENCY_S, SOL

from core import listing_watch
from core.exchange_port import Unavailable
from core.models.instruments import Instrument
from exchanges.simulated.simulated_exchange import SimulatedExchange


class Delisting(SimulatedExchange):
    """Names no longer what is in `hidden`; `is_away` answers nothing."""

    hidden: frozenset[str] = frozenset()
    is_away = False

    async def fetch_instruments(self) -> list[Instrument]:
        if self.is_away:
            raise Unavailable("The exchange does not answer.")
        return [one for one in await super().fetch_instruments() if one.symbol not in self.hidden]


@pytest.fixture
def listed(world: Any) -> Any:
    world.make_port = lambda: Delisting(
        "demo", venue=world.venue, stream_interval_s=0.5, latency_s=LATENCY_S
    )
    return world


async def test_a_delisted_symbol_is_told_left_by_hand_and_not_entered_again(listed: Any) -> None:
    world = listed
    await world.start()
    await world.running()
    await world.until(lambda: ETH in world.held(), within_h=96)
    told: list[str] = []
    world.engine.on_instruments.append(lambda: told.append("screens"))
    world.exchange.hidden = frozenset({ETH})
    await world.desk.listings.look()
    assert told == ["screens"]
    assert any(f"trades {ETH} no longer, and a position is open" in t for t in world.notices())
    world.engine.close_position("demo", ETH)
    await world.until(lambda: ETH not in world.held(), within_h=1)
    entered = len([entry for entry in world.entries() if entry.symbol == ETH])
    others = len([entry for entry in world.entries() if entry.symbol == BTC])
    await world.hours(24)
    assert len([entry for entry in world.entries() if entry.symbol == ETH]) == entered
    assert len([entry for entry in world.entries() if entry.symbol == BTC]) > others
    assert any(f"{ETH} is not traded now" in text for text in world.notices())
    assert world.engine.supervisor.unhandled_exceptions == 0
    await world.audit()


async def test_the_list_is_read_again_and_again_and_a_failure_is_no_harm(
    listed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing_watch, "LOOK_INTERVAL_S", 20.0)
    world = listed
    await world.start([], autostart=False)
    world.exchange.is_away = True
    world.exchange.hidden = frozenset({SOL})
    await world.until(lambda: any("could not be read" in t for t in world.notices()), within_h=1)
    assert world.desk.instruments[SOL].is_trading
    world.exchange.is_away = False
    await world.until(lambda: not world.desk.instruments[SOL].is_trading, within_h=1)
