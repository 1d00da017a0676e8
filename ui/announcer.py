"""What is said in passing: notices and fills of the ordered list, and the engine's answers."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QObject

from core.snapshots import FeedItem, FillRecord, Notice
from ui import tasks
from ui.bridge import Bridge
from ui.i18n import sentence, tr
from ui.models import words
from ui.models.log import fill_words
from ui.models.refusals import notice_words
from ui.widgets.toasts import Toaster

Way = tuple[str, Callable[[], None]]


class Announcer(QObject):
    """`show_bot(bot_id)` and `show_trail(client order id)` are where a toast may lead; `in_front()`
    is the bot that needs no way to it."""

    def __init__(
        self,
        bridge: Bridge,
        toaster: Toaster,
        *,
        show_bot: Callable[[str], None],
        show_trail: Callable[[str], None],
        in_front: Callable[[], str],
    ) -> None:
        super().__init__(toaster)
        self._bridge, self._toaster = bridge, toaster
        self._show_bot, self._show_trail, self._in_front = show_bot, show_trail, in_front
        bridge.feed_items.connect(self._take_items)
        tasks.refused.connect(self.tell_refusal)
        tasks.done.connect(self._tell_done)

    def tell_refusal(self, text: str) -> None:
        """An English sentence: what was asked for was not done."""
        self._toaster.show_toast("warning", tr("Not done"), sentence(text))

    def _tell_done(self, text: str) -> None:
        self._toaster.show_toast("info", tr("Done"), sentence(text))

    def _take_items(self, items: list[FeedItem]) -> None:
        owners = self._bridge.owners()
        for item in items:
            record = item.record
            if isinstance(record, Notice) and record.toast:
                title = words.part_title(record.title, owners)
                way = self._way(record.client_order_id, record.bot_id)
                self._toaster.show_toast(record.severity, title, notice_words(record), way)
            elif isinstance(record, FillRecord) and record.purpose != "external":
                way = self._way(record.fill.client_order_id, record.fill.bot_id)
                self._toaster.show_toast(
                    "info", tr("Filled"), fill_words(self._bridge, record), way
                )

    def _way(self, client_order_id: str, bot_id: str) -> Way | None:
        if client_order_id:
            return "Why", lambda: self._show_trail(client_order_id)
        if bot_id in self._bridge.bots and bot_id != self._in_front():
            return "Show", lambda: self._show_bot(bot_id)
        return None
