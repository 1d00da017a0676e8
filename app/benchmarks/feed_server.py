"""Bybit's public stream as a load: ticker deltas of many symbols over one loopback socket.

Plain blocking sockets, because the sender has to be faster than every client it measures. It
answers subscriptions (after 60 ms: pybit loses those that are answered at once) and pings, and
begins when every symbol has been asked for: paced, each message written on its own with the time
of its writing in it, or as a flood of ready-made frames until the client has gone.
"""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import struct
import sys
import threading
import time
from typing import BinaryIO

PACED_BURST_S = 0.001
ACKNOWLEDGED_AFTER_S = 0.06
_WEBSOCKET_KEY = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
_TEXT, _PING, _PONG = 1, 9, 10


def symbol_names(count: int) -> list[str]:
    return [f"COIN{number:04d}USDT" for number in range(count)]


def main(words: list[str]) -> int:
    """`SYMBOLS paced PER_SECOND` or `SYMBOLS flood`; prints its port, serves one client."""
    symbols, mode = symbol_names(int(words[0])), words[1]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        print(listening.getsockname()[1], flush=True)
        connection, _ = listening.accept()
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            session = _Session(connection, symbols)
            try:
                session.until_subscribed()
                if mode == "flood":
                    session.flood()
                else:
                    session.paced(int(words[2]))
            except OSError:
                return 0  # the client has seen enough
    return 0


class _Session:
    def __init__(self, connection: socket.socket, symbols: list[str]) -> None:
        self._connection = connection
        self._symbols = symbols
        self._writing = threading.Lock()
        self._missing = {f"tickers.{symbol}" for symbol in symbols}
        self._is_complete = threading.Event()
        self._reading = connection.makefile("rb")
        self._shake_hands()
        threading.Thread(target=self._read, daemon=True).start()

    def until_subscribed(self) -> None:
        self._is_complete.wait()
        time.sleep(2 * ACKNOWLEDGED_AFTER_S)
        for symbol in self._symbols:
            self._write(_frame(_TEXT, _ticker(symbol, "snapshot", time.monotonic_ns())))
        time.sleep(0.3)

    def paced(self, per_second: int) -> None:
        """`per_second` messages of each symbol, evenly over the second."""
        every_ns = 1_000_000_000 // (per_second * len(self._symbols))
        start_ns, sent = time.monotonic_ns(), 0
        while True:
            due = (time.monotonic_ns() - start_ns) // every_ns
            while sent < due:
                symbol = self._symbols[sent % len(self._symbols)]
                self._write(_frame(_TEXT, _ticker(symbol, "delta", time.monotonic_ns())))
                sent += 1
            time.sleep(PACED_BURST_S)

    def flood(self) -> None:
        frames = b"".join(
            _frame(_TEXT, _ticker(symbol, "delta", time.monotonic_ns() + number))
            for number in range(20)
            for symbol in self._symbols
        )
        while True:
            self._write(frames)

    def _write(self, data: bytes) -> None:
        with self._writing:
            self._connection.sendall(data)

    def _shake_hands(self) -> None:
        key = b""
        while (line := self._reading.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            if name.lower() == b"sec-websocket-key":
                key = value.strip()
        digest = hashlib.sha1(key + _WEBSOCKET_KEY.encode()).digest()
        self._write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
        )

    def _read(self) -> None:
        try:
            while True:
                kind, payload = _read_frame(self._reading)
                if kind == _PING:
                    self._write(_frame(_PONG, payload))
                elif kind == _TEXT:
                    self._answer(json.loads(payload))
        except (OSError, EOFError, ValueError):
            return  # the client has gone

    def _answer(self, request: dict[str, object]) -> None:
        answer = {
            "success": True,
            "ret_msg": "pong" if request["op"] == "ping" else "",
            "conn_id": "bench",
            "req_id": request.get("req_id", ""),
            "op": request["op"],
        }
        frame = _frame(_TEXT, json.dumps(answer).encode())
        threading.Timer(ACKNOWLEDGED_AFTER_S, self._write, [frame]).start()
        if request["op"] == "subscribe":
            topics = request["args"]
            assert isinstance(topics, list)
            self._missing.difference_update(topics)
            if not self._missing:
                self._is_complete.set()


def _ticker(symbol: str, kind: str, now_ns: int) -> bytes:
    """About 380 bytes, most of it changed; the time of writing stands where the turnover does."""
    cents = now_ns // 1000 % 100_000
    return (
        f'{{"topic":"tickers.{symbol}","type":"{kind}","data":{{"symbol":"{symbol}",'
        f'"tickDirection":"PlusTick","price24hPcnt":"0.017103","lastPrice":"17{cents:05d}.5",'
        f'"indexPrice":"17{cents:05d}.36","markPrice":"17{cents:05d}.33",'
        f'"openInterest":"68744.761","openInterestValue":"1183601235.91","turnover24h":"{now_ns}",'
        f'"volume24h":"91705.276","bid1Price":"17{cents:05d}.4","bid1Size":"84.489",'
        f'"ask1Price":"17{cents:05d}.6","ask1Size":"83.020"}},"cs":24987956059,'
        f'"ts":{time.time_ns() // 1_000_000}}}'
    ).encode()


def _frame(kind: int, payload: bytes) -> bytes:
    size = len(payload)
    head = bytes((0x80 | kind, size)) if size < 126 else struct.pack("!BBH", 0x80 | kind, 126, size)
    return head + payload


def _read_frame(reading: BinaryIO) -> tuple[int, bytes]:
    """One whole frame of a client (masked). Raises EOFError."""
    first, second = _exactly(reading, 2)
    size = second & 0x7F
    if size == 126:
        (size,) = struct.unpack("!H", _exactly(reading, 2))
    elif size == 127:
        (size,) = struct.unpack("!Q", _exactly(reading, 8))
    mask = _exactly(reading, 4)
    data = bytearray(_exactly(reading, size))
    for place in range(size):
        data[place] ^= mask[place % 4]
    return first & 0x0F, bytes(data)


def _exactly(reading: BinaryIO, size: int) -> bytes:
    data = reading.read(size)
    if len(data) < size:
        raise EOFError
    return data


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
