"""Unmodified pybit and ccxt place, query, cancel and stream at the demo exchange's own process."""

from __future__ import annotations

import json
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pyarrow.parquet as pq
import pytest

from app.demo_runtime import read_runtime, runtime_path
from app.options import EXIT_ALREADY_RUNNING, EXIT_DATA_DIR, EXIT_PORT_TAKEN, EXIT_USAGE
from exchanges.simulated.generated_market import DEFAULT_START_MS

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.skipif(sys.platform == "win32", reason="stops the process by SIGTERM"),
]
ROOT = Path(__file__).resolve().parents[2]
CLIENTS = Path(__file__).parent / "demo_clients"
RUN = (
    "import sys, msgspec; from app.demo_exchange_main import DemoExchangeOptions, main;"
    "sys.exit(main(msgspec.json.decode(sys.argv[1], type=DemoExchangeOptions, dec_hook="
    "lambda kind, text: kind(text))))"
)


class Running(NamedTuple):
    process: subprocess.Popen[str]
    data_dir: Path
    announced: dict[str, Any]

    @property
    def client_arguments(self) -> list[str]:
        runtime = read_runtime(self.data_dir)
        assert runtime is not None
        return [f"{runtime.host}:{runtime.port}", runtime.api_key, runtime.api_secret]


def command(data_dir: Path, **options: Any) -> list[str]:
    text = json.dumps({"data_dir": str(data_dir), **options})
    return [sys.executable, "-W", "error", "-c", RUN, text]


