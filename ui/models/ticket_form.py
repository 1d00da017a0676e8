"""What stands in the order form, and the ticket it makes: pure, so that every rule of the form can
be tested without a window.

Numbers are refused where they are no numbers, rounded where the exchange has a grid, and never
rescaled behind the trader's back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_DOWN, ROUND_UP, Decimal, InvalidOperation

from core.models.instruments import Instrument
from core.models.orders import OrderType, Side, TimeInForce
from core.models.tickets import OrderTicket

STOP_RATIO, TARGET_RATIO = Decimal("0.01"), Decimal("0.02")  # proposed; the trader changes them
_CENT = Decimal("0.01")
_MOST = Decimal(10) ** 15  # beyond any price and size; more digits than figures are exact to
PRICE, SIZE, STOP, TARGET = "price", "size", "stop_loss", "take_profit"


@dataclass(frozen=True, slots=True)
class Pending:
    """What stands in the form, as lines of a chart. `price` None: at the market; `entry` is what
    the exits are reckoned from, `quantity` (base) None while the form has none."""

    side: Side
    price: Decimal | None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    quantity: Decimal | None = None
    entry: Decimal | None = None


@dataclass
class TicketForm:
    """Texts as typed. `in_quote`: the size is an amount of money. `is_own` names the fields that
    the trader has written himself; the others follow the market."""

    side: Side = Side.BUY
    order_type: OrderType = OrderType.LIMIT
    price: str = ""
    size: str = ""
    in_quote: bool = False
    has_bracket: bool = True
    take_profit: str = ""
    stop_loss: str = ""
    post_only: bool = False
    reduce_only: bool = False
    time_in_force: TimeInForce = TimeInForce.GTC
    is_own: set[str] = field(default_factory=set)

    def errors(self) -> dict[str, str]:
        """English reason by field; an empty field is no error, only not ready."""
        wrong = {}
        used = {PRICE: self.price if self.order_type is not OrderType.MARKET else ""}
        used[SIZE] = self.size
        if self.has_bracket and not self.reduce_only:
            used |= {STOP: self.stop_loss, TARGET: self.take_profit}
        for name, text in used.items():
            if text.strip() and number(text) is None:
                wrong[name] = "A number above zero"
        return wrong

    def order_price(self, instrument: Instrument) -> Decimal | None:
        """On its tick; None for a market order and while there is none."""
        value = None if self.order_type is OrderType.MARKET else number(self.price)
        return None if value is None else instrument.round_price(value)

    def quantity(self, instrument: Instrument, market_price: Decimal | None) -> Decimal | None:
        """In base, in whole steps, never up; None while it cannot be known."""
        value = number(self.size)
        if value is None:
            return None
        if self.in_quote:
            price = self.order_price(instrument) or market_price
            if not price:
                return None
            value /= price
        return instrument.round_quantity_down(value)

    def settled(self, name: str, instrument: Instrument) -> str:
        """What field `name` says as it would be sent: a price on its tick, a size in whole steps.
        As typed where that is the same, no number, or less than a step."""
        text: str = getattr(self, name)
        value = number(text)
        if value is None or (name == SIZE and self.in_quote):
            return text
        round_it = instrument.round_quantity_down if name == SIZE else instrument.round_price
        rounded = round_it(value)
        return text if rounded == value or not rounded else f"{rounded:f}"

    def propose_exits(self, instrument: Instrument, market_price: Decimal | None) -> None:
        """Stop and target at the usual distance, where the trader has not said otherwise."""
        price = self.order_price(instrument) or market_price
        if price is None:
            return
        sign = self.side.sign
        if STOP not in self.is_own:
            self.stop_loss = f"{instrument.round_price(price * (1 - sign * STOP_RATIO)):f}"
        if TARGET not in self.is_own:
            self.take_profit = f"{instrument.round_price(price * (1 + sign * TARGET_RATIO)):f}"

    def size_of(
        self, share: Decimal, money: Decimal, instrument: Instrument, market_price: Decimal | None
    ) -> str:
        """The size that takes `share` (0..1) of `money` (quote), as this form writes sizes."""
        amount = share * money
        if self.in_quote:
            return f"{amount.quantize(_CENT, rounding=ROUND_DOWN):f}"
        price = self.order_price(instrument) or market_price
        return "" if not price else f"{instrument.round_quantity_down(amount / price):f}"

    def convert_size(self, instrument: Instrument, market_price: Decimal | None) -> None:
        """The other unit, the same order."""
        quantity = self.quantity(instrument, market_price)
        price = self.order_price(instrument) or market_price
        self.in_quote = not self.in_quote
        if quantity is None or price is None:
            return
        # up to the cent, or the way back would lose a step
        value = (quantity * price).quantize(_CENT, rounding=ROUND_UP)
        self.size = f"{value:f}" if self.in_quote else f"{quantity:f}"

    def reward_to_risk(
        self, instrument: Instrument, market_price: Decimal | None
    ) -> Decimal | None:
        price = self.order_price(instrument) or market_price
        stop, target = number(self.stop_loss), number(self.take_profit)
        if price is None or stop is None or target is None or price == stop:
            return None
        return abs(target - price) / abs(price - stop)

    def pending(self, instrument: Instrument, market_price: Decimal | None) -> Pending | None:
        """On the tick; None where there is no price to draw."""
        price = self.order_price(instrument)
        has_exits = self.has_bracket and not self.reduce_only
        typed = [number(text) if has_exits else None for text in (self.stop_loss, self.take_profit)]
        stop, target = (None if x is None else instrument.round_price(x) for x in typed)
        if price is None and stop is None and target is None:
            return None
        quantity = self.quantity(instrument, market_price)
        return Pending(self.side, price, stop, target, quantity, price or market_price)

    def ticket(
        self,
        instrument: Instrument,
        market_price: Decimal | None,
        *,
        ticket_id: str,
        account: str,
        created_ms: int,
    ) -> OrderTicket | None:
        """None while something is missing or wrong."""
        quantity = self.quantity(instrument, market_price)
        price = self.order_price(instrument)
        if self.errors() or not quantity:
            return None
        if price is None and self.order_type is not OrderType.MARKET:
            return None
        rests = self.order_type is OrderType.LIMIT
        bracket = self.has_bracket and not self.reduce_only
        return OrderTicket(
            ticket_id=ticket_id,
            created_ms=created_ms,
            account=account,
            symbol=instrument.symbol,
            side=self.side,
            order_type=self.order_type,
            quantity=quantity,
            price=price,
            time_in_force=(
                TimeInForce.POST_ONLY
                if rests and self.post_only
                else self.time_in_force
                if rests
                else TimeInForce.GTC
            ),
            reduce_only=self.reduce_only,
            stop_loss=number(self.stop_loss) if bracket else None,
            take_profit=number(self.take_profit) if bracket else None,
        )


def number(text: str) -> Decimal | None:
    """A finite number above zero, thousands commas allowed; None for anything else, and for what
    no market could mean."""
    try:
        value = Decimal(text.strip().replace(",", ""))
    except InvalidOperation:
        return None
    return value if value.is_finite() and 0 < value < _MOST else None
