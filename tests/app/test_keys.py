"""Keys come back whole from where they were put, and are nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.keys import PASSPHRASE_VARIABLE, read_key, store_key
from app.options import StartError

KEY, SECRET = "canary-key-7Q", "canary-secret-9Z"


def test_a_key_in_the_vault_comes_back_and_the_file_shows_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "correct horse")
    vault = tmp_path / "vault.json"
    store_key("vault:main", KEY, SECRET, vault)
    store_key("vault:other", "k2", "s2", vault)
    found = read_key("vault:main", vault)
    assert (found.api_key, found.api_secret) == (KEY, SECRET)
    assert KEY.encode() not in vault.read_bytes()
    assert SECRET.encode() not in vault.read_bytes()
    assert vault.stat().st_mode & 0o077 == 0
    assert SECRET not in repr(found)


def test_a_wrong_passphrase_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "correct horse")
    store_key("vault:main", KEY, SECRET, tmp_path / "vault.json")
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "wrong")
    with pytest.raises(StartError, match=r"passphrase .* is wrong"):
        read_key("vault:main", tmp_path / "vault.json")


def test_a_damaged_vault_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "correct horse")
    vault = tmp_path / "vault.json"
    vault.write_bytes(b"{ not a vault")
    with pytest.raises(StartError, match="damaged"):
        store_key("vault:main", KEY, SECRET, vault)
    assert vault.read_bytes() == b"{ not a vault"


def test_a_key_from_two_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BYBIT_MAIN_API_KEY", KEY)
    with pytest.raises(StartError, match="BYBIT_MAIN_API_SECRET"):
        read_key("env:BYBIT_MAIN", tmp_path / "vault.json")
    monkeypatch.setenv("BYBIT_MAIN_API_SECRET", SECRET)
    assert read_key("env:BYBIT_MAIN", tmp_path / "vault.json").api_secret == SECRET


def test_a_passphrase_of_the_exchange_is_kept_with_its_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "correct horse")
    vault = tmp_path / "vault.json"
    store_key("vault:okx", KEY, SECRET, vault, "canary words")
    assert read_key("vault:okx", vault).passphrase == "canary words"
    for part, value in (("KEY", KEY), ("SECRET", SECRET), ("PASSPHRASE", "canary words")):
        monkeypatch.setenv(f"OKX_API_{part}", value)
    found = read_key("env:OKX", vault)
    assert found.passphrase == "canary words"
    assert found.redact("these canary words") == "these ***"


def test_a_key_that_is_not_there_says_how_to_store_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "x")
    with pytest.raises(StartError, match=r"run\.py keys set vault:nowhere"):
        read_key("vault:nowhere", tmp_path / "vault.json")
