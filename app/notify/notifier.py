"""Sends what waits in the outbox, in order, one message every few seconds.

What cannot be sent stays and is tried again, ever more rarely; what has gathered meanwhile goes
out as one message. A channel that took a message does not get it again while another is retried,
and one that fails three times does not hold up the others.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from app.options import StartError
from core.alerts.outbox import Message, Outbox
from core.models.alerts import SendingSnapshot
from core.refusal import Refused

log = logging.getLogger(__name__)
PAUSE_S = 3.0
RETRY_FIRST_S, RETRY_MOST_S = 5.0, 300.0
TRIES_FOR_ONE = 3
DIGEST_FROM, DIGEST_MOST = 4, 20


class Service(Protocol):
    """Blocking; as `AppriseSender`."""

    def service(self, address: str) -> str: ...

    def send(self, address: str, title: str, text: str) -> bool: ...


class Notifier:
    """`make_service` and `read_addresses` are called on a thread; the latter raises StartError."""

    def __init__(
        self,
        outbox: Outbox,
        *,
        read_addresses: Callable[[], list[str]],
        make_service: Callable[[], Service],
    ) -> None:
        self._outbox = outbox
        self._read_addresses = read_addresses
        self._make_service = make_service
        self._service: Service | None = None
        self._channels: dict[str, str] = {}  # address -> name of its service
        self._fault = ""

    async def run(self) -> None:
        """For ever."""
        try:
            await self._look_again()
        except Refused as fault:
            self._fault = str(fault)
        while True:
            await asyncio.sleep(PAUSE_S)
            if self._outbox.waiting and self._channels:
                await self._send_next()

    async def send_test(self) -> str:
        """What came of it, over channels that are read anew. Raises Refused."""
        await self._look_again()
        if not self._channels:
            raise Refused("There is no channel yet: add one first.")
        failed = await self._deliver("TwinStar Quantum", "This is a test.", list(self._channels))
        if failed:
            raise Refused(f"{self._names(failed)} did not take it: check address and network.")
        return f"Sent over {self._names(list(self._channels))}."

    def snapshot(self) -> SendingSnapshot:
        return SendingSnapshot(channels=sorted(self._channels.values()), fault=self._fault)

    async def _look_again(self) -> None:
        """Raises Refused."""
        try:
            self._channels = await asyncio.to_thread(self._read)
        except StartError as fault:
            raise Refused(f"{fault.text[:1].upper()}{fault.text[1:]}.") from None

    def _read(self) -> dict[str, str]:
        addresses = self._read_addresses()
        if addresses and self._service is None:
            self._service = self._make_service()  # loads the library: only where it is needed
        service = self._service
        return {address: service.service(address) for address in addresses} if service else {}

    async def _send_next(self) -> None:
        """Until the oldest messages are out, or have been tried often enough."""
        messages = self._outbox.oldest(DIGEST_MOST)
        if len(messages) < DIGEST_FROM:
            messages = messages[:1]
        title, text = _words(messages)
        missing, tries, wait_s = list(self._channels), 0, RETRY_FIRST_S
        while True:
            failed = await self._deliver(title, text, missing)
            tries += 1
            reached = len(failed) < len(self._channels)
            if not failed or (reached and tries >= TRIES_FOR_ONE):
                break
            self._fault = f"{self._names(failed)} does not answer; it is tried again."
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, RETRY_MOST_S)
            missing = [a for a in failed if a in self._channels]
            if not missing:
                break  # the trader removed them meanwhile
        self._fault = f"{self._names(failed)} did not take the last message." if failed else ""
        self._outbox.sent(messages)

    async def _deliver(self, title: str, text: str, addresses: list[str]) -> list[str]:
        """Those that failed."""
        service = self._service
        assert service is not None
        taken = await asyncio.gather(
            *(asyncio.to_thread(service.send, address, title, text) for address in addresses)
        )
        return [address for address, ok in zip(addresses, taken, strict=True) if not ok]

    def _names(self, addresses: list[str]) -> str:
        return ", ".join(sorted({self._channels.get(a, "A channel") for a in addresses}))


def _words(messages: list[Message]) -> tuple[str, str]:
    if len(messages) == 1:
        return messages[0].title, messages[0].text
    lines = "\n".join(f"{message.title}: {message.text}" for message in messages)
    return f"{len(messages)} messages", lines
