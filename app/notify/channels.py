"""Where the addresses of channels are kept: beside the API keys, because they hold tokens.

In the system's key ring, or, without a safe one, in the vault whose passphrase the engine has in
`TWINSTAR_VAULT_PASSPHRASE`. As keys do, a new address travels over a pipe to a process that stores
it (`python -m app.notify.channels`) and ends; the running engine is only told to look again.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import msgspec

from app.keys import read_text, store_text
from app.options import StartError

_NAME = "messages"
MOST_CHANNELS = 10


class ChannelRequest(msgspec.Struct, frozen=True):
    """`address` None: forget all of them."""

    vault: str
    address: str | None

    def __repr__(self) -> str:
        return "ChannelRequest(***)"


class ChannelAnswer(msgspec.Struct, frozen=True):
    ok: bool
    text: str


def read_addresses(vault: Path) -> list[str]:
    """Empty where none was stored. Blocking. Raises StartError where they cannot be read."""
    text = read_text(_NAME, vault)
    return msgspec.json.decode(text, type=list[str]) if text else []


def change_addresses(request: ChannelRequest) -> ChannelAnswer:
    """Never raises: what went wrong is the answer's sentence."""
    from app.notify.apprise_sender import AppriseSender

    vault = Path(request.vault)
    try:
        if request.address is None:
            store_text(_NAME, "[]", vault)
            return ChannelAnswer(True, "All channels are removed.")
        AppriseSender().service(request.address)
        known = read_addresses(vault)
        if len(known) >= MOST_CHANNELS:
            return ChannelAnswer(False, f"There are {MOST_CHANNELS} channels already.")
        addresses = [*(a for a in known if a != request.address), request.address]
        store_text(_NAME, msgspec.json.encode(addresses).decode(), vault)
    except ValueError as fault:
        return ChannelAnswer(False, str(fault))
    except StartError as fault:
        return ChannelAnswer(False, f"{fault.text[:1].upper()}{fault.text[1:]}.")
    return ChannelAnswer(True, "The channel is added.")


def main() -> int:
    logging.disable()
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=ChannelRequest)
    try:
        answer = change_addresses(request)
    except Exception as fault:  # noqa: BLE001 (its own text might quote the address: the kind only)
        answer = ChannelAnswer(False, f"It could not be stored ({type(fault).__name__}).")
    sys.stdout.buffer.write(msgspec.json.encode(answer))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
