"""Stretches of time in which provably nothing happened to anybody's books.

An exchange that was off for days is brought up to date minute by minute, trade by trade; almost
all of those minutes concern nobody. Looking at the range of prices of hours at once finds them.
"""

from __future__ import annotations

from decimal import Decimal

from exchanges.simulated.ledger import Ledger
from exchanges.simulated.settlement import FUNDING_INTERVAL_MS, MARGIN_INTERVAL_MS
from exchanges.simulated.state import VenueState


def quiet_until(state: VenueState, symbols: set[str], limit_ms: int) -> int:
    """A moment from `state.now_ms` to `limit_ms` up to which no order of `symbols` (all that have
    orders or positions) is concerned, no funding is due and no margin can run out."""
    start_ms = state.now_ms
    next_funding_ms = (start_ms // FUNDING_INTERVAL_MS + 1) * FUNDING_INTERVAL_MS
    end_ms = _minute(min(limit_ms, next_funding_ms - 1))
    while end_ms - start_ms > MARGIN_INTERVAL_MS:
        if _is_quiet(state, symbols, end_ms):
            return end_ms
        end_ms = _minute(start_ms + (end_ms - start_ms) // 2)
    return start_ms


def _minute(time_ms: int) -> int:
    return time_ms // MARGIN_INTERVAL_MS * MARGIN_INTERVAL_MS


def _is_quiet(state: VenueState, symbols: set[str], end_ms: int) -> bool:
    ranges: dict[str, tuple[Decimal, Decimal]] = {}
    for symbol in symbols:
        lowest = highest = state.price(symbol)
        traded = state.market.price_range(symbol, state.now_ms, end_ms)
        if traded is not None:
            if state.orders[symbol].are_concerned_between(*traded):
                return False
            tick_size = state.market.instruments[symbol].tick_size
            lowest = min(lowest, traded[0] * tick_size)
            highest = max(highest, traded[1] * tick_size)
        ranges[symbol] = lowest, highest
    return all(_keeps_margin(ledger, ranges) for ledger in state.ledgers.values())


def _keeps_margin(ledger: Ledger, ranges: dict[str, tuple[Decimal, Decimal]]) -> bool:
    """Even if every position met its worst price, all at the same time."""
    holdings = ledger.open_holdings()
    equity = ledger.books.wallet_balance
    for symbol, holding in holdings:
        lowest, highest = ranges[symbol]
        equity += holding.unrealized(lowest if holding.quantity > 0 else highest)
    return not holdings or equity >= ledger.maintenance_margin(lambda symbol: ranges[symbol][1])
