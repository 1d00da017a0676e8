"""Client order ids: a pure function of the intent, so that a retry can never make a new one.

The shape is the design's `{strategy}_{symbol}_{ts}_{nonce}`, fitted to what each exchange takes:
the id in the journal is the very one on the wire, so nothing has to be translated back. The time
is ms UTC in base 36, which leaves room for names. What is cut from a long name is not lost to
uniqueness: the last field digests the whole intent.
"""

from __future__ import annotations

import hashlib
import re

import msgspec

from core.events import Signal
from core.models.orders import OrderPurpose

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_FIELD_WIDTH = 8  # base 36: 2.8e12 values, ms until the year 2059
_SYMBOL_WIDTH = 12


class IdRules(msgspec.Struct, frozen=True):
    """What one exchange takes for a client order id: letters and digits everywhere."""

    max_length: int = 36
    separator: str = "_"  # "" where only letters and digits are taken
    is_lower_case: bool = False  # the exchange answers in lower case, whatever it was sent

    @property
    def names_width(self) -> int:
        """Room for strategy and symbol together."""
        return min(self.max_length, 36) - 2 * _FIELD_WIDTH - 3 * len(self.separator)


# Published limits: `orderLinkId`, `newClientOrderId`, `clOrdId` (alphanumeric), `clientOid`,
# `clientOrderID`, `client_order_id`. Upbit publishes none for `identifier`: it gets the usual 36.
ID_RULES = {
    "bybit": IdRules(36),
    "binance": IdRules(36),
    "okx": IdRules(32, separator=""),
    "bitget": IdRules(50),
    "bingx": IdRules(40, is_lower_case=True),
    "upbit": IdRules(36),
    "bithumb": IdRules(36),
}
_USUAL = IdRules()


def make_client_order_id(
    strategy: str, symbol: str, created_ms: int, nonce: str, exchange: str = ""
) -> str:
    """At most 36 characters that `exchange` takes; the same intent always gives the same id.

    `created_ms` is ms UTC. Raises ValueError when a name has no letter or digit to show, or the
    time does not fit."""
    rules = ID_RULES.get(exchange, _USUAL)
    shown_symbol = _plain(symbol).upper()[:_SYMBOL_WIDTH]
    shown_strategy = _plain(strategy)[: rules.names_width - len(shown_symbol)]
    if not shown_symbol or not shown_strategy:
        raise ValueError(
            f"no client order id from strategy {strategy!r} and symbol {symbol!r}: "
            "each needs a letter or a digit"
        )
    if not 0 <= created_ms < 36**_FIELD_WIDTH:
        raise ValueError(f"no client order id from time {created_ms} ms: it is out of range")
    digest = _digest(strategy, symbol, str(created_ms), nonce)
    parts = (shown_strategy, shown_symbol, _base36(created_ms), digest)
    fitted = rules.separator.join(parts)
    return fitted.lower() if rules.is_lower_case else fitted


def nonce_for(bot_id: str, purpose: str, sequence: int) -> str:
    """Tells apart intents of one strategy, symbol and millisecond; 8 characters, pure."""
    return _digest(bot_id, purpose, str(sequence))


def signal_order_id(exchange: str, signal: Signal, purpose: OrderPurpose) -> str:
    """The same signal, judged twice, is the same order."""
    opened_ms = signal.candle_open_time_ms
    nonce = nonce_for(signal.bot_id, purpose, opened_ms)
    return make_client_order_id(signal.strategy, signal.symbol, opened_ms, nonce, exchange)


def is_ours(client_order_id: str, exchange: str = "") -> bool:
    """True for an id of the shape that we give on `exchange`. Ownership itself is the journal's
    word."""
    rules = ID_RULES.get(exchange, _USUAL)
    gap, symbol = rules.separator, "[a-z0-9]" if rules.is_lower_case else "[A-Z0-9]"
    name = "[a-z0-9]" if rules.is_lower_case else "[a-zA-Z0-9]"
    field = f"[0-9a-z]{{{_FIELD_WIDTH}}}"
    shape = f"{name}{{1,{rules.names_width - 1}}}{gap}{symbol}{{1,12}}{gap}{field}{gap}{field}"
    return (
        len(client_order_id) <= min(rules.max_length, 36)
        and re.fullmatch(shape, client_order_id) is not None
    )


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
