"""Whatever comes in over the link, the engine goes on and every other screen is served."""

from __future__ import annotations

import random
import socket
import struct
import time
from collections.abc import Iterator

import msgspec
import psutil
import pytest
from link_client import LinkClient, LinkClosed
from program import Home, Running, wait_until

from core.commands import (
    AddBot,
    Attach,
    CancelOrder,
    ClosePosition,
    Command,
    GetCandles,
    RemoveBot,
    Request,
    StartBot,
    StopBot,
    WatchChart,
)
from core.link_protocol import MAX_FRAME_BYTES, encode_frame
from core.snapshots import EngineSnapshot, EngineState

pytestmark = pytest.mark.end_to_end
GARBAGE_ROUNDS = 200


@pytest.fixture(scope="module")
def engine(module_home: Home) -> Iterator[Running]:
    """One that trades; after all that was done to it, it ends in order with nothing unhandled."""
    running = module_home.start_engine("--demo", "--autostart", "--speed", "900")
    with module_home.attach() as screen:
        screen.until(lambda snapshot: snapshot.state is EngineState.RUNNING)
    yield running
    assert running.terminate() == 0, running.err
    assert running.err == ""


@pytest.fixture
def screen(engine: Running, module_home: Home) -> Iterator[LinkClient]:
    """Another screen, that must not notice anything."""
    with module_home.attach() as client:
        yield client
        assert client.next_snapshot().unhandled_exceptions == 0


def raw(home: Home) -> socket.socket:
    runtime = home.runtime()
    assert runtime is not None
    return socket.create_connection((runtime.host, runtime.port), timeout=20)


def is_let_go(connection: socket.socket) -> bool:
    """The engine has closed it; what it said before that is read away."""
    try:
        while connection.recv(65536):
            pass
    except ConnectionResetError:
        pass
    return True


@pytest.mark.parametrize("token", ["", "wrong", "é", "a" * 100_000])
def test_a_wrong_token_is_refused_in_a_sentence_and_let_go(
    screen: LinkClient, module_home: Home, token: str
) -> None:
    with LinkClient(screen.runtime) as stranger:
        answer = stranger.attach(token)
        assert not answer.ok
        assert answer.attached is None
        assert answer.text.startswith("The token is wrong")
        with pytest.raises(LinkClosed):
            stranger.next_snapshot()


def test_a_command_before_the_token_is_refused(screen: LinkClient) -> None:
    with LinkClient(screen.runtime) as stranger:
        answer = stranger.call(StartBot("btcusdt-15m"))
        assert not answer.ok
        with pytest.raises(LinkClosed):
            stranger.next_snapshot()


def frame(body: bytes) -> bytes:
    return struct.pack("<I", len(body)) + body


@pytest.mark.parametrize(
    "sent",
    [
        frame(b""),
        frame(b"\xff" * 64),
        frame(b"GET / HTTP/1.1\r\n\r\n"),
        frame(b"\x91" * 200_000),
        frame(b"\x82\xaarequest_id\x01\xa1x" + b"\x91" * 200_000),
        frame(msgspec.msgpack.encode({"request_id": 1, "command": {"type": "Nonsense"}})),
        frame(b"\x82\xaarequest_id\x01\xa7command\x82\xa4type\xa6Attach\xa5token\xa2\xff\xfe"),
        frame(msgspec.msgpack.encode({"request_id": 2**63, "command": {"type": "KillSwitch"}})),
        struct.pack("<I", MAX_FRAME_BYTES + 1),
        b"\xff\xff\xff\xff",
    ],
    ids=[
        "empty",
        "ff",
        "http",
        "deep",
        "deep inside",
        "unknown command",
        "not utf-8",
        "big id",
        "oversized",
        "huge",
    ],
)
def test_garbage_costs_its_sender_the_connection_and_nobody_else(
    screen: LinkClient, module_home: Home, sent: bytes
) -> None:
    with raw(module_home) as connection:
        connection.sendall(sent)
        assert is_let_go(connection)


