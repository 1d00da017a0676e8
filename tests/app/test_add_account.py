"""A key from the wizard: checked, stored in its place and nowhere else, its account in the file."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import keyring
import msgspec
import pytest
from aiohttp import web
from keyring.backend import KeyringBackend

from app.account_keeper import AccountKeeper, places_of
from app.add_account import add_account
from app.config import load_config
from app.keys import PASSPHRASE_VARIABLE, Vault, read_key, store_key
from app.options import ROOT
from core.models.new_account import AccountAnswer, NewAccount

KEY, SECRET = "canary-key-7Q", "canary-secret-9Z"


class Bybit:
    """Answers `/v5/user/query-api` with these rights. Attributes: url, asked (how often)."""

    def __init__(self) -> None:
        self.wallet: list[str] = []
        self.ips = ["*"]
        self.deadline_day = 80
        self.asked = 0
        self.url = ""

    async def answer(self, _request: web.Request) -> web.Response:
        self.asked += 1
        rights = {"ContractTrade": ["Order", "Position"], "Wallet": self.wallet}
        result = {"readOnly": 0, "permissions": rights, "ips": self.ips}
        result["deadlineDay"] = self.deadline_day
        return web.json_response({"retCode": 0, "retMsg": "", "result": result})


@pytest.fixture
async def bybit():
    made = Bybit()
    app = web.Application()
    app.router.add_get("/v5/user/query-api", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


class MemoryRing(KeyringBackend):
    """A key ring as safe as a system's."""

    priority = 5  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> MemoryRing:
    made = MemoryRing()
    before = keyring.get_keyring()
    keyring.set_keyring(made)
    monkeypatch.setattr("keyring.core._keyring_backend", made)
    yield made
    keyring.set_keyring(before)


def live(url: str, **changes: object) -> NewAccount:
    new = NewAccount(
        name="main", exchange="bybit", mode="live", api_key=KEY, api_secret=SECRET, rest_url=url
    )
    return msgspec.structs.replace(new, **changes)


def traces(folder: Path) -> list[str]:
    """Files below `folder` that hold the canaries."""
    return [
        str(path)
        for path in folder.rglob("*")
        if path.is_file() and any(c.encode() in path.read_bytes() for c in (KEY, SECRET))
    ]


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_a_paper_account_needs_no_key_and_keeps_the_file_as_it_was(tmp_path: Path) -> None:
    config = tmp_path / "trading.toml"
    config.write_text('# mine\n[[accounts]]\nname = "a"\nexchange = "bybit"\nmode = "paper"\n')
    new = NewAccount(name="b", exchange="bybit", mode="paper", paper_balance=Decimal(5_000))
    answer = await add_account(new, config, tmp_path / "vault.json")
    assert answer.ok, answer.text
    assert [account.name for account in load_config(config).accounts] == ["a", "b"]
    assert load_config(config).accounts[1].paper_balance == 5_000
    assert config.read_text().startswith("# mine\n")


async def test_a_live_key_goes_to_the_key_ring_and_its_name_to_the_file(
    tmp_path: Path, bybit: Bybit, ring: MemoryRing
) -> None:
    config = tmp_path / "trading.toml"
    answer = await add_account(live(bybit.url), config, tmp_path / "vault.json")
    assert answer.ok, answer.text
    assert answer.advice == ["The key works from any address: bind it to yours at the exchange."]
    account = load_config(config).accounts[0]
    assert account.key == "keyring:bybit-main"
    assert read_key(account.key, tmp_path / "vault.json").api_secret == SECRET
    assert traces(tmp_path) == []


async def test_a_key_that_can_withdraw_is_stored_nowhere(
    tmp_path: Path, bybit: Bybit, ring: MemoryRing
) -> None:
    """ux 78"""
    bybit.wallet = ["Withdraw"]
    config = tmp_path / "trading.toml"
    answer = await add_account(live(bybit.url), config, tmp_path / "vault.json")
    assert (answer.ok, answer.text) == (False, "This key can withdraw. It was not saved.")
    assert answer.is_key_refused
    assert not ring.kept
    assert not config.exists()
    assert traces(tmp_path) == []


async def test_an_exchange_that_does_not_answer_stores_nothing(
    tmp_path: Path, ring: MemoryRing
) -> None:
    answer = await add_account(live("http://127.0.0.1:1"), tmp_path / "t.toml", tmp_path / "v")
    assert not answer.ok
    assert answer.text.endswith("It was not saved.")
    assert not answer.is_key_refused
    assert not ring.kept
    assert names(tmp_path) == []