def refused(data_dir: Path, **options: Any) -> tuple[int, str]:
    """Exit code and stderr of a start that is expected to fail."""
    done = subprocess.run(
        command(data_dir, **options),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    return done.returncode, done.stderr


@contextmanager
def started(data_dir: Path, **options: Any) -> Iterator[Running]:
    """An exchange that has said where it listens; killed at the end if it still runs."""
    with subprocess.Popen(
        command(data_dir, **options),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            yield Running(process, data_dir, json.loads(line))
        finally:
            process.kill()


def stop(running: Running) -> None:
    running.process.send_signal(signal.SIGTERM)
    _, errors = running.process.communicate(timeout=10)
    assert running.process.returncode == 0, errors
    assert errors == ""
    assert not runtime_path(running.data_dir).exists()


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with started(tmp_path_factory.mktemp("demo"), seed=7, speed=60.0) as running:
        yield running
        stop(running)


@pytest.fixture(scope="module")
def seen(exchange: Running) -> dict[str, dict[str, Any]]:
    """What both client scripts saw; they run side by side on one account each symbol."""

    def run(name: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, str(CLIENTS / f"{name}_client.py"), *exchange.client_arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    with ThreadPoolExecutor() as pool:
        return dict(zip(("pybit", "ccxt"), pool.map(run, ("pybit", "ccxt")), strict=True))


@pytest.fixture
def pybit(seen: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return seen["pybit"]


@pytest.fixture
def ccxt(seen: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return seen["ccxt"]


def test_pybit_places_queries_amends_and_cancels(pybit: dict[str, Any]) -> None:
    assert [order["orderLinkId"] for order in pybit["open"]] == ["pybit-rest"]
    assert pybit["amended"] == "0.020"
    assert pybit["history"] == "Cancelled"
    assert pybit["order_stream"] == ["New", "New", "Cancelled"]


def test_pybit_meets_bybits_own_codes(pybit: dict[str, Any]) -> None:
    codes = {
        "duplicate": 110072,
        "cancel_again": 110001,
        "leverage_again": 110043,
        "wrong_secret": 10004,
        "wrong_key": 10003,
        "too_large": 110007,
        "no_symbol": 10001,
    }
    assert {name: pybit[name] for name in codes} == codes


def test_pybit_holds_a_protected_position_and_gets_out(pybit: dict[str, Any]) -> None:
    position = pybit["position"]
    assert (position["side"], position["size"], position["leverage"]) == ("Buy", "0.010", "3")
    assert Decimal(position["stopLoss"]) > 0
    assert pybit["flat"] == []
    assert pybit["left_open"] == []


def test_the_books_that_pybit_reads_agree_to_the_last_digit(pybit: dict[str, Any]) -> None:
    mine = [row for row in pybit["executions"] if row["orderLinkId"].startswith("pybit")]
    log = {row["tradeId"]: row for row in pybit["log"]}
    streamed = {row["execId"]: row["execPnl"] for row in pybit["stream_executions"]}
    for row in mine:
        entry = log[row["execId"]]
        assert (entry["cashFlow"], entry["fee"]) == (streamed[row["execId"]], row["execFee"])
        assert Decimal(entry["change"]) == Decimal(entry["cashFlow"]) - Decimal(row["execFee"])
    closed_pnl = sum(Decimal(row["closedPnl"]) for row in pybit["closed"])
    out_fee = sum(Decimal(r["execFee"]) for r in mine if r["orderLinkId"] == "pybit-out")
    earned = sum(Decimal(log[row["execId"]]["cashFlow"]) for row in mine)
    assert closed_pnl == earned - out_fee


def test_pybit_streams_bars_books_trades_and_tickers(pybit: dict[str, Any]) -> None:
    closed = [bar["start"] for bar in pybit["stream_klines"] if bar["confirm"]]
    assert closed
    assert all(later - earlier == 60_000 for earlier, later in pairwise(closed))
    assert pybit["stream_trade"]["s"] == "BTCUSDT"
    bids, asks = pybit["stream_book"]["b"], pybit["stream_book"]["a"]
    assert max(Decimal(price) for price, _ in bids) < min(Decimal(price) for price, _ in asks)
    assert {"lastPrice", "bid1Price", "fundingRate", "turnover24h"} <= set(pybit["stream_ticker"])


def test_pybit_reads_the_market(pybit: dict[str, Any]) -> None:
    starts = [int(row[0]) for row in pybit["klines"]]
    assert len(starts) == 5
    assert starts == sorted(starts, reverse=True)
    assert len(pybit["book"]["b"]) == 5
    assert pybit["instruments"] == 50
    assert len(pybit["trades"]) == 3
    assert len(pybit["funding"]) == 2
    assert pybit["fee_rate"]["takerFeeRate"] == "0.00055"


def test_pybit_trades_over_the_trade_stream(pybit: dict[str, Any]) -> None:
    assert pybit["ws_ret_codes"] == [0, 0]


def test_ccxt_places_queries_and_cancels(ccxt: dict[str, Any]) -> None:
    assert ccxt["markets"] == 50
    assert ccxt["open"] == ["ccxt-rest"]
    assert ccxt["order"] == ["open", 0.1, "ETH/USDT:USDT"]
    assert ccxt["closed"] == "canceled"
    assert ccxt["position"] == ["long", 0.1, 4.0]
    assert ccxt["flat"] == []
    assert sorted(ccxt["my_trades"]) == [["buy", 0.1], ["sell", 0.1]]


def test_ccxt_reads_the_market_and_the_balance(ccxt: dict[str, Any]) -> None:
    assert len(ccxt["ohlcv"]) == 10
    assert (ccxt["book"], ccxt["public_trades"], ccxt["tickers"]) == (5, 5, 50)
    assert ccxt["balance"]["total"] > 20_000


def test_ccxt_raises_its_own_classes(ccxt: dict[str, Any]) -> None:
    names = {
        "duplicate": "InvalidOrder",
        "gone": "OrderNotFound",
        "too_large": "InsufficientFunds",
        "wrong_secret": "AuthenticationError",
    }
    assert {name: ccxt[name] for name in names} == names


def test_ccxt_streams_everything_it_watches(ccxt: dict[str, Any]) -> None:
    assert ccxt["stream_ticker"] > 0
    assert ccxt["stream_book"] >= 1
    assert ccxt["stream_trades"] >= 1
    assert len(ccxt["stream_ohlcv"]) == 6
    assert ccxt["stream_orders"] == ["ETH/USDT:USDT"]
    assert sum(ccxt["stream_my_trades"]) == 0.1
    assert ccxt["stream_balance"] > 20_000
    assert ccxt["stream_positions"] == 1
    assert ccxt["left_open"] == []


def test_the_announcement_hides_the_secret_and_the_file_is_private(exchange: Running) -> None:
    path = runtime_path(exchange.data_dir)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    written = msgspec.json.decode(path.read_bytes())
    assert written.pop("api_secret")
    assert exchange.announced == written
    assert written["pid"] == exchange.process.pid
    assert written["rate"] == 60.0


def test_a_second_exchange_on_the_same_data_refuses(exchange: Running) -> None:
    code, sentence = refused(exchange.data_dir)
    assert code == EXIT_ALREADY_RUNNING
    assert f"process {exchange.process.pid}" in sentence


def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, sentence = refused(tmp_path, port=port)
    assert code == EXIT_PORT_TAKEN
    assert sentence == f"Port {port} is taken by another program: choose another --port, or 0.\n"


def test_candles_that_are_not_there_are_one_sentence(tmp_path: Path) -> None:
    code, sentence = refused(tmp_path, candles_dir=str(tmp_path / "nothing"))
    assert code == EXIT_USAGE
    assert sentence.startswith(f"Cannot replay {tmp_path / 'nothing'}: ")


def test_books_of_another_market_are_one_sentence(tmp_path: Path) -> None:
    with started(tmp_path, seed=1) as running:
        stop(running)
    code, sentence = refused(tmp_path, seed=2)
    assert code == EXIT_USAGE
    assert sentence.endswith("Use the same --seed or --candles, or a new --data-dir.\n")


def test_a_data_directory_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, sentence = refused(tmp_path / "file" / "data")
    assert code == EXIT_DATA_DIR
    assert sentence.startswith(f"Cannot write to {tmp_path / 'file' / 'data'}")


def test_after_a_kill_the_same_key_finds_market_time_where_it_was(tmp_path: Path) -> None:
    with started(tmp_path, seed=7, speed=900.0) as first:
        time.sleep(0.2)  # within the first second, before anything else is written
        first.process.kill()
        first.process.communicate()
    with started(tmp_path, seed=7, speed=900.0) as second:
        assert second.announced["api_key"] == first.announced["api_key"]
        ran_ms = second.announced["unix_anchor_ms"] - first.announced["unix_anchor_ms"]
        moved_ms = second.announced["market_anchor_ms"] - first.announced["market_anchor_ms"]
        assert moved_ms >= 900 * 200
        assert moved_ms <= 900 * (ran_ms + 2_500)
        stop(second)


def test_without_a_seed_the_market_begins_today_and_goes_on_at_the_speed_of_life(
    tmp_path: Path,
) -> None:
    with started(tmp_path, speed=900.0) as quick:
        start_ms = quick.announced["market_anchor_ms"]
        assert start_ms % 900_000 == 0
        assert 0 <= quick.announced["unix_anchor_ms"] - start_ms < 900_000
        stop(quick)
    with started(tmp_path / "other") as slow:
        assert slow.announced["market_anchor_ms"] == slow.announced["unix_anchor_ms"]
        slow.process.kill()
        slow.process.communicate()
    with started(tmp_path / "other") as again:
        ahead_ms = again.announced["market_anchor_ms"] - again.announced["unix_anchor_ms"]
        assert 0 <= ahead_ms <= 2_000  # a kill may leave it two seconds ahead, never behind
        stop(again)


def test_a_seeds_market_keeps_its_date_and_its_books_are_found_without_naming_it(
    tmp_path: Path,
) -> None:
    with started(tmp_path, seed=7) as first:
        assert first.announced["market_anchor_ms"] == DEFAULT_START_MS
        stop(first)
    with started(tmp_path) as second:
        ran_ms = second.announced["unix_anchor_ms"] - first.announced["unix_anchor_ms"]
        moved_ms = second.announced["market_anchor_ms"] - DEFAULT_START_MS
        assert 0 < moved_ms <= ran_ms + 100
        stop(second)


def test_replayed_files_are_served_bar_for_bar(tmp_path: Path, real_candles: Path) -> None:
    with started(tmp_path, candles_dir=str(real_candles), speed=900.0) as running:
        source = running.announced["sources"]["BTCUSDT"]
        last_ms = running.announced["market_anchor_ms"] - 900_000
        query = f"category=linear&symbol=BTCUSDT&interval=15&limit=1000&end={last_ms}"
        url = f"http://{running.client_arguments[0]}/v5/market/kline?{query}"
        with urllib.request.urlopen(url) as response:
            served = json.loads(response.read())["result"]["list"][::-1]
        stop(running)

    assert source == "binanceusdm_BTCUSDT_15m.parquet"
    rows = pq.read_table(real_candles / source).to_pylist()
    columns = ("timestamp", "open", "high", "low", "close", "volume")
    wanted = {row["timestamp"]: [Decimal(str(row[name])) for name in columns] for row in rows}
    assert len(served) == 1000
    assert [[Decimal(x) for x in bar[:6]] for bar in served] == [
        wanted[int(bar[0])] for bar in served
    ]


def test_it_ends_by_itself_when_told_how_long(tmp_path: Path) -> None:
    with started(tmp_path, for_seconds=0.1) as running:
        _, errors = running.process.communicate(timeout=20)
        assert (running.process.returncode, errors) == (0, "")
    assert not runtime_path(tmp_path).exists()