def test_random_bytes_cost_nobody_else_anything(screen: LinkClient, module_home: Home) -> None:
    rng = random.Random(7)
    valid = encode_frame(Request(1, Attach(screen.runtime.token)))
    for _ in range(GARBAGE_ROUNDS):
        content = bytearray(valid[4:])
        for _ in range(rng.randint(1, 4)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        with raw(module_home) as connection:
            connection.sendall(frame(bytes(content)) + rng.randbytes(rng.randint(0, 64)))
            connection.shutdown(socket.SHUT_WR)
            assert is_let_go(connection)


NO_SENSE: list[Command] = [
    StartBot("nobody"),
    StopBot("nobody", close_position=True),
    RemoveBot("nobody"),
    AddBot("UnifiedBot", "nobody", "BTCUSDT", "15m", "macd_rsi_trend"),
    AddBot("UnifiedBot", "demo", "NOSUCHUSDT", "15m", "macd_rsi_trend"),
    AddBot("UnifiedBot", "demo", "ETHUSDT", "7m", "macd_rsi_trend"),
    AddBot("UnifiedBot", "demo", "ETHUSDT", "1h", "macd_rsi_trend"),
    AddBot("UnifiedBot", "demo", "ETHUSDT", "15m", "no_strategy"),
    AddBot("NoBot", "demo", "ETHUSDT", "15m", "macd_rsi_trend"),
    AddBot("UnifiedBot", "demo", "BTCUSDT", "15m", "macd_rsi_trend"),
    ClosePosition("nobody", "BTCUSDT"),
    ClosePosition("demo", "NOSUCHUSDT"),
    CancelOrder("demo", "BTCUSDT", "nothing", "nothing"),
    CancelOrder("demo", "BTCUSDT", "", ""),
    GetCandles("NOSUCHUSDT", "15m"),
    GetCandles("BTCUSDT", "7m"),
    WatchChart([("BTCUSDT", "7m")]),
]


@pytest.mark.parametrize("command", NO_SENSE, ids=repr)
def test_a_command_that_makes_no_sense_gets_an_answer(screen: LinkClient, command: Command) -> None:
    answer = screen.call(command)
    assert not answer.ok
    assert len(answer.text.split()) > 3


def test_five_screens_see_the_same_and_hear_every_record_in_order(
    engine: Running, module_home: Home
) -> None:
    screens = [module_home.attach() for _ in range(5)]
    try:
        for client in screens:
            assert client.call(WatchChart([("BTCUSDT", "15m")])).ok
            assert client.call(GetCandles("BTCUSDT", "15m")).ok
        for client in screens:
            first = client.attached.last_seq + 1
            client.until(lambda _, feed=client.feed: len(feed) >= 5)  # type: ignore[misc]
            numbers = [item.seq for item in client.feed]
            assert numbers == list(range(first, first + len(numbers)))
        newest = max(client.feed[0].seq for client in screens)
        shared = [
            {item.seq: item for item in client.feed if item.seq >= newest} for client in screens
        ]
        for seq in set.intersection(*(set(items) for items in shared)):
            assert all(items[seq] == shared[0][seq] for items in shared)
    finally:
        for client in screens:
            client.close()


def test_who_never_reads_or_never_speaks_is_let_go_and_slows_nobody(
    screen: LinkClient, module_home: Home
) -> None:
    with raw(module_home) as mute, LinkClient(screen.runtime, receive_buffer_bytes=4096) as deaf:
        assert deaf.attach().ok
        for _ in range(100):
            deaf.send(GetCandles("BTCUSDT", "15m", count=20_000))

        ports = {mute.getsockname()[1], deaf.socket.getsockname()[1]}

        def are_gone() -> bool:
            assert snapshot_gap_s(screen) < 5
            served = psutil.Process(screen.runtime.pid).net_connections("tcp")
            return not any(c.raddr and c.raddr.port in ports for c in served)

        assert not are_gone()
        wait_until(are_gone, "both are let go", 60)


def snapshot_gap_s(screen: LinkClient) -> float:
    """How long the next snapshot takes."""
    began_s = time.monotonic()
    seq = screen.snapshot.seq if screen.snapshot else 0

    def is_newer(snapshot: EngineSnapshot) -> bool:
        return snapshot.seq > seq

    screen.until(is_newer)
    return time.monotonic() - began_s
