"""Starts the real engine with one moment of its inside made deadly: `kill_points.py NAME COUNT
WHEN WORDS...` runs `python -m app WORDS...`, and the process ends itself by SIGKILL the COUNT-th
time it passes NAME, counted from its start or from SIGUSR1 (WHEN is "start" or "signal").

The product knows nothing of it: the methods named here are wrapped before the engine is built. A
name that no longer exists ends the process with a traceback, and a test of its own tells.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
NOWHERE = "nowhere"  # the engine as it is


class Place(NamedTuple):
    """Before or after one method; `is_at_start`: also passed while the engine comes up."""

    method: str
    is_before: bool = False
    is_at_start: bool = False


_JOURNAL = "core.oms.intent_journal:IntentJournal"
_REGISTRY = "core.oms.order_registry:OrderRegistry"
_CAPITAL = "core.capital.shared_capital_manager:SharedCapitalManager"
_STORE = "core.market_data.candle_store:CandleStore"
_HOT = "core.market_data.hot_file:HotFile"
_DISK = "core.storage.disk:Disk"
_OMS = "core.oms.order_management_system:OrderManagementSystem"

PLACES: dict[str, Place] = {
    "before the journal": Place(f"{_JOURNAL}.record", is_before=True),
    "intent written": Place(f"{_JOURNAL}.record"),
    "before the reservation": Place(f"{_CAPITAL}.reserve", is_before=True),
    "capital reserved": Place(f"{_CAPITAL}.reserve"),
    "sent written": Place(f"{_OMS}.submit"),
    "before the request": Place("exchanges.bybit_exchange:BybitExchange.place_order", True),
    "answer heard": Place(f"{_REGISTRY}.acknowledge", is_before=True),
    "answer written": Place(f"{_REGISTRY}.acknowledge"),
    "word of an order heard": Place(f"{_REGISTRY}.hear", is_before=True),
    "word of an order written": Place(f"{_REGISTRY}.hear"),
    "fill heard": Place(f"{_REGISTRY}.book", is_before=True),
    "fill written": Place(f"{_JOURNAL}.add_fill"),
    "fill in capital": Place(f"{_CAPITAL}.on_fill"),
    "fill marked": Place(f"{_JOURNAL}.mark_in_capital"),
    "before the settlement": Place(f"{_JOURNAL}.mark_settled", is_before=True),
    "order settled": Place(f"{_JOURNAL}.mark_settled"),
    "candle written": Place(f"{_HOT}.put"),
    "merge begins": Place(f"{_STORE}._merge_series", is_before=True),
    "file written": Place(f"{_DISK}.sync"),
    "file in place": Place(f"{_DISK}.rename"),
    "merged rows leave": Place(f"{_HOT}.drop", is_before=True),
    "merged rows gone": Place(f"{_HOT}.drop"),
    "connected": Place("exchanges.bybit_exchange:BybitExchange.start_trading", False, True),
    "reconciliation begins": Place(
        "core.oms.reconciliation:Reconciler.reconcile", is_before=True, is_at_start=True
    ),
    "exchange read": Place(
        "core.oms.state_manager:StateManager.replace_positions", is_before=True, is_at_start=True
    ),
    "reconciliation written": Place(f"{_JOURNAL}.set_reconciled", is_at_start=True),
    "ledger compared": Place(f"{_CAPITAL}.synchronise", is_at_start=True),
    "symbol prepared": Place("core.account_desk:AccountDesk.prepare", is_at_start=True),
}


def die_at(place: Place, count: int, *, is_armed: bool) -> Callable[[], None]:
    """Wrap the method; call what is returned to arm it."""
    module, _, names = place.method.partition(":")
    owner_name, _, name = names.partition(".")
    owner = getattr(importlib.import_module(module), owner_name)
    method = owner.__dict__[name]
    left = count if is_armed else -1

    def arm() -> None:
        nonlocal left
        left = count

    def pass_by() -> None:
        nonlocal left
        if left > 0:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    @functools.wraps(method)
    def wrapped(*words: Any, **named: Any) -> Any:
        if place.is_before:
            pass_by()
        result = method(*words, **named)
        if not place.is_before:
            pass_by()
        return result

    @functools.wraps(method)
    async def wrapped_coroutine(*words: Any, **named: Any) -> Any:
        if place.is_before:
            pass_by()
        result = await method(*words, **named)
        if not place.is_before:
            pass_by()
        return result

    is_coroutine = inspect.iscoroutinefunction(method)
    setattr(owner, name, wrapped_coroutine if is_coroutine else wrapped)
    return arm


def main(words: list[str]) -> int:
    name, count, when, *rest = words
    sys.path.insert(0, str(ROOT))
    if name != NOWHERE:
        arm = die_at(PLACES[name], int(count), is_armed=when == "start")
        signal.signal(signal.SIGUSR1, lambda *_: arm())
    import core.market_feed
    from app.cli import main as program

    core.market_feed.SAVE_INTERVAL_S = 1  # merges happen once a minute, too seldom to be hit
    core.market_feed.SAVE_FROM_ROWS = 1
    return program(rest)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
