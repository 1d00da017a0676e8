"""Framing of the link between screen and engine: 4-byte little-endian length, then msgpack.

Loopback only, one connection per screen. The engine writes `run/engine.json` (`RuntimeFile`)
with its port and a random token; only this user may read it.
"""

from __future__ import annotations

import asyncio
import struct

import msgspec

from core.commands import Request, ServerMessage

MAX_FRAME_BYTES = 64 * 1024 * 1024
_LENGTH = struct.Struct("<I")


class RuntimeFile(msgspec.Struct, frozen=True):
    """Contents of `run/engine.json`: where the engine of this data directory listens."""

    pid: int
    host: str
    port: int
    token: str


class LinkError(Exception):
    """The other side broke the framing: close the connection."""


def encode_frame(message: msgspec.Struct) -> bytes:
    body = msgspec.msgpack.encode(message)
    return _LENGTH.pack(len(body)) + body


_request_decoder = msgspec.msgpack.Decoder(Request)
_server_message_decoder: msgspec.msgpack.Decoder[ServerMessage] = msgspec.msgpack.Decoder(
    ServerMessage
)


def decode_request(body: bytes) -> Request:
    return _request_decoder.decode(body)


def decode_server_message(body: bytes) -> ServerMessage:
    return _server_message_decoder.decode(body)


async def read_frame(reader: asyncio.StreamReader, max_bytes: int = MAX_FRAME_BYTES) -> bytes:
    """Body of the next frame. Raises IncompleteReadError at the end, LinkError when too long."""
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    if length > max_bytes:
        raise LinkError(f"frame of {length} bytes is above {max_bytes}")
    return await reader.readexactly(length)
