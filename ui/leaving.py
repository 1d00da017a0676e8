"""The end of a window: what has to be asked first, and what becomes of the engine."""

from __future__ import annotations

from core.snapshots import BotSnapshot, BotState, PositionSnapshot
from ui.bridge import Bridge
from ui.settings import ScreenSettings

_ACTIVE = (BotState.RUNNING, BotState.PAUSED, BotState.STARTING)


def is_engine_ours(bridge: Bridge, settings: ScreenSettings) -> bool:
    """Started by a screen: such an engine ends with it, or goes on by the trader's word. One that
    was started without a screen survives its visitors."""
    return bridge.link.engine_pid == settings.engine_pid is not None


def running_bots(bridge: Bridge) -> list[BotSnapshot]:
    """Bots that would go on, or be stopped, when the window closes."""
    if not bridge.is_attached:
        return []
    return [b.latest for b in bridge.bots.values() if b.latest.state in _ACTIVE]


def open_positions(bridge: Bridge) -> list[PositionSnapshot]:
    """What stands at the exchanges, and would stand there unwatched."""
    if not bridge.is_attached or bridge.snapshot is None:
        return []
    return [held for held in bridge.snapshot.positions if not held.position.is_flat]
