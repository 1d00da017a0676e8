"""The screen's way to a new channel: a short-lived process that takes its address over a pipe."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import msgspec

from app.options import ROOT
from core.commands import CommandResult

_PATIENCE_S = 60.0  # a key ring may ask for its password first


class ChannelKeeper:
    def __init__(self, data_dir: Path) -> None:
        self._vault = data_dir / "storage" / "vault.json"

    async def add_channel(self, address: str) -> CommandResult:
        """Never raises."""
        return await self._ask(address)

    async def forget_channels(self) -> CommandResult:
        """Never raises."""
        return await self._ask(None)

    async def _ask(self, address: str | None) -> CommandResult:
        request = msgspec.json.encode({"vault": str(self._vault), "address": address})
        return await asyncio.to_thread(_run, request)


def _run(request: bytes) -> CommandResult:
    try:
        done = subprocess.run(
            [sys.executable, "-m", "app.notify.channels"],
            cwd=ROOT,
            input=request,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # a traceback could quote the address
            timeout=_PATIENCE_S,
            check=False,
        )
        answer = msgspec.json.decode(done.stdout, type=dict[str, str | bool])
    except (OSError, subprocess.TimeoutExpired, msgspec.DecodeError) as fault:
        return CommandResult(0, False, f"It could not be stored ({type(fault).__name__}).")
    return CommandResult(0, bool(answer["ok"]), str(answer["text"]))
