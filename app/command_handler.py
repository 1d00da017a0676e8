"""Commands of the link, translated into calls of the engine; every refusal is a sentence."""

from __future__ import annotations

import os

import msgspec

from core.bots.bot_spec import BotSpec
from core.bots.kinds import bot_kind
from core.commands import (
    AcceptPosition,
    AddBot,
    AddPriceAlert,
    AmendOrder,
    Attach,
    BookTransfer,
    CancelDownload,
    CancelOrder,
    ChangeScanSettings,
    ChangeSignalExchange,
    ChooseMessages,
    ClosePosition,
    Command,
    CommandResult,
    DuplicateBot,
    GetCandles,
    GetJournal,
    GetStatistics,
    GetTrail,
    IgnoreFinding,
    KillSwitch,
    ListSeries,
    MovePriceAlert,
    MoveStop,
    PauseBot,
    PauseDownload,
    PlaceOrder,
    PreviewOrder,
    RemoveBot,
    RemovePriceAlert,
    RenameBot,
    RepairGaps,
    Request,
    ResumeDownload,
    ResumeTrading,
    SendTestMessage,
    StartBot,
    StartDownload,
    StopBot,
    StopEngine,
    WatchChart,
    WriteReport,
    WriteTradeNote,
)
from core.download_service import DownloadRefused, DownloadService
from core.engine import Engine, Refused, series_of
from core.exchange_port import ExchangeError
from core.market_data.candle_store import StoreFault
from core.models.candles import Timeframe
from core.parameter_form import PartForm, describe_parameters
from core.portfolio.sizing import SizingMethod
from core.portfolio.sizing_methods import SIZING_METHODS
from core.risk.risk_manager import ResumeRefused
from core.scanning.settings import ScanSettings
from core.snapshot_builder import SnapshotBuilder
from core.snapshots import PROTOCOL_VERSION, Attached
from core.strategy import ScoringStrategy, Strategy
from strategies import STRATEGIES, strategy_type

Charts = list[tuple[str, Timeframe]]
_DownloadCommand = StartDownload | PauseDownload | ResumeDownload | CancelDownload | RepairGaps


