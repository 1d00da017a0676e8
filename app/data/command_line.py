"""The words of `python run.py data`, and which function does what they say."""

from __future__ import annotations

import argparse
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from app.options import StartError
from core.models.candles import Timeframe

_SYMBOL = re.compile(r"[A-Za-z0-9][A-Za-z0-9/:_.-]{1,39}")
_EXCHANGE = re.compile(r"[A-Za-z][A-Za-z0-9]{1,19}")


class _Parser(argparse.ArgumentParser):
    """A word that it does not understand is one sentence, as every other refusal."""

    def error(self, message: str) -> NoReturn:
        raise StartError(f"{message}; see: python {self.prog} --help")


def main(words: list[str]) -> int:
    """Run one data command; its exit code (1: findings, or not everything came). Raises
    StartError."""
    parsed = _parser().parse_args(words)
    if parsed.command == "download":
        from app.data.downloading import download

        return download(parsed)
    from app.data import store_commands

    return store_commands.COMMANDS[parsed.command](parsed)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="run.py data", description="candles in, candles out, and a look at them")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.add_argument("--data-dir", type=Path, help="whose candles (default: data/)")
        made.add_argument("--demo", action="store_true", help="those of the demo (data/demo)")
        return made

    _import(command("import", "candles from CSV, Parquet or Feather files; all or nothing"))
    _export(command("export", "one series as a CSV, Parquet or Feather file"))
    _chosen(command("verify", "checksums, order, prices and gaps; exit code 1 with findings"))
    _download(command("download", "history from an exchange; only what is missing"))
    command("compact", "move everything new into the Parquet files now")
    _chosen(command("info", "a table of what is stored"))
    return parser


def _import(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("files", nargs="+", type=Path, metavar="FILE")
    _one_series(parser)
    add("--map", default="", metavar="ts=Date,open=Open,...", help="columns by name or number")
    add("--replace", action="store_true", help="a file's candle wins over a stored one")
    add("--dry-run", action="store_true", help="only say what would happen")


def _export(parser: argparse.ArgumentParser) -> None:
    _one_series(parser)
    _range(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")


def _download(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("symbols", nargs="*", type=_symbol, metavar="SYMBOL")
    add("--all", action="store_true", help="every symbol that trades")
    add("--timeframe", type=_timeframe, default=Timeframe.M15)
    _range(parser)
    add("--config", type=Path, help="accounts, TOML: the exchange and address of one of them")
    add("--account", help="which account of --config (default: the first)")
    add("--exchange", type=_exchange, default="bybit", help="without --config: its public API")


def _chosen(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--symbol", type=_symbol, help="only this one")
    parser.add_argument("--timeframe", type=_timeframe, help="only this one")


def _one_series(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--symbol", type=_symbol, required=True)
    parser.add_argument("--timeframe", type=_timeframe, required=True)
    parser.add_argument("--exchange", type=_exchange, default="bybit")


def _range(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--from", dest="start_ms", type=_time_ms, metavar="DATE", help="oldest bar wanted (UTC)")
    add("--to", dest="end_ms", type=_time_ms, metavar="DATE", help="newest bar wanted (UTC)")


def _symbol(text: str) -> str:
    if not _SYMBOL.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no symbol")
    return text.upper()


def _exchange(text: str) -> str:
    if not _EXCHANGE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no exchange's name")
    return text.lower()


def _timeframe(text: str) -> Timeframe:
    try:
        return Timeframe(text)
    except ValueError:
        known = ", ".join(timeframe.value for timeframe in Timeframe)
        raise argparse.ArgumentTypeError(f"{text!r} is none of {known}") from None


def _time_ms(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date like 2024-01-31") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1000
