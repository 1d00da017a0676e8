"""`data import`, `export`, `verify`, `compact`, `info`: what needs no exchange."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from app.data.places import DEMO, data_dir_of, engine_pid, open_store, world_of
from app.data.texts import size_text, span_text, table, time_text
from app.engine_main import prepare_data_dir
from app.options import EXIT_FAULT, EXIT_OK, StartError
from core.clock import SystemClock
from core.market_data.candle_file import FileCandles, FileFault, parse_mapping
from core.market_data.candle_store import CandleStore
from core.market_data.catalogue import describe, stored_keys
from core.market_data.import_export import ImportReport, export_candles, import_candles
from core.market_data.integrity import Range
from core.market_data.verification import SeriesVerdict, verify_series
from core.models.candles import SeriesKey

_SHOWN = 5  # of each kind of finding; the rest is counted


def _import(parsed: argparse.Namespace) -> int:
    data_dir = data_dir_of(parsed)
    if parsed.demo or world_of(data_dir) == DEMO:
        raise StartError(
            f"{data_dir} holds the demo's market; name another --data-dir for real candles"
        )
    key = SeriesKey(parsed.exchange, parsed.symbol, parsed.timeframe)
    try:
        mapping = parse_mapping(parsed.map)
        prepare_data_dir(data_dir, "real")
        with open_store(data_dir) as store:
            report = import_candles(
                store,
                key,
                parsed.files,
                mapping=mapping,
                now_ms=SystemClock().time_ms(),
                replace=parsed.replace,
                only_look=parsed.dry_run,
            )
            if not parsed.dry_run:
                store.merge()
    except FileFault as fault:
        raise StartError(f"{fault}; nothing was imported") from None
    _tell_import(report, parsed.dry_run)
    pid = engine_pid(data_dir)
    if report.new + report.replaced and pid is not None and not parsed.dry_run:
        print(f"The engine that runs here (process {pid}) sees them when it next loads the series.")
    return EXIT_OK if report.new + report.known + report.replaced else EXIT_FAULT


def _tell_import(report: ImportReport, is_dry_run: bool) -> None:
    for file in report.files:
        print(f"{file.path.name}: {file.rows:,} rows, {len(file.candles):,} candles")
        for statement in file.statements:
            print(f"  {statement}")
        _tell_refusals(file)
    verb = "would be imported" if is_dry_run else "imported"
    print(
        f"{report.new:,} {verb}, {report.known:,} known already, {report.replaced:,} replaced,"
        f" {report.differing:,} differ from the stored ones (kept as stored),"
        f" {report.refused:,} of {report.rows:,} rows refused."
    )


def _tell_refusals(file: FileCandles) -> None:
    kinds = Counter(_kind(refusal.reason) for refusal in file.refusals)
    for kind, count in kinds.most_common():
        first = next(r for r in file.refusals if _kind(r.reason) == kind)
        rows = "1 row" if count == 1 else f"{count:,} rows"
        print(f"  refused {rows}, first {first.place}: {first.reason}")


def _kind(reason: str) -> str:
    """Reasons that differ in their numbers only are of one kind."""
    return " ".join(word for word in reason.split() if not any(c.isdigit() for c in word))


def _export(parsed: argparse.Namespace) -> int:
    data_dir = data_dir_of(parsed)
    key = SeriesKey(parsed.exchange, parsed.symbol, parsed.timeframe)
    if parsed.out.exists():
        raise StartError(f"{parsed.out} exists already; remove it or name another file")
    _must_exist(data_dir)
    with open_store(data_dir) as store:
        try:
            rows = export_candles(
                store, key, parsed.out, start_ms=parsed.start_ms, end_ms=parsed.end_ms
            )
        except FileFault as fault:
            raise StartError(str(fault)) from None
        except OSError as fault:
            raise StartError(f"{parsed.out} cannot be written ({fault.strerror})") from None
    if rows == 0:
        raise StartError(
            f"no candles of {key.exchange} {key.symbol} {key.timeframe} are stored in that range;"
            " see: python run.py data info"
        )
    print(f"{rows:,} candles written to {parsed.out} ({size_text(parsed.out.stat().st_size)}).")
    return EXIT_OK


def _verify(parsed: argparse.Namespace) -> int:
    data_dir = data_dir_of(parsed)
    _must_exist(data_dir)
    started_s = time.monotonic()
    with open_store(data_dir) as store:
        store.merge()  # what is only in the hot store is verified too
        verdicts = [
            verify_series(store, data_dir / "cache", key) for key in _keys(data_dir, parsed)
        ]
    for verdict in verdicts:
        _tell_verdict(verdict)
    unsound = sum(not verdict.is_sound for verdict in verdicts)
    candles = sum(verdict.rows for verdict in verdicts)
    took = time.monotonic() - started_s
    result = f"{unsound} with findings" if unsound else "no findings"
    print(f"{len(verdicts)} series, {candles:,} candles in {took:.1f} s: {result}.")
    return EXIT_FAULT if unsound else EXIT_OK


def _tell_verdict(verdict: SeriesVerdict) -> None:
    key = verdict.key
    sound = "sound" if verdict.is_sound else "NOT sound"
    print(f"{key.exchange} {key.symbol} {key.timeframe}: {verdict.rows:,} candles, {sound}")
    for fault in verdict.faults[:_SHOWN]:
        print(f"  {fault}")
    _tell_rest(len(verdict.faults), "faults")
    for gap in verdict.gaps[:_SHOWN]:
        print(f"  gap: {_gap_text(gap, key)}")
    _tell_rest(len(verdict.gaps), "gaps")
    for time_ms in verdict.large_moves[:_SHOWN]:
        print(f"  look at {time_text(time_ms)}: more than 50 % from one close to the next")
    _tell_rest(len(verdict.large_moves), "large moves")


def _tell_rest(count: int, what: str) -> None:
    if count > _SHOWN:
        print(f"  and {count - _SHOWN:,} more {what}")


def _gap_text(gap: Range, key: SeriesKey) -> str:
    first_ms, last_ms = gap
    bars = (last_ms - first_ms) // key.timeframe.duration_ms + 1
    return f"{bars:,} bars missing, {time_text(first_ms)} to {time_text(last_ms)} UTC"


def _compact(parsed: argparse.Namespace) -> int:
    data_dir = data_dir_of(parsed)
    _must_exist(data_dir)
    before = _cache_bytes(data_dir)
    with open_store(data_dir) as store:
        moved = store.merge()
    after = _cache_bytes(data_dir)
    if moved:
        print(f"{moved} series merged; {size_text(before)} before, {size_text(after)} after.")
    else:
        print(f"Nothing to merge, or an engine is doing it just now; {size_text(after)}.")
    return EXIT_OK


def _info(parsed: argparse.Namespace) -> int:
    data_dir = data_dir_of(parsed)
    cache_dir = data_dir / "cache"
    if not cache_dir.is_dir():
        print(f"No candles are stored in {data_dir} yet.")
        return EXIT_OK
    with open_store(data_dir) as store:
        store.merge()  # a series shows once it has a file
        rows = [_info_row(store, key, world_of(data_dir)) for key in _keys(data_dir, parsed)]
    if not rows:
        print(f"No candles are stored in {data_dir} yet.")
        return EXIT_OK
    head = ("exchange", "symbol", "bar", "candles", "from (UTC)", "to (UTC)", "gaps", "age", "file")
    print(table(head, rows, left=3))
    print(f"{len(rows)} series, {size_text(_cache_bytes(data_dir))} in {cache_dir}")
    return EXIT_OK


def _info_row(store: CandleStore, key: SeriesKey, world: str) -> tuple[str, ...]:
    series = describe(store, key)
    age = "-"
    if series.last_ms is not None and world != DEMO:  # the demo has a time of its own
        closed_ms = key.timeframe.next_open_ms(series.last_ms)
        age = span_text((SystemClock().time_ms() - closed_ms) / 1000)
    return (
        key.exchange,
        key.symbol,
        key.timeframe.value,
        f"{series.rows:,}",
        time_text(series.first_ms),
        time_text(series.last_ms),
        f"{series.gaps:,}",
        age,
        size_text(series.file_bytes),
    )


def _keys(data_dir: Path, parsed: argparse.Namespace) -> list[SeriesKey]:
    """The stored series that the words mean; punctuation in a symbol does not matter."""
    plain = "".join(c for c in parsed.symbol or "" if c.isalnum())
    return [
        key
        for key in stored_keys(data_dir / "cache")
        if plain in ("", key.symbol) and parsed.timeframe in (None, key.timeframe)
    ]


def _must_exist(data_dir: Path) -> None:
    if not (data_dir / "cache").is_dir():
        raise StartError(f"no candles are stored in {data_dir}")


def _cache_bytes(data_dir: Path) -> int:
    return sum(path.stat().st_size for path in (data_dir / "cache").iterdir())


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "import": _import,
    "export": _export,
    "verify": _verify,
    "compact": _compact,
    "info": _info,
}
