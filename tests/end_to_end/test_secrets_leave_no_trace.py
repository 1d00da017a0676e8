"""A key on its whole way, from the wizard's pipe to signed requests: no file, log or output has it.

Acceptance 5 of the screen. Pictures are compressed: that no label ever holds a secret is the wizard
test's part.
"""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from program import Home

from app.account_keeper import AccountKeeper
from app.keys import PASSPHRASE_VARIABLE
from core.models.new_account import NewAccount

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.timeout(240),
    pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM"),
]
VAULT_PASSPHRASE = "canary passphrase 4T"
STREAMS = (
    'ws_public_url = "ws://{host}/v5/public/linear"\nws_private_url = "ws://{host}/v5/private"\n'
)


@pytest.fixture
def abroad(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """The exchange, on a directory of its own: it knows its own keys."""
    abroad = Home(tmp_path_factory.mktemp("exchange"))
    abroad.start("demo-exchange", "--speed", "60")
    abroad.wait_for_demo()
    yield abroad
    abroad.end_everything()


def forms(secret: str) -> list[bytes]:
    """As it stands, and as a program may have written it down."""
    raw = secret.encode()
    whole = [raw, raw.hex().encode(), base64.b64encode(raw).rstrip(b"=")]
    return [*whole, secret.replace(" ", "%20").encode()]


def traces(folder: Path, secrets: list[str]) -> list[str]:
    found = []
    for path in folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        found += [str(path) for secret in secrets for form in forms(secret) if form in content]
    return found


async def add(home: Home, host: str, key: str, secret: str) -> None:
    new = NewAccount(
        name="main",
        exchange="bybit",
        mode="live",
        place="vault",
        api_key=key,
        api_secret=secret,
        vault_passphrase=VAULT_PASSPHRASE,
        rest_url=f"http://{host}",
    )
    config = home.folder / "trading.toml"
    home.folder.mkdir(parents=True, exist_ok=True)
    answer = await AccountKeeper(config, home.data_dir).add(new)
    assert answer.ok, answer.text
    config.write_text(config.read_text() + STREAMS.format(host=host))


async def test_a_live_run_leaves_no_trace_of_its_key(home: Home, abroad: Home) -> None:
    demo = abroad.demo()
    host = f"{demo.host}:{demo.port}"
    await add(home, host, demo.api_key, demo.api_secret)
    words = ("--config", str(home.folder / "trading.toml"), "--for", "12")
    places = ("--report", str(home.folder / "r.json"), "--screenshots", str(home.folder / "s"))
    run = home.run("screen", *words, *places, **{PASSPHRASE_VARIABLE: VAULT_PASSPHRASE})
    assert run.code == 0, run.err
    report = msgspec.json.decode((home.folder / "r.json").read_bytes())
    assert report["ledger_error"] == 0, "the account was read with its key"
    secrets = [demo.api_key, demo.api_secret, VAULT_PASSPHRASE]
    assert traces(home.folder, secrets) == []
    assert not any(secret in run.out + run.err for secret in secrets)


async def test_a_key_that_the_exchange_refuses_is_not_quoted(home: Home, abroad: Home) -> None:
    demo = abroad.demo()
    host = f"{demo.host}:{demo.port}"
    await add(home, host, demo.api_key, demo.api_secret)
    abroad.end_everything()
    other = Home(abroad.folder / "other")
    other.start("demo-exchange", "--port", str(demo.port))
    other.wait_for_demo()
    try:
        words = ("--config", str(home.folder / "trading.toml"), "--for", "8")
        run = home.run("engine", *words, **{PASSPHRASE_VARIABLE: VAULT_PASSPHRASE})
    finally:
        other.end_everything()
    secrets = [demo.api_secret, VAULT_PASSPHRASE]
    if demo.api_key != other.demo().api_key:
        secrets.append(demo.api_key)
    assert run.code != 0
    assert traces(home.folder, secrets) == []
    assert not any(secret in run.out + run.err for secret in secrets)
