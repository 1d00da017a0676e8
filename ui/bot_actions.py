"""What the trader may do with a bot as a whole, with the question before it where there is one.

One place for the head of a tab, the list of bots and their menus.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QMenu, QWidget

from core.commands import CommandResult
from core.snapshots import AccountMode, BotSnapshot, BotState, PositionSnapshot
from ui import tasks, theme
from ui.bridge import Bridge
from ui.dialogs import bot_questions, questions
from ui.i18n import tr
from ui.shared_services import BotLink

_GONE = (BotState.STOPPED, BotState.ERROR)


class BotActions:
    """`window()` is where questions open. Coroutines return the engine's answer, None when the
    trader changed their mind."""

    def __init__(self, bridge: Bridge, window: Callable[[], QWidget]) -> None:
        self._bridge, self._window = bridge, window

    def positions(self, bot: BotSnapshot) -> list[PositionSnapshot]:
        """What it holds."""
        symbols = [bot.symbol] if bot.symbol else bot.scan.position_symbols if bot.scan else []
        found = (self._bridge.position(bot.account, symbol) for symbol in symbols)
        return [held for held in found if held is not None]

    async def start(self, bot: BotLink) -> CommandResult | None:
        account = self._bridge.account(bot.latest.account)
        is_live = account is not None and account.mode is AccountMode.LIVE
        if is_live:
            sheet = questions.start_live(self._window(), self._bridge, bot.latest)
            if await sheet.ask() != questions.GO:
                return None
        return await bot.start_bot(confirm_live=is_live)

    async def stop(self, bot: BotLink) -> CommandResult | None:
        held = self.positions(bot.latest)
        answer = await bot_questions.stop_scanner(self._window(), bot.latest, held).ask()
        if answer == questions.CANCELLED:
            return None
        return await bot.stop_bot(close_position=answer == questions.CLOSE)

    async def rename(self, bot: BotLink) -> CommandResult | None:
        sheet = bot_questions.NameSheet(self._window(), bot.latest)
        if await sheet.ask_again() != questions.GO:
            sheet.leave()
            return None
        name = sheet.field.text()
        sheet.leave()
        return self._told(await bot.rename(name))

    async def duplicate(self, bot: BotLink) -> CommandResult | None:
        """Asks again with the engine's sentence while it says no."""
        sheet = bot_questions.DuplicateSheet(self._window(), self._bridge, bot.latest)
        try:
            while await sheet.ask_again() == questions.GO:
                symbol = sheet.symbol.currentText() if bot.latest.symbol else ""
                result = await bot.duplicate(
                    sheet.name.text(), symbol, sheet.account.currentData() or ""
                )
                if result.ok:
                    return self._told(result)
                sheet.show_problem(result.text)
        finally:
            sheet.leave()
        return None

    async def change_signals(self, bot: BotLink) -> CommandResult | None:
        """Whose candles give them; asks again with the engine's sentence while it says no."""
        sheet = bot_questions.SignalsSheet(self._window(), self._bridge, bot.latest)
        try:
            while await sheet.ask_again() == questions.GO:
                result = await bot.change_signal_exchange(sheet.signals.exchange())
                if result.ok:
                    return self._told(result)
                sheet.show_problem(result.text)
        finally:
            sheet.leave()
        return None

    async def remove(self, bot: BotLink) -> CommandResult | None:
        """One that runs is stopped first, and what it holds is closed: the question says so."""
        latest = bot.latest
        if latest.state in _GONE:
            if await questions.remove_bot(self._window(), latest).ask() != questions.GO:
                return None
            return self._told(await bot.remove_bot())
        sheet = bot_questions.remove_running(self._window(), latest, self.positions(latest))
        if await sheet.ask() != questions.GO:
            return None
        stopped = await bot.stop_bot(close_position=True)
        return self._told(await bot.remove_bot() if stopped.ok else stopped)

    async def block_symbol(self, bot: BotLink, symbol: str) -> CommandResult | None:
        """Onto the blocklist of a bot that scans."""
        scan = bot.latest.scan
        if scan is None or not symbol:
            return None
        sheet = bot_questions.block_symbol(self._window(), symbol, bot.latest)
        if await sheet.ask() != questions.GO:
            return None
        now = bot.latest.scan or scan  # it may have been changed while the question stood
        blocklist = tuple(sorted({*now.settings.blocklist, symbol}))
        settings = msgspec.structs.replace(now.settings, blocklist=blocklist)
        return await bot.change_scan_settings(settings)

    async def change_settings(self, bot: BotLink) -> CommandResult | None:
        """The settings of a bot that scans, while it scans."""
        from ui.dialogs.scan_settings import ScanSettingsSheet  # after the first paint

        return await ScanSettingsSheet(self._window(), bot).ask_and_change()

    def menu(self, bot: BotLink, parent: QWidget) -> QMenu:
        """Everything above except starting and stopping; it frees itself."""
        made = QMenu(parent)
        made.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        made.setFont(theme.font(12))
        entries = [
            (tr("Rename…"), self.rename),
            (tr("Duplicate…"), self.duplicate),
            (tr("Signals from…"), self.change_signals),
            (tr("Remove this bot…"), self.remove),
        ]
        if bot.latest.scan is not None:
            entries.insert(0, (tr("Scan settings…"), self.change_settings))
        for text, do in entries:
            action = made.addAction(text)
            assert action is not None
            action.triggered.connect(lambda _checked, do=do: tasks.spawn(do(bot)))
        return made

    @staticmethod
    def _told(result: CommandResult) -> CommandResult:
        tasks.announce(result)
        return result
