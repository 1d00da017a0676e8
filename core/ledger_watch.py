"""Our ledger against the exchange's balance: a difference is shown, explained and told once.

Nothing is ever booked away silently. What no execution explains is a transfer that nobody told us
about, and the trader's word books it.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from core.capital.difference import LedgerDifference, less_transfer
from core.capital.shared_capital_manager import SharedCapitalManager
from core.oms.reconciliation import ReconcileReport


class TransferRefused(Exception):
    """A transfer that does not bring the books together; the text says why."""


class LedgerWatch:
    """For one account. `difference` is None until books and balance were compared."""

    def __init__(
        self, *, exchange: str, capital: SharedCapitalManager, tell: Callable[[str], None]
    ) -> None:
        self.difference: LedgerDifference | None = None
        self._exchange = exchange
        self._capital = capital
        self._tell = tell

    @property
    def error(self) -> Decimal | None:
        """Our total minus the exchange's wallet balance; None until they were compared."""
        return None if self.difference is None else self.difference.total

    def compare(self, report: ReconcileReport) -> None:
        """`report` is one moment's truth: no fill was booked while it was read. Raises
        sqlite3.Error."""
        error = self._capital.synchronise(
            report.balance,
            report.positions,
            as_of_ms=report.as_of_ms,
            open_orders=report.open_orders,
        )
        former = self.error
        if error == 0:
            self.difference = LedgerDifference(error, [])
            return
        self.difference = self._capital.explain(report.balance, report.fills)
        if error != former:
            why = "; ".join(part.text for part in self.difference.parts)
            self._tell(
                f"our ledger is {error:+,.2f} {self._capital.currency} away from "
                f"{self._exchange}'s wallet balance: {why}"
            )

    def book_transfer(self, amount: Decimal) -> str:
        """Book what the trader says came (above zero) or went; a sentence of what was done.
        Raises TransferRefused where that would not bring ledger and balance closer, sqlite3.Error.
        """
        found, currency = self.difference, self._capital.currency
        if found is None:
            raise TransferRefused("The books have not been compared with the exchange yet.")
        if not amount.is_finite() or amount == 0:
            raise TransferRefused("A transfer is an amount above zero that came, or below, gone.")
        error = found.total
        if error == 0:
            raise TransferRefused("The ledger ties out with the exchange: nothing is missing.")
        if abs(error + amount) >= abs(error):
            raise TransferRefused(
                f"The ledger is {error:+,.2f} {currency} away from {self._exchange}'s balance; "
                f"a transfer of {amount:+,.2f} {currency} does not explain that."
            )
        self._capital.book_transfer(amount, "on the trader's word")
        self.difference = less_transfer(found, amount, currency)
        word = "deposit" if amount > 0 else "withdrawal"
        return f"A {word} of {abs(amount):,.2f} {currency} was booked."
