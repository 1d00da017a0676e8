"""Who asks: Bybit v5 signatures over exactly the bytes that arrived.

Signatures live in real time, whatever the speed of the market: an unmodified client signs with
its own clock.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from exchanges.simulated.wire.errors import BybitError

_DEFAULT_RECV_WINDOW_MS = 5_000
_CLOCK_AHEAD_MS = 1_000  # Bybit takes a client's clock at most this far ahead of its own


def sign(secret: str, text: bytes) -> str:
    """Hex HMAC-SHA256, as both REST and WebSocket use it."""
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


def authenticate_request(
    headers: Mapping[str, str], payload: bytes, keys: Mapping[str, str], now_ms: int
) -> str:
    """API key of a signed REST request; `payload` is the raw query string or the raw body.

    Raises BybitError 10001, 10003, 10002 or 10004, checked in that order.
    """
    key = headers.get("X-BAPI-API-KEY", "")
    timestamp = headers.get("X-BAPI-TIMESTAMP", "")
    signature = headers.get("X-BAPI-SIGN", "")
    window = headers.get("X-BAPI-RECV-WINDOW", "") or str(_DEFAULT_RECV_WINDOW_MS)
    if not (key and timestamp and signature):
        raise BybitError(
            10001,
            f"empty value: apiTimestamp[{timestamp}] apiKey[{key}] apiSignature[{signature}]",
        )
    if key not in keys:
        raise BybitError(10003, "API key is invalid.")
    check_time(timestamp, window, now_ms)
    expected = sign(keys[key], f"{timestamp}{key}{window}".encode() + payload)
    if not hmac.compare_digest(expected.encode(), signature.encode()):
        raise BybitError(10004, "error sign! please check your signature generation algorithm.")
    return key


def check_time(timestamp: str, recv_window: str, now_ms: int) -> None:
    """Raises BybitError 10002 unless now - window <= timestamp < now + 1 s, 10001 if unreadable."""
    if not (timestamp.isdigit() and recv_window.isdigit()):
        raise BybitError(10001, "params error: timestamp or recv_window invalid")
    if not now_ms - int(recv_window) <= int(timestamp) < now_ms + _CLOCK_AHEAD_MS:
        raise BybitError(
            10002,
            "invalid request, please check your server timestamp or recv_window param. "
            f"req_timestamp[{timestamp}],server_timestamp[{now_ms}],recv_window[{recv_window}]",
        )


def authenticate_stream(args: object, keys: Mapping[str, str], now_ms: int) -> str:
    """API key of a WebSocket `auth` request: args are [key, expires ms (int or string), sign].

    Raises BybitError 10001, 10003, 10002 (expired) or 10004.
    """
    if not (isinstance(args, list) and len(args) == 3):
        raise BybitError(10001, "Params Error")
    key, expires, signature = (str(value) for value in args)
    if key not in keys:
        raise BybitError(10003, "API key is invalid.")
    if not expires.isdigit():
        raise BybitError(10001, "Params Error")
    if int(expires) < now_ms:
        raise BybitError(10002, "Request expired: expires is before the server's time.")
    expected = sign(keys[key], f"GET/realtime{expires}".encode())
    if not hmac.compare_digest(expected.encode(), signature.encode()):
        raise BybitError(10004, "error sign! please check your signature generation algorithm.")
    return key
