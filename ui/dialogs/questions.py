"""The questions the window asks before something that cannot be taken back."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from PyQt6.QtWidgets import QLineEdit, QWidget

from core.models.orders import Order, Side
from core.models.tickets import OrderPreview, OrderTicket
from core.snapshots import AccountMode, BotSnapshot, PositionSnapshot
from ui import formatting, theme
from ui.bridge import Bridge
from ui.dialogs.sheet import CANCELLED, Sheet
from ui.i18n import tr
from ui.models import words

KEEP, CLOSE, GO = "keep", "close", "go"
CANCEL_ALL_KEYS = "Ctrl+Shift+X"
_LISTED = 6  # rows of a list in a question; the rest is counted


def stop_bot(parent: QWidget, bot: BotSnapshot, held: PositionSnapshot | None) -> Sheet:
    """Answers KEEP or CLOSE; without a position only KEEP (stop)."""
    if held is None:
        asked = Sheet(parent, tr("Stop {symbol}?", symbol=bot.symbol))
        asked.add_text(tr("The bot has no open position. Its working entries are cancelled."))
        asked.add_button(KEEP, tr("Stop"), "primary")
        asked.add_cancel()
        return asked
    asked = Sheet(parent, tr("Stop the bot and keep the position?"), width=520)
    position = held.position
    asked.add_text(
        tr(
            "{symbol} holds {side} {size}, result {pnl} USDT.",
            symbol=bot.symbol,
            side=tr(words.DIRECTIONS[position.side]),
            size=formatting.quantity(position.quantity),
            pnl=formatting.signed(position.unrealized_pnl),
        )
    )
    asked.add_point(tr("Keep: stop loss and take profit stay at the exchange; nobody moves them."))
    asked.add_point(tr("Close: a market order closes it now, at the price there is."))
    asked.add_button(CLOSE, tr("Close position and stop"), "danger")
    asked.add_button(KEEP, tr("Keep position and stop"), "primary")
    asked.add_cancel()
    return asked


def start_live(parent: QWidget, bridge: Bridge, bot: BotSnapshot) -> Sheet:
    """Answers GO or cancel (the default): what real money means here, in figures."""
    asked = Sheet(parent, tr("Start {symbol} with real money?", symbol=bot.title))
    account = bridge.account(bot.account)
    exchange = words.exchange_name(account.exchange) if account else bot.account
    asked.add_point(
        tr(
            "Orders go to {exchange}, account {account}, without asking you each time.",
            exchange=exchange,
            account=bot.account,
        )
    )
    equity = account.equity if account else None
    limits = {limit.name: limit for limit in bridge.snapshot.risk.limits} if bridge.snapshot else {}
    for name, sentence in (
        ("largest_position", "One position takes at most {amount} {currency} ({limit} %)."),
        ("daily_loss", "A day that loses {amount} {currency} ({limit} %) stops trading."),
    ):
        limit = limits.get(name)
        if limit is None or account is None:
            continue
        most = None if equity is None else float(equity) * limit.limit / 100
        asked.add_point(
            tr(
                sentence,
                amount=formatting.money(most, account.currency),
                currency=account.currency,
                limit=formatting.number(limit.limit, 0),
            )
        )
    asked.add_badge()
    asked.add_button(GO, tr("Start LIVE"), "live")
    asked.add_cancel()
    return asked


def place_live(parent: QWidget, ticket: OrderTicket, preview: OrderPreview | None) -> Sheet:
    """Answers GO or cancel (the default): one order with real money, in figures."""
    verb = tr("Buy") if ticket.side is Side.BUY else tr("Sell")
    size = formatting.quantity(ticket.quantity)
    asked = Sheet(parent, tr("{verb} {size} {symbol} with real money?", verb=verb, size=size,
                             symbol=ticket.symbol))  # fmt: skip
    if preview is not None:
        asked.add_point(
            tr(
                "Value {value}, margin {margin}, fee at most {fee}.",
                value=formatting.money(preview.value),
                margin=formatting.money(preview.margin),
                fee=formatting.money(preview.fee),
            )
        )
        if preview.risk is not None:
            text = tr("At the stop {risk} is lost.", risk=formatting.money(preview.risk))
            asked.add_point(text)
    asked.add_badge()
    asked.add_button(GO, tr("Send order"), "live")
    asked.add_cancel()
    return asked


def close_position(parent: QWidget, held: PositionSnapshot) -> Sheet:
    """Answers GO (Enter) or cancel."""
    position = held.position
    asked = Sheet(parent, tr("Close the {symbol} position?", symbol=position.symbol))
    asked.add_text(
        tr(
            "A market order over {size} closes it now. Result at the mark price: {pnl} USDT.",
            size=formatting.quantity(position.quantity),
            pnl=formatting.signed(position.unrealized_pnl),
        )
    )
    asked.add_button(GO, tr("Close position"), "primary", default=True)
    asked.add_cancel(default=False)
    return asked


def close_all(parent: QWidget, held: Sequence[PositionSnapshot]) -> Sheet:
    """Answers GO (Enter) or cancel."""
    if len(held) == 1:
        return close_position(parent, held[0])
    asked = Sheet(parent, tr("Close {n} positions?", n=len(held)))
    for one in held[:_LISTED]:
        asked.add_point(_position_words(one))
    _add_rest(asked, len(held))
    total = sum((one.position.unrealized_pnl for one in held), Decimal(0))
    asked.add_text(
        tr(
            "Market orders close them now. Result at the mark prices: {pnl} USDT.",
            pnl=formatting.signed(total),
        )
    )
    asked.add_button(GO, tr("Close all"), "danger", default=True)
    asked.add_cancel(default=False)
    return asked


def cancel_all(parent: QWidget, orders: Sequence[Order]) -> Sheet:
    """Answers GO (Enter, or the same shortcut again) or cancel."""
    one = len(orders) == 1
    title = tr("Cancel 1 order?") if one else tr("Cancel {n} orders?", n=len(orders))
    asked = Sheet(parent, title)
    for order in orders[:_LISTED]:
        asked.add_point(_order_words(order))
    _add_rest(asked, len(orders))
    asked.add_text(tr("Stops and take profits of open positions stay."))
    asked.add_button(GO, tr("Cancel orders"), "primary", default=True)
    asked.add_button(CANCELLED, tr("Keep orders"))
    asked.agree_by(CANCEL_ALL_KEYS)
    return asked


def cancel_and_close(
    parent: QWidget, orders: Sequence[Order], held: Sequence[PositionSnapshot]
) -> Sheet:
    """Answers GO (Enter) or cancel."""
    title = tr("Cancel {orders} orders and close {n} positions?", orders=len(orders), n=len(held))
    asked = Sheet(parent, title)
    for order in orders[:_LISTED]:
        asked.add_point(_order_words(order))
    _add_rest(asked, len(orders))
    for one in held[:_LISTED]:
        asked.add_point(_position_words(one))
    _add_rest(asked, len(held))
    asked.add_button(GO, tr("Cancel and close"), "danger", default=True)
    asked.add_button(CANCELLED, tr("Keep all"))
    return asked


def flatten(parent: QWidget, held: Sequence[PositionSnapshot]) -> Sheet:
    """Answers GO or cancel; GO only once its phrase has been typed, for after the kill switch
    nothing else is left to lose but this."""
    asked = Sheet(parent, tr("Close every position?"))
    for one in held[:_LISTED]:
        asked.add_point(_position_words(one))
    _add_rest(asked, len(held))
    phrase = tr("CLOSE ALL")
    asked.add_text(tr("Market orders close them now. Type {phrase} to go on.", phrase=phrase))
    field = QLineEdit()
    asked.content.addWidget(field)
    go = asked.add_button(GO, tr("Close all"), "danger", default=True)
    asked.add_cancel(default=False)
    go.setEnabled(False)
    field.textChanged.connect(lambda text: go.setEnabled(text.strip() == phrase))
    field.setFocus()
    return asked


def cancel_order(parent: QWidget, order: Order) -> Sheet:
    """Answers GO (Enter) or cancel."""
    asked = Sheet(parent, tr("Cancel the {symbol} order?", symbol=order.symbol))
    asked.add_text(_order_words(order))
    asked.add_button(GO, tr("Cancel order"), "primary", default=True)
    asked.add_button(CANCELLED, tr("Keep order"))
    return asked


def cancel_stop(parent: QWidget, order: Order) -> Sheet:
    """Answers GO or cancel (the default): a position would stand without its stop."""
    asked = Sheet(parent, tr("Cancel the stop of {symbol}?", symbol=order.symbol))
    asked.add_text(tr("The position is not protected until the engine sets it again or closes it."))
    asked.add_button(GO, tr("Cancel order"), "danger")
    asked.add_button(CANCELLED, tr("Keep order"), default=True)
    return asked


def _order_words(order: Order) -> str:
    price = order.price if order.price is not None else order.trigger_price
    return tr(
        "{side} {size} {symbol} at {price}",
        side=tr(words.SIDES[order.side]),
        size=formatting.quantity(order.quantity),
        symbol=order.symbol,
        price=formatting.UNKNOWN if price is None else f"{price:,f}",
    )


def _position_words(held: PositionSnapshot) -> str:
    position = held.position
    return tr(
        "{symbol}: {side} {size}, result {pnl} USDT",
        symbol=position.symbol,
        side=tr(words.DIRECTIONS[position.side]),
        size=formatting.quantity(position.quantity),
        pnl=formatting.signed(position.unrealized_pnl),
    )


def _add_rest(asked: Sheet, total: int) -> None:
    if total > _LISTED:
        asked.add_text(tr("and {n} more", n=total - _LISTED))


def resume_trading(parent: QWidget) -> Sheet:
    """Answers GO or cancel."""
    asked = Sheet(parent, tr("Resume trading?"))
    asked.add_text(tr("Orders are allowed again. The bots stay stopped until you start them."))
    asked.add_button(GO, tr("Resume"), "primary")
    asked.add_cancel()
    return asked


def remove_bot(parent: QWidget, bot: BotSnapshot) -> Sheet:
    """Answers GO or cancel."""
    asked = Sheet(parent, tr("Remove the bot {symbol} {tf}?", symbol=bot.title, tf=bot.timeframe))
    asked.add_text(tr("Its candles and its trades stay on disk. Only the bot goes."))
    asked.add_button(GO, tr("Remove"), "danger")
    asked.add_cancel()
    return asked


def delete_workspace(parent: QWidget, name: str) -> Sheet:
    """Answers GO or cancel."""
    asked = Sheet(parent, tr("Delete the workspace {name}?", name=name))
    asked.add_text(tr("Bots, orders and drawings are not touched."))
    asked.add_button(GO, tr("Delete"), "danger")
    asked.add_cancel()
    return asked


def close_window(
    parent: QWidget,
    bridge: Bridge,
    running: Sequence[BotSnapshot],
    held: Sequence[PositionSnapshot],
) -> Sheet:
    """Answers KEEP (the engine goes on without a screen), CLOSE (it ends, bots with it), or cancel
    (the default). There is a bot that runs or a position that is open."""
    bots, positions = len(running), len(held)
    if bots:
        title = tr("1 bot is running") if bots == 1 else tr("{n} bots are running", n=bots)
    else:
        one = positions == 1
        title = tr("1 position is open") if one else tr("{n} positions are open", n=positions)
    asked = Sheet(parent, title, width=520)
    if running:
        asked.add_text(", ".join(bot.title for bot in running))
    for one_held in held[:_LISTED]:
        asked.add_point(_position_words(one_held))
    _add_rest(asked, positions)
    bare = ", ".join(one_held.position.symbol for one_held in held if not one_held.is_protected)
    if bare:
        warning = asked.add_text(tr("Without a stop at the exchange: {symbols}.", symbols=bare))
        theme.set_property(warning, "tone", "warn")
    asked.add_point(tr("Keep running: the engine goes on trading without a window."))
    asked.add_point(
        tr("Stop: bots and engine end. Positions and their stops stay at the exchange.")
    )
    if bridge.mode() is AccountMode.LIVE:
        asked.add_badge()
    asked.add_button(CLOSE, tr("Stop bots") if running else tr("Stop the engine"), "danger")
    asked.add_button(KEEP, tr("Keep running"), "primary")
    asked.add_cancel()
    return asked


__all__ = [
    "CANCELLED",
    "CANCEL_ALL_KEYS",
    "CLOSE",
    "GO",
    "KEEP",
    "cancel_all",
    "cancel_and_close",
    "cancel_order",
    "cancel_stop",
    "close_all",
    "close_position",
    "close_window",
    "flatten",
    "remove_bot",
    "resume_trading",
    "start_live",
    "stop_bot",
]
