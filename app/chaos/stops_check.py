"""Judges rule 5: a stop rests at the venue for every position, where it was meant to be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from decimal import Decimal

from app.chaos.verdict import Verdict
from app.chaos.world import World
from exchanges.simulated.faulty_port import Doing
from exchanges.simulated.values import CreateType

STOP_SHOWN_S = 6.0  # nothing else goes wrong: 1 s to notice, 3 s to act, and the way there
EXITS_REFUSED = 2  # after so many the stop may hold the size that an exit needs
STOP_HIDDEN_S = 75.0  # messages were lost: the next reconciliation finds it


class StopsCheck:
    """Attributes: `unguarded`, symbols whose positions nobody has to protect, somebody else's;
    `unprotected_s_max`; `times_moved`, by the trader's word."""

    def __init__(self, world: World, verdict: Verdict, is_calm: Callable[[], bool]) -> None:
        """`is_calm()`: no fault is at work and the engine is up and connected."""
        self.unguarded: set[str] = set()
        self.unprotected_s_max = 0.0
        self.times_moved = 0
        self._world = world
        self._verdict = verdict
        self._is_calm = is_calm
        self._naked_since_s: dict[str, float] = {}
        self._was_calm: dict[str, bool] = {}
        self._calm_s: dict[str, float] = {}
        self._looked_s = 0.0
        self._covered: dict[str, bool] = {}  # before the instruction that arrives now
        self._moved_to: dict[str, Decimal] = {}  # where the trader wants the stop
        self._moves: Counter[str] = Counter()
        self._refused_exits: Counter[str] = Counter()
        world.on_arrival.append(self._on_arrival)

    # ---- the trader's own word

    def begin_move(self, symbol: str) -> int:
        """A move was asked for: until its answer nobody knows where the stop is. The number is
        for `end_move`."""
        self._moved_to.pop(symbol, None)
        self._moves[symbol] += 1
        return self._moves[symbol]

    def end_move(self, symbol: str, number: int, price: Decimal) -> None:
        """It was accepted: the stop stays there as long as the position does."""
        if self._moves[symbol] == number and self._is_held(symbol):
            self._moved_to[symbol] = price
            self.times_moved += 1

    def note_refused_exit(self, symbol: str) -> None:
        """The venue would not take an exit of the position."""
        self._refused_exits[symbol] += 1

    def note_flat(self, symbol: str) -> None:
        """The position has ended."""
        del self._refused_exits[symbol]

    def forget_move(self, symbol: str) -> None:
        """The position has ended or has grown: another stop may be meant."""
        self._moved_to.pop(symbol, None)
        self._moves[symbol] += 1

    # ---- looks

    def look(self) -> None:
        """Seconds in which a position stood without its stop though the engine could have known
        and acted; those under a fault count for nothing, they only make finding it slower."""
        now_s, is_calm = self._world.clock.now_s(), self._is_calm()
        step_s = now_s - self._looked_s
        self._looked_s = now_s
        naked = set()
        for position in self._world.account.positions():
            symbol = position.symbol
            if symbol in self.unguarded or self.is_covered(symbol, position.quantity):
                continue
            naked.add(symbol)
            since_s = self._naked_since_s.setdefault(symbol, now_s)
            self._was_calm[symbol] = self._was_calm.get(symbol, True) and is_calm
            if is_calm:
                self._calm_s[symbol] = self._calm_s.get(symbol, 0.0) + step_s
            seconds = self._calm_s.get(symbol, 0.0)
            self.unprotected_s_max = max(self.unprotected_s_max, seconds)
            limit_s = STOP_SHOWN_S if self._was_calm[symbol] else STOP_HIDDEN_S
            if seconds > limit_s:
                text = f"{symbol} has stood without a stop since {since_s:.0f} s"
                self._verdict.fail("unprotected", text)
        for symbol in self._naked_since_s.keys() - naked:
            del self._naked_since_s[symbol], self._was_calm[symbol]
            self._calm_s.pop(symbol, None)

    def is_covered(self, symbol: str, quantity: Decimal) -> bool:
        """True when a stop for all of it rests at the venue."""
        return any(
            order.symbol == symbol
            and order.create_type is CreateType.STOP_LOSS
            and order.leaves_quantity >= quantity
            for order in self._world.account.open_orders(symbol)
        )

    def misplaced(self) -> str:
        """A stop that is not where the trader has moved it, in words; "" when all are."""
        for position in self._world.account.positions():
            wanted = self._moved_to.get(position.symbol)
            if wanted is not None and position.stop_loss != wanted:
                return f"{position.symbol}: the stop is {position.stop_loss}, wanted was {wanted}"
        return ""

    def _on_arrival(self, doing: Doing, is_done: bool) -> None:
        """A stop that our own instruction takes away was never replaced: between the two the
        position stood naked. Only an exit that finds no room may have it cancelled."""
        symbol = doing.symbol
        if doing.what == "cancel" and self._refused_exits[symbol] >= EXITS_REFUSED:
            return
        held = [p for p in self._world.account.positions() if p.symbol == symbol]
        is_covered = bool(held) and self.is_covered(symbol, held[0].quantity)
        if is_done and self._covered.get(symbol) and held and not is_covered:
            text = f"{doing.what} {doing.name} took the stop of {symbol} away"
            self._verdict.fail("stripped", text)
        self._covered[symbol] = is_covered

    def _is_held(self, symbol: str) -> bool:
        return any(position.symbol == symbol for position in self._world.account.positions())
