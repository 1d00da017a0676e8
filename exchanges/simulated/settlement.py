"""What happens to positions by the clock: funding every eight hours, margin checked each minute."""

from __future__ import annotations

from decimal import Decimal

from core.models.fills import FillKind
from core.models.orders import OrderType, TimeInForce
from exchanges.simulated.holding import Holding, to_cents
from exchanges.simulated.ledger import Ledger
from exchanges.simulated.matching import Matching
from exchanges.simulated.state import VenueState
from exchanges.simulated.values import (
    CancelReason,
    CreateType,
    Execution,
    VenueOrder,
    VenueOrderStatus,
)

FUNDING_INTERVAL_MS = 8 * 3_600_000
MARGIN_INTERVAL_MS = 60_000


def settle(state: VenueState, matching: Matching) -> None:
    """Call at every whole minute of market time, in order."""
    for ledger in state.ledgers.values():
        if not ledger.open_holdings():
            continue
        if state.now_ms % FUNDING_INTERVAL_MS == 0:
            for symbol, holding in ledger.open_holdings():
                _pay_funding(state, ledger, symbol, holding)
        if ledger.equity(state.price) < ledger.maintenance_margin(state.price):
            _liquidate(state, matching, ledger)


def _pay_funding(state: VenueState, ledger: Ledger, symbol: str, holding: Holding) -> None:
    rate = state.market.funding_rate(symbol, state.now_ms)
    price = state.price(symbol)
    fee = to_cents(holding.quantity * price * rate)  # signed: a short is paid where a long pays
    ledger.book_result(symbol, -fee)
    holding.updated_ms = state.now_ms
    sequence = state.next_sequence()
    state.record_execution(
        Execution(
            trade_id=state.new_id(sequence),
            exchange_order_id="",
            client_order_id="",
            account=ledger.name,
            bot_id="",
            symbol=symbol,
            side=holding.side,
            quantity=abs(holding.quantity),
            price=price,
            fee=fee,
            time_ms=state.now_ms,
            kind=FillKind.FUNDING,
            sequence=sequence,
            order_price=None,
            order_quantity=Decimal(0),
            leaves_quantity=Decimal(0),
            order_type=OrderType.MARKET,
            fee_rate=rate,
            mark_price=price,
        )
    )
    state.touch(ledger.name, symbol)


def _liquidate(state: VenueState, matching: Matching, ledger: Ledger) -> None:
    """Equity is below the maintenance margin: everything is closed at the last price, in full."""
    for order in list(ledger.orders.values()):
        matching.cancel(order, CancelReason.LIQUIDATION)
    for symbol, holding in ledger.open_holdings():
        sequence = state.next_sequence()
        order = VenueOrder(
            sequence=sequence,
            priority=sequence,
            order_id=state.new_id(sequence),
            client_order_id="",
            account=ledger.name,
            symbol=symbol,
            side=holding.side.opposite,
            order_type=OrderType.MARKET,
            quantity=abs(holding.quantity),
            status=VenueOrderStatus.NEW,
            created_ms=state.now_ms,
            updated_ms=state.now_ms,
            last_price_on_created=state.price(symbol),
            time_in_force=TimeInForce.IOC,
            reduce_only=True,
            create_type=CreateType.LIQUIDATION,
        )
        state.record(order)
        matching.book_trade(order, order.quantity, state.price(symbol), is_maker=False)
