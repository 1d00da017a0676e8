"""The command line: `python run.py [COMMAND] [OPTIONS]`. Without a command, the screen."""

from __future__ import annotations

import argparse
import difflib
import getpass
import math
import re
import sys
from pathlib import Path
from typing import NoReturn

from app.options import EXIT_OK, ROOT, Options, StartError

EXIT_INTERRUPTED = 130  # what shells say of a program that Ctrl+C has ended
COMMANDS = {
    "screen": "the workstation's window; starts an engine if none runs (the default)",
    "engine": "trade without a screen",
    "demo-exchange": "only the demo exchange, for your own scripts",
    "doctor": "check this machine and say what to do",
    "keys": "store an API key: keys set keyring:NAME (or vault:NAME)",
    "paper": "begin a paper account anew: paper reset ACCOUNT",
    "capital": "an account's capital as JSON: capital ACCOUNT",
    "report": "a trading day as Markdown, its round trips as CSV: report --day 2026-11-20",
    "data": "candles: import, export, verify, download, compact, info",
    "bench": "measure: bench startup, store, feed, scan or orders",
    "chaos": "the engine under random faults, in virtual time",
    "test": "style, types, contracts and tests",
}
_STORABLE_KEY = re.compile(r"(keyring|vault):[A-Za-z0-9_.-]+")


class _Parser(argparse.ArgumentParser):
    """A word that it does not understand is one sentence, as every other refusal."""

    def error(self, message: str) -> NoReturn:
        raise StartError(f"{message}; see: python {self.prog} --help")


def main(arguments: list[str]) -> int:
    """Run one command; its exit code."""
    try:
        return _run(arguments)
    except StartError as fault:
        print(f"TwinStar Quantum: {fault.text}", file=sys.stderr)
        return fault.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _run(arguments: list[str]) -> int:
    command, words = _command(arguments)
    if command in ("test", "bench", "chaos", "data"):
        return _tool(command, words)
    parsed = _parser(command).parse_args(words)
    options = _options(parsed)
    if command == "keys":
        return _keys(parsed, options)
    if command == "capital":
        return _capital(parsed, options)
    if command == "paper":
        return _paper(parsed, options)
    if command == "report":
        return _report(parsed, options)
    programs = {
        "screen": _screen,
        "engine": _engine,
        "demo-exchange": _demo_exchange,
        "doctor": _doctor,
    }
    return programs[command](options)


def _command(arguments: list[str]) -> tuple[str, list[str]]:
    """The command and its words; without one, the screen. Raises StartError."""
    if not arguments or arguments[0].startswith("-"):
        return "screen", arguments
    command = arguments[0]
    if command not in COMMANDS:
        likely = difflib.get_close_matches(command, COMMANDS, n=1)
        known = f"did you mean {likely[0]!r}?" if likely else f"known: {', '.join(COMMANDS)}"
        raise StartError(f"there is no command {command!r}; {known}")
    return command, arguments[1:]


def _tool(command: str, words: list[str]) -> int:
    if command == "test":
        from app.check import main as check

        return check(words)
    if command == "data":
        from app.data.command_line import main as data

        return data(words)
    if command == "chaos":
        from app.chaos.command_line import main as chaos

        return chaos(words)
    from app.bench import main as bench

    return bench(words)


def _engine(options: Options) -> int:
    from app.engine_main import main as engine

    return engine(options)


def _doctor(options: Options) -> int:
    from app.doctor import main as doctor

    return doctor(options)


