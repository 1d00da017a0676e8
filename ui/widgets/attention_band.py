"""The band for what waits for the trader's word; it stays until he has given it."""

from __future__ import annotations

from PyQt6.QtWidgets import QFrame

from core.commands import CommandResult
from core.snapshots import EngineSnapshot
from ui import i18n, tasks
from ui.bridge import Bridge
from ui.dialogs.accept_position import AcceptPositionDialog
from ui.dialogs.ledger_difference import LedgerDifferenceDialog
from ui.i18n import sentence, tr
from ui.models.attention import FINDING, Attention, attentions
from ui.widgets.basic import ElidedLabel, ThemedIcon, label, row, show_value
from ui.widgets.buttons import ActionButton, IconButton

_HEIGHT = 40


class AttentionBand(QFrame):
    """One at a time, the most pressing first; the arrow shows the next."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self.setObjectName("attention_band")
        self.setProperty("role", "popup")
        self.setFixedHeight(_HEIGHT)
        self._bridge = bridge
        self._all: list[Attention] = []
        self._at = 0
        self._title, self._text = label("title"), ElidedLabel("label")
        self._count = label("caption")
        self.next = IconButton("chevron-right", "Show the next one")
        self.accept = ActionButton("Take over…", self._accept, kind="primary")
        self.explain = ActionButton("Explain…", self._explain, kind="primary")
        self.ignore = ActionButton("Leave it to me", self._ignore)
        i18n.set_tool_tip(self.ignore, "Its bots stay paused; it is not told again")
        line = row(ThemedIcon("triangle-alert", "warn", 16), self._title, 8, spacing=8)
        line.setContentsMargins(12, 0, 8, 0)
        line.addWidget(self._text, 1)
        for part in (self._count, self.next, self.accept, self.explain, self.ignore):
            line.addWidget(part)
        self.setLayout(line)
        self.next.clicked.connect(self._show_next)
        self.hide()
        bridge.snapshot_changed.connect(self._take)

    @property
    def shown(self) -> Attention | None:
        """The one that stands there now."""
        return self._all[self._at] if self._all else None

    def _take(self, snapshot: EngineSnapshot) -> None:
        before = self.shown
        self._all = attentions(snapshot)
        self._at = self._all.index(before) if before in self._all else 0
        self._show()

    def _show_next(self) -> None:
        self._at = (self._at + 1) % max(1, len(self._all))
        self._show()

    def _show(self) -> None:
        shown = self.shown
        self.setVisible(shown is not None)
        if shown is None:
            return
        is_finding = shown.kind == FINDING
        i18n.set_text(self._title, "Not from this program" if is_finding else "Ledger difference")
        self._text.show_text(sentence(shown.text))
        several = len(self._all) > 1
        show_value(self._count, tr("{n} of {total}", n=self._at + 1, total=len(self._all)))
        self._count.setVisible(several)
        self.next.setVisible(several)
        self.accept.setVisible(is_finding)
        self.ignore.setVisible(is_finding)
        self.explain.setVisible(not is_finding)

    async def _accept(self) -> CommandResult | None:
        if self.shown is None:
            return None
        _, account, symbol, *_ = self.shown
        dialog = AcceptPositionDialog(self.window() or self, self._bridge, account, symbol)
        return self._tell(await dialog.ask_and_accept())

    async def _explain(self) -> CommandResult | None:
        account = self._bridge.account(self.shown.account) if self.shown else None
        if account is None:
            return None
        dialog = LedgerDifferenceDialog(self.window() or self, self._bridge, account)
        return self._tell(await dialog.ask_and_book())

    async def _ignore(self) -> CommandResult | None:
        if self.shown is None:
            return None
        return await self._bridge.orders.ignore_finding(self.shown.account, self.shown.symbol)

    @staticmethod
    def _tell(result: CommandResult | None) -> CommandResult | None:
        if result is not None:
            tasks.tell(result)
        return result
