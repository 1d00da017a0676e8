"""API keys that cannot be printed by accident: no repr, log line, pickle or error shows them."""

from __future__ import annotations

from typing import NoReturn


class Credentials:
    """Key and secret of one account, and the passphrase that some exchanges (OKX, Bitget) add.
    Compare and print as opaque; read the attributes."""

    __slots__ = ("api_key", "api_secret", "passphrase")

    def __init__(self, api_key: str, api_secret: str, passphrase: str = "") -> None:
        if not api_key or not api_secret:
            raise ValueError("An account needs both an API key and its secret.")
        self.api_key = api_key
        self.api_secret = api_secret
        self.passphrase = passphrase

    def __repr__(self) -> str:
        return "Credentials(api_key=***, api_secret=***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("Credentials are never pickled.")

    def redact(self, text: str) -> str:
        """`text` with all values blacked out: exchanges quote the key in their errors."""
        for value in (self.api_secret, self.api_key, self.passphrase):
            if value:
                text = text.replace(value, "***")
        return text
