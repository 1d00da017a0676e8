"""One trading day of an account, for the trader's files: what it earned and whether that ties out.

`report_day` brings the figures together, exactly; `as_markdown` and `as_csv` only put them into
words, and `write_files` on disk.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from pathlib import Path

import msgspec

from core.capital.trading_day import TradingDay, next_day_start_ms
from core.models.fills import Fill, FillKind
from core.models.orders import Side
from core.models.positions import AcceptedPosition
from core.reports.statistics import (
    DayStatistics,
    TradeStatistics,
    day_statistics,
    trade_statistics,
)
from core.storage.durable import write_atomic
from core.trade_log import RoundTrip, TradeLog

REPORTS = "reports"  # the folder's name in the data directory
_ZERO = Decimal(0)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for a formula
_UNKNOWN = "—"


class DailyReport(msgspec.Struct, frozen=True):
    """Money in `currency`. Of the day's executions: `closed_result` before costs, `fees` > 0 paid,
    `funding` > 0 received. `trips` ended on this day, oldest first; `by_bot` and `by_symbol` are
    of those. `trades_so_far` and `days_so_far` reach from the first day kept to this one's end."""

    account: str
    exchange: str
    currency: str
    day_name: str
    zone: str
    end_ms: int
    day: TradingDay
    is_over: bool
    closed_result: Decimal
    fees: Decimal
    funding: Decimal
    trips: list[RoundTrip]
    of_the_day: TradeStatistics
    by_bot: dict[str, TradeStatistics]
    by_symbol: dict[str, TradeStatistics]
    trades_so_far: TradeStatistics
    days_so_far: DayStatistics

    @property
    def cash(self) -> Decimal:
        """What the day's executions and funding changed in the wallet."""
        return self.closed_result - self.fees + self.funding

    @property
    def difference(self) -> Decimal:
        """The ledger's realised result minus `cash`; 0 where the day ties out."""
        return self.day.realized - self.cash

    @property
    def open_change(self) -> Decimal:
        """What open positions gained or lost in value."""
        return self.day.result - self.day.realized


def report_day(
    day_name: str,
    *,
    account: str,
    exchange: str,
    currency: str,
    timezone: tzinfo,
    days: Mapping[str, TradingDay],
    fills: Iterable[Fill],
    trips: Sequence[RoundTrip],
) -> DailyReport:
    """`days` by name, oldest first, today last; `fills` are those of this day at least, `trips`
    all that have ended, oldest first. Raises KeyError for a day that is not among `days`."""
    day = days[day_name]
    end_ms = next_day_start_ms(day.start_ms, timezone)
    booked = [fill for fill in fills if day.start_ms <= fill.time_ms < end_ms]
    trades = [fill for fill in booked if fill.kind is FillKind.TRADE]
    until = [trip for trip in trips if trip.closed_ms < end_ms]
    of_the_day = [trip for trip in until if trip.closed_ms >= day.start_ms]
    so_far = [known for known in days.values() if known.start_ms <= day.start_ms]
    is_over = day_name != list(days)[-1]
    span = (day.start_ms, end_ms)
    return DailyReport(
        account=account,
        exchange=exchange,
        currency=currency,
        day_name=day_name,
        zone=str(timezone),
        end_ms=end_ms,
        day=day,
        is_over=is_over,
        closed_result=sum((fill.realized_pnl for fill in trades), _ZERO),
        fees=sum((fill.fee for fill in trades), _ZERO),
        funding=sum((f.cash_flow for f in booked if f.kind is FillKind.FUNDING), _ZERO),
        trips=of_the_day,
        of_the_day=trade_statistics(of_the_day, *span),
        by_bot=_grouped(of_the_day, lambda trip: trip.bot_id, span),
        by_symbol=_grouped(of_the_day, lambda trip: trip.symbol, span),
        trades_so_far=trade_statistics(until),
        days_so_far=day_statistics(so_far, None) if is_over else day_statistics(so_far[:-1], day),
    )


