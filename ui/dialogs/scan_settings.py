"""The settings of a bot that scans, changed while it scans."""

from __future__ import annotations

from PyQt6.QtWidgets import QWidget

from core.commands import CommandResult
from ui.dialogs.sheet import Sheet
from ui.i18n import sentence, tr
from ui.models.scan_form import SCAN_FIELDS, scan_settings, scan_texts
from ui.shared_services import BotLink
from ui.widgets.basic import label
from ui.widgets.value_form import ValueForm

_SAVE = "save"


class ScanSettingsSheet(Sheet):
    """Stays open with the engine's sentence when it says no. Attribute: form."""

    def __init__(self, parent: QWidget, bot: BotLink) -> None:
        super().__init__(parent, tr("Scan settings of {name}", name=bot.latest.title), width=560)
        self._bot = bot
        assert bot.latest.scan is not None
        self.form = ValueForm(SCAN_FIELDS, scan_texts(bot.latest.scan.settings))
        self.content.addWidget(self.form)
        self.add_text(tr("A scan that runs ends with the settings it began with."))
        self.problem = label("error")
        self.problem.setWordWrap(True)
        self.problem.hide()
        self.content.addWidget(self.problem)
        self.add_button(_SAVE, tr("Apply"), "primary", default=True)
        self.add_cancel(default=False)
        self.form.changed.connect(self._check)
        self._check()

    def _check(self) -> None:
        button = self.buttons[_SAVE]
        button.setEnabled(self.form.is_valid)
        button.setToolTip("" if self.form.is_valid else tr("Correct what is marked first"))

    async def ask_and_change(self) -> CommandResult | None:
        """Until the engine accepts, or the trader gives up (None)."""
        try:
            while await self.ask_again() == _SAVE:
                result = await self._bot.change_scan_settings(scan_settings(self.form.texts()))
                if result.ok:
                    return result
                self.problem.setText(sentence(result.text))
                self.problem.show()
                self.fit()
        finally:
            self.leave()
        return None