class CommandHandler:
    def __init__(self, engine: Engine, builder: SnapshotBuilder) -> None:
        self._engine = engine
        self._builder = builder

    def attached(self, backlog: int, charts: Charts) -> Attached:
        """The answer to a screen that has shown the token."""
        desks = [desk for desk in self._engine.desks.values() if desk.is_built]
        return Attached(
            protocol_version=PROTOCOL_VERSION,
            engine_pid=os.getpid(),
            data_dir=str(self._engine.data_dir),
            instruments=[i for desk in desks for i in desk.instruments.values()],
            strategies=[_strategy_form(kind) for kind in STRATEGIES.values()],
            backlog=self._engine.records.backlog(backlog),
            last_seq=self._engine.records.last_seq,
            snapshot=self._builder.build(charts),
            sizing_methods=[_sizing_form(kind) for kind in SIZING_METHODS.values()],
        )

    async def handle(self, request: Request) -> tuple[CommandResult, Charts | None]:
        """The answer, and the screen's new list of charts if the command was about that."""
        charts: Charts | None = None
        try:
            answer = await self._answer(request.request_id, request.command)
            if answer is not None:
                return answer, None
            if isinstance(request.command, WatchChart):
                charts = [series_of(*chart) for chart in request.command.charts]
            text = await self._do(request.command)
        except (Refused, ResumeRefused, DownloadRefused, StoreFault) as refusal:
            return CommandResult(request.request_id, ok=False, text=str(refusal)), None
        except ExchangeError as fault:
            return CommandResult(request.request_id, ok=False, text=fault.text), None
        return CommandResult(request.request_id, ok=True, text=text), charts

    async def _answer(self, request_id: int, command: Command) -> CommandResult | None:
        """To a command that asks for more than a sentence; None for one that does something."""
        answer: CommandResult | None = None
        match command:
            case GetCandles():
                answer = await self._candles(request_id, command)
            case ListSeries():
                series = await self._engine.downloads.stored_series()
                answer = CommandResult(request_id, ok=True, series=series)
            case GetTrail():
                trail = self._engine.trail(command.client_order_id)
                answer = CommandResult(request_id, ok=True, trail=trail)
            case GetJournal():
                page = await self._engine.journal.page(command.account, command.end, command.count)
                answer = CommandResult(request_id, ok=True, journal=page)
            case GetStatistics():
                found = await self._engine.statistics(command.account, command.choice)
                answer = CommandResult(request_id, ok=True, statistics=found)
            case WriteReport():
                first, *_ = await self._engine.reports.write(command.account, command.day)
                text = f"{first.name} is written."
                answer = CommandResult(request_id, ok=True, text=text, path=str(first))
            case PreviewOrder():
                preview = self._engine.preview_order(command.ticket)
                answer = CommandResult(request_id, ok=True, preview=preview)
        return answer

    async def _candles(self, request_id: int, command: GetCandles) -> CommandResult:
        symbol, timeframe = series_of(command.symbol, command.timeframe)
        service = self._engine.chart_service(symbol)
        try:
            block = await service.block(
                symbol,
                timeframe,
                count=command.count,
                end_ms=command.end_ms,
                indicators=command.indicators,
            )
        except ValueError as fault:  # no such indicator
            return CommandResult(request_id, ok=False, text=str(fault))
        return CommandResult(request_id, ok=True, block=block)

    async def _do(self, command: Command) -> str:  # noqa: PLR0911, PLR0912 (one line a command)
        engine = self._engine
        if isinstance(command, _DownloadCommand):
            return await _download(engine.downloads, command)
        match command:
            case StartBot():
                return await engine.start_bot(command.bot_id, confirm_live=command.confirm_live)
            case PauseBot():
                return engine.pause_bot(command.bot_id)
            case StopBot():
                return await engine.stop_bot(command.bot_id, close_position=command.close_position)
            case AddBot():
                return engine.add_bot(self._spec(command))
            case RemoveBot():
                return engine.remove_bot(command.bot_id)
            case RenameBot():
                return engine.roster.rename(command.bot_id, command.name)
            case DuplicateBot():
                return engine.roster.duplicate(
                    command.bot_id,
                    name=command.name,
                    symbol=command.symbol,
                    account=command.account,
                )
            case ChangeScanSettings():
                return engine.roster.change_scan(command.bot_id, command.settings)
            case ChangeSignalExchange():
                return engine.roster.change_signals(command.bot_id, command.exchange)
            case ClosePosition():
                return engine.close_position(command.account, command.symbol)
            case CancelOrder():
                return await engine.cancel_order(
                    command.account,
                    command.symbol,
                    command.client_order_id,
                    command.exchange_order_id,
                )
            case AmendOrder():
                return await engine.amend_order(
                    command.account, command.client_order_id, command.quantity, command.price
                )
            case PlaceOrder():
                return await engine.place_order(command.ticket, confirm_live=command.confirm_live)
            case MoveStop():
                return await engine.move_stop(
                    command.account, command.symbol, command.stop_loss, command.take_profit
                )
            case AcceptPosition():
                return await engine.accept_position(
                    command.account, command.symbol, command.stop_loss, command.take_profit
                )
            case IgnoreFinding():
                return engine.ignore_finding(command.account, command.symbol)
            case BookTransfer():
                return engine.book_transfer(command.account, command.amount)
            case WriteTradeNote():
                return engine.journal.write_note(command.key, command.text, command.tags)
            case AddPriceAlert():
                return engine.alerts.prices.add(command.wish)
            case MovePriceAlert():
                return engine.alerts.prices.move(command.alert_id, command.price)
            case RemovePriceAlert():
                return engine.alerts.prices.remove(command.alert_id)
            case ChooseMessages():
                return engine.alerts.choose_messages(command.kinds)
            case SendTestMessage():
                return await engine.alerts.send_test()
            case KillSwitch():
                return engine.kill()
            case ResumeTrading():
                return engine.resume()
            case StopEngine():
                return "The engine is stopping. Positions and their stops stay."
            case (
                Attach()
                | GetCandles()
                | WatchChart()
                | ListSeries()
                | GetTrail()
                | GetJournal()
                | GetStatistics()
                | WriteReport()
                | PreviewOrder()
            ):
                return ""

    def _spec(self, command: AddBot) -> BotSpec:
        """What the configuration file would refuse is refused here too. Raises Refused."""
        symbol, timeframe = series_of(command.symbol, command.timeframe)
        try:
            kind = bot_kind(command.kind)
            entry_timeframe = strategy_type(command.strategy).required_timeframes[0]
        except ValueError as fault:
            raise Refused(str(fault)) from None
        if timeframe is not entry_timeframe:
            raise Refused(f"{command.strategy} enters on {entry_timeframe}, not {timeframe}.")
        if command.scan is not None and not kind.scans:
            raise Refused(f"A {command.kind} follows one symbol: it has no scan settings.")
        spec = BotSpec(
            bot_id="",
            kind=command.kind,
            account=command.account,
            symbol=symbol,
            timeframe=timeframe,
            strategy=command.strategy,
            parameters=command.parameters,
            name=command.name,
            scan=(command.scan or ScanSettings()) if kind.scans else None,
            signal_exchange=command.signal_exchange,
            sizing=command.sizing,
        )
        return msgspec.structs.replace(spec, bot_id=self._engine.roster.new_id(spec))


def _strategy_form(kind: type[Strategy]) -> PartForm:
    """What a screen needs to offer a strategy."""
    return PartForm(
        name=kind.name,
        text=kind.summary,
        parameters=describe_parameters(kind.parameters_type),
        timeframe=kind.required_timeframes[0],
        scores=issubclass(kind, ScoringStrategy),
    )


def _sizing_form(kind: type[SizingMethod]) -> PartForm:
    return PartForm(name=kind.name, text=kind.summary, parameters=describe_parameters(kind))


async def _download(downloads: DownloadService, command: _DownloadCommand) -> str:
    match command:
        case StartDownload():
            _, timeframe = series_of("", command.timeframe)
            return downloads.start(command.symbols, timeframe, command.start_ms, command.exchange)
        case PauseDownload():
            return downloads.pause()
        case ResumeDownload():
            return downloads.resume()
        case CancelDownload():
            return downloads.cancel()
        case RepairGaps():
            series = series_of(command.symbol, command.timeframe)
            return await downloads.repair(*series, command.exchange)
