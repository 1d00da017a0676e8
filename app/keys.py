"""Where API keys live: never in a file in clear text, a log, a repr or a screenshot.

A reference says which of three places: `keyring:NAME` the system's own key ring, `vault:NAME` an
encrypted file (AES-256-GCM, key by Argon2id from a passphrase), `env:NAME` the two variables
NAME_API_KEY and NAME_API_SECRET.
"""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path

import keyring
import keyring.errors
import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from app.options import StartError
from core.storage.durable import write_atomic
from exchanges.credentials import Credentials

SERVICE = "twinstar-quantum"
PASSPHRASE_VARIABLE = "TWINSTAR_VAULT_PASSPHRASE"
_KIB = 1024
_PASSES = 9  # over a quarter of a second on an idle core; every guess of a thief costs as much


class WrongPassphrase(StartError):
    """Or the vault was changed by somebody who did not know it: nobody can tell these apart."""


class _Entry(msgspec.Struct, frozen=True):
    api_key: str
    api_secret: str
    passphrase: str = ""  # OKX and Bitget have one


class _VaultFile(msgspec.Struct, frozen=True):
    salt: str
    nonce: str
    sealed: str
    passes: int = 3  # of Argon2id, what the first vaults were made with


def read_key(reference: str, vault_file: Path) -> Credentials:
    """The key that `reference` names. Raises StartError with what to do; never with the key."""
    place, _, name = reference.partition(":")
    if place == "env":
        return _from_environment(name)
    entry = _from_keyring(name) if place == "keyring" else Vault(vault_file).entries().get(name)
    if entry is None:
        raise StartError(f"no key {reference}; store it with: python run.py keys set {reference}")
    return Credentials(entry.api_key, entry.api_secret, entry.passphrase)


def store_key(
    reference: str,
    api_key: str,
    api_secret: str,
    vault_file: Path,
    passphrase: str = "",
    *,
    vault_passphrase: str = "",
) -> None:
    """Keep a key where `reference` says; `passphrase` is the exchange's, `vault_passphrase` ""
    the variable's. Raises StartError."""
    place, _, name = reference.partition(":")
    entry = _Entry(api_key, api_secret, passphrase)
    if place == "vault":
        Vault(vault_file, vault_passphrase).put(name, entry)
    elif place == "keyring":
        _refuse_unsafe_key_ring(name)
        try:
            keyring.set_password(SERVICE, name, msgspec.json.encode(entry).decode())
        except keyring.errors.KeyringError as fault:
            raise StartError(
                f"the system's key ring cannot be used ({type(fault).__name__}); use vault:{name}"
            ) from None
    else:
        raise StartError("a key can be stored as keyring:NAME or vault:NAME")


def read_text(name: str, vault_file: Path) -> str:
    """Another secret that was kept by `store_text`, "" where none was. Raises StartError."""
    if _has_safe_key_ring():
        entry = _from_keyring(name)
    elif vault_file.exists() and os.environ.get(PASSPHRASE_VARIABLE):
        entry = Vault(vault_file).entries().get(name)
    else:
        entry = None
    return "" if entry is None else entry.api_secret


def store_text(name: str, text: str, vault_file: Path) -> None:
    """Keep a secret that is no key, in the key ring if there is a safe one, else in the vault.
    Raises StartError."""
    if not _has_safe_key_ring() and not os.environ.get(PASSPHRASE_VARIABLE):
        raise StartError(
            f"this system has no safe key ring; set {PASSPHRASE_VARIABLE} and start again"
        )
    place = "keyring" if _has_safe_key_ring() else "vault"
    store_key(f"{place}:{name}", name, text, vault_file)


def _has_safe_key_ring() -> bool:
    """Back ends that fail, forget or keep plain text rank themselves below 1."""
    return bool(keyring.get_keyring().priority >= 1)


def _refuse_unsafe_key_ring(name: str) -> None:
    """Raises StartError."""
    if not _has_safe_key_ring():
        raise StartError(f"this system has no safe key ring; use vault:{name}")


def _from_environment(name: str) -> Credentials:
    api_key, api_secret, passphrase = (
        os.environ.get(f"{name}_{part}", "") for part in ("API_KEY", "API_SECRET", "API_PASSPHRASE")
    )
    if not api_key or not api_secret:
        raise StartError(f"set the variables {name}_API_KEY and {name}_API_SECRET")
    return Credentials(api_key, api_secret, passphrase)


def _from_keyring(name: str) -> _Entry | None:
    try:
        text = keyring.get_password(SERVICE, name)
    except keyring.errors.KeyringError as fault:
        raise StartError(
            f"the system's key ring cannot be read ({type(fault).__name__}); use vault:{name}"
        ) from None
    return msgspec.json.decode(text, type=_Entry) if text else None


class Vault:
    """One encrypted file; the passphrase is typed or comes from a variable, never from a file."""

    def __init__(self, path: Path, passphrase: str = "") -> None:
        """`passphrase` "" is the variable's."""
        self._path = path
        self._passphrase = passphrase

    def entries(self) -> dict[str, _Entry]:
        """Empty when the file is not there. Raises StartError for a wrong passphrase."""
        if not self._path.exists():
            return {}
        try:
            file = msgspec.json.decode(self._path.read_bytes(), type=_VaultFile)
            salt, nonce, sealed = (
                base64.b64decode(part) for part in (file.salt, file.nonce, file.sealed)
            )
            text = AESGCM(self._key(salt, file.passes)).decrypt(nonce, sealed, None)
        except (msgspec.DecodeError, ValueError):
            raise StartError(f"{self._path} is damaged; restore it or remove it") from None
        except InvalidTag:
            if self._passphrase:
                raise WrongPassphrase("This is not the vault's passphrase") from None
            raise WrongPassphrase(
                f"the vault's passphrase ({PASSPHRASE_VARIABLE}) is wrong, or the vault was changed"
            ) from None
        return msgspec.json.decode(text, type=dict[str, _Entry])

    def put(self, name: str, entry: _Entry) -> None:
        entries = self.entries() | {name: entry}
        salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
        sealed = AESGCM(self._key(salt, _PASSES)).encrypt(nonce, msgspec.json.encode(entries), None)
        parts = [base64.b64encode(part).decode() for part in (salt, nonce, sealed)]
        file = _VaultFile(parts[0], parts[1], parts[2], _PASSES)
        try:
            write_atomic(self._path, msgspec.json.encode(file), private=True)
            self._path.parent.chmod(0o700)
        except OSError as fault:
            raise StartError(f"{self._path} cannot be written ({fault.strerror})") from None

    def _key(self, salt: bytes, passes: int) -> bytes:
        passphrase = self._passphrase or os.environ.get(PASSPHRASE_VARIABLE, "")
        if not passphrase:
            raise StartError(f"set the vault's passphrase in the variable {PASSPHRASE_VARIABLE}")
        derive = Argon2id(salt=salt, length=32, iterations=passes, lanes=4, memory_cost=64 * _KIB)
        return derive.derive(passphrase.encode())
