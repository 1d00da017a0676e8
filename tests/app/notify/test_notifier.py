"""Messages go out once each, in order, through outages and restarts; a local server receives."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import keyring
import msgspec
import pytest
from aiohttp import web

from app.keys import PASSPHRASE_VARIABLE
from app.notify.apprise_sender import AppriseSender
from app.notify.channel_keeper import ChannelKeeper
from app.notify.channels import ChannelRequest, change_addresses, read_addresses
from app.notify.notifier import DIGEST_FROM, Notifier
from app.options import StartError
from core.alerts.outbox import Outbox
from core.clock import ManualClock
from core.refusal import Refused
from core.storage.database import open_database

# Apprise looks at pictures by a module that Python is about to drop
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
TOKEN = "canary-token-5K"


class Receiver:
    """An HTTP server that takes messages. Attributes: bodies, status of its answers, address."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.status = 200
        self.address = ""

    async def take(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.json())
        return web.Response(status=self.status)

    @property
    def texts(self) -> list[str]:
        return [body["message"] for body in self.bodies]


@pytest.fixture
async def receiver():
    made = Receiver()
    app = web.Application()
    app.router.add_post("/{path:.*}", made.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.address = f"json://127.0.0.1:{runner.addresses[0][1]}/{TOKEN}"
    yield made
    await runner.cleanup()


@pytest.fixture
def outbox(tmp_path: Path):
    database = open_database(tmp_path / "alerts.sqlite")
    yield Outbox(database, ManualClock())
    database.close()


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PAUSE_S", "RETRY_FIRST_S", "RETRY_MOST_S"):
        monkeypatch.setattr(f"app.notify.notifier.{name}", 0.01)


def notifier(outbox: Outbox, *addresses: str) -> Notifier:
    return Notifier(outbox, read_addresses=lambda: list(addresses), make_service=AppriseSender)


async def run_until(sender: Notifier, condition: Any) -> None:
    task = asyncio.create_task(sender.run())
    try:
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110 (files and sockets, not one event)
                await asyncio.sleep(0.01)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_message_goes_out_once(outbox: Outbox, receiver: Receiver) -> None:
    outbox.put("danger", "risk", "Trading <b>stopped</b>.")
    await run_until(notifier(outbox, receiver.address), lambda: not outbox.waiting)
    assert [(b["title"], b["message"]) for b in receiver.bodies] == [
        ("risk", "Trading <b>stopped</b>.")
    ]


async def test_an_outage_loses_nothing_and_repeats_nothing(
    outbox: Outbox, receiver: Receiver
) -> None:
    receiver.status = 503
    sender = notifier(outbox, receiver.address)
    outbox.put("danger", "risk", "one")
    await run_until(sender, lambda: len(receiver.bodies) >= 2)
    assert outbox.waiting == 1
    assert sender.snapshot().fault.endswith("does not answer; it is tried again.")
    receiver.status = 200
    receiver.bodies.clear()
    again = notifier(outbox, receiver.address)  # another start
    await run_until(again, lambda: not outbox.waiting)
    assert receiver.texts == ["one"]
    assert again.snapshot().fault == ""


async def test_what_has_gathered_goes_out_as_one(outbox: Outbox, receiver: Receiver) -> None:
    for number in range(DIGEST_FROM + 2):
        outbox.put("danger", "risk", f"message {number}")
    await run_until(notifier(outbox, receiver.address), lambda: not outbox.waiting)
    assert len(receiver.bodies) == 1
    assert receiver.texts[0].splitlines()[0] == "risk: message 0"


async def test_one_channel_that_fails_neither_repeats_nor_blocks_another(
    outbox: Outbox, receiver: Receiver
) -> None:
    dead = "json://127.0.0.1:1/x"
    sender = notifier(outbox, receiver.address, dead)
    outbox.put("danger", "risk", "one")
    await run_until(sender, lambda: not outbox.waiting)
    assert receiver.texts == ["one"]
    assert "did not take" in sender.snapshot().fault


async def test_a_test_says_over_what_it_went_or_that_it_did_not(
    outbox: Outbox, receiver: Receiver
) -> None:
    """ux 67"""
    assert await notifier(outbox, receiver.address).send_test() == "Sent over JSON."
    receiver.status = 404
    with pytest.raises(Refused, match="did not take it") as refusal:
        await notifier(outbox, receiver.address).send_test()
    assert TOKEN not in str(refusal.value)
    with pytest.raises(Refused, match="no channel"):
        await notifier(outbox).send_test()


async def test_what_cannot_be_read_is_told(outbox: Outbox) -> None:
    def locked() -> list[str]:
        raise StartError("the key ring is locked")

    sender = Notifier(outbox, read_addresses=locked, make_service=AppriseSender)
    await run_until(sender, lambda: sender.snapshot().fault)
    assert sender.snapshot().fault == "The key ring is locked."


@pytest.fixture
def in_vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from keyring.backends.fail import Keyring

    monkeypatch.setattr("keyring.core._keyring_backend", Keyring())
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "correct horse")
    assert keyring.get_keyring().priority < 1
    return tmp_path / "storage" / "vault.json"


def test_an_address_is_kept_sealed_and_can_be_forgotten(in_vault: Path) -> None:
    address = f"json://127.0.0.1:9/{TOKEN}"
    request = ChannelRequest(str(in_vault), address)
    assert TOKEN not in repr(request)
    assert change_addresses(request).ok
    assert change_addresses(request).ok
    assert read_addresses(in_vault) == [address]
    assert TOKEN.encode() not in in_vault.read_bytes()
    assert change_addresses(msgspec.structs.replace(request, address=None)).ok
    assert read_addresses(in_vault) == []


def test_what_is_no_address_is_refused(in_vault: Path) -> None:
    answer = change_addresses(ChannelRequest(str(in_vault), "nonsense"))
    assert not answer.ok
    assert not in_vault.exists()


def test_without_a_safe_place_nothing_is_stored(
    in_vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(PASSPHRASE_VARIABLE)
    answer = change_addresses(ChannelRequest(str(in_vault), "json://localhost"))
    assert not answer.ok
    assert PASSPHRASE_VARIABLE in answer.text
    assert not in_vault.exists()


async def test_the_screen_hands_an_address_over_by_a_pipe(in_vault: Path) -> None:
    keeper = ChannelKeeper(in_vault.parent.parent)
    answer = await keeper.add_channel("json://localhost/x")
    assert answer.ok, answer.text
    assert read_addresses(in_vault) == ["json://localhost/x"]
