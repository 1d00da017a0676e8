"""From fills to what the chart shows: one mark per order, one connector per round trip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from core.models.fills import FillKind
from core.models.orders import OrderPurpose, Side
from core.snapshots import FillRecord


@dataclass(frozen=True, slots=True)
class Mark:
    """One order's fills as one triangle. `result` is the round trip's net, None while open.

    `quantity` is shown beside an entry whose position is still open, else None.
    """

    time_ms: int
    price: float
    side: Side
    quantity: Decimal | None
    result: Decimal | None


@dataclass(frozen=True, slots=True)
class Connector:
    """Entry to exit of a closed trade."""

    entry_ms: int
    entry_price: float
    exit_ms: int
    exit_price: float


@dataclass(slots=True)
class _Execution:
    """The fills of one order, put together."""

    time_ms: int
    side: Side
    quantity: Decimal
    value: Decimal
    is_entry: bool
    result: Decimal | None

    @property
    def price(self) -> float:
        return float(self.value / self.quantity)


def _is_entry(record: FillRecord) -> bool:
    if record.purpose == OrderPurpose.EXTERNAL:
        return record.fill.closed_quantity == 0
    return record.purpose == OrderPurpose.ENTRY


def _executions(records: Sequence[FillRecord], symbol: str) -> dict[str, list[_Execution]]:
    """Executions per account, oldest first."""
    merged: dict[tuple[str, str], _Execution] = {}
    owner: dict[str, list[_Execution]] = {}
    for record in sorted(records, key=lambda r: r.fill.time_ms):
        fill = record.fill
        if fill.symbol != symbol or fill.kind is not FillKind.TRADE or fill.quantity <= 0:
            continue
        key = (fill.account, fill.exchange_order_id or fill.trade_id)
        known = merged.get(key)
        if known is None:
            known = _Execution(
                fill.time_ms, fill.side, Decimal(0), Decimal(0), _is_entry(record), None
            )
            merged[key] = known
            owner.setdefault(fill.account, []).append(known)
        known.quantity += fill.quantity
        known.value += fill.quantity * fill.price
        if record.trade_pnl is not None:
            known.result = (known.result or Decimal(0)) + record.trade_pnl
    return owner


def marks_and_connectors(
    records: Sequence[FillRecord], symbol: str
) -> tuple[list[Mark], list[Connector]]:
    """Marks and connectors of `symbol`; fills of other symbols and funding are left out."""
    marks: list[Mark] = []
    connectors: list[Connector] = []
    for executions in _executions(records, symbol).values():
        entries: list[_Execution] = []
        for execution in executions:
            if execution.is_entry:
                entries.append(execution)
                continue
            marks.append(
                Mark(execution.time_ms, execution.price, execution.side, None, execution.result)
            )
            if entries:
                size = sum((e.quantity for e in entries), Decimal(0))
                average = sum((e.value for e in entries), Decimal(0)) / size
                connectors.append(
                    Connector(
                        entries[0].time_ms, float(average), execution.time_ms, execution.price
                    )
                )
            if execution.result is not None:
                marks += [Mark(e.time_ms, e.price, e.side, None, None) for e in entries]
                entries = []
        marks += [Mark(e.time_ms, e.price, e.side, e.quantity, None) for e in entries]
    return sorted(marks, key=lambda m: m.time_ms), connectors