def report_of_history(
    day_name: str,
    *,
    account: str,
    exchange: str,
    currency: str,
    timezone: tzinfo,
    days: Mapping[str, TradingDay],
    history: Iterable[Fill | AcceptedPosition],
) -> DailyReport:
    """As `report_day`, from the `history` that the journal keeps, without an engine at work."""
    log = TradeLog()
    fills = [fill for fill, _ in log.replay(history)]
    return report_day(
        day_name,
        account=account,
        exchange=exchange,
        currency=currency,
        timezone=timezone,
        days=days,
        fills=fills,
        trips=log.round_trips,
    )


def write_files(report: DailyReport, folder: Path) -> list[Path]:
    """ACCOUNT-DAY.md and .csv in `folder`, each whole or not at all, in the place of former ones.
    Raises OSError."""
    written = []
    for suffix, text in ((".md", as_markdown(report)), (".csv", as_csv(report))):
        path = folder / f"{file_stem(report.account, report.day_name)}{suffix}"
        write_atomic(path, text.encode())
        written.append(path)
    return written


def file_stem(account: str, day_name: str) -> str:
    """What the files of a day are called, without their ending."""
    return f"{account}-{day_name}"


def as_markdown(report: DailyReport) -> str:
    """The report as a page. Times UTC."""
    day, currency = report.day, report.currency
    ratio = float(day.result / day.start_equity) if day.start_equity > 0 else None
    lines = [
        f"# {_plain(report.account)}, {report.day_name}",
        "",
        f"{_plain(report.exchange)}, sums in {_plain(currency)}. The day is that of {report.zone}"
        + ("." if report.is_over else "; nothing later is booked, so it may go on."),
        "",
        *_table(
            ("", currency),
            [
                ("Equity at the start, transfers of the day included", _money(day.start_equity)),
                ("Equity at the end", _money(day.end_equity)),
                ("**Result**", f"**{_signed(day.result)}** ({_percent(ratio, sign=True)})"),
                ("of it realised, by the ledger", _signed(day.realized)),
                ("of it in open positions", _signed(report.open_change)),
            ],
        ),
        "## Executions",
        "",
        *_table(
            ("", currency),
            [
                ("Closed, before costs", _signed(report.closed_result)),
                ("Fees", _signed(-report.fees)),
                ("Funding", _signed(report.funding)),
                ("**Sum**", f"**{_signed(report.cash)}**"),
            ],
        ),
        _tied_out(report),
        "",
        f"## Round trips: {len(report.trips)}",
        "",
        *_trips(report.trips),
        *_groups("By bot", report.by_bot),
        *_groups("By symbol", report.by_symbol),
        "## Statistics to the end of this day",
        "",
        *_statistics(report),
    ]
    return "\n".join(lines)


