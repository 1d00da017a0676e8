"""An order by hand: from the form that a person fills to the one road that every order takes.

A preview is computed from the very request that would be sent, and asks the gate's own questions
without effect, so the form never promises what the gate would refuse.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from core.capital.shared_capital_manager import SharedCapitalManager
from core.models.instruments import Instrument
from core.models.orders import OrderPurpose, OrderRequest, OrderStatus, OrderType
from core.models.positions import Position
from core.models.tickets import OrderPreview, OrderTicket
from core.oms.client_order_id import make_client_order_id, nonce_for
from core.order_gate import OrderGate
from core.order_parts import OrderParts
from core.portfolio.sizing import below_minimum
from core.risk.rule import MarketPrice

STRATEGY = "manual"
_NOBODY = ""  # no bot owns it
# Bybit's lowest tier for its large contracts; a larger position's is higher, so "about".
_MAINTENANCE_RATIO = Decimal("0.005")


class TicketRefused(Exception):
    """The form cannot become an order, or was refused on the road; the sentence says why."""


class TicketDesk:
    """Turns the tickets of one account into requests. Used on the engine's loop only."""

    def __init__(
        self,
        parts: OrderParts,
        *,
        gate: OrderGate,
        capital: SharedCapitalManager,
        market_price: Callable[[str], MarketPrice | None],
        leverage: Decimal,
    ) -> None:
        self._parts = parts
        self._gate = gate
        self._capital = capital
        self._market_price = market_price
        self._leverage = leverage

    def preview(self, ticket: OrderTicket) -> OrderPreview:
        """What the order would cost and risk, and whether it may leave now. Raises
        TicketRefused."""
        request = self._request(ticket)
        figures = self._capital.figures()
        value = request.notional
        risk = reward = None
        price = request.price or request.reference_price
        if request.stop_loss is not None:
            risk = request.quantity * abs(price - request.stop_loss)
        if request.take_profit is not None:
            reward = request.quantity * abs(request.take_profit - price)
        denial = self._gate.preview(request)
        return OrderPreview(
            quantity=request.quantity,
            price=price,
            value=value,
            margin=value / self._leverage if request.increases_risk else Decimal(0),
            fee=value * self._capital.taker_fee_ratio,
            liquidation_price=self._liquidation_price(request, price, figures.equity),
            available=self._capital.get_available_capital(),
            risk=risk,
            risk_ratio=risk / figures.equity if risk is not None and figures.equity > 0 else None,
            reward_to_risk=reward / risk if risk and reward is not None else None,
            refusal=denial.text if denial is not None else "",
            refusal_code=denial.code if denial is not None else "",
        )

    def place(self, ticket: OrderTicket) -> str:
        """Send it down the road; the same ticket twice is one order. Raises TicketRefused."""
        request = self._request(ticket)
        self._parts.bus.publish(request)
        order = self._parts.oms.order(request.client_order_id)
        if order is None:
            raise TicketRefused("The order could not be written to disk, so it was not sent.")
        if order.status in (OrderStatus.DENIED, OrderStatus.REJECTED):
            raise TicketRefused(f"Denied: {order.reason}. Nothing was sent.")
        return f"{request.symbol}: the order to {request.side} {request.quantity} was sent."

    def _request(self, ticket: OrderTicket) -> OrderRequest:
        instrument = self._instrument(ticket.symbol)
        market = self._market_price(ticket.symbol)
        if market is None:
            raise TicketRefused(f"There is no price of {ticket.symbol} yet.")
        price = self._price(ticket, instrument)
        quantity = instrument.round_quantity_down(ticket.quantity)
        problem = below_minimum(quantity, price or market.price, instrument)
        if problem and not ticket.reduce_only:
            raise TicketRefused(f"{_capital(problem)}.")
        if quantity <= 0:
            raise TicketRefused(f"The smallest size is {instrument.quantity_step:f}.")
        stop_loss, take_profit = self._bracket(ticket, instrument, price or market.price)
        purpose = OrderPurpose.EXIT if ticket.reduce_only else OrderPurpose.ENTRY
        nonce = nonce_for(self._parts.account, ticket.ticket_id, ticket.created_ms)
        return OrderRequest(
            client_order_id=make_client_order_id(
                STRATEGY, ticket.symbol, ticket.created_ms, nonce, self._parts.port.exchange
            ),
            account=self._parts.account,
            bot_id=_NOBODY,
            strategy=STRATEGY,
            symbol=ticket.symbol,
            side=ticket.side,
            order_type=ticket.order_type,
            quantity=quantity,
            reference_price=market.price,
            purpose=purpose,
            created_ms=ticket.created_ms,
            price=price,
            time_in_force=ticket.time_in_force,
            reduce_only=ticket.reduce_only,
            stop_loss=None if ticket.reduce_only else stop_loss,
            take_profit=None if ticket.reduce_only else take_profit,
            reason="By hand.",
        )

    def _instrument(self, symbol: str) -> Instrument:
        instrument = self._parts.instruments.get(symbol)
        if instrument is None or not instrument.is_trading:
            raise TicketRefused(f"{symbol} is not traded now.")
        return instrument

    def _price(self, ticket: OrderTicket, instrument: Instrument) -> Decimal | None:
        if ticket.order_type is OrderType.MARKET:
            return None
        if ticket.price is None or ticket.price <= 0:
            raise TicketRefused(f"A {_WORDS[ticket.order_type]} order needs a price above zero.")
        return instrument.round_price(ticket.price)

    def _bracket(
        self, ticket: OrderTicket, instrument: Instrument, price: Decimal
    ) -> tuple[Decimal | None, Decimal | None]:
        """Stop loss and take profit on their ticks, each on its side of the order's price."""
        marks: list[Decimal | None] = []
        for name, wanted, sign in (
            ("stop loss", ticket.stop_loss, -ticket.side.sign),
            ("take profit", ticket.take_profit, ticket.side.sign),
        ):
            if wanted is None:
                marks.append(None)
                continue
            mark = instrument.round_price(wanted)
            if mark <= 0 or (mark - price) * sign <= 0:
                place = "above" if sign > 0 else "below"
                raise TicketRefused(f"The {name} of this order has to be {place} {price:f}.")
            marks.append(mark)
        return marks[0], marks[1]

    def _liquidation_price(
        self, request: OrderRequest, price: Decimal, equity: Decimal
    ) -> Decimal | None:
        """About where cross margin would end, all else standing still: equity there equals the
        maintenance margin. None where no price does that."""
        held = self._parts.state.position(self._parts.account, request.symbol)
        quantity = request.quantity * request.side.sign + _signed(held)
        if quantity == 0 or not request.increases_risk:
            return None
        needed = sum(
            (
                p.quantity * (p.mark_price or p.entry_price) * _MAINTENANCE_RATIO
                for p in self._parts.state.positions(self._parts.account)
                if p.symbol != request.symbol
            ),
            Decimal(0),
        )
        worth = quantity * price - (equity - needed)
        liquidation = worth / (quantity - abs(quantity) * _MAINTENANCE_RATIO)
        return liquidation if liquidation > 0 else None


_WORDS = {OrderType.LIMIT: "limit", OrderType.STOP_MARKET: "stop", OrderType.MARKET: "market"}


def _signed(position: Position | None) -> Decimal:
    return Decimal(0) if position is None else position.signed_quantity


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
