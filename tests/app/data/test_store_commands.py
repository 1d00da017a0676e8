"""`data import`, `export`, `verify`, `compact`, `info`: exit codes, sentences, what is stored."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from app.cli import main
from app.options import EXIT_FAULT, EXIT_OK, EXIT_USAGE
from core.link_protocol import RuntimeFile

HEAD = "Date,Open,High,Low,Close,Volume"
START_S = 1_700_000_100 // 900 * 900
Run = Callable[..., int]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def run(data_dir: Path) -> Run:
    def command(*words: object) -> int:
        place = ("--data-dir", str(data_dir)) if words else ()
        return main(["data", *map(str, words), *place])

    return command


@pytest.fixture
def csv_file(tmp_path: Path) -> Callable[..., Path]:
    def write(*bars: int, name: str = "BTC.csv", close: str = "100.5") -> Path:
        rows = [f"{START_S + n * 900},100,101,99.5,{close},12" for n in bars]
        path = tmp_path / name
        path.write_text("\n".join([HEAD, *rows]) + "\n", encoding="utf-8")
        return path

    return write


SERIES = ("--symbol", "btcusdt", "--timeframe", "15m", "--exchange", "Binance")


def test_a_file_comes_in_and_goes_out_again(
    run: Run, csv_file: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("import", csv_file(*range(10)), *SERIES) == EXIT_OK
    said = capsys.readouterr().out
    assert "10 imported, 0 known already" in said
    assert "time = 'Date'" in said
    assert "Times are seconds since 1970, UTC." in said
    out = tmp_path / "out.csv"
    assert run("export", *SERIES, "--out", out) == EXIT_OK
    assert out.read_text().splitlines()[1] == f"{START_S * 1000},100,101,99.5,100.5,12"
    assert run("import", out, *SERIES) == EXIT_OK
    assert "0 imported, 10 known already" in capsys.readouterr().out


def test_info_and_verify_of_a_sound_store(
    run: Run, csv_file: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run("import", csv_file(*range(10)), *SERIES)
    capsys.readouterr()
    assert run("info") == EXIT_OK
    assert ["binance", "BTCUSDT", "15m", "10"] in [
        line.split()[:4] for line in capsys.readouterr().out.splitlines()
    ]
    assert run("verify") == EXIT_OK
    assert "1 series, 10 candles" in capsys.readouterr().out
    assert run("compact") == EXIT_OK


def test_gaps_are_findings_and_exit_with_1(
    run: Run, csv_file: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run("import", csv_file(0, 1, 4, 9), *SERIES)
    capsys.readouterr()
    assert run("verify", "--symbol", "BTCUSDT") == EXIT_FAULT
    said = capsys.readouterr().out
    assert "NOT sound" in said
    assert "gap: 2 bars missing" in said
    assert "gap: 4 bars missing" in said
    assert run("verify", "--symbol", "ETHUSDT") == EXIT_OK


def test_a_damaged_file_is_a_finding(
    run: Run,
    csv_file: Callable[..., Path],
    data_dir: Path,
    capsys: pytest.CaptureFixture[str],
    fail_on_unexpected_log: list[logging.LogRecord],
) -> None:
    run("import", csv_file(*range(10)), *SERIES)
    path = data_dir / "cache" / "binance_btcusdt_15m.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    assert run("verify") == EXIT_FAULT
    assert "damaged" in capsys.readouterr().out
    fail_on_unexpected_log.clear()


def test_refused_rows_are_counted_by_reason_with_the_first_of_each(
    run: Run, csv_file: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = csv_file(0, 1, 2)
    text = path.read_text().replace("99.5", "100.9").replace("100.9", "99.5", 1)
    path.write_text(text + f"{START_S + 3 * 900},1,1,1,1,x\n")
    assert run("import", path, *SERIES) == EXIT_OK
    said = capsys.readouterr().out
    assert "refused 2 rows, first line 3: low 100.9 is above" in said
    assert "refused 1 row, first line 5: volume 'x' is not a number" in said
    assert "1 imported" in said
    assert "3 of 4 rows refused" in said


def test_an_import_of_nothing_is_no_success(
    run: Run, csv_file: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("import", csv_file(0, close="-1"), *SERIES) == EXIT_FAULT


def test_a_dry_run_leaves_no_trace(
    run: Run, csv_file: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("import", csv_file(0), *SERIES, "--dry-run") == EXIT_OK
    assert "1 would be imported" in capsys.readouterr().out
    assert run("info") == EXIT_OK
    assert "No candles are stored" in capsys.readouterr().out


def test_replace_lets_the_file_win(
    run: Run, csv_file: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run("import", csv_file(0), *SERIES)
    other = csv_file(0, close="100.75", name="other.csv")
    run("import", other, *SERIES)
    assert "1 differ from the stored ones (kept as stored)" in capsys.readouterr().out
    run("import", other, *SERIES, "--replace")
    assert "1 replaced" in capsys.readouterr().out


def test_the_demo_s_market_takes_no_real_candles(
    run: Run, csv_file: Callable[..., Path], data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data_dir / "storage").mkdir(parents=True)
    (data_dir / "storage" / "world.txt").write_text("demo")
    assert run("import", csv_file(0), *SERIES) == EXIT_USAGE
    assert "holds the demo's market" in capsys.readouterr().err


def test_a_running_engine_is_named(
    run: Run, csv_file: Callable[..., Path], data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data_dir / "run").mkdir(parents=True)
    runtime = RuntimeFile(1, "127.0.0.1", 1, "token")  # process 1 always runs
    (data_dir / "run" / "engine.json").write_bytes(msgspec.json.encode(runtime))
    run("import", csv_file(0), *SERIES)
    assert "The engine that runs here (process 1)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "arguments are required: COMMAND"),
        (("imprt",), "invalid choice: 'imprt'"),
        (("import", "x.csv"), "required: --symbol, --timeframe"),
        (("import", "x.csv", *SERIES), "x.csv: cannot be read"),
        (("import", "x.csv", *SERIES, "--map", "Date"), "is no column mapping"),
        (("import", "x.csv", "--symbol", "BTC USDT", "--timeframe", "15m"), "is no symbol"),
        (("import", "x.csv", "--symbol", "BTCUSDT", "--timeframe", "7m"), "is none of 1m, 3m"),
        (("export", *SERIES, "--out", "x.csv"), "no candles are stored"),
        (("verify",), "no candles are stored"),
        (("compact",), "no candles are stored"),
        (("download",), "name the symbols, or --all"),
        (("download", "BTCUSDT", "--from", "yesterday"), "is no date like"),
        (("download", "BTCUSDT", "--account", "main"), "an account of --config"),
        (("download", "BTCUSDT", "--exchange", "bybot"), "Did you mean 'bybit'?"),
    ],
)
def test_every_refusal_is_one_sentence(
    run: Run, words: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words) == EXIT_USAGE
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
    assert said.startswith("TwinStar Quantum: ")


def test_export_refuses_what_it_would_overwrite_and_a_folder_that_is_not_there(
    run: Run, csv_file: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = csv_file(0)
    run("import", path, *SERIES)
    assert run("export", *SERIES, "--out", path) == EXIT_USAGE
    assert "exists already" in capsys.readouterr().err
    assert run("export", *SERIES, "--out", tmp_path / "x.xls") == EXIT_USAGE
    (tmp_path / "file").write_text("")
    assert run("export", *SERIES, "--out", tmp_path / "file" / "x.csv") == EXIT_USAGE
    assert "cannot be written" in capsys.readouterr().err
