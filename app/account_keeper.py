"""The screen's way to a new account: a short-lived process that takes it over a pipe.

Why a process, and what the secret does and does not touch: see `app/add_account.py`.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from app.options import ROOT
from core.models.new_account import AccountAnswer, ExchangeChoice, NewAccount

_LONGEST_PAUSE_S = 32.0
_PATIENCE_S = 60.0  # a key ring may ask for its password first
_WITH_PASSPHRASE = ("okx", "bitget")


class AccountPlaces(msgspec.Struct, frozen=True):
    """Where the wizard's accounts belong: their configuration, and the data directory of the world
    with real prices, which never is the demo's."""

    config: Path
    data_dir: Path

    @property
    def vault(self) -> Path:
        return self.data_dir / "storage" / "vault.json"

    @property
    def start_command(self) -> str:
        """What to type to trade on these accounts."""
        words = f"python run.py --config {_short(self.config)}"
        is_usual = self.data_dir == ROOT / "data"
        return words if is_usual else f"{words} --data-dir {_short(self.data_dir)}"


def places_of(config: Path | None, data_dir: Path) -> AccountPlaces:
    """Of a screen with this configuration and data directory."""
    if config is not None:
        return AccountPlaces(config, data_dir)
    real = ROOT / "data" if data_dir == ROOT / "data" / "demo" else data_dir / "real"
    return AccountPlaces(real / "trading.toml", real)


def _short(path: Path) -> Path:
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


class AccountKeeper:
    """Attribute: start_command, what to type to trade on the accounts it has added."""

    def __init__(
        self,
        config: Path | None,
        data_dir: Path,
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._pause = pause
        self._wrong_in_a_row = 0  # passphrases of the vault
        self._places = places_of(config, data_dir)
        self.start_command = self._places.start_command

    def exchanges(self) -> list[ExchangeChoice]:
        """Where an account can be, the proven one first."""
        from exchanges.ccxt_quirks import QUIRKS

        others = [
            ExchangeChoice(
                name,
                quirks.title,
                may_trade_live=not quirks.is_spot,  # they keep no stop orders
                is_checked=False,
                has_passphrase=name in _WITH_PASSPHRASE,
            )
            for name, quirks in QUIRKS.items()
        ]
        return [ExchangeChoice("bybit", "Bybit", True, True, False), *others]

    async def add(self, account: NewAccount) -> AccountAnswer:
        """Never raises: what went wrong is the answer's sentence. After a wrong passphrase of the
        vault the next try takes twice as long, and longer each time."""
        if self._wrong_in_a_row:
            await self._pause(min(2.0**self._wrong_in_a_row, _LONGEST_PAUSE_S))
        places = self._places
        request = msgspec.json.encode(
            {"account": account, "config": str(places.config), "vault": str(places.vault)}
        )
        answer = await asyncio.to_thread(_ask, request)
        self._wrong_in_a_row = self._wrong_in_a_row + 1 if answer.is_passphrase_wrong else 0
        return answer


def _ask(request: bytes) -> AccountAnswer:
    try:
        done = subprocess.run(
            [sys.executable, "-m", "app.add_account"],
            cwd=ROOT,
            input=request,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # a traceback could quote the request
            timeout=_PATIENCE_S,
            check=False,
        )
        return msgspec.json.decode(done.stdout, type=AccountAnswer)
    except subprocess.TimeoutExpired:
        text = "No answer for 60 s: the key ring may be waiting for you. It may have been saved."
    except (OSError, msgspec.DecodeError) as fault:
        text = f"The account could not be added ({type(fault).__name__}). Nothing was saved."
    return AccountAnswer(False, text)