def _parser(command: str) -> argparse.ArgumentParser:
    listing = "\n".join(f"  {name:14} {text}" for name, text in COMMANDS.items())
    parser = _Parser(
        prog="run.py" if command == "screen" else f"run.py {command}",
        description=COMMANDS[command],
        epilog=f"commands:\n{listing}" if command == "screen" else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--data-dir", type=Path, help="where everything is kept (default: data/)")
    add("--config", type=Path, help="accounts and bots, TOML (default: the demo)")
    add("--demo", action="store_true", help="the demo world (the default without --config)")
    add("--for", dest="for_seconds", type=_positive, metavar="SECONDS", help="end by itself")
    add("--report", type=Path, metavar="FILE.json", help="write figures at the end")
    add("--screenshots", type=Path, metavar="DIR", help="with --for: pictures at the end")
    add("--autostart", action="store_true", help="start every bot")
    add("--seed", type=int, help="demo: another market")
    add("--speed", type=_positive, help="demo: market seconds per second")
    add("--candles", type=Path, metavar="DIR", help="demo: replay Parquet files")
    add("--port", type=_port, default=0, help="demo-exchange: a fixed port")
    if command == "keys":
        add("action", choices=["set"])
        add("reference", type=_storable, help="keyring:NAME or vault:NAME")
    if command == "paper":
        add("action", choices=["reset"])
        add("account", help="its name in the configuration")
    if command == "capital":
        add("account", help="its name in the configuration; the demo's is demo")
    if command == "report":
        add("--day", metavar="YYYY-MM-DD", help="default: the account's newest trading day")
        add("--account", help="its name in the configuration; needed where there are several")
    return parser


def _options(parsed: argparse.Namespace) -> Options:
    is_demo = parsed.config is None or parsed.demo
    default_dir = ROOT / "data" / "demo" if is_demo else ROOT / "data"
    return Options(
        data_dir=(parsed.data_dir or default_dir).absolute(),
        config=_absolute(parsed.config),
        demo=parsed.demo,
        for_seconds=parsed.for_seconds,
        report=_absolute(parsed.report),
        screenshots=_absolute(parsed.screenshots),
        autostart=parsed.autostart,
        seed=parsed.seed,
        speed=parsed.speed,
        candles=_absolute(parsed.candles),
        port=parsed.port,
    )


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else path.absolute()


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return value


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text} is not a port (0 to 65535)")
    return int(text)


def _storable(text: str) -> str:
    if not _STORABLE_KEY.fullmatch(text):
        raise argparse.ArgumentTypeError("a key can be stored as keyring:NAME or vault:NAME")
    return text


def _screen(options: Options) -> int:
    from app.screen_main import ScreenOptions, run_screen

    return run_screen(
        ScreenOptions(
            data_dir=options.data_dir,
            config=options.config,
            demo=options.demo,
            for_seconds=options.for_seconds,
            screenshots=options.screenshots,
            report=options.report,
            autostart=options.autostart,
            seed=options.seed,
            speed=options.speed,
            candles=options.candles,
        )
    )


def _demo_exchange(options: Options) -> int:
    from app.demo_exchange_main import DemoExchangeOptions
    from app.demo_exchange_main import main as demo_exchange

    return demo_exchange(
        DemoExchangeOptions(
            data_dir=options.data_dir,
            port=options.port,
            seed=options.seed,
            speed=options.speed or 1.0,
            candles_dir=options.candles,
            for_seconds=options.for_seconds,
        )
    )


def _keys(parsed: argparse.Namespace, options: Options) -> int:
    from app.keys import store_key

    api_key, api_secret = _typed("API key: "), _typed("API secret: ")
    if not api_key or not api_secret:
        raise StartError("both the key and the secret are needed; nothing was stored")
    passphrase = _typed("Passphrase (OKX and Bitget give one; else leave it empty): ")
    vault_file = options.data_dir / "storage" / "vault.json"
    store_key(parsed.reference, api_key, api_secret, vault_file, passphrase)
    print(f"Stored as {parsed.reference}. It will not be shown again.")
    return EXIT_OK


def _paper(parsed: argparse.Namespace, options: Options) -> int:
    from app.paper_reset import reset_paper

    print(reset_paper(options.config, options.data_dir, parsed.account))
    return EXIT_OK


def _capital(parsed: argparse.Namespace, options: Options) -> int:
    from app.capital_export import capital_json

    print(capital_json(parsed.account, options))
    return EXIT_OK


def _report(parsed: argparse.Namespace, options: Options) -> int:
    from app.daily_report import write_report

    for path in write_report(parsed.account, parsed.day, options):
        print(path)
    return EXIT_OK


def _typed(prompt: str) -> str:
    """At a terminal without showing it; otherwise a line of what is piped in."""
    try:
        return (getpass.getpass(prompt) if sys.stdin.isatty() else input()).strip()
    except EOFError:
        return ""
