"""What the account wizard asks for and hears back.

A key is in these values only between the trader's fingers and the process that stores it; a repr,
and so a log line or a crash report, shows none of it.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec


class NewAccount(msgspec.Struct, frozen=True, kw_only=True):
    """An account to add. Only `mode` "live" has a key, kept at `place` ("keyring" or "vault").
    `is_key_looked_at`: the trader has read at the exchange what the key may do, where nobody can
    ask. `paper_balance`, in quote currency, is what a paper account's books begin with; None is the
    usual. `rest_url` is for test servers; "" is the exchange's own."""

    name: str
    exchange: str
    mode: str
    place: str = "keyring"
    api_key: str = ""
    api_secret: str = ""
    passphrase: str = ""
    vault_passphrase: str = ""
    is_key_looked_at: bool = False
    paper_balance: Decimal | None = None
    rest_url: str = ""

    def __repr__(self) -> str:
        return f"NewAccount(name={self.name!r}, exchange={self.exchange!r}, mode={self.mode!r})"


class AccountAnswer(msgspec.Struct, frozen=True):
    """`text` is one sentence. `advice` are sentences about a key that was stored all the same.
    `is_key_refused`: the key itself is no good, so nobody needs to type again beside it;
    `is_passphrase_wrong`: the vault's, of which another try has to wait a little."""

    ok: bool
    text: str
    advice: list[str] = []
    is_key_refused: bool = False
    is_passphrase_wrong: bool = False


class ExchangeChoice(msgspec.Struct, frozen=True):
    """`is_checked`: the exchange tells us what a key may do, and its adapter has met it."""

    name: str
    title: str
    may_trade_live: bool
    is_checked: bool
    has_passphrase: bool
