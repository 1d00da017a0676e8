"""The second start: the last chart at once, as old, until the engine's own is there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.commands import GetCandles
from core.snapshots import BotState, EngineState
from ui import last_chart
from ui.bridge import Bridge, LinkState
from ui.formatting import UNKNOWN
from ui.last_chart import LastChart
from ui.main_window import MainWindow

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")
Until = Callable[[Callable[[], Any]], Awaitable[None]]
replace = msgspec.structs.replace


@pytest.fixture
async def kept(make_window: Callable[..., MainWindow], link_server: Any, until: Until) -> LastChart:
    """What a first window kept of its chart."""
    window = make_window()
    await until(lambda: window.last_chart() is not None)
    last = window.last_chart()
    assert last is not None
    window.hide()
    return last


@pytest.fixture
async def waiting(
    kept: LastChart,
    bridge: Bridge,
    make_window: Callable[..., MainWindow],
    link_server: Any,
    until: Until,
) -> MainWindow:
    """A window of the next start whose engine does not answer yet."""
    await bridge.link.close()
    await link_server.stop()
    link_server.commands.clear()
    bridge.link.state = LinkState.SEARCHING
    bridge.snapshot, bridge.bots, bridge.instruments = None, {}, {}
    window = make_window(kept)
    await until(lambda: window._tabs)
    return window


def test_what_was_kept_comes_back_whole(tmp_path: Path, kept: LastChart) -> None:
    last_chart.keep(tmp_path, kept)
    assert last_chart.recall(tmp_path) == kept
    assert kept.block.rows == 300


@pytest.mark.parametrize("content", [b"", b"\x00\xff", b"\x85\xa3bot"])
def test_a_damaged_file_is_no_chart_and_no_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "last_chart.bin").write_bytes(content)
    assert last_chart.recall(tmp_path) is None


def test_nothing_kept_is_no_chart(tmp_path: Path) -> None:
    assert last_chart.recall(tmp_path) is None


async def test_a_chart_of_another_version_is_not_shown(tmp_path: Path, kept: LastChart) -> None:
    last_chart.keep(tmp_path, replace(kept, protocol_version=0))
    assert last_chart.recall(tmp_path) is None


async def test_nothing_recalled_looks_live(waiting: MainWindow, until: Until) -> None:
    tab: Any = waiting._tabs["b1"]
    await until(lambda: tab.chart._stale_pill._text)
    assert tab.chart.has_bars
    assert tab.chart._stale_pill._text == "Connecting to the engine"
    assert tab.chart._is_stale
    assert tab.chart.canvas.price_axes[0].tags[-1].hue == "tag"  # not the hue of a live price
    header = tab.header
    assert header._price.text() == UNKNOWN
    assert header._state.text() == "Connecting"
    assert not any(b.isVisible() for b in (header.start, header.pause, header.stop))
    row = waiting.bots._rows["b1"]
    assert (row._pnl.text(), row._state.text()) == (UNKNOWN, "Connecting")
    assert not tab.blotter._stack.isVisible()  # an empty list would say "none"
    assert waiting.last_chart() is None  # old bars are not kept again


async def test_live_data_replace_what_was_recalled(
    waiting: MainWindow, bridge: Bridge, link_server: Any, until: Until
) -> None:
    tab: Any = waiting._tabs["b1"]
    painted: list[bool] = []
    waiting.chart_painted.connect(painted.append)
    await link_server.start()
    bridge.link.start()
    await until(lambda: True in painted)
    assert waiting._tabs["b1"] is tab
    assert tab.chart._series.size > 900
    assert not tab.chart._is_stale
    assert tab.header._state.text() == "Running"
    assert set(waiting.app_bar._bots) == {"b1", "b2", "b3"}


async def test_an_engine_that_reconciles_leaves_the_old_bots_old(
    waiting: MainWindow, bridge: Bridge, link_server: Any, make_snapshot: Any, until: Until
) -> None:
    snapshot = make_snapshot(1)
    link_server.snapshot = replace(
        snapshot, state=EngineState.RECONCILING, bots=[], positions=[], working_orders=[]
    )
    await link_server.start()
    bridge.link.start()
    await until(lambda: bridge.is_attached)
    tab: Any = waiting._tabs["b1"]
    assert tab.header._state.text() == "Connecting"
    assert not link_server.commands  # bars cannot be had yet
    assert waiting.status._positions.value.text() == UNKNOWN
    link_server.publish(replace(snapshot, seq=2))
    await until(lambda: any(isinstance(c, GetCandles) for c in link_server.commands))
    await until(lambda: tab.header._state.text() == "Running")


async def test_a_bot_that_is_gone_takes_its_recalled_tab_along(
    waiting: MainWindow, bridge: Bridge, link_server: Any, make_snapshot: Any, until: Until
) -> None:
    snapshot = make_snapshot(1)
    link_server.snapshot = replace(snapshot, bots=snapshot.bots[1:])
    await link_server.start()
    bridge.link.start()
    await until(lambda: "b2" in waiting._tabs)
    assert "b1" not in waiting._tabs
    assert bridge.bots["b2"].latest.state is BotState.PAUSED
