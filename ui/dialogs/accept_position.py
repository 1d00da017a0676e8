"""Taking over a position that nothing of ours explains, with the stop that guards it from then."""

from __future__ import annotations

from decimal import Decimal

from PyQt6.QtWidgets import QFormLayout, QLineEdit, QWidget

from core.commands import CommandResult
from core.snapshots import PositionSnapshot
from ui import formatting
from ui.bridge import Bridge
from ui.dialogs.sheet import Sheet
from ui.i18n import sentence, tr
from ui.models import order_edits, words
from ui.widgets.basic import label

_ACCEPT = "accept"


class AcceptPositionDialog(Sheet):
    """Stays open with the reason below the fields when the engine says no."""

    def __init__(self, parent: QWidget, bridge: Bridge, account: str, symbol: str) -> None:
        super().__init__(parent, tr("Take over {symbol}?", symbol=symbol), width=460)
        self._bridge, self._account, self._symbol = bridge, account, symbol
        self._held = bridge.position(account, symbol)
        self.stop, self.target = QLineEdit(), QLineEdit()
        self.problem = label("error")
        self.problem.setWordWrap(True)
        if self._held is None:
            self.add_text(tr("The exchange shows no position; from now on it counts as closed."))
        else:
            self._ask_prices(self._held)
        self.accept_button = self.add_button(_ACCEPT, tr("Take over"), "primary", default=True)
        self.add_cancel(default=False)
        self._check()
        if self._held is not None:
            self.stop.setFocus()

    def _ask_prices(self, held: PositionSnapshot) -> None:
        position = held.position
        self.add_text(
            tr(
                "{side} {size} {symbol}, entry {entry}, mark {mark}. No order of ours made it.",
                side=tr(words.DIRECTIONS[position.side]),
                size=formatting.quantity(position.quantity),
                symbol=position.symbol,
                entry=self._price(position.entry_price),
                mark=self._price(position.mark_price),
            )
        )
        self.add_point(tr("The stop rests at the exchange and is watched like our own."))
        self.add_point(tr("The bots of this symbol stay paused until you start them."))
        form = QFormLayout()
        form.setHorizontalSpacing(16)
        form.setVerticalSpacing(8)
        for name, field, kept in (
            ("Stop loss", self.stop, position.stop_loss),
            ("Take profit", self.target, position.take_profit),
        ):
            caption = label("label", name)
            caption.setFixedHeight(32)
            if kept is not None:
                field.setText(f"{kept:f}")
            field.textChanged.connect(lambda _text: self._check())
            form.addRow(caption, field)
        self.content.addLayout(form)
        self.content.addWidget(self.problem)

    def _price(self, value: Decimal | None) -> str:
        instrument = self._bridge.instruments.get(self._symbol)
        return formatting.price(value, instrument.price_decimals if instrument else 2)

    def _check(self) -> None:
        problem = self._problem()
        self.problem.setText(problem)
        self.problem.setVisible(bool(problem))
        self.accept_button.setEnabled(not problem)
        self.fit()

    def _problem(self) -> str:
        if self._held is None:
            return ""
        has_stop = self._held.position.stop_loss is not None
        if not self.stop.text().strip() and not has_stop:
            return tr("Give a stop loss: none rests at the exchange.")
        for field, is_stop in ((self.stop, True), (self.target, False)):
            text = field.text().strip()
            if not text:
                continue
            value = formatting.parse(text)
            if value is None:
                return tr("That is not a number.")
            if value <= 0:
                return tr("It has to be above zero.")
            wrong = order_edits.wrong_side(self._held, value, is_stop=is_stop)
            if wrong:
                return wrong
        return ""

    def _chosen(self, field: QLineEdit) -> Decimal | None:
        text = field.text().strip()
        return order_edits.rounded_price(self._bridge, self._symbol, text) if text else None

    async def ask_and_accept(self) -> CommandResult | None:
        """Until the engine accepts, or the trader gives up (None)."""
        try:
            while await self.ask_again() == _ACCEPT:
                result = await self._bridge.orders.accept_position(
                    self._account, self._symbol, self._chosen(self.stop), self._chosen(self.target)
                )
                if result.ok:
                    return result
                self.problem.setText(sentence(result.text))
                self.problem.show()
        finally:
            self.leave()
        return None
