"""The exchange's books on disk (SQLite): what a restart finds is what was answered."""

from __future__ import annotations

from pathlib import Path


class BooksMismatch(Exception):
    """The books on disk belong to another market; the text says which."""


class VenueStore:
    """`path` None keeps the books in memory (tests, short demos)."""

    def __init__(self, path: Path | None = None) -> None: ...

    @property
    def resume_ms(self) -> int | None:
        """Market time to set the clock to when these books are opened again: never before
        anything the exchange has shown. None for new books (use `market.start_ms`)."""
