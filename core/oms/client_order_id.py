"""Client order ids: a pure function of the intent, so that a retry can never make a new one.

The shape is the design's `{strategy}_{symbol}_{ts}_{nonce}`, fitted to the narrowest exchange:
36 characters of `A-Z a-z 0-9 - _` (Bybit, OKX without the punctuation, Binance). The time is ms
UTC in base 36, which keeps 17 characters for names. What is cut from a long name is not lost to
uniqueness: the last field digests the whole intent.
"""

from __future__ import annotations

import hashlib
import re

MAX_LENGTH = 36
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_FIELD_WIDTH = 8  # base 36: 2.8e12 values, ms until the year 2059
_SYMBOL_WIDTH = 12
_NAMES_WIDTH = MAX_LENGTH - 2 * _FIELD_WIDTH - 3
_SHAPE = re.compile(r"[a-zA-Z0-9]{1,16}_[A-Z0-9]{1,12}_[0-9a-z]{8}_[0-9a-z]{8}")


def make_client_order_id(strategy: str, symbol: str, created_ms: int, nonce: str) -> str:
    """At most 36 characters; the same intent always gives the same id.

    `created_ms` is ms UTC. Raises ValueError when a name has no letter or digit to show, or the
    time does not fit."""
    shown_symbol = _plain(symbol).upper()[:_SYMBOL_WIDTH]
    shown_strategy = _plain(strategy)[: _NAMES_WIDTH - len(shown_symbol)]
    if not shown_symbol or not shown_strategy:
        raise ValueError(
            f"no client order id from strategy {strategy!r} and symbol {symbol!r}: "
            "each needs a letter or a digit"
        )
    if not 0 <= created_ms < 36**_FIELD_WIDTH:
        raise ValueError(f"no client order id from time {created_ms} ms: it is out of range")
    digest = _digest(strategy, symbol, str(created_ms), nonce)
    return f"{shown_strategy}_{shown_symbol}_{_base36(created_ms)}_{digest}"


def nonce_for(bot_id: str, purpose: str, sequence: int) -> str:
    """Tells apart intents of one strategy, symbol and millisecond; 8 characters, pure."""
    return _digest(bot_id, purpose, str(sequence))


def is_ours(client_order_id: str) -> bool:
    """True for an id of our shape. Ownership itself is the journal's word."""
    return len(client_order_id) <= MAX_LENGTH and _SHAPE.fullmatch(client_order_id) is not None


def _plain(name: str) -> str:
    return "".join(c for c in name if c.isascii() and c.isalnum())


def _digest(*parts: str) -> str:
    # lengths in front: ("ab", "c") and ("a", "bc") are different intents
    text = "".join(f"{len(part)}:{part}" for part in parts)
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    return _base36(number % 36**_FIELD_WIDTH)


def _base36(number: int) -> str:
    digits = []
    for _ in range(_FIELD_WIDTH):
        number, digit = divmod(number, 36)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
