"""The process that stores a new key: `python -m app.add_account`, one request in, one answer out.

How a secret travels: the wizard hands it over a pipe (standard input) to this process, which asks
the exchange what the key may do, gives it to the key ring or the encrypted vault, and ends. It is
never an argument, a variable, a file in clear or a message of the link; the running engine does not
see it, and the screen drops its copy with the dialog. An engine reads it by reference when it
starts. A process and not a thread of the screen, because a key ring may ask the desktop and hang,
and because the exchange's library would cost the screen a second and 100 MB.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

import msgspec

from app.accounts_file import save, text_with_account
from app.keys import Vault, WrongPassphrase, store_key
from app.options import StartError
from core.exchange_port import ExchangeError
from core.models.new_account import AccountAnswer, NewAccount
from exchanges.credentials import Credentials


class AddRequest(msgspec.Struct, frozen=True):
    """What comes in on standard input."""

    account: NewAccount
    config: str
    vault: str


def main() -> int:
    logging.disable()  # nothing of a library reaches a log from here
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=AddRequest)
    try:
        answer = asyncio.run(
            add_account(request.account, Path(request.config), Path(request.vault))
        )
    except Exception as fault:  # noqa: BLE001 (its own text might quote the key: the kind only)
        text = f"The account could not be added ({type(fault).__name__}). Nothing was saved."
        answer = AccountAnswer(False, text)
    sys.stdout.buffer.write(msgspec.json.encode(answer))
    return 0


async def add_account(new: NewAccount, config: Path, vault: Path) -> AccountAnswer:
    """Check everything, store the key, then write the account; a refusal has changed nothing."""
    entry: dict[str, str | bool | int] = {
        "name": new.name,
        "exchange": new.exchange,
        "mode": new.mode,
    }
    reference = f"{new.place}:{new.exchange}-{new.name}"
    if new.mode == "live":
        entry["key"] = reference
    if new.mode == "live" and new.is_key_looked_at:
        entry["i_accept_unverified"] = True
    if new.mode == "paper" and new.paper_balance is not None:
        entry["paper_balance"] = int(new.paper_balance)
    if new.rest_url:
        entry["rest_url"] = new.rest_url
    advice: list[str] = []
    try:
        text = text_with_account(config, entry)
        if new.mode == "live":
            if new.place == "vault":
                Vault(vault, new.vault_passphrase).entries()  # before anybody is asked
            advice = await _checked(new)
            store_key(
                reference,
                new.api_key,
                new.api_secret,
                vault,
                new.passphrase,
                vault_passphrase=new.vault_passphrase,
            )
        save(config, text)
    except _Refused as refusal:
        return AccountAnswer(False, str(refusal), is_key_refused=refusal.is_of_key)
    except WrongPassphrase as fault:
        return AccountAnswer(False, f"{fault}. Nothing was saved.", is_passphrase_wrong=True)
    except StartError as fault:
        return AccountAnswer(False, f"{fault.text[:1].upper()}{fault.text[1:]}.")
    return AccountAnswer(True, f"{new.name} was added.", advice)


class _Refused(Exception):
    def __init__(self, text: str, *, is_of_key: bool) -> None:
        super().__init__(text)
        self.is_of_key = is_of_key


async def _checked(new: NewAccount) -> list[str]:
    """Advice. Raises _Refused."""
    from exchanges.key_check import KeyRefused, check_key, is_checkable

    if not new.api_key or not new.api_secret:
        raise _Refused("Both the key and the secret are needed.", is_of_key=False)
    if not is_checkable(new.exchange):
        if not new.is_key_looked_at:
            text = "Look at the exchange what this key may do, and say so. It was not saved."
            raise _Refused(text, is_of_key=False)
        return []
    credentials = Credentials(new.api_key, new.api_secret, new.passphrase)
    try:
        return await check_key(new.exchange, credentials, new.rest_url)
    except KeyRefused as refusal:
        raise _Refused(f"{refusal} It was not saved.", is_of_key=True) from None
    except ExchangeError as fault:
        text = f"{credentials.redact(fault.text).rstrip('.')}. It was not saved."
        raise _Refused(text, is_of_key=False) from None


if __name__ == "__main__":
    raise SystemExit(main())
