"""The engine's trade journal as this screen has read it: newest page first, the rest behind it.

Nothing here is remembered beyond the connection; the engine owns the record and the notes.
"""

from __future__ import annotations

from PyQt6 import sip
from PyQt6.QtCore import QObject, pyqtSignal

from core.commands import CommandResult, GetJournal, WriteTradeNote
from core.journal.entries import JournalEntry, JournalPage
from core.snapshots import FeedItem, FillRecord
from ui import tasks
from ui.bridge import Bridge

PAGE = 200
_PATIENCE_S = 60.0  # nothing waits for it but the page; a busy engine answers late
_TELL_EVERY = 10  # pages: a table of thousands is not filled anew for each


class JournalBook(QObject):
    """Attributes: is_loading, problem (the engine's sentence where it could not be read, else "").
    Signal: changed() when there is more, or something else, to show."""

    changed = pyqtSignal()

    def __init__(self, bridge: Bridge, parent: QObject) -> None:
        super().__init__(parent)
        self.problem = ""
        self._bridge = bridge
        self._known: dict[str, dict[int, JournalEntry]] = {}  # by account, then by number
        self._total: dict[str, int] = {}
        self.is_loading = self._is_outdated = False
        bridge.feed_reset.connect(self._forget)
        bridge.feed_items.connect(self._take_items)

    @property
    def is_wanted(self) -> bool:
        """Whether anybody has asked for it yet."""
        return self.is_loading or bool(self._total) or bool(self.problem)

    @property
    def total(self) -> int:
        """Trips there are, read or not."""
        return sum(self._total.values())

    @property
    def entries(self) -> list[JournalEntry]:
        """Those that have been read, the last ended first."""
        found = [entry for known in self._known.values() for entry in known.values()]
        return sorted(found, key=lambda entry: entry.trip.closed_ms, reverse=True)

    def refresh(self) -> None:
        """Read what is new; everything at the first time."""
        if self.is_loading:
            self._is_outdated = True
        elif self._bridge.is_attached:
            self.is_loading = True
            if not self._total:
                self.changed.emit()  # nothing is shown yet: it is being read
            tasks.spawn(self._load())

    async def write_note(
        self, entry: JournalEntry, text: str, tags: tuple[str, ...]
    ) -> CommandResult:
        """The engine's answer; with its yes the entry is as the engine keeps it."""
        result = await self._bridge.link.send(WriteTradeNote(entry.key, text, tags))
        known = self._known.get(entry.account, {})
        number = next((i for i, e in known.items() if e.key == entry.key), None)
        if result.ok and number is not None:
            answer = await self._bridge.link.send(GetJournal(entry.account, number + 1, 1))
            if answer.journal is not None and not sip.isdeleted(self):
                self._keep(answer.journal)
                self.changed.emit()
        return result

    async def _load(self) -> None:
        try:
            snapshot = self._bridge.snapshot
            problems = [
                await self._load_account(account.name)
                for account in (snapshot.accounts if snapshot is not None else [])
            ]
            self.problem = next(filter(None, problems), "")
        finally:
            if not sip.isdeleted(self):
                self.is_loading = False
                self.changed.emit()
                if self._is_outdated:
                    self._is_outdated = False
                    self.refresh()

    async def _load_account(self, account: str) -> str:
        """From the newest back to what is known already; why not, where it cannot be read."""
        end: int | None = None
        pages = 0
        while True:
            answer = await self._bridge.link.send(GetJournal(account, end, PAGE), _PATIENCE_S)
            page = answer.journal
            if page is None or sip.isdeleted(self):
                return answer.text
            end, pages = page.first, pages + 1
            is_met = self._keep(page)
            if is_met or not page.entries or end == 0:
                return ""
            if pages % _TELL_EVERY == 1:
                self.changed.emit()

    def _keep(self, page: JournalPage) -> bool:
        """Returns whether all that is older is known."""
        known = self._known.setdefault(page.account, {})
        known |= {page.first + i: entry for i, entry in enumerate(page.entries)}
        self._total[page.account] = page.total
        return len(known) == page.total

    def _forget(self) -> None:
        """Another engine, or the same after a break: the numbers may mean others."""
        was_wanted = self.is_wanted
        self._known, self._total, self.problem = {}, {}, ""
        if was_wanted:
            self.refresh()

    def _take_items(self, items: list[FeedItem]) -> None:
        ended = any(
            isinstance(item.record, FillRecord) and item.record.trade_pnl is not None
            for item in items
        )
        if ended and self.is_wanted:
            self.refresh()
