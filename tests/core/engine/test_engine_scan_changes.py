"""Settings and universe change from everywhere while scans are under way."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import msgspec
import pytest
from test_engine_multi_trader import MULTI, SETTINGS, CountingExchange, Market, multi, multi_spec

from core.events import Signal
from core.scanning.settings import ScanSettings

TASKS, CHANGES_EACH, DURABLE_EACH = 20, 480, 20


def some_settings(rng: random.Random, symbols: list[str]) -> ScanSettings:
    return msgspec.structs.replace(
        SETTINGS,
        watch_count=rng.randint(1, len(symbols)),
        scan_interval_s=rng.choice([1.0, 30.0, 600.0]),
        signal_threshold=rng.choice([1.0, 60.0, 90.0]),
        position_limit=rng.randint(1, 4),
        cooldown_s=rng.choice([0.0, 60.0, 3600.0]),
        blocklist=tuple(rng.sample(symbols, rng.randint(0, len(symbols) - 1))),
    )


@pytest.mark.parametrize("streams_candles", [True, False], ids=["streamed", "polled"])
async def test_ten_thousand_changes_break_nothing(
    open_world: Any, streams_candles: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of them on a bot with a stream, half on one that polls, so that changes fall into
    the waiting of a scan too."""
    world = open_world(market=Market(8), stream_interval_s=1.0)

    def make_port() -> CountingExchange:
        port = CountingExchange("demo", venue=world.venue, stream_interval_s=1.0, latency_s=0.02)
        port.streams_candles = streams_candles
        return port

    world.make_port = make_port
    await world.start([multi_spec()])
    await world.running()
    bot = multi(world)
    scans: list[tuple[set[str], set[str]]] = []
    began: set[str] = set()
    entered_outside: list[str] = []
    poll, run = bot._market.poll_late, bot._scan.run

    async def poll_late(symbols: list[str]) -> int:
        """The first step of a scan: what it is about to look at."""
        began.clear()
        began.update(bot._market.universe.symbols, bot._engaged)
        return await poll(symbols)

    def scan_run(managers: Any, **more: Any) -> Any:
        scans.append((set(managers), set(began)))
        return run(managers, **more)

    def on_signal(signal: Signal) -> None:
        allowed = {*bot._market.universe.symbols, *bot._engaged}
        if signal.symbol not in allowed:
            entered_outside.append(signal.symbol)

    monkeypatch.setattr(bot._market, "poll_late", poll_late)
    monkeypatch.setattr(bot._scan, "run", scan_run)
    world.desk.bus.subscribe(Signal, on_signal, part="test")
    symbols = list(world.desk.instruments)
    changes = 0

    async def change(number: int) -> None:
        nonlocal changes
        rng = random.Random(number)
        for turn in range((CHANGES_EACH + DURABLE_EACH) // 2):
            await asyncio.sleep(rng.choice([0.0, 0.0, 0.01, 0.1]))
            settings = some_settings(rng, symbols)
            if turn < DURABLE_EACH // 2:
                world.engine.roster.change_scan(MULTI, settings)
            else:
                bot.reconfigure(msgspec.structs.replace(bot.spec, scan=settings))
            assert not set(settings.blocklist) & set(bot._market.universe.symbols)
            changes += 1

    await asyncio.gather(*(change(number) for number in range(TASKS)))
    assert changes == 5_000
    last = msgspec.structs.replace(SETTINGS, watch_count=5)
    world.engine.roster.change_scan(MULTI, last)
    await world.hours(1)
    assert len(scans) > 100
    assert all(scanned <= of for scanned, of in scans)
    assert not entered_outside
    assert world.engine.supervisor.unhandled_exceptions == 0
    assert len(bot._market.universe.symbols) == 5
    assert bot.scan_snapshot().settings == last
    await world.audit()
