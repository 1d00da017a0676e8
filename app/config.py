"""The configuration file: accounts and bots in TOML, every fault named with its line.

Keys never stand in it, only a reference to where a key is kept (`keyring:NAME`, `vault:NAME`,
`env:NAME`). Without a file the demo world is used: one demo account, a bot for BTCUSDT and one that
scans.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from app.demo_runtime import DEMO_ACCOUNTS
from app.options import StartError
from core.bots.bot_spec import BotSpec
from core.bots.kinds import bot_kind
from core.models.candles import Timeframe
from core.portfolio.sizing_methods import make_sizing
from core.risk.limits_table import make_limits
from core.scanning.settings import ScanSettings
from core.snapshots import AccountMode
from core.strategy import ScoringStrategy
from exchanges.exchange_manager import is_unverified, known_exchanges, live_refusal
from strategies import strategy_type

_KEY_REFERENCE = re.compile(r"^(keyring|vault|env):[A-Za-z0-9_.-]+$")
_WORLD_OF_MODE = {AccountMode.DEMO: "demo", AccountMode.PAPER: "real", AccountMode.LIVE: "real"}


class AccountConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`leverage` 1 means positions are paid in full. URLs point at testnets or local servers."""

    name: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]{1,32}$")]
    exchange: str
    mode: AccountMode
    key: str | None = None
    leverage: Decimal = Decimal(1)
    paper_balance: Decimal = Decimal(25_000)
    timezone: str = "UTC"  # of the trading day, e.g. Asia/Seoul
    sizing: dict[str, Any] = {}  # [accounts.sizing]: `make_sizing` knows what may stand there
    risk: dict[str, Any] = {}  # [accounts.risk]: `make_limits` does
    rest_url: str | None = None
    ws_public_url: str | None = None
    ws_private_url: str | None = None
    i_accept_unverified: bool = False  # real money by an adapter that never met its exchange


class _BotEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    account: str
    symbol: Annotated[str, msgspec.Meta(pattern="^([A-Z0-9]{2,30})?$")] = ""
    kind: str = "UnifiedBot"
    timeframe: Timeframe = Timeframe.M15
    strategy: str = "macd_rsi_trend"
    parameters: dict[str, Any] = {}
    autostart: bool = False
    name: str | None = None
    sizing: dict[str, Any] = {}
    scan: dict[str, Any] = {}  # [bots.scan] of a MultiTrader: fields of ScanSettings
    signal_exchange: str = ""


class Config(msgspec.Struct, frozen=True):
    accounts: list[AccountConfig]
    bots: list[BotSpec]

    @property
    def world(self) -> str:
        """ "demo" or "real": never both, so that demo money never stands beside real money."""
        return _WORLD_OF_MODE[self.accounts[0].mode]


def time_zone(name: str) -> ZoneInfo:
    """Raises ValueError for a zone that this machine does not know."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError):
        raise ValueError(f"unknown time zone {name!r}; write it as Europe/London") from None


def default_config() -> Config:
    """What the first start runs: nothing asked, nothing real. Bitcoin by a bot of its own, the
    other symbols by one that scans them (spec T10)."""
    account = AccountConfig(name="demo", exchange="bybit", mode=AccountMode.DEMO)
    bitcoin = BotSpec(
        bot_id="btcusdt-15m",
        kind="UnifiedBot",
        account="demo",
        symbol="BTCUSDT",
        timeframe=Timeframe.M15,
        strategy="macd_rsi_trend",
    )
    the_rest = BotSpec(
        bot_id="multi-15m",
        kind="MultiTrader",
        account="demo",
        symbol="",
        timeframe=Timeframe.M15,
        strategy="rsi_pattern",
        scan=ScanSettings(),
    )
    return Config([account], [bitcoin, the_rest])


def load_config(path: Path) -> Config:
    """Read and check `path`. Raises StartError naming the file, the line and the remedy."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise StartError(f"{path}: cannot be read ({fault})") from None
    return check_config(path, text)


