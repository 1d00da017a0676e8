"""The order ticket: what a person wants, what it would cost and risk, and one button to send it.

The figures below the fields are the engine's answer to this very ticket, asked again as it is
typed; while the engine would refuse it, the button says why instead of sending.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from decimal import Decimal

from PyQt6 import sip
from PyQt6.QtCore import Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QHideEvent, QKeyEvent, QShowEvent
from PyQt6.QtWidgets import QCheckBox, QComboBox, QWidget

from core.commands import CommandResult, PlaceOrder, PreviewOrder
from core.models.instruments import Instrument
from core.models.orders import OrderType, Side, TimeInForce
from core.models.tickets import OrderPreview, OrderTicket
from core.snapshots import AccountMode
from ui import formatting, i18n, tasks, theme
from ui.bridge import Bridge
from ui.i18n import sentence, tr
from ui.models.ticket_form import PRICE, SIZE, STOP, TARGET, Pending, TicketForm
from ui.widgets.basic import INSET, ElidedLabel, Panel, column, grid, label, row, show_value
from ui.widgets.basic import value_label as figure
from ui.widgets.buttons import ActionButton, IconButton, TextButton
from ui.widgets.ticket_fields import Choice, NumberField

_HEIGHT = 412  # fixed: nothing may move the button away from under the mouse
PREVIEW_AFTER_MS = 120
PREVIEW_EVERY_MS = 1000  # the market moves under a form that nobody touches
_SHARES = (25, 50, 75, 100)
_TYPES = (
    (OrderType.LIMIT.value, "Limit"),
    (OrderType.MARKET.value, "Market"),
    (OrderType.STOP_MARKET.value, "Stop market"),
)
_SIDES = ((Side.BUY.value, "Buy"), (Side.SELL.value, "Sell"))
_VERBS = {Side.BUY: "Buy {size} {base}", Side.SELL: "Sell {size} {base}"}
_INCOMPLETE = "Price and size are missing"


class OrderTicketPanel(Panel):
    """For one account's symbol. `ask_live(ticket, preview)` is asked before real money moves;
    False sends nothing.

    Attribute: pending, what of the form a chart shows: from the first touch until it is sent,
    cleared or out of sight; else None. Signal: pending_changed(Pending or None).
    """

    pending_changed = pyqtSignal(object)

    def __init__(self, bridge: Bridge, account: str, symbol: str) -> None:
        super().__init__("Order")
        self._bridge, self._account, self._symbol = bridge, account, symbol
        self.form = TicketForm()
        self.preview: OrderPreview | None = None
        self.ask_live: Callable[[OrderTicket, OrderPreview | None], Awaitable[bool]] = _never
        self._ticket_id, self._created_ms = "", 0
        self._asked_for: OrderTicket | None = None
        self._is_begun = False  # the price in the form is the trader's
        self._is_prepared = False  # touched, and not sent since
        self.pending: Pending | None = None
        self.clear_button = IconButton("x", "Clear the form (Esc)")
        self.clear_button.clicked.connect(self.clear)
        policy = self.clear_button.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.clear_button.setSizePolicy(policy)
        self._free = figure("label")
        self.head.addWidget(self.clear_button)
        self.head.addWidget(self._free)
        self.head.setContentsMargins(INSET, 0, INSET, 0)
        self.side = Choice(_SIDES, ("side_buy", "side_sell"))
        self.kind = Choice(_TYPES)
        self.price = NumberField("Price")
        self.amount = NumberField("Size", unit_is_button=True)
        self.shares = [TextButton(kind="segment") for _ in _SHARES]
        self.bracket, self.post_only, self.reduce_only = QCheckBox(), QCheckBox(), QCheckBox()
        self.target, self.stop = NumberField("TP"), NumberField("SL")
        self._fields = {
            PRICE: self.price, SIZE: self.amount, STOP: self.stop, TARGET: self.target
        }  # fmt: skip
        self._ratio = figure("label")
        self.time_in_force = QComboBox()
        self.time_in_force.setProperty("role", "small")
        self.time_in_force.addItems([t.value for t in TimeInForce if t.value != "post_only"])
        self._value, self._fee, self._margin, self._liquidation = (figure() for _ in range(4))
        self._risk = figure()
        self.problem = ElidedLabel("error")
        self.submit = ActionButton("Buy", self._send, kind="buy")
        self.submit.setProperty("form", "submit")  # "size" is a property of Qt's own
        self._exits = QWidget()
        self._lay_out()
        self.setFixedHeight(_HEIGHT)
        self._connect()
        self.clear()

    def _lay_out(self) -> None:
        for box, text in (
            (self.bracket, "TP / SL"),
            (self.post_only, "Post only"),
            (self.reduce_only, "Reduce only"),
        ):
            i18n.set_text(box, text)
        for share, button in zip(_SHARES, self.shares, strict=True):
            button.setText(f"{share} %")
            button.clicked.connect(lambda _on, s=share: self._take_share(s))
        inside = column(spacing=5)
        inside.setContentsMargins(INSET, 2, INSET, INSET)
        inside.addWidget(self.side)
        inside.addWidget(self.kind)
        inside.addWidget(self.price)
        inside.addWidget(self.amount)
        inside.addLayout(row(*self.shares, spacing=4))
        inside.addLayout(row(self.bracket, None, self._ratio))
        exits = row(self.target, self.stop, spacing=4)
        self._exits.setLayout(exits)
        inside.addWidget(self._exits)
        inside.addLayout(row(self.post_only, 8, self.reduce_only, None, self.time_in_force))
        figures = grid(10, 4)
        pairs = (
            ("Value", self._value), ("Fee at most", self._fee),
            ("Margin", self._margin), ("Liq. about", self._liquidation),
        )  # fmt: skip
        for number, (name, shown) in enumerate(pairs):
            line, side = divmod(number, 2)
            figures.addWidget(label("label", name), line, side * 2)
            figures.addWidget(shown, line, side * 2 + 1)
        figures.setColumnStretch(1, 1)
        figures.setColumnStretch(3, 1)
        inside.addLayout(figures)
        inside.addLayout(row(label("label", "Risk at SL"), None, self._risk))
        inside.addStretch(1)
        inside.addWidget(self.problem)
        inside.addWidget(self.submit)
        self.body.addLayout(inside)

    def _connect(self) -> None:
        self.side.chosen.connect(self._take_side)
        self.kind.chosen.connect(self._take_kind)
        for name, field in self._fields.items():
            field.edited.connect(lambda text, name=name: self._edit(name, text))
            field.left.connect(lambda name=name: self._settle(name))
        self.amount.unit_clicked.connect(self._convert)
        self.bracket.toggled.connect(lambda on: self._switch("has_bracket", on))
        self.post_only.toggled.connect(lambda on: self._switch("post_only", on))
        self.reduce_only.toggled.connect(lambda on: self._switch("reduce_only", on))
        self.time_in_force.currentTextChanged.connect(self._take_time_in_force)
        i18n.language.changed.connect(self._retitle)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(PREVIEW_AFTER_MS)
        self._soon.timeout.connect(self._ask)
        self._again = QTimer(self)
        self._again.setInterval(PREVIEW_EVERY_MS)
        self._again.timeout.connect(self._refresh)

    def _retitle(self, _language: str) -> None:
        self._show()

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        self._again.start()
        self._show()

    def hideEvent(self, event: QHideEvent | None) -> None:
        super().hideEvent(event)
        self._again.stop()
        self._soon.stop()
        self._tell_pending(None)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Esc takes back what is written; it never touches an order."""
        if event is not None and event.key() == Qt.Key.Key_Escape:
            self.clear()
        else:
            super().keyPressEvent(event)

    # What the trader does

    def clear(self) -> None:
        """As it was at first, for the same side. Not while it is being sent."""
        if self.submit.is_busy:
            return
        self.form = TicketForm(side=self.form.side)
        self.preview = self._asked_for = None
        self.side.choose(self.form.side.value)
        self.kind.choose(self.form.order_type.value)
        self.time_in_force.setCurrentText(self.form.time_in_force.value)
        for box, is_on in (
            (self.bracket, self.form.has_bracket),
            (self.post_only, self.form.post_only),
            (self.reduce_only, self.form.reduce_only),
        ):
            box.setChecked(is_on)
        for shown in self._fields.values():
            shown.replace_text("")
        self._is_begun = self._is_prepared = False  # that was us
        self._soon.stop()
        self._new_ticket()
        self._show()

    def set_price(self, price: Decimal) -> None:
        """From the book or the chart: a limit order there."""
        if self.form.order_type is OrderType.MARKET:
            self.form.order_type = OrderType.LIMIT
            self.kind.choose(OrderType.LIMIT.value)
        self._place(PRICE, price)

    def prepare(self, side: Side, price: Decimal) -> None:
        """From the chart: a limit order of `side` there."""
        if side is not self.form.side:
            self.side.choose(side.value)
            self._take_side(side.value)
        self.set_price(price)

    def move_line(self, field: str, price: Decimal) -> None:
        """A line of `pending` is being dragged on the chart; `field` is price, stop or target."""
        self._place({"price": PRICE, "stop": STOP}.get(field, TARGET), price)

    def _place(self, name: str, price: Decimal) -> None:
        self._fields[name].replace_text(f"{price:f}")
        self._edit(name, f"{price:f}")

    def _settle(self, name: str) -> None:
        """A field that is left shows what would be sent of it."""
        if self._instrument is None:
            return
        settled = self.form.settled(name, self._instrument)
        if settled != getattr(self.form, name):
            setattr(self.form, name, settled)
            self._fields[name].replace_text(settled)

    def _edit(self, name: str, text: str) -> None:
        setattr(self.form, name, text)
        if text.strip():
            self.form.is_own.add(name)
        else:
            self.form.is_own.discard(name)
        self._changed()

    def _switch(self, name: str, on: bool) -> None:
        setattr(self.form, name, on)
        self._changed()

    def _take_side(self, key: str) -> None:
        self.form.side = Side(key)
        self.form.is_own -= {STOP, TARGET}  # they were for the other side
        self._changed()

    def _take_kind(self, key: str) -> None:
        self.form.order_type = OrderType(key)
        self._changed()

    def _take_time_in_force(self, text: str) -> None:
        self.form.time_in_force = TimeInForce(text)
        self._changed()

    def _take_share(self, share: int) -> None:
        instrument, capital = self._instrument, self._bridge.capital.latest
        if instrument is None or capital is None:
            return
        part = Decimal(share) / 100
        held = self._bridge.position(self._account, self._symbol)
        if self.form.reduce_only and held is not None:
            self.form.in_quote = False
            quantity = instrument.round_quantity_down(held.position.quantity * part)
            self.form.size = f"{quantity:f}"
        else:
            # the fee is reserved too
            money = capital.available / (1 + _FEE_ROOM)
            self.form.size = self.form.size_of(part, money, instrument, self._market_price)
        self._changed()

    def _convert(self) -> None:
        if self._instrument is not None:
            self.form.convert_size(self._instrument, self._market_price)
            self._changed()

    def _changed(self) -> None:
        self._is_begun = self._is_prepared = True
        self._new_ticket()
        self._show()
        self._soon.start()

    # What the engine says

    def _refresh(self) -> None:
        if not self.submit.is_busy:
            self._show()
            self._ask()

    def _ask(self) -> None:
        ticket = self._ticket()
        if ticket is None or self._bridge.obstacle(self._symbol):
            self.preview = None
            self._show()
        else:
            tasks.spawn(self._preview(ticket))

    async def _preview(self, ticket: OrderTicket) -> None:
        self._asked_for = ticket
        result = await self._bridge.link.send(PreviewOrder(ticket))
        if sip.isdeleted(self) or self._asked_for != ticket:
            return  # typed on meanwhile
        self.preview = result.preview
        self._show("" if result.ok else result.text)

    async def _send(self) -> CommandResult | None:
        for name in self._fields:  # a click does not leave a field
            self._settle(name)
        ticket = self._ticket()
        if ticket is None:
            return None
        live = self._mode is AccountMode.LIVE
        if live and not await self.ask_live(ticket, self.preview):
            return None
        result = await self._bridge.link.send(PlaceOrder(ticket, confirm_live=live))
        if not result.is_unknown:  # else the same ticket may be sent again: it is one order
            self._new_ticket()
        if result.ok:
            self._is_prepared = False  # the order's own line stands on the chart now
            self._show()
        return result

    def _new_ticket(self) -> None:
        snapshot = self._bridge.snapshot
        self._ticket_id = uuid.uuid4().hex
        self._created_ms = snapshot.market_time_ms if snapshot is not None else 0

    def _ticket(self) -> OrderTicket | None:
        instrument = self._instrument
        if instrument is None:
            return None
        return self.form.ticket(
            instrument,
            self._market_price,
            ticket_id=self._ticket_id,
            account=self._account,
            created_ms=self._created_ms,
        )

    @property
    def _instrument(self) -> Instrument | None:
        return self._bridge.instruments.get(self._symbol)

    @property
    def _market_price(self) -> Decimal | None:
        ticker = self._bridge.ticker(self._symbol)
        return ticker.ticker.last_price if ticker is not None else None

    @property
    def _mode(self) -> AccountMode | None:
        account = self._bridge.account(self._account)
        return account.mode if account is not None else None

    # What is shown

    def _show(self, refusal: str = "") -> None:
        form, instrument = self.form, self._instrument
        if instrument is None:
            self.submit.set_allowed(_INCOMPLETE)
            return
        if self._market_price is not None and not self._is_begun:
            # until the first touch: a price that moved under the trader's hand would be a trap
            form.price = f"{instrument.round_price(self._market_price):f}"
        form.propose_exits(instrument, self._market_price)
        self._show_fields(instrument)
        errors = form.errors()
        for name, shown in self._fields.items():
            shown.show_error(errors.get(name, ""))
        ticket = self._ticket()
        if ticket is None:
            self.preview = None
        self._show_figures(instrument)
        refused = refusal or (self.preview.refusal if self.preview is not None else "")
        if errors:
            refused = next(iter(errors.values()))
        self.problem.show_text(sentence(refused))
        self._show_submit(ticket, instrument, refused)
        self.clear_button.setVisible(self._is_begun)
        self._tell_pending(
            form.pending(instrument, self._market_price)
            if self._is_prepared and self.isVisible()
            else None
        )

    def _tell_pending(self, pending: Pending | None) -> None:
        if pending != self.pending:
            self.pending = pending
            self.pending_changed.emit(pending)

    def _show_fields(self, instrument: Instrument) -> None:
        form = self.form
        is_market = form.order_type is OrderType.MARKET
        self.price.line.setEnabled(not is_market)
        i18n.set_placeholder(self.price.line, "At the market" if is_market else "")
        self.price.show_text("" if is_market else form.price)
        self.price.show_unit(instrument.quote)
        self.amount.show_text(form.size)
        self.amount.show_unit(f"{instrument.quote if form.in_quote else instrument.base} ▾")
        self.stop.show_text(form.stop_loss)
        self.target.show_text(form.take_profit)
        has_exits = form.has_bracket and not form.reduce_only
        self._exits.setEnabled(has_exits)
        self.bracket.setEnabled(not form.reduce_only)
        self.post_only.setEnabled(form.order_type is OrderType.LIMIT)
        self.time_in_force.setEnabled(form.order_type is OrderType.LIMIT and not form.post_only)
        ratio = form.reward_to_risk(instrument, self._market_price) if has_exits else None
        show_value(self._ratio, f"R {formatting.number(ratio, 1)}" if ratio is not None else "")
        capital = self._bridge.capital.latest
        free = capital.available if capital is not None else None
        show_value(self._free, f"{tr('Free')} {formatting.money(free)} {instrument.quote}")

    def _show_figures(self, instrument: Instrument) -> None:
        seen = self.preview
        money = (seen.value, seen.fee, seen.margin) if seen is not None else (None, None, None)
        for shown, amount in zip((self._value, self._fee, self._margin), money, strict=True):
            show_value(shown, formatting.money(amount, instrument.quote))
        liquidation = seen.liquidation_price if seen is not None else None
        show_value(self._liquidation, formatting.price(liquidation, instrument.price_decimals))
        text = formatting.UNKNOWN
        if seen is not None and seen.risk is not None:
            share = formatting.percent(seen.risk_ratio, 2, sign=False)
            text = f"{formatting.money(seen.risk, instrument.quote)} · {share}"
        show_value(self._risk, text)

    def _show_submit(
        self, ticket: OrderTicket | None, instrument: Instrument, refused: str
    ) -> None:
        side = self.form.side
        theme.set_property(self.submit, "kind", side.value)
        size = formatting.quantity(ticket.quantity, instrument.quantity_decimals) if ticket else ""
        if not self.submit.is_busy:
            verb = tr(_VERBS[side], size=size, base=instrument.base)
            self.submit.setText(" ".join(verb.split()))
        obstacle = self._bridge.obstacle(self._symbol)
        self.submit.set_allowed(obstacle or ("" if ticket else _INCOMPLETE) or refused)


_FEE_ROOM = Decimal("0.001")


async def _never(_ticket: OrderTicket, _preview: OrderPreview | None) -> bool:
    return False
