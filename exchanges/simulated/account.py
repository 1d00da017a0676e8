"""One trader's account: requests in, books kept, everything exact."""

from __future__ import annotations

from decimal import Decimal

from exchanges.simulated.values import (
    Execution,
    Page,
    PlaceOrder,
    VenueOrder,
    VenuePosition,
    Wallet,
)


class Account:
    """One-way mode, cross margin, one settlement currency (USDT).

    Every method brings the market up to the clock first, and commits before it returns.
    Refusals are `VenueReject`. An order is named by its exchange id or its client id.
    """

    name: str

    def place_order(self, request: PlaceOrder) -> VenueOrder:
        """The order after what could match at once has matched. Raises VenueReject."""

    def amend_order(
        self,
        symbol: str,
        *,
        order_id: str = "",
        client_order_id: str = "",
        quantity: Decimal | None = None,
        price: Decimal | None = None,
        trigger_price: Decimal | None = None,
        stop_loss: Decimal | None = None,
        take_profit: Decimal | None = None,
    ) -> VenueOrder:
        """None leaves a field; zero removes an attached stop_loss/take_profit. A new price or a
        larger quantity loses time priority. Raises VenueReject."""

    def cancel_order(
        self, symbol: str, *, order_id: str = "", client_order_id: str = ""
    ) -> VenueOrder: ...

    def cancel_all(self, symbol: str | None = None) -> list[VenueOrder]:
        """Cancels working and conditional orders, protection included. None: every symbol."""

    def open_orders(self, symbol: str | None = None) -> list[VenueOrder]:
        """Working and untriggered orders, oldest first."""

    def order(
        self, *, order_id: str = "", client_order_id: str = "", symbol: str | None = None
    ) -> VenueOrder | None:
        """Newest state, open or final; None when there is no such order."""

    def order_history(
        self,
        *,
        symbol: str | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 50,
        cursor: str = "",
    ) -> Page[VenueOrder]:
        """Final orders by time of last change."""

    def executions(
        self,
        *,
        symbol: str | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        order_id: str = "",
        client_order_id: str = "",
        limit: int = 50,
        cursor: str = "",
    ) -> Page[Execution]:
        """Trades and funding; bounds inclusive, ms UTC."""

    def closed_pnl(
        self,
        *,
        symbol: str | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 50,
        cursor: str = "",
    ) -> Page[Execution]:
        """Executions that closed something (`closed_quantity` > 0)."""

    def positions(self, symbol: str | None = None) -> list[VenuePosition]:
        """Positions that are not flat; with `symbol`, that one, flat or not."""

    def wallet(self) -> Wallet: ...

    def leverage(self, symbol: str) -> Decimal: ...

    def set_leverage(self, symbol: str, leverage: Decimal) -> None: ...

    def set_protection(
        self, symbol: str, *, stop_loss: Decimal | None = None, take_profit: Decimal | None = None
    ) -> None:
        """Position-level SL/TP prices (last price triggers). None leaves, zero removes."""
