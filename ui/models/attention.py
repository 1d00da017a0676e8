"""What waits for the trader's word: positions and orders that nothing of ours explains, and money
that moved at the exchange without us."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from core.snapshots import AccountSnapshot, EngineSnapshot

FINDING, LEDGER = "finding", "ledger"


class Attention(NamedTuple):
    """`text` is the engine's English sentence. `amount` is what a transfer would book for a
    ledger difference: deposited, or below zero withdrawn."""

    kind: str
    account: str
    symbol: str
    text: str
    amount: Decimal = Decimal(0)


def attentions(snapshot: EngineSnapshot) -> list[Attention]:
    """The most pressing first: open risk before bookkeeping."""
    found = [
        Attention(FINDING, one.account, one.symbol, one.text)
        for one in snapshot.findings
        if not one.is_ignored
    ]
    told = {(one.account, one.symbol) for one in snapshot.findings}
    found += [
        Attention(
            FINDING,
            proof.account,
            proof.symbol,
            f"{proof.symbol} has a position without a stop that no order of ours explains: "
            "accept it with a stop, or close it",
        )
        for proof in snapshot.protection
        if proof.is_foreign and (proof.account, proof.symbol) not in told
    ]
    return found + [one for a in snapshot.accounts if (one := transfer_of(a)) is not None]


def transfer_of(account: AccountSnapshot) -> Attention | None:
    """The part of a ledger difference that looks like a transfer, None without one."""
    for part in account.ledger_difference:
        if part.category == "transfer" and part.amount != 0:
            return Attention(LEDGER, account.name, "", part.text, -part.amount)
    return None
