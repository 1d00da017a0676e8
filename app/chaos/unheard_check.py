"""Judges what the engine shows while its stream is connected and silent: an order of ours that has
traded is known soon, though nobody told of it.

The stream alone may be struck for that: where answers to questions are, or the engine itself, it
may take until everything is whole again.
"""

from __future__ import annotations

from decimal import Decimal

from app.chaos.verdict import Verdict
from app.chaos.world import World
from core.snapshots import EngineSnapshot
from exchanges.simulated.faults import FaultKind

UNHEARD_S = 18.0  # 3 s until it is missed, the first answer may be old, 10 s to the next
_AGAIN_S = 5.0  # after anything else: the engine is in step again
_OF_STREAMS = frozenset(
    {
        FaultKind.ORDER_DROP,
        FaultKind.FILL_DROP,
        FaultKind.POSITION_DROP,
        FaultKind.BALANCE_DROP,
        FaultKind.PRIVATE_STALL,
        FaultKind.PRIVATE_DUPLICATE,
        FaultKind.PRIVATE_LATE,
        FaultKind.TICKER_DROP,
        FaultKind.CANDLE_DROP,
        FaultKind.PUBLIC_DUPLICATE,
        FaultKind.PUBLIC_LATE,
        FaultKind.PUBLIC_STALL,
        FaultKind.PUBLIC_OUTAGE,
        FaultKind.PRICE_JUMP,
        FaultKind.MARKET_CRASH,
        FaultKind.DISK_CANDLES,
    }
)


class UnheardCheck:
    """Looks once a virtual second, and at what a screen would show."""

    def __init__(self, world: World, verdict: Verdict) -> None:
        self._world = world
        self._verdict = verdict
        self._clear_from_s = 0.0
        self._traded_s: dict[str, float] = {}  # by symbol: an order of ours, and nobody since

    def on_trade(self, symbol: str, *, is_ours: bool) -> None:
        """At the venue."""
        if is_ours:
            self._traded_s[symbol] = self._world.clock.now_s()
        else:  # a stop that fired: nobody has asked for anything that could be missed
            self._traded_s.pop(symbol, None)

    def look(self) -> None:
        """Whether anything but the streams is struck."""
        world = self._world
        now_s = world.clock.now_s()
        is_struck = any(
            fault.start_s <= now_s < fault.end_s and fault.kind not in _OF_STREAMS
            for fault in world.schedule.faults
        )
        if is_struck or not world.is_up:
            self._clear_from_s = now_s + _AGAIN_S

    def look_at_snapshot(self, snapshot: EngineSnapshot) -> None:
        """What a screen would show now."""
        now_s = self._world.clock.now_s()
        shown = {row.position.symbol: row.position.signed_quantity for row in snapshot.positions}
        held = {p.symbol: p.signed_quantity for p in self._world.account.positions()}
        for symbol, traded_s in list(self._traded_s.items()):
            if now_s - traded_s < UNHEARD_S:
                continue
            del self._traded_s[symbol]
            of_symbol = held.get(symbol, Decimal(0)), shown.get(symbol, Decimal(0))
            if traded_s >= self._clear_from_s and of_symbol[0] != of_symbol[1]:
                text = f"{symbol}: {of_symbol[0]} is held for {UNHEARD_S:.0f} s, shown is "
                self._verdict.fail("unheard", f"{text}{of_symbol[1]}")
