"""Bybit's own error codes, and which of them each refusal of the venue becomes."""

from __future__ import annotations


class BybitError(Exception):
    """Answered as `{"retCode": code, "retMsg": text}` with HTTP status 200, as Bybit does."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class HttpRefused(Exception):
    """Refused below the envelope: an HTTP status and a plain text (403, 404)."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
