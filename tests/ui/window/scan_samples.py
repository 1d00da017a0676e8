"""A bot that scans fifty symbols, made by hand: what its tab has to show."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import numpy as np
from sample_engine import NOW_MS, WATCHED, rich_snapshot

from core.parameter_form import PartForm, describe_parameters
from core.portfolio.sizing_methods import SIZING_METHODS
from core.scanning.settings import ScanSettings
from core.scanning.snapshots import PendingSignal, ScanRow, ScanSnapshot, SymbolState
from core.snapshots import BotSnapshot, BotState, EngineSnapshot
from strategies import STRATEGIES

SCANNER = "multi-15m"
PARTS = [("RSI has turned", 40.0), ("Depth", 25.0),
         ("Firmness", 25.0), ("Divergence", 10.0)]  # fmt: skip
D = Decimal


def scan_row(symbol: str, rank: int, score: float, **changes: object) -> ScanRow:
    """A symbol that is watched; `changes` are fields of `ScanRow`."""
    closes = 100 + np.cumsum(np.sin(np.arange(100) / 7 + rank))
    row = ScanRow(
        symbol=symbol,
        state=SymbolState.WATCHED,
        rank=rank,
        score=score,
        direction=1 if score else 0,
        price=D("1.2874"),
        change_24h_ratio=D("0.0683"),
        turnover_24h=D(412_600_000),
        data_age_ms=127_000,
        cooldown_until_ms=None,
        closes=closes.astype("<f4").tobytes(),
        parts=[min(score, 40.0), max(score - 40.0, 0.0), 0.0, 0.0],
        reading=34.2,
    )
    return msgspec.structs.replace(row, **changes)


def scan_rows() -> list[ScanRow]:
    """One for each symbol of the watchlist, the strongest first: SUI and NEAR above the entry
    score, SOL held, DOT cooling down, ATOM late."""
    states = {
        "SUI": SymbolState.SIGNAL, "NEAR": SymbolState.SIGNAL, "SOL": SymbolState.POSITION,
        "DOT": SymbolState.COOLING, "ATOM": SymbolState.STALE, "BTC": SymbolState.TAKEN,
    }  # fmt: skip
    order = ["SUI", "NEAR", "AVAX", "SOL"]
    bases = order + [base for base, *_ in WATCHED if base not in order]
    prices = {base: (D(price), D(change)) for base, price, change, _age in WATCHED}
    rows = []
    for rank, base in enumerate(bases, 1):
        price, change = prices[base]
        row = scan_row(
            f"{base}USDT", rank, max(0.0, 90.0 - 4 * rank), price=price, change_24h_ratio=change
        )
        row = msgspec.structs.replace(row, state=states.get(base, SymbolState.WATCHED))
        if base == "DOT":
            row = msgspec.structs.replace(row, cooldown_until_ms=NOW_MS + 720_000)
        rows.append(row)
    return rows


def scan_snapshot(**changes: object) -> ScanSnapshot:
    rows = scan_rows()
    snapshot = ScanSnapshot(
        settings=ScanSettings(),
        scan_number=1742,
        is_scanning=False,
        scanned=len(rows),
        scan_total=len(rows),
        last_scan_ms=NOW_MS - 19_000,
        took_ms=480.0,
        next_scan_ms=NOW_MS + 11_000,
        polled_symbols=2,
        universe_refreshed_ms=NOW_MS - 600_000,
        left_out={"turnover": 12, "listing": 3, "spread": 0, "taken": 1, "rank": 40},
        rows=rows,
        pending=[
            PendingSignal("SUIUSDT", 1, 86.0, NOW_MS - 900_000, "the position limit is reached"),
            PendingSignal("NEARUSDT", 1, 82.0, NOW_MS - 900_000, "it was refused"),
        ],
        position_symbols=["SOLUSDT"],
        score_parts=PARTS,
        reading_name="RSI 14",
        reading_marks=(30.0, 70.0),
    )
    return msgspec.structs.replace(snapshot, **changes)


def scanning_bot(**changes: object) -> BotSnapshot:
    """`changes` are fields of `BotSnapshot`."""
    bot = BotSnapshot(
        SCANNER, "MultiTrader", "main", "", "15m", "rsi_pattern", BotState.RUNNING,
        "Scanning 21 symbols.", NOW_MS - 51_480_000, D("14.30"), 3, "", 128,
        name="Scanner 50", scan=scan_snapshot(),
    )  # fmt: skip
    return msgspec.structs.replace(bot, **changes)


def scanning_engine(**changes: object) -> EngineSnapshot:
    """The engine of `rich_snapshot` with a scanning bot; `changes` are of its scan."""
    snapshot = rich_snapshot()
    bot = scanning_bot(scan=scan_snapshot(**changes))
    return msgspec.structs.replace(snapshot, bots=[*snapshot.bots, bot])


def sample_strategies() -> list[PartForm]:
    """As an engine describes its own."""
    return [
        PartForm(
            kind.name, kind.summary, describe_parameters(kind.parameters_type), "15m",
            scores=kind.name == "rsi_pattern",
        )
        for kind in STRATEGIES.values()
    ]  # fmt: skip


def sample_sizing() -> list[PartForm]:
    return [
        PartForm(kind.name, kind.summary, describe_parameters(kind))
        for kind in SIZING_METHODS.values()
    ]