def check_config(path: Path, text: str) -> Config:
    """As `load_config`, of a text that stands in `path` or shall stand there."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise StartError(f"{path}: not valid TOML: {fault}") from None
    return _Checker(path, _LineIndex(text)).check(document)


class _LineIndex:
    """Which line a key stands on; tomllib does not say."""

    _HEADER = re.compile(r"^\s*\[\[?\s*([A-Za-z0-9_.-]+)\s*\]\]?")
    _KEY = re.compile(r"""^\s*["']?([A-Za-z0-9_-]+)["']?\s*=""")

    def __init__(self, text: str) -> None:
        self._lines: dict[tuple[str, int, str], int] = {}
        counts: dict[str, int] = {}
        table, index = "", 0
        for number, line in enumerate(text.splitlines(), start=1):
            if header := self._HEADER.match(line):
                table = header[1]
                root = table.split(".")[0]
                if line.lstrip().startswith("[["):
                    counts[table] = counts.get(table, -1) + 1
                index = counts.get(root, 0)
                self._lines.setdefault((table, index, ""), number)
                if "." in table:
                    self._lines.setdefault((root, index, table.split(".")[1]), number)
            elif key := self._KEY.match(line):
                self._lines.setdefault((table, index, key[1]), number)

    def line(self, table: str, index: int, key: str = "") -> int:
        """Line of the key, else of its table's header, else 1."""
        return self._lines.get((table, index, key)) or self._lines.get((table, index, ""), 1)


class _Checker:
    def __init__(self, path: Path, lines: _LineIndex) -> None:
        self._path = path
        self._lines = lines

    def check(self, document: dict[str, Any]) -> Config:
        for key in document:
            if key not in ("accounts", "bots"):
                raise self._fault(key, 0, "", f"unknown table {key!r}; known: accounts, bots")
        for table in ("accounts", "bots"):
            entries = document.get(table, [])
            if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
                raise self._fault(table, 0, "", f"write each of them as [[{table}]]")
        accounts = [self._account(i, e) for i, e in enumerate(document.get("accounts", []))]
        if not accounts:
            raise StartError(f"{self._path}: no [[accounts]] in it; add one with name and mode")
        self._one_world(accounts)
        bots: list[BotSpec] = []
        for index, entry in enumerate(document.get("bots", [])):
            bot = self._bot(index, entry, {account.name: account for account in accounts})
            if any(bot.bot_id == other.bot_id for other in bots):
                raise self._fault("bots", index, "name", f"a second bot named {bot.bot_id!r}")
            bots.append(bot)
        return Config(accounts, bots)

    def _account(self, index: int, entry: dict[str, Any]) -> AccountConfig:
        account: AccountConfig = self._convert("accounts", index, entry, AccountConfig)
        if account.exchange not in known_exchanges():
            hint = _suggest(account.exchange, known_exchanges())
            text = f"unknown exchange {account.exchange!r}; {hint}"
            raise self._fault("accounts", index, "exchange", text)
        if not Decimal(1) <= account.leverage <= Decimal(100):
            text = f"leverage is {account.leverage}; it must be from 1 to 100"
            raise self._fault("accounts", index, "leverage", text)
        if account.paper_balance <= 0:
            text = f"paper_balance is {account.paper_balance}; it must be above 0"
            raise self._fault("accounts", index, "paper_balance", text)
        self._accepted("accounts", index, "sizing", lambda: make_sizing(account.sizing))
        self._accepted("accounts", index, "risk", lambda: make_limits(account.risk))
        self._accepted("accounts", index, "timezone", lambda: time_zone(account.timezone))
        if account.key is not None and not _KEY_REFERENCE.match(account.key):
            text = "key must be a reference: keyring:NAME, vault:NAME or env:NAME, never the key"
            raise self._fault("accounts", index, "key", text)
        if account.mode is AccountMode.DEMO and account.exchange != "bybit":
            text = f"there is a demo of bybit only; use mode paper for {account.exchange}"
            raise self._fault("accounts", index, "mode", text)
        is_bold = account.mode is AccountMode.LIVE and not account.i_accept_unverified
        if is_bold and is_unverified(account.exchange):
            raise self._fault("accounts", index, "mode", live_refusal(account.exchange))
        if account.mode is AccountMode.LIVE and account.key is None:
            text = 'mode live needs a key reference: key = "keyring:NAME"'
            raise self._fault("accounts", index, "mode", text)
        for name in ("rest_url", "ws_public_url", "ws_private_url"):
            url = getattr(account, name)
            schemes = ("http://", "https://") if name == "rest_url" else ("ws://", "wss://")
            if url is not None and not url.startswith(schemes):
                raise self._fault("accounts", index, name, f"{name} must begin with {schemes[1]}")
        return account

    def _one_world(self, accounts: list[AccountConfig]) -> None:
        worlds = {_WORLD_OF_MODE[account.mode] for account in accounts}
        if len(worlds) > 1:
            text = "demo accounts cannot stand beside paper or live ones; use two files"
            raise self._fault("accounts", len(accounts) - 1, "mode", text)
        names = [account.name for account in accounts]
        keys = [account.key for account in accounts]
        for index, (name, key) in enumerate(zip(names, keys, strict=True)):
            if name in names[:index]:
                raise self._fault("accounts", index, "name", f"a second account named {name!r}")
            if key is not None and key in keys[:index]:
                text = f"{key} is the key of {names[keys.index(key)]!r} too: the same money twice"
                raise self._fault("accounts", index, "key", text)
        demo = [i for i, a in enumerate(accounts) if a.mode is AccountMode.DEMO]
        if len(demo) > DEMO_ACCOUNTS:
            text = f"the demo exchange has {DEMO_ACCOUNTS} accounts"
            raise self._fault("accounts", demo[DEMO_ACCOUNTS], "mode", text)

    def _bot(
        self, index: int, entry: dict[str, Any], accounts: dict[str, AccountConfig]
    ) -> BotSpec:
        bot: _BotEntry = self._convert("bots", index, entry, _BotEntry)
        try:
            scans = bot_kind(bot.kind).scans
        except ValueError as fault:
            raise self._fault("bots", index, "kind", str(fault)) from None
        if scans == bool(bot.symbol):
            needs = "chooses its symbols itself" if scans else "needs a symbol"
            raise self._fault("bots", index, "symbol", f"a {bot.kind} {needs}")
        if bot.scan and not scans:
            text = f"a {bot.kind} follows one symbol: it has no [bots.scan]"
            raise self._fault("bots", index, "scan", text)
        if bot.account not in accounts:
            text = f"no account named {bot.account!r}; {_suggest(bot.account, accounts)}"
            raise self._fault("bots", index, "account", text)
        exchanges = {account.exchange for account in accounts.values()}
        if bot.signal_exchange and bot.signal_exchange not in exchanges:
            text = f"no account is on {bot.signal_exchange!r}, which shall give the signals"
            raise self._fault("bots", index, "signal_exchange", text)
        try:
            kind = strategy_type(bot.strategy)
        except ValueError as fault:
            raise self._fault("bots", index, "strategy", str(fault)) from None
        if scans and not issubclass(kind, ScoringStrategy):
            text = f"{bot.strategy} does not score symbols, which a {bot.kind} needs"
            raise self._fault("bots", index, "strategy", text)
        if bot.timeframe is not kind.required_timeframes[0]:
            text = f"{bot.strategy} enters on {kind.required_timeframes[0]}, not {bot.timeframe}"
            raise self._fault("bots", index, "timeframe", text)
        self._accepted("bots", index, "sizing", lambda: make_sizing(bot.sizing))
        self._convert("bots.parameters", index, bot.parameters, kind.parameters_type)
        scan = self._convert("bots.scan", index, bot.scan, ScanSettings) if scans else None
        what = "multi" if scans else bot.symbol.lower()
        return BotSpec(
            bot_id=bot.name or f"{what}-{bot.timeframe}",
            kind=bot.kind,
            account=bot.account,
            symbol=bot.symbol,
            timeframe=bot.timeframe,
            strategy=bot.strategy,
            parameters=bot.parameters,
            autostart=bot.autostart,
            sizing=bot.sizing,
            scan=scan,
            signal_exchange=bot.signal_exchange,
        )

    def _accepted(self, table: str, index: int, key: str, make: Callable[[], object]) -> None:
        try:
            make()
        except ValueError as fault:
            raise self._fault(table, index, key, str(fault)) from None

    def _convert(self, table: str, index: int, entry: dict[str, Any], kind: type[Any]) -> Any:
        fields = [field.name for field in msgspec.structs.fields(kind)]
        for key in entry:
            if key not in fields:
                text = f"unknown key {key!r}; {_suggest(key, fields)}"
                raise self._fault(table, index, key, text)
        try:
            return msgspec.convert(_decimals_as_text(entry), kind)
        except msgspec.ValidationError as fault:
            found = re.search(r"\$\.([A-Za-z0-9_]+)", str(fault))
            key = found[1] if found else ""
            text = str(fault).split(" - at ")[0]
            raise self._fault(table, index, key, f"{key}: {text}" if key else text) from None

    def _fault(self, table: str, index: int, key: str, text: str) -> StartError:
        return StartError(f"{self._path}: line {self._lines.line(table, index, key)}: {text}")


def _decimals_as_text(entry: dict[str, Any]) -> dict[str, Any]:
    """TOML numbers for Decimal fields arrive as int or float: keep the digits as written."""
    decimal_fields = ("leverage", "paper_balance", "min_turnover_24h", "max_spread_ratio")
    return {
        key: str(value) if key in decimal_fields and isinstance(value, int | float) else value
        for key, value in entry.items()
    }


def _suggest(word: str, known: Any) -> str:
    choices = sorted(known)
    likely = difflib.get_close_matches(word, choices, n=1)
    return f"did you mean {likely[0]!r}?" if likely else f"known: {', '.join(choices)}"
