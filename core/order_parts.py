"""What the parts that act on one account's orders and positions all work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

import msgspec

from core.clock import Clock
from core.event_bus import EventBus
from core.events import Error, Severity
from core.exchange_port import ExchangePort
from core.models.instruments import Instrument
from core.models.positions import Position
from core.oms.order_management_system import OrderManagementSystem
from core.oms.state_manager import StateManager
from core.supervision import Supervisor


class OrderParts(msgspec.Struct, frozen=True):
    """`owner_of(account, symbol)`: the bot that trades it there, "" if none."""

    account: str
    port: ExchangePort
    bus: EventBus
    clock: Clock
    supervisor: Supervisor
    oms: OrderManagementSystem
    state: StateManager
    instruments: Mapping[str, Instrument]
    owner_of: Callable[[str, str], str]

    def lot_of(self, symbol: str) -> Decimal:
        """The smallest quantity that can be traded, base; 0 for a symbol that is gone."""
        instrument = self.instruments.get(symbol)
        return Decimal(0) if instrument is None else instrument.quantity_step

    def is_dust(self, position: Position) -> bool:
        """True for less than can be traded: nothing closes it, nothing has to protect it."""
        return position.quantity < self.lot_of(position.symbol)

    def tell(self, text: str, severity: Severity = Severity.DANGER) -> None:
        """The trader's log."""
        self.bus.publish(Error(self.account, text, self.clock.time_ms(), severity))
