"""What differs between real venues behind one port: the rules that have cost traders money.

The defaults are the simulated exchange as it always was (and Bybit). Other values make venues
on which a client that relies on Bybit's promises goes wrong.
"""

from __future__ import annotations

import enum

import msgspec


class ClientIds(enum.StrEnum):
    """Against which orders a client order id has to be unique."""

    ALWAYS = "always"  # Bybit: for ever
    OPEN = "open"  # Binance spot: among open orders only; once filled, it is taken again
    NEVER = "never"  # nobody looks


class VenueProfile(msgspec.Struct, frozen=True, kw_only=True):
    """`receive_window_s`: a request that arrives later than this after it was signed is refused;
    `index_lag_s`: orders and executions show in answers to questions so much later than they
    happened. Both in real seconds."""

    name: str = "standard"
    client_ids: ClientIds = ClientIds.ALWAYS
    # resting reduce-only orders reserve the position: an exit beside them is refused
    counts_reduce_only: bool = False
    receive_window_s: float = 5.0
    index_lag_s: float = 0.0
    is_hedge_mode: bool = False  # the account holds longs and shorts side by side: not for us


STANDARD = VenueProfile()
