"""The engine's shared services as the tabs see them: Qt objects under the engine's own names.

They hold the newest value, announce it only when it has changed, and ask the engine through the
`send` they are given; how that travels is the bridge's business.
"""

from __future__ import annotations

from typing import Protocol

from PyQt6.QtCore import QObject, pyqtSignal

from core.commands import (
    CancelDownload,
    ChangeScanSettings,
    ChangeSignalExchange,
    Command,
    CommandResult,
    DuplicateBot,
    GetCandles,
    ListSeries,
    PauseBot,
    PauseDownload,
    RemoveBot,
    RenameBot,
    RepairGaps,
    ResumeDownload,
    StartBot,
    StartDownload,
    StopBot,
    WatchChart,
)
from core.models.indicators import STANDARD, IndicatorSpec
from core.scanning.settings import ScanSettings
from core.snapshots import (
    BotSnapshot,
    CandleBlock,
    CapitalSnapshot,
    DataSnapshot,
    EngineSnapshot,
    LimiterSnapshot,
)


class Send(Protocol):
    """Asks the engine; the answer is always a result with a sentence, never an exception."""

    async def __call__(self, command: Command, timeout_s: float = 10.0) -> CommandResult: ...


class SharedDataManager(QObject):
    """The engine's data manager: its figures, and candles for charts.

    Signals: changed(DataSnapshot); live_candles(list[LiveCandle]) the forming bars of watched
    charts; candle_closed(LiveCandle) once for each bar, in order.
    """

    changed = pyqtSignal(object)
    live_candles = pyqtSignal(list)
    candle_closed = pyqtSignal(object)

    def __init__(self, send: Send, parent: QObject) -> None:
        super().__init__(parent)
        self.latest: DataSnapshot | None = None
        self._send = send
        self._watched: dict[str, tuple[str, str]] = {}

    async def candles(
        self,
        symbol: str,
        timeframe: str,
        count: int = 1000,
        end_ms: int | None = None,
        indicators: tuple[IndicatorSpec, ...] = STANDARD,
    ) -> tuple[CandleBlock | None, str]:
        """Closed candles up to open time `end_ms` (ms UTC), or None and the sentence why not."""
        result = await self._send(GetCandles(symbol, timeframe, count, end_ms, indicators))
        return result.block, result.text

    async def watch(self, owner: str, symbol: str, timeframe: str) -> CommandResult:
        """From now on `live_candles` has this chart of `owner` (it replaces its former one)."""
        self._watched[owner] = (symbol, timeframe)
        return await self._tell_watched()

    async def unwatch(self, owner: str) -> CommandResult:
        """`owner` is gone."""
        self._watched.pop(owner, None)
        return await self._tell_watched()

    async def _tell_watched(self) -> CommandResult:
        return await self._send(WatchChart(sorted(set(self._watched.values()))))

    async def stored_series(self) -> CommandResult:
        """Everything that is stored (`series` of the answer); reads files, so it may take long."""
        return await self._send(ListSeries(), 60.0)

    async def repair_gaps(self, symbol: str, timeframe: str, exchange: str) -> CommandResult:
        return await self._send(RepairGaps(symbol, timeframe, exchange), 30.0)

    async def start_download(
        self, symbols: list[str], timeframe: str, start_ms: int
    ) -> CommandResult:
        """`start_ms`: oldest bar wanted, ms UTC. The progress is in the snapshots."""
        return await self._send(StartDownload(symbols, timeframe, start_ms))

    async def pause_download(self) -> CommandResult:
        return await self._send(PauseDownload())

    async def resume_download(self) -> CommandResult:
        return await self._send(ResumeDownload())

    async def cancel_download(self) -> CommandResult:
        """What has come stays."""
        return await self._send(CancelDownload())

    def take(self, snapshot: EngineSnapshot) -> None:
        if snapshot.live_candles:
            self.live_candles.emit(snapshot.live_candles)
        if snapshot.data != self.latest:
            self.latest = snapshot.data
            self.changed.emit(snapshot.data)


