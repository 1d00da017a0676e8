"""What the trader of a schedule does: mostly while something is wrong, and mostly in sentences,
not in words: who stops a bot starts it again, who places an order wants it changed or back.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Sequence

import msgspec

from exchanges.simulated.faults import Fault, FaultKind


class ActionKind(enum.StrEnum):
    START = "start"
    PAUSE = "pause"
    STOP = "stop"
    STOP_AND_CLOSE = "stop_and_close"
    CLOSE = "close"
    KILL = "kill"
    RESUME = "resume"
    ADD_BOT = "add_bot"
    REMOVE_BOT = "remove_bot"
    LIMIT_ORDER = "limit_order"  # by hand, a little away from the price
    CANCEL = "cancel"  # the newest working order of ours on the symbol
    AMEND = "amend"  # the same one: another price, another size
    MOVE_STOP = "move_stop"
    ACCEPT = "accept"  # take over what somebody else's hand has left on the symbol
    IGNORE = "ignore"  # or leave it alone


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """The trader's hand at `at_s`; `symbol` names the bot too. `value`: of an order, its side,
    and how far from the price it is, in parts of 0.2 %; of a stop, the same distance."""

    at_s: float
    kind: ActionKind
    symbol: str
    value: float = 0.0


_WEIGHTS = {
    ActionKind.START: 4,
    ActionKind.PAUSE: 2,
    ActionKind.STOP: 2,
    ActionKind.STOP_AND_CLOSE: 3,
    ActionKind.CLOSE: 4,
    ActionKind.KILL: 2,
    ActionKind.RESUME: 2,
    ActionKind.ADD_BOT: 1,
    ActionKind.LIMIT_ORDER: 6,
    ActionKind.CANCEL: 2,
    ActionKind.MOVE_STOP: 4,
}
_FAR = 8.0
_STOPPING = (ActionKind.PAUSE, ActionKind.STOP, ActionKind.STOP_AND_CLOSE, ActionKind.KILL)
_BY_OTHERS = (FaultKind.EXTERNAL_ORDER, FaultKind.EXTERNAL_POSITION, FaultKind.EXTERNAL_CLOSE)


def make_actions(
    dice: random.Random, fault_s: float, symbols: tuple[str, ...], faults: Sequence[Fault]
) -> tuple[Action, ...]:
    """In order of time, all before `fault_s`."""
    actions: list[Action] = []
    for _ in range(dice.randint(0, 6)):
        action = _action(dice, fault_s, symbols, faults)
        if action.kind is ActionKind.LIMIT_ORDER and dice.random() < 0.7:
            # it rests before the trouble begins, and is changed in the middle of it
            before_s = round(max(4.0, dice.choice(faults).start_s - dice.uniform(0.1, 2)), 2)
            action = msgspec.structs.replace(action, at_s=before_s)
        actions += [action, *_what_follows(dice, action, symbols)]
    actions += _answers(dice, faults)
    return tuple(sorted((a for a in actions if a.at_s < fault_s), key=lambda a: a.at_s))


def _action(
    dice: random.Random, fault_s: float, symbols: tuple[str, ...], faults: Sequence[Fault]
) -> Action:
    [kind] = dice.choices(list(_WEIGHTS), list(_WEIGHTS.values()))
    at_s = dice.uniform(5, fault_s)
    if dice.random() < 0.6:
        fault = dice.choice(faults)
        at_s = max(3.0, dice.uniform(fault.start_s, fault.end_s))
    return Action(
        at_s=round(at_s, 2),
        kind=kind,
        symbol=symbols[-1] if kind is ActionKind.ADD_BOT else dice.choice(symbols),
        value=dice.choice((-_FAR, -_FAR, -1.0, 1.0, _FAR, _FAR)),
    )


def _what_follows(dice: random.Random, action: Action, symbols: tuple[str, ...]) -> list[Action]:
    """The rest of the sentence that the action begins."""

    def after(low_s: float, high_s: float, kind: ActionKind, value: float = 0.0) -> Action:
        at_s = round(action.at_s + dice.uniform(low_s, high_s), 2)
        return Action(at_s=at_s, kind=kind, symbol=action.symbol, value=value)

    follows: list[Action] = []
    if action.kind is ActionKind.LIMIT_ORDER:
        for _ in range(dice.choice((0, 0, 1, 2))):
            value = dice.choice((-2.0, -1.0, 1.0, 2.0))
            follows.append(after(0.5, 6, ActionKind.AMEND, value))
        if dice.random() < 0.6:
            follows.append(after(0.5, 6, ActionKind.CANCEL))
    if action.kind is ActionKind.KILL:
        if dice.random() < 0.4:
            before_s = max(1.0, round(action.at_s - dice.uniform(0.02, 3), 2))
            limit = ActionKind.LIMIT_ORDER
            follows.append(Action(at_s=before_s, kind=limit, symbol=action.symbol, value=_FAR))
        if dice.random() < 0.6:
            follows.append(after(2, 15, ActionKind.RESUME))
    if action.kind is ActionKind.STOP and dice.random() < 0.4:
        follows += [after(1, 10, ActionKind.REMOVE_BOT), after(11, 20, ActionKind.ADD_BOT)]
    if action.kind in _STOPPING and dice.random() < 0.7:
        start = after(3, 16, ActionKind.START)
        stopped = symbols if action.kind is ActionKind.KILL else (action.symbol,)
        follows += [msgspec.structs.replace(start, symbol=symbol) for symbol in stopped]
    return follows


def _answers(dice: random.Random, faults: Sequence[Fault]) -> list[Action]:
    """What the trader says to what others have done on the account."""
    kinds = (ActionKind.ACCEPT, ActionKind.ACCEPT, ActionKind.IGNORE)
    return [
        Action(
            at_s=round(fault.start_s + dice.uniform(2, 25), 2),
            kind=dice.choice(kinds),
            symbol=fault.symbol,
            value=dice.choice((2.0, _FAR)),
        )
        for fault in faults
        if fault.kind in _BY_OTHERS and fault.symbol and dice.random() < 0.6
    ]
