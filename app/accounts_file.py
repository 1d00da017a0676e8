"""Accounts that the wizard adds, as `[[accounts]]` of the configuration that a trader reads too.

Comments and order of a file written by hand stay. The new text has to pass the same checks as at a
start before it replaces the old one: a wizard must not leave a program that cannot start.
"""

from __future__ import annotations

from pathlib import Path

import tomlkit
from tomlkit.items import AoT

from app.config import check_config
from app.options import StartError
from core.storage.durable import write_atomic


def text_with_account(config: Path, entry: dict[str, str | bool | int]) -> str:
    """The configuration with one more account. Raises StartError where it would not start."""
    try:
        text = config.read_text(encoding="utf-8") if config.exists() else ""
        document = tomlkit.parse(text)
    except (OSError, UnicodeDecodeError) as fault:
        raise StartError(f"{config}: cannot be read ({fault})") from None
    except tomlkit.exceptions.TOMLKitError as fault:
        raise StartError(f"{config}: not valid TOML: {fault}") from None
    table = tomlkit.table()
    for key, value in entry.items():
        table[key] = value
    accounts = document.get("accounts")
    if isinstance(accounts, AoT):
        accounts.append(table)
    elif accounts is None:
        made = tomlkit.aot()
        made.append(table)
        document["accounts"] = made
    else:
        raise StartError(f"{config}: write each account as [[accounts]]")
    grown = tomlkit.dumps(document)
    check_config(config, grown)
    return grown


def save(config: Path, text: str) -> None:
    """Raises StartError."""
    try:
        write_atomic(config, text.encode())
    except OSError as fault:
        raise StartError(f"{config} cannot be written ({fault.strerror})") from None
