"""Where the trader writes on a trade: kept by the engine as he types, and never lost on the way.

What the engine has not taken yet stays here, also while another trade is shown, and says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from PyQt6 import sip
from PyQt6.QtCore import QTimer
from PyQt6.QtGui import QHideEvent
from PyQt6.QtWidgets import QLineEdit, QPlainTextEdit, QWidget

from core.commands import CommandResult
from core.journal.entries import JournalEntry, TradeKey
from ui import i18n, tasks
from ui.i18n import sentence, tr
from ui.widgets.basic import column, label, show_value

_SAVE_AFTER_MS = 700
Save = Callable[[JournalEntry, str, tuple[str, ...]], Awaitable[CommandResult]]


class _Draft(NamedTuple):
    entry: JournalEntry
    text: str
    tags: str


class NoteEditor(QWidget):
    """Shows the note of one trip; `save` asks the engine to keep it."""

    def __init__(self, save: Save) -> None:
        super().__init__()
        self._save = save
        self._entry: JournalEntry | None = None
        self._drafts: dict[TradeKey, _Draft] = {}
        self._saving: set[TradeKey] = set()
        self._is_filling = False
        self.tags = QLineEdit()
        i18n.set_placeholder(self.tags, "Tags, separated by commas")
        self.text = QPlainTextEdit()
        self.text.setProperty("role", "field")
        i18n.set_placeholder(self.text, "Your note")
        self.text.setTabChangesFocus(True)
        self.text.setAccessibleName("Note")
        self.state = label("caption")
        self.state.setWordWrap(True)
        lines = column(label("caption", "Notes and tags"), self.tags, spacing=6)
        lines.addWidget(self.text, 1)
        lines.addWidget(self.state)
        self.setLayout(lines)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.save_now)
        self.text.textChanged.connect(self._take_change)
        self.tags.textChanged.connect(lambda _text: self._take_change())
        self.show_entry(None)

    def show_entry(self, entry: JournalEntry | None) -> None:
        """What was typed for the one before is saved, not lost."""
        is_same = entry is not None and self._entry is not None and entry.key == self._entry.key
        if not is_same:
            self.save_now()
        self._entry = entry
        for part in (self.text, self.tags):
            part.setEnabled(entry is not None)
        draft = self._drafts.get(entry.key) if entry is not None else None
        if draft is not None:
            self._fill(draft.text, draft.tags)
            return
        note = entry.note if entry is not None else None
        tags = ", ".join(note.tags) if note else ""
        is_typed_already = (
            is_same and note is not None and _read_tags(self.tags.text()) == note.tags
            and self.text.toPlainText().strip() == note.text
        )  # fmt: skip
        if not is_typed_already:  # else the cursor stays where it is
            self._fill(note.text if note else "", tags)
        if not is_same:
            show_value(self.state, "")

    def save_now(self) -> None:
        """Without waiting for the end of the typing."""
        self._timer.stop()
        for key in [key for key in self._drafts if key not in self._saving]:
            tasks.spawn(self._keep(key))

    def hideEvent(self, event: QHideEvent | None) -> None:
        super().hideEvent(event)
        self._timer.stop()
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return  # the program has ended: nobody can be asked any more
        self.save_now()

    def _fill(self, text: str, tags: str) -> None:
        self._is_filling = True
        if self.text.toPlainText() != text:
            self.text.setPlainText(text)
        if self.tags.text() != tags:
            self.tags.setText(tags)
        self._is_filling = False

    def _take_change(self) -> None:
        if self._is_filling or self._entry is None:
            return
        draft = _Draft(self._entry, self.text.toPlainText(), self.tags.text())
        self._drafts[self._entry.key] = draft
        show_value(self.state, tr("Not saved yet"), "t3")
        self._timer.start(_SAVE_AFTER_MS)

    async def _keep(self, key: TradeKey) -> None:
        draft = self._drafts[key]
        self._saving.add(key)
        try:
            result = await self._save(draft.entry, draft.text, _read_tags(draft.tags))
        finally:
            self._saving.discard(key)
        if sip.isdeleted(self):
            return
        is_shown = self._entry is not None and self._entry.key == key
        if not result.ok:
            if is_shown:
                why = sentence(result.text)
                show_value(self.state, tr("Not saved: {why}", why=why), "danger")
            return
        if self._drafts.get(key) == draft:
            del self._drafts[key]
            if is_shown:
                show_value(self.state, tr("Saved"), "t3")
        elif is_shown:
            self._timer.start(_SAVE_AFTER_MS)  # he typed on meanwhile


def _read_tags(text: str) -> tuple[str, ...]:
    found = (" ".join(tag.split()) for tag in text.split(","))
    return tuple(tag for tag in found if tag)