class SharedCapitalManager(QObject):
    """The engine's capital ledgers, one of them in view: the first account's until another is
    chosen. Attributes: latest (that one's), accounts (all that have one, by name).
    Signals: changed(CapitalSnapshot), accounts_changed(), day_ended(its name, "2026-11-20"):
    the next capital is of another trading day; `latest` is still the last of this one.
    """

    changed = pyqtSignal(object)
    accounts_changed = pyqtSignal()
    day_ended = pyqtSignal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.latest: CapitalSnapshot | None = None
        self.accounts: list[str] = []
        self._all: list[CapitalSnapshot] = []
        self._chosen = ""

    @property
    def account(self) -> str:
        """Whose capital is in view."""
        return self.latest.account if self.latest is not None else ""

    @property
    def currency(self) -> str:
        """What the capital in view is counted in."""
        return self.latest.currency if self.latest is not None else "USDT"

    def choose(self, account: str) -> None:
        """From now on this account's, for as long as there is one."""
        self._chosen = account
        self._show()

    def take(self, snapshot: EngineSnapshot) -> None:
        first = [snapshot.capital] if snapshot.capital is not None else []
        self._all = [*first, *snapshot.other_capital]
        names = [capital.account for capital in self._all]
        if names != self.accounts:
            self.accounts = names
            self.accounts_changed.emit()
        self._show()

    def _show(self) -> None:
        if not self._all:
            return
        shown = next((one for one in self._all if one.account == self._chosen), self._all[0])
        if shown != self.latest:
            ended = _ended_day(self.latest, shown)
            if ended:
                self.day_ended.emit(ended)
            self.latest = shown
            self.changed.emit(shown)


def _ended_day(former: CapitalSnapshot | None, following: CapitalSnapshot) -> str:
    """The account's day that lies between them, "" where none has ended or its name is unknown."""
    if former is None or former.account != following.account or former.statistics is None:
        return ""
    days, days_then = former.daily_results, following.daily_results
    if not days or not days_then or days_then[-1][0] <= days[-1][0]:
        return ""
    calendar = former.statistics.calendar
    return calendar[-1][0] if calendar else ""


class APIRateLimiter(QObject):
    """The engine's request limits. Signal: changed(list[LimiterSnapshot])."""

    changed = pyqtSignal(list)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.latest: list[LimiterSnapshot] = []

    def take(self, snapshot: EngineSnapshot) -> None:
        if snapshot.limiters != self.latest:
            self.latest = snapshot.limiters
            self.changed.emit(snapshot.limiters)


class BotLink(QObject):
    """One bot of the engine: its newest state, and what may be asked of it.

    Attributes: latest, is_old (an engine has yet to confirm `latest`; it must not look live).
    Signal: changed(BotSnapshot).
    """

    changed = pyqtSignal(object)

    def __init__(self, send: Send, bot: BotSnapshot, parent: QObject) -> None:
        super().__init__(parent)
        self.latest = bot
        self.is_old = False
        self._send = send

    @property
    def bot_id(self) -> str:
        return self.latest.bot_id

    async def start_bot(self, confirm_live: bool = False) -> CommandResult:
        return await self._send(StartBot(self.bot_id, confirm_live))

    async def pause_bot(self) -> CommandResult:
        return await self._send(PauseBot(self.bot_id))

    async def stop_bot(self, close_position: bool) -> CommandResult:
        """Closing a position waits for the exchange: longer than other commands."""
        return await self._send(StopBot(self.bot_id, close_position), 30.0)

    async def remove_bot(self) -> CommandResult:
        return await self._send(RemoveBot(self.bot_id))

    async def rename(self, name: str) -> CommandResult:
        return await self._send(RenameBot(self.bot_id, name))

    async def duplicate(self, name: str, symbol: str, account: str) -> CommandResult:
        return await self._send(DuplicateBot(self.bot_id, name, symbol, account))

    async def change_scan_settings(self, settings: ScanSettings) -> CommandResult:
        return await self._send(ChangeScanSettings(self.bot_id, settings))

    async def change_signal_exchange(self, exchange: str) -> CommandResult:
        return await self._send(ChangeSignalExchange(self.bot_id, exchange))

    def take(self, bot: BotSnapshot) -> None:
        if bot != self.latest or self.is_old:
            self.latest, self.is_old = bot, False
            self.changed.emit(bot)

    def grow_old(self) -> None:
        """What is known comes from an engine that is no more."""
        if not self.is_old:
            self.is_old = True
            self.changed.emit(self.latest)
