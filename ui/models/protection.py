"""The protection table: what rests at the exchange for each position, and for how long it did."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from core.snapshots import EngineSnapshot, PositionSnapshot, ProtectionSnapshot
from ui import formatting
from ui.bridge import Bridge
from ui.i18n import sentence, tr
from ui.models import words
from ui.models.cells import MEDIUM, Figures, side_cell
from ui.models.table import Cell, Column, TableModel


class GuardedPosition(NamedTuple):
    held: PositionSnapshot
    proof: ProtectionSnapshot

    @property
    def distance(self) -> Decimal | None:
        """From the mark price to the stop, quote currency; None without one of the two."""
        mark, stop = self.held.position.mark_price, self.proof.stop_price
        return None if mark is None or stop is None else abs(mark - stop)

    @property
    def distance_ratio(self) -> Decimal | None:
        mark, distance = self.held.position.mark_price, self.distance
        return None if distance is None or not mark else distance / mark


def guarded_positions(snapshot: EngineSnapshot) -> list[GuardedPosition]:
    proofs = {(p.account, p.symbol): p for p in snapshot.protection}
    pairs = (
        (held, proofs.get((held.position.account, held.position.symbol)))
        for held in snapshot.positions
    )
    return [GuardedPosition(held, proof) for held, proof in pairs if proof is not None]


def state_words(proof: ProtectionSnapshot) -> tuple[str, str, str]:
    """(word, tone, icon) of a position's protection, in the trader's language."""
    if proof.is_protected:
        return tr("Protected"), "t2", "shield-check"
    if proof.is_foreign:
        return tr("Not ours, no stop"), "warn", "shield-alert"
    return tr("Not protected"), "warn", "shield-alert"


def protection(bridge: Bridge) -> TableModel[GuardedPosition]:
    show = Figures(bridge)

    def state(row: GuardedPosition) -> Cell:
        text, tone, icon = state_words(row.proof)
        return Cell(text, tone, MEDIUM, icon=icon, tool_tip=sentence(row.proof.text))

    def stop(row: GuardedPosition) -> Cell:
        if row.proof.stop_price is None:
            return Cell(tr("none"), "warn")
        return show.price(row.proof.symbol, row.proof.stop_price, MEDIUM)

    def covers(row: GuardedPosition) -> Cell:
        whole, part = row.held.position.quantity, row.proof.stop_quantity
        if part >= whole:
            return Cell(tr("all"), "t2")
        share = formatting.percent(part / whole if whole else None, 0, sign=False)
        return Cell(share, "warn", MEDIUM)

    def lasting(seconds: float, tone: str = "t2") -> Cell:
        return Cell(formatting.duration(seconds * 1000), tone, plain=f"{seconds:.0f} s")

    columns: list[Column[GuardedPosition]] = [
        Column("Symbol", lambda r: Cell(r.proof.symbol, weight=600), 96,
               lambda r: r.proof.symbol, stretch=1),
        Column("Side", lambda r: side_cell(r.held.position.side, words.DIRECTIONS), 64),
        Column("State", state, 156, lambda r: r.proof.is_protected, stretch=1),
        Column("Stop", stop, 96, lambda r: r.proof.stop_price, right=True, stretch=1),
        Column("Distance", lambda r: show.price(r.proof.symbol, r.distance), 92,
               lambda r: r.distance, right=True, stretch=1),
        Column("Distance %", lambda r: Cell(formatting.percent(r.distance_ratio, sign=False)), 92,
               lambda r: r.distance_ratio, right=True),
        Column("Covers", covers, 72, lambda r: r.proof.stop_quantity, right=True),
        Column("TP", lambda r: show.price(r.proof.symbol, r.proof.take_profit_price), 88,
               lambda r: r.proof.take_profit_price, right=True, stretch=1, drop=True),
        Column("Protected for", lambda r: lasting(r.proof.protected_s), 116,
               lambda r: r.proof.protected_s, right=True, stretch=1),
        Column("Unprotected for",
               lambda r: lasting(r.proof.unprotected_s,
                                 "t2" if r.proof.is_protected else "warn"),
               120, lambda r: r.proof.unprotected_s, right=True, stretch=1),
        Column("Longest gap", lambda r: lasting(r.proof.unprotected_longest_s), 100,
               lambda r: r.proof.unprotected_longest_s, right=True, drop=True),
        Column("Set again", lambda r: Cell(str(r.proof.times_replaced), "t2"), 84,
               lambda r: r.proof.times_replaced, right=True, drop=True),
    ]  # fmt: skip
    return TableModel(
        columns,
        key=lambda r: (r.proof.account, r.proof.symbol),
        is_stale=lambda _row: not bridge.is_attached,
    )
