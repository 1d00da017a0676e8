"""Columns of the tables about stored candles: what there is, what to fetch, how far it has come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from core.models.candles import Timeframe
from core.snapshots import SeriesSnapshot, SymbolDownload
from ui import formatting
from ui.i18n import sentence, tr
from ui.models import words
from ui.models.table import Cell, Column, TableModel

REPAIR = "repair"
_STATES = {
    "waiting": ("Waiting", "t3"),
    "loading": ("Loading", "accent"),
    "done": ("Complete", "t2"),
    "failed": ("Failed", "danger"),
    "cancelled": ("Cancelled", "t3"),
}


def size(size_bytes: int) -> str:
    """`452 KB`, `1.25 MB`; unknown for nothing."""
    if size_bytes == 0:
        return formatting.UNKNOWN
    if size_bytes < 1_000_000:
        return f"{Decimal(size_bytes) / 1000:,.0f} KB"
    return f"{Decimal(size_bytes) / 1_000_000:,.2f} MB"


def day(time_ms: int | None) -> str:
    """`2026-11-20`."""
    return formatting.date_time(time_ms).partition(" ")[0]


def stored_series(market_time_ms: Callable[[], int | None]) -> TableModel[SeriesSnapshot]:
    """A gap is a button: it asks the exchange for the bars."""

    def age_ms(row: SeriesSnapshot) -> int | None:
        """Market time since the newest stored bar ended."""
        now_ms = market_time_ms()
        if row.last_ms is None or now_ms is None:
            return None
        return max(0, now_ms - Timeframe(row.timeframe).next_open_ms(row.last_ms))

    def gaps(row: SeriesSnapshot) -> Cell:
        if row.gaps == 0:
            return Cell(tr("none"), "t3")
        hint = tr("Ask the exchange for the missing bars")
        return Cell(tr("{n} · repair", n=row.gaps), action=REPAIR, tool_tip=hint, icon="rotate-cw")

    def date(time_ms: int | None) -> Cell:
        whole = "" if time_ms is None else formatting.stamp(time_ms)
        return Cell(day(time_ms), "t2", tool_tip=whole)

    columns: list[Column[SeriesSnapshot]] = [
        Column(
            "Symbol",
            lambda r: Cell(r.symbol, weight=600, caption=words.exchange_name(r.exchange)),
            150,
            lambda r: r.symbol,
            stretch=1,
        ),
        Column(
            "Bars", lambda r: Cell(r.timeframe), 58, lambda r: Timeframe(r.timeframe).duration_ms
        ),
        Column("Candles", lambda r: Cell(f"{r.rows:,}"), 92, lambda r: r.rows, right=True),
        Column("From", lambda r: date(r.first_ms), 94, lambda r: r.first_ms, right=True),
        Column("To", lambda r: date(r.last_ms), 94, lambda r: r.last_ms, right=True),
        Column("Gaps", gaps, 120, lambda r: r.gaps, right=True),
        Column("Age", lambda r: Cell(formatting.age(age_ms(r)), "t2"), 78, age_ms, right=True),
        Column(
            "File", lambda r: Cell(size(r.file_bytes), "t2"), 86, lambda r: r.file_bytes, right=True
        ),
        Column(
            "Memory",
            lambda r: Cell(size(r.memory_bytes), "t2"),
            84,
            lambda r: r.memory_bytes,
            right=True,
        ),
    ]
    return TableModel(columns, key=lambda r: (r.exchange, r.symbol, r.timeframe))


def choice(stored: Callable[[], Mapping[str, SeriesSnapshot]]) -> TableModel[tuple[str, bool]]:
    """Symbols to choose from, as (symbol, is chosen), with what is stored of each already."""

    def symbol(row: tuple[str, bool]) -> Cell:
        name, is_chosen = row
        if is_chosen:
            return Cell(name, "accent", 600, icon="circle-check")
        return Cell(name, "t2", icon="square")

    def there(row: tuple[str, bool]) -> Cell:
        series = stored().get(row[0])
        if series is None:
            return Cell(formatting.UNKNOWN, "t3")
        return Cell(tr("{n} since {day}", n=f"{series.rows:,}", day=day(series.first_ms)), "t3")

    columns: list[Column[tuple[str, bool]]] = [
        Column("Symbol", symbol, 200, lambda r: r[0], stretch=1),
        Column("Stored already", there, 240, right=True),
    ]
    return TableModel(columns, key=lambda r: r[0])


def progress() -> TableModel[SymbolDownload]:
    def state(row: SymbolDownload) -> Cell:
        word, tone = _STATES[row.state]
        return Cell(tr(word), tone, tool_tip=sentence(row.text))

    def nowhere(row: SymbolDownload) -> str:
        missing = row.done - row.added
        return tr("The exchange has none for {n} bars", n=f"{missing:,}") if missing > 0 else ""

    def bar(row: SymbolDownload) -> Cell:
        tone = {"failed": "danger", "cancelled": "t3"}.get(row.state, "accent")
        return Cell("", tone, bar=share(row)) if share(row) else Cell("")

    columns: list[Column[SymbolDownload]] = [
        Column("Symbol", lambda r: Cell(r.symbol, weight=600), 130, lambda r: r.symbol),
        Column("", bar, 160, share, stretch=1),
        Column(
            "Candles",
            lambda r: Cell(f"{r.added:,}", tool_tip=nowhere(r)),
            100,
            lambda r: r.added,
            right=True,
        ),
        Column("State", state, 110, lambda r: r.state, right=True),
    ]
    return TableModel(columns, key=lambda r: r.symbol)


def share(row: SymbolDownload) -> float:
    """How much of it is there, 0..1."""
    if row.state == "done":
        return 1.0
    return row.done / row.wanted if row.wanted else 0.0