async def test_a_second_account_of_the_name_is_refused_before_the_key_is_asked_about(
    tmp_path: Path, ring: MemoryRing
) -> None:
    config = tmp_path / "trading.toml"
    paper = NewAccount(name="main", exchange="bybit", mode="paper")
    assert (await add_account(paper, config, tmp_path / "v")).ok
    before = config.read_bytes()
    answer = await add_account(live("http://127.0.0.1:1"), config, tmp_path / "v")
    assert "a second account named 'main'" in answer.text
    assert config.read_bytes() == before


async def test_without_a_safe_key_ring_the_vault_is_named(tmp_path: Path, bybit: Bybit) -> None:
    from keyring.backends.null import Keyring

    before = keyring.get_keyring()
    keyring.set_keyring(Keyring())
    try:
        answer = await add_account(live(bybit.url), tmp_path / "t.toml", tmp_path / "v")
    finally:
        keyring.set_keyring(before)
    assert not answer.ok
    assert "no safe key ring; use vault:" in answer.text
    assert not (tmp_path / "t.toml").exists()


async def test_an_exchange_that_cannot_be_asked_wants_the_traders_word(
    tmp_path: Path, ring: MemoryRing
) -> None:
    unmet = live("", exchange="binance", rest_url="")
    config = tmp_path / "t.toml"
    refused = await add_account(unmet, config, tmp_path / "v")
    assert not refused.ok
    assert not ring.kept
    told = msgspec.structs.replace(unmet, is_key_looked_at=True)
    assert (await add_account(told, config, tmp_path / "v")).ok
    assert load_config(config).accounts[0].i_accept_unverified


async def test_the_whole_way_through_the_pipe_leaves_no_trace(
    tmp_path: Path, bybit: Bybit, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The screen's own way, by a process: acceptance 5."""
    keeper = AccountKeeper(None, tmp_path)
    new = live(bybit.url, place="vault", vault_passphrase="correct horse")
    answer = await keeper.add(new)
    assert answer.ok, answer.text
    places = places_of(None, tmp_path)
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "correct horse")
    reference = load_config(places.config).accounts[0].key
    assert reference == "vault:bybit-main"
    assert read_key(reference, places.vault).api_key == KEY
    assert places.vault.stat().st_mode & 0o777 == 0o600
    assert places.vault.parent.stat().st_mode & 0o777 == 0o700
    assert traces(tmp_path) == []
    said = capfd.readouterr()
    assert not any(c in text for c in (KEY, SECRET) for text in (said.out, said.err, repr(new)))


async def test_a_wrong_passphrase_is_one_sentence_and_loses_nothing(
    tmp_path: Path, bybit: Bybit
) -> None:
    vault = tmp_path / "vault.json"
    store_key("vault:bybit-first", "k", "s", vault, vault_passphrase="correct horse")
    before = vault.read_bytes()
    config = tmp_path / "trading.toml"
    wrong = live(bybit.url, place="vault", vault_passphrase="wrong horse")
    answer = await add_account(wrong, config, vault)
    assert answer == AccountAnswer(
        False,
        "This is not the vault's passphrase. Nothing was saved.",
        is_passphrase_wrong=True,
    )
    assert (vault.read_bytes(), bybit.asked) == (before, 0)
    assert not config.exists()
    right = msgspec.structs.replace(wrong, vault_passphrase="correct horse")
    assert (await add_account(right, config, vault)).ok
    kept = Vault(vault, "correct horse").entries()
    assert {name: entry.api_key for name, entry in kept.items()} == {
        "bybit-first": "k",
        "bybit-main": KEY,
    }


async def test_wrong_passphrases_in_a_row_are_answered_ever_more_slowly(
    tmp_path: Path, bybit: Bybit
) -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    keeper = AccountKeeper(None, tmp_path, pause=pause)
    vault = places_of(None, tmp_path).vault
    vault.parent.mkdir(parents=True)
    store_key("vault:bybit-first", "k", "s", vault, vault_passphrase="correct horse")
    wrong = live(bybit.url, place="vault", vault_passphrase="wrong horse")
    for _ in range(2):
        assert (await keeper.add(wrong)).is_passphrase_wrong
    right = msgspec.structs.replace(wrong, vault_passphrase="correct horse")
    assert (await keeper.add(right)).ok
    assert pauses == [2.0, 4.0]
    assert keeper._wrong_in_a_row == 0


def test_accounts_with_real_prices_never_lie_in_the_demos_folder(tmp_path: Path) -> None:
    usual = places_of(None, ROOT / "data" / "demo")
    assert usual.config == ROOT / "data" / "trading.toml"
    assert usual.start_command == f"python run.py --config {Path('data/trading.toml')}"
    own = places_of(None, tmp_path)
    assert own.data_dir == tmp_path / "real"
    assert str(own.data_dir) in own.start_command
    named = places_of(tmp_path / "my.toml", tmp_path)
    assert (named.config, named.data_dir) == (tmp_path / "my.toml", tmp_path)