def as_csv(report: DailyReport) -> str:
    """The day's round trips, one a line, with every digit; empty where a price is not known."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(
        ("opened_utc", "closed_utc", "account", "bot", "symbol", "side", "quantity",
         "entry_price", "exit_price", "fees", "funding", "net_result", "currency", "duration_s")
    )  # fmt: skip
    for trip in report.trips:
        table.writerow(
            (
                _utc(trip.opened_ms),
                _utc(trip.closed_ms),
                _cell(report.account),
                _cell(trip.bot_id),
                _cell(trip.symbol),
                _direction(trip),
                f"{trip.quantity:f}",
                "" if trip.entry_price is None else f"{trip.entry_price:f}",
                "" if trip.exit_price is None else f"{trip.exit_price:f}",
                f"{trip.fees:f}",
                f"{trip.funding:f}",
                f"{trip.net_result:f}",
                _cell(report.currency),
                (trip.closed_ms - trip.opened_ms) // 1000,
            )
        )
    return text.getvalue()


def _grouped(
    trips: Sequence[RoundTrip], key: Callable[[RoundTrip], str], span: tuple[int, int]
) -> dict[str, TradeStatistics]:
    names = sorted({key(trip) for trip in trips})
    return {
        name: trade_statistics([trip for trip in trips if key(trip) == name], *span)
        for name in names
    }


def _tied_out(report: DailyReport) -> str:
    if report.difference == 0:
        return "The ledger and the executions agree."
    return (
        f"The ledger has booked {_signed(report.difference)} more than these executions: one near "
        "midnight counts here by the exchange's time and there by its booking, or results were "
        "entered into the ledger by hand."
    )


def _trips(trips: Sequence[RoundTrip]) -> list[str]:
    if not trips:
        return ["No round trip ended on this day.", ""]
    heads = ("Closed", "Bot", "Symbol", "Side", "Quantity", "Entry", "Exit", "Fees", "Funding",
             "Result")  # fmt: skip
    rows = [
        (
            _utc(trip.closed_ms),
            _plain(trip.bot_id),
            _plain(trip.symbol),
            _direction(trip),
            f"{trip.quantity:f}",
            _price(trip.entry_price),
            _price(trip.exit_price),
            _money(trip.fees),
            _signed(trip.funding),
            _signed(trip.net_result),
        )
        for trip in trips
    ]
    return _table(heads, rows)


def _groups(title: str, groups: Mapping[str, TradeStatistics]) -> list[str]:
    if not groups:
        return []
    rows = [
        (
            _plain(name),
            str(found.trades),
            str(found.won),
            str(found.lost),
            _money(found.fees),
            _signed(found.funding),
            _signed(found.net_result),
            _percent(found.exposure),
        )
        for name, found in groups.items()
    ]
    heads = ("", "Trades", "Won", "Lost", "Fees", "Funding", "Result", "Exposure")
    return [f"## {title}", "", *_table(heads, rows)]


def _statistics(report: DailyReport) -> list[str]:
    trades, days = report.trades_so_far, report.days_so_far
    unknown = trades.unknown | days.unknown
    figures = {
        "total_return": ("Return", _percent(days.total_return, sign=True)),
        "sharpe": ("Sharpe ratio", _number(days.sharpe)),
        "sortino": ("Sortino ratio", _number(days.sortino)),
        "max_drawdown": ("Drawdown, daily closes", _percent(days.max_drawdown)),
        "win_rate": ("Win rate", _percent(trades.win_rate)),
        "profit_factor": ("Profit factor", _number(trades.profit_factor)),
        "expectancy": ("Expectancy", _signed(trades.expectancy)),
        "exposure": ("Exposure", _percent(trades.exposure)),
    }
    rows = [(name, text, unknown.get(key, "")) for key, (name, text) in figures.items()]
    return _table((f"{trades.trades} trades, {days.days} finished days", "", ""), rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    ruler = ["---", *["---:"] * (len(heads) - 1)]
    return [*("| " + " | ".join(row) + " |" for row in (heads, ruler, *rows)), ""]


def _plain(text: str) -> str:
    """A name from outside as text, whatever it holds."""
    one_line = " ".join(text.split())
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#!&~" else c for c in one_line)


def _direction(trip: RoundTrip) -> str:
    return "long" if trip.side is Side.BUY else "short"


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _utc(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms // 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _money(value: Decimal) -> str:
    return f"{value:,.2f}"


def _signed(value: Decimal | None) -> str:
    return _UNKNOWN if value is None else f"{value:+,.2f}"


def _price(value: Decimal | None) -> str:
    """Cut where the eye stops: an average has 28 digits."""
    return _UNKNOWN if value is None else f"{value:.8f}" if abs(value) < 1 else f"{value:,.4f}"


def _number(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:,.2f}"


def _percent(ratio: float | None, *, sign: bool = False) -> str:
    return _UNKNOWN if ratio is None else f"{ratio:{'+' if sign else ''}.2%}"
