"""Words that cannot be understood: one sentence, and nothing is started."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from app.cli import main
from app.options import EXIT_OK, EXIT_USAGE


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["engnie"], "there is no command 'engnie'; did you mean 'engine'?"),
        (["xyz"], "there is no command 'xyz'; known: "),
        (["--demo", "engine"], "unrecognized arguments: engine"),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
        (["engine", "--nonsense", "3"], "unrecognized arguments: --nonsense 3"),
        (["engine", "--speed", "-1"], "argument --speed: -1 is not a number above 0"),
        (["engine", "--speed", "nan"], "argument --speed: nan is not a number above 0"),
        (["engine", "--speed", "inf"], "argument --speed: inf is not a number above 0"),
        (["engine", "--for", "0"], "argument --for: 0 is not a number above 0"),
        (["engine", "--for", "soon"], "argument --for: soon is not a number above 0"),
        (["engine", "--seed", "x"], "argument --seed: invalid int value: 'x'"),
        (["engine", "--config"], "argument --config: expected one argument"),
        (["demo-exchange", "--port", "70000"], "argument --port: 70000 is not a port"),
        (["demo-exchange", "--port", "web"], "argument --port: web is not a port"),
        (["keys"], "the following arguments are required: action, reference"),
        (["capital"], "the following arguments are required: account"),
        (["keys", "set", "plain"], "argument reference: a key can be stored as keyring:NAME or"),
        (["keys", "set", "env:X"], "argument reference: a key can be stored as keyring:NAME or"),
        (["keys", "set", "vault:"], "argument reference: a key can be stored as keyring:NAME or"),
        (["bench"], "bench what? Known: "),
        (["bench", "nothing"], "bench what? Known: "),
    ],
    ids=" ".join,
)
def test_a_wrong_word_is_one_sentence(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == EXIT_USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"TwinStar Quantum: {told}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "command", ["screen", "engine", "demo-exchange", "doctor", "keys", "capital", "report"]
)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == EXIT_OK
    assert "--data-dir" in capsys.readouterr().out


def test_the_first_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    assert all(f"\n  {name} " in out for name in ("engine", "demo-exchange", "doctor", "bench"))


def test_a_key_can_be_piped_in_and_is_not_said_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TWINSTAR_VAULT_PASSPHRASE", "four words of it")
    monkeypatch.setattr("sys.stdin", io.StringIO("the-key\nthe-secret\n"))
    assert main(["keys", "set", "vault:main", "--data-dir", str(tmp_path)]) == EXIT_OK
    out, err = capsys.readouterr()
    assert "vault:main" in out
    assert err == ""
    kept = (tmp_path / "storage" / "vault.json").read_text()
    assert not any(word in out + kept for word in ("the-key", "the-secret"))


@pytest.mark.parametrize("typed", ["", "the-key\n", "the-key\n\n"])
def test_half_a_key_is_not_stored(
    typed: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    assert main(["keys", "set", "vault:main", "--data-dir", str(tmp_path)]) == EXIT_USAGE
    expected = "TwinStar Quantum: both the key and the secret are needed; nothing was stored\n"
    assert capsys.readouterr().err == expected
    assert not (tmp_path / "storage").exists()
