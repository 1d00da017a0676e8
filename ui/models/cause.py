"""Which order is behind a row of the blotter: the one whose trail answers "why is this here?"."""

from __future__ import annotations

from typing import Any, NamedTuple

from core.models.orders import Order
from core.snapshots import FillRecord, PositionSnapshot
from ui.bridge import Bridge
from ui.models.protection import GuardedPosition
from ui.models.refusals import Refusal


class Cause(NamedTuple):
    """An order of ours, or one English sentence why there is none; both empty: rows of this kind
    have none."""

    client_order_id: str = ""
    problem: str = ""


def cause_of(bridge: Bridge, row: Any) -> Cause:
    """A stop of the exchange's own making is there because of its position's entry."""
    if isinstance(row, Refusal):
        problem = "" if row.client_order_id else "It was refused before it became an order."
        return Cause(row.client_order_id, problem)
    own, account, symbol = _order_of(row)
    if own:
        return Cause(own)
    entry = bridge.entry_of(account, symbol) if symbol else None
    if entry is not None:
        return Cause(entry.client_order_id)
    return Cause(problem=f"No order of ours made this position in {symbol}." if symbol else "")


def _order_of(row: Any) -> tuple[str, str, str]:
    """(client order id, account, symbol)."""
    if isinstance(row, GuardedPosition):
        row = row.held
    if isinstance(row, PositionSnapshot):
        return "", row.position.account, row.position.symbol
    if isinstance(row, FillRecord):
        return row.fill.client_order_id, row.fill.account, row.fill.symbol
    if isinstance(row, Order):
        return row.client_order_id, row.account, row.symbol
    return "", "", ""
