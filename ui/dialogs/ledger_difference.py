"""Why our ledger and the exchange's balance differ, and what the trader may say about it."""

from __future__ import annotations

from PyQt6.QtWidgets import QWidget

from core.commands import CommandResult
from core.snapshots import AccountSnapshot
from ui import formatting
from ui.bridge import Bridge
from ui.dialogs.sheet import Sheet
from ui.i18n import sentence, tr
from ui.models import words
from ui.models.attention import transfer_of
from ui.widgets.basic import label

_BOOK = "book"


class LedgerDifferenceDialog(Sheet):
    """The parts of the difference, and "book as transfer" where one of them looks like one."""

    def __init__(self, parent: QWidget, bridge: Bridge, account: AccountSnapshot) -> None:
        exchange = words.exchange_name(account.exchange)
        off = formatting.money(account.ledger_error, account.currency, sign=True)
        title = tr(
            "Our ledger is {off} {currency} away from {exchange}",
            off=off,
            currency=account.currency,
            exchange=exchange,
        )
        super().__init__(parent, title, width=520)
        self._bridge, self._account = bridge, account
        self._transfer = transfer_of(account)
        for part in account.ledger_difference:
            self.add_point(sentence(part.text))
        if not account.ledger_difference:
            self.add_text(tr("Nothing explains it yet; the next reconciliation looks again."))
        self.problem = label("error")
        self.problem.setWordWrap(True)
        self.problem.hide()
        self.content.addWidget(self.problem)
        if self._transfer is None:
            self.add_button("", tr("Close"), default=True)
            return
        amount = formatting.money(self._transfer.amount, account.currency, sign=True)
        self.add_text(
            tr(
                "If you moved this money yourself, book it: capital changes by {amount} "
                "{currency}, results do not.",
                amount=amount,
                currency=account.currency,
            )
        )
        self.add_button(_BOOK, tr("Book as transfer"), "primary", default=True)
        self.add_button("", tr("Leave it"))

    async def ask_and_book(self) -> CommandResult | None:
        """Until the engine books it, or the trader leaves it (None)."""
        try:
            while await self.ask_again() == _BOOK and self._transfer is not None:
                result = await self._bridge.orders.book_transfer(
                    self._account.name, self._transfer.amount
                )
                if result.ok:
                    return result
                self.problem.setText(sentence(result.text))
                self.problem.show()
        finally:
            self.leave()
        return None
