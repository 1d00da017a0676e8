"""The design's `{exchange}_capital_state.json`: written for other tools, read for a move from them.

It says less than the ledger (no orders, no trades, no days before the shown ones), so reading it
can only begin a ledger, never change one. Amounts are strings, so that no reader rounds them.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from core.capital.book import ZERO
from core.capital.report import build_stats
from core.snapshots import CapitalSnapshot


class DesignState(msgspec.Struct, frozen=True):
    """What is read of the file; it may hold more. `allocations` by symbol, `daily_pnl` by date."""

    exchange: str
    total_capital: Decimal
    initial_capital: Decimal
    peak_capital: Decimal
    max_drawdown: Decimal = ZERO
    currency: str = "USDT"
    allocations: dict[str, Decimal] = {}
    daily_pnl: dict[str, Decimal] = {}


def to_design_json(
    exchange: str, snapshot: CapitalSnapshot, daily_pnl: dict[str, Decimal], now_ms: int
) -> str:
    allocations: dict[str, Decimal] = {}
    for entry in snapshot.slices:
        allocations[entry.symbol] = allocations.get(entry.symbol, ZERO) + entry.amount
    state = {
        "exchange": exchange,
        "currency": snapshot.currency,
        "updated_ms": now_ms,
        **msgspec.structs.asdict(build_stats(snapshot)),
        "allocations": allocations,
        "daily_pnl": daily_pnl,
    }
    return msgspec.json.format(msgspec.json.encode(state), indent=2).decode()


def from_design_json(text: str, exchange: str, currency: str) -> DesignState:
    """Raises ValueError, with the reason, for a file that cannot begin this ledger."""
    try:
        state = msgspec.json.decode(text, type=DesignState)
    except msgspec.DecodeError as fault:
        raise ValueError(f"this is no capital state: {fault}") from None
    if (state.exchange, state.currency) != (exchange, currency):
        raise ValueError(
            f"this capital state belongs to {state.exchange} {state.currency}, "
            f"not {exchange} {currency}"
        )
    amounts = [state.initial_capital, state.peak_capital, *state.allocations.values()]
    if any(amount < 0 for amount in amounts):
        raise ValueError("this capital state holds an amount below zero")
    return state
