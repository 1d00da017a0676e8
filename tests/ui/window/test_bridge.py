"""The link as a trader meets it: attach, lose the engine, find it again, never miss an item."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from core.commands import KillSwitch, StartBot
from core.snapshots import ClosedCandle, EngineSnapshot, Notice
from ui.bridge import Bridge, EngineLink, LinkState

Until = Callable[[Callable[[], Any]], Awaitable[None]]


async def test_attaching_gives_bots_instruments_and_backlog(bridge: Bridge) -> None:
    assert list(bridge.bots) == ["b1", "b2", "b3"]
    assert bridge.instruments["BTCUSDT"].base == "BTC"
    assert len(bridge.fills("BTCUSDT")) == 2
    assert bridge.mode() == "demo"


async def test_a_snapshot_fires_only_the_facades_that_changed(
    bridge: Bridge, link_server: Any, make_snapshot: Callable[[int], EngineSnapshot], until: Until
) -> None:
    heard: list[str] = []
    bridge.capital.changed.connect(lambda _: heard.append("capital"))
    bridge.snapshot_changed.connect(lambda _: heard.append("snapshot"))
    link_server.publish(make_snapshot(2))
    await until(lambda: bridge.snapshot is not None and bridge.snapshot.seq == 2)
    assert heard == ["snapshot"]


async def test_items_arrive_once_and_in_order(
    bridge: Bridge, link_server: Any, closed_candle: ClosedCandle, until: Until
) -> None:
    closed: list[object] = []
    bridge.data.candle_closed.connect(closed.append)
    before = len(bridge.items)
    link_server.feed(closed_candle)
    link_server.feed(Notice("info", "Filled", "one"))
    await until(lambda: len(bridge.items) == before + 2)
    assert closed == [closed_candle.candle]
    assert [item.seq for item in bridge.items] == list(range(1, before + 3))


async def test_a_gap_in_the_list_attaches_again_and_gets_the_list_anew(
    bridge: Bridge, link_server: Any, until: Until
) -> None:
    states: list[LinkState] = []
    bridge.state_changed.connect(states.append)
    link_server.feed(Notice("info", "Filled", "after a hole"), skip=3)
    await until(lambda: link_server.attach_count == 2)
    await until(lambda: bridge.items and bridge.items[-1].record.text == "after a hole")
    assert states == []  # the trader sees no loss: the engine was there all the time


async def test_a_command_is_answered_with_the_engines_sentence(
    bridge: Bridge, link_server: Any
) -> None:
    link_server.answers[StartBot] = lambda _command: (False, "Trading is halted.")
    result = await bridge.bots["b2"].start_bot()
    assert (result.ok, result.text) == (False, "Trading is halted.")


async def test_no_answer_is_unknown_and_says_so(bridge: Bridge, link_server: Any) -> None:
    link_server.silent_on.add(KillSwitch)
    result = await bridge.link.send(KillSwitch(), timeout_s=0.05)
    assert not result.ok
    assert "may still do it" in result.text


async def test_a_killed_engine_is_lost_at_once_and_found_again(
    bridge: Bridge, link_server: Any, until: Until
) -> None:
    await link_server.stop()
    await until(lambda: bridge.link.state is LinkState.LOST)
    refused = await bridge.kill_switch()
    assert refused.text == "The engine is not connected. Nothing was sent."
    await link_server.start()
    await until(lambda: bridge.is_attached)
    assert link_server.attach_count == 2


async def test_a_command_under_way_when_the_engine_dies_is_answered(
    bridge: Bridge, link_server: Any
) -> None:
    link_server.silent_on.add(KillSwitch)
    asking = asyncio.create_task(bridge.kill_switch())
    await asyncio.sleep(0)
    await link_server.stop()
    result = await asking
    assert "may still have done it" in result.text


@pytest.mark.parametrize("content", [b"", b"garbage", b'{"pid":1}'])
async def test_a_broken_runtime_file_is_told_and_retried(
    content: bytes, tmp_path: Path, qapp: object, until: Until
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "engine.json").write_bytes(content)
    link = EngineLink(tmp_path)
    link.start()
    await until(lambda: link.reason.startswith("The engine cannot be used"))
    await link.close()


async def test_only_watched_charts_are_asked_for(bridge: Bridge, link_server: Any) -> None:
    await bridge.data.watch("tab 1", "BTCUSDT", "15m")
    await bridge.data.watch("tab 2", "ETHUSDT", "1h")
    await bridge.data.watch("tab 1", "BTCUSDT", "1h")
    await bridge.data.unwatch("tab 2")
    assert [c.charts for c in link_server.commands] == [
        [("BTCUSDT", "15m")],
        [("BTCUSDT", "15m"), ("ETHUSDT", "1h")],
        [("BTCUSDT", "1h"), ("ETHUSDT", "1h")],
        [("BTCUSDT", "1h")],
    ]


async def test_a_second_greeting_brings_the_instruments(
    bridge: Bridge, link_server: Any, until: Until
) -> None:
    resets: list[bool] = []
    bridge.feed_reset.connect(lambda: resets.append(True))
    bridge.instruments.clear()
    link_server.greet_again()
    await until(lambda: bridge.instruments)
    assert resets == [True]
    assert link_server.attach_count == 1
