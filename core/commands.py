"""What a screen may ask of the engine: frozen, typed, each acknowledged with one sentence.

A command that cannot be done is refused with a reason (`CommandResult.ok` False); it is
never half done and never silently dropped.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from core.journal.entries import JournalPage, TradeKey
from core.models.alerts import AlertWish
from core.models.indicators import STANDARD, IndicatorSpec
from core.models.tickets import OrderPreview, OrderTicket
from core.reports.chosen_statistics import Choice
from core.reports.statistics import Statistics
from core.scanning.settings import ScanSettings
from core.snapshots import (
    Attached,
    CandleBlock,
    EngineSnapshot,
    FeedItem,
    SeriesSnapshot,
    TrailLine,
)


class _Command(msgspec.Struct, frozen=True, tag=True):
    pass


class Attach(_Command, frozen=True):
    """First command on a connection. `token` comes from the engine's runtime file."""

    token: str
    backlog: int = 2000


class StartBot(_Command, frozen=True):
    """`confirm_live` must be True for an account in live mode: the trader has confirmed."""

    bot_id: str
    confirm_live: bool = False


class PauseBot(_Command, frozen=True):
    """No new entries; position and its stops stay."""

    bot_id: str


class StopBot(_Command, frozen=True):
    bot_id: str
    close_position: bool


class AddBot(_Command, frozen=True):
    """`symbol` is "" for a kind that scans many symbols, `scan` None for its default settings.
    `signal_exchange`: another configured exchange whose candles give the signals; "" is the
    account's own. `sizing`: its own sizing method, as in the configuration; {} is the account's.
    The answer's text names the new bot's id."""

    kind: str  # a key of `core.bots.kinds.BOT_KINDS`
    account: str
    symbol: str
    timeframe: str
    strategy: str
    name: str = ""
    parameters: dict[str, Any] = {}  # of the strategy; what is left out keeps its default
    scan: ScanSettings | None = None
    signal_exchange: str = ""
    sizing: dict[str, Any] = {}


class RenameBot(_Command, frozen=True):
    """The name that screens show; the id, which orders carry, stays."""

    bot_id: str
    name: str


class DuplicateBot(_Command, frozen=True):
    """A second bot with the same settings, stopped. `symbol` and `account` "" keep those of the
    first; a bot of one symbol needs another one or another account."""

    bot_id: str
    name: str = ""
    symbol: str = ""
    account: str = ""


class ChangeScanSettings(_Command, frozen=True):
    """At any time, also during a scan: that one ends with the settings it began with."""

    bot_id: str
    settings: ScanSettings


class ChangeSignalExchange(_Command, frozen=True):
    """Another configured exchange whose candles give the signals from now on, "" the account's
    own. Refused unless the bot stands still, and where that exchange does not have its symbol."""

    bot_id: str
    exchange: str


class RemoveBot(_Command, frozen=True):
    """Refused while the bot runs or holds a position."""

    bot_id: str


class ClosePosition(_Command, frozen=True):
    account: str
    symbol: str


class CancelOrder(_Command, frozen=True):
    account: str
    symbol: str
    client_order_id: str
    exchange_order_id: str


class AmendOrder(_Command, frozen=True):
    """Change a working order of ours in its place; None leaves that one. An entry never needs more
    than was reserved and checked for it: that is a new order."""

    account: str
    client_order_id: str
    quantity: Decimal | None = None
    price: Decimal | None = None


class MoveStop(_Command, frozen=True):
    """Put a new stop (and take profit; None leaves it) in the place of a position's old one."""

    account: str
    symbol: str
    stop_loss: Decimal
    take_profit: Decimal | None = None


class PreviewOrder(_Command, frozen=True):
    """What an order by hand would cost and risk (`CommandResult.preview`); nothing happens."""

    ticket: OrderTicket


class PlaceOrder(_Command, frozen=True):
    """Send an order by hand down the road of every order; the same ticket twice is one order.
    `confirm_live` must be True for an account in live mode: the trader has confirmed."""

    ticket: OrderTicket
    confirm_live: bool = False


class KillSwitch(_Command, frozen=True):
    """Stops every bot, cancels every working order except protective stops, halts entries."""


class ResumeTrading(_Command, frozen=True):
    """Explicit end of the kill switch."""


class GetCandles(_Command, frozen=True):
    """The newest `count` closed candles up to open time `end_ms` (None: now) with `indicators`."""

    symbol: str
    timeframe: str
    count: int = 1000
    end_ms: int | None = None
    indicators: tuple[IndicatorSpec, ...] = STANDARD


class WatchChart(_Command, frozen=True):
    """This connection's charts as (symbol, timeframe); replaces the former list."""

    charts: list[tuple[str, str]]


class StopEngine(_Command, frozen=True):
    """Ordered shutdown. Positions and their stops stay at the exchange."""


class StartDownload(_Command, frozen=True):
    """Fetch the history of `symbols` from `start_ms` (ms UTC) on: only what is missing, newest
    first, behind everybody else's requests. Refused while another download runs.
    `exchange` "" is the first account's."""

    symbols: list[str]
    timeframe: str
    start_ms: int
    exchange: str = ""


class PauseDownload(_Command, frozen=True):
    pass


class ResumeDownload(_Command, frozen=True):
    pass


class CancelDownload(_Command, frozen=True):
    """What has come stays; the same download started again asks only for the rest."""


class RepairGaps(_Command, frozen=True):
    """Ask the exchange for the bars that are missing inside a stored series."""

    symbol: str
    timeframe: str
    exchange: str = ""


class ListSeries(_Command, frozen=True):
    """Every series that is stored, also those no bot uses (`CommandResult.series`)."""


class AcceptPosition(_Command, frozen=True):
    """The trader takes over a position that nothing of ours explains: from now on it counts as
    known, and is guarded. Refused where no stop rests at the exchange and none is given."""

    account: str
    symbol: str
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None


class IgnoreFinding(_Command, frozen=True):
    """The trader keeps an unexplained position or order for himself: it is not told again while
    it stays as it is, and its symbol stays paused."""

    account: str
    symbol: str


class BookTransfer(_Command, frozen=True):
    """The trader's word on a ledger difference that nothing explains: `amount` (quote currency)
    was deposited at the exchange, or withdrawn (below zero). Refused where it does not bring the
    ledger and the exchange's balance closer."""

    account: str
    amount: Decimal


class GetTrail(_Command, frozen=True):
    """Everything that led to one order and came of it, in order (`CommandResult.trail`)."""

    client_order_id: str


class GetJournal(_Command, frozen=True):
    """A page of an account's round trips (`CommandResult.journal`): the newest `count` of those
    before number `end`, counted from the oldest; None: of all."""

    account: str
    end: int | None = None
    count: int = 200


class WriteTradeNote(_Command, frozen=True):
    """The trader's words on a round trip, in the place of the former ones; kept by the engine.
    `key` is the trip's, as the journal names it."""

    key: TradeKey
    text: str
    tags: tuple[str, ...] = ()


class GetStatistics(_Command, frozen=True):
    """How good a part of an account's trading was (`CommandResult.statistics`)."""

    account: str
    choice: Choice = Choice()


class WriteReport(_Command, frozen=True):
    """The files of an account's trading day ("2026-11-20"; "" is today as it stands), beside those
    that the engine writes by itself at a day's end (`CommandResult.path`: of the page)."""

    account: str
    day: str = ""


class AddPriceAlert(_Command, frozen=True):
    """Kept by the engine, which fires it whether a screen is open or not."""

    wish: AlertWish


class MovePriceAlert(_Command, frozen=True):
    """To where its line was dragged; one that had fired waits again."""

    alert_id: int
    price: Decimal


class RemovePriceAlert(_Command, frozen=True):
    alert_id: int


class ChooseMessages(_Command, frozen=True):
    """Which kinds of message go out: some of `core.models.alerts.MESSAGE_KINDS`."""

    kinds: list[str]


class SendTestMessage(_Command, frozen=True):
    """Now, over every channel; the channels are read anew first."""


Command = (
    Attach
    | StartBot
    | PauseBot
    | StopBot
    | AddBot
    | RemoveBot
    | RenameBot
    | DuplicateBot
    | ChangeScanSettings
    | ChangeSignalExchange
    | ClosePosition
    | CancelOrder
    | AmendOrder
    | MoveStop
    | PreviewOrder
    | PlaceOrder
    | KillSwitch
    | ResumeTrading
    | GetCandles
    | WatchChart
    | StopEngine
    | StartDownload
    | PauseDownload
    | ResumeDownload
    | CancelDownload
    | RepairGaps
    | ListSeries
    | AcceptPosition
    | IgnoreFinding
    | BookTransfer
    | GetTrail
    | GetJournal
    | WriteTradeNote
    | GetStatistics
    | WriteReport
    | AddPriceAlert
    | MovePriceAlert
    | RemovePriceAlert
    | ChooseMessages
    | SendTestMessage
)


class Request(msgspec.Struct, frozen=True):
    request_id: int
    command: Command


class CommandResult(msgspec.Struct, frozen=True, tag=True):
    """Answer to one request; `text` is a sentence for the trader when `ok` is False. `is_unknown`:
    nobody answered in time, it may still be done (only the screen's own end says so)."""

    request_id: int
    ok: bool
    text: str = ""
    is_unknown: bool = False
    block: CandleBlock | None = None
    attached: Attached | None = None
    series: list[SeriesSnapshot] | None = None
    trail: list[TrailLine] | None = None
    preview: OrderPreview | None = None
    journal: JournalPage | None = None
    statistics: Statistics | None = None
    path: str = ""


class SnapshotMessage(_Command, frozen=True):
    snapshot: EngineSnapshot


class FeedMessage(_Command, frozen=True):
    items: list[FeedItem]


class AttachedMessage(_Command, frozen=True):
    """The greeting again, because something in it has changed: start over from it."""

    attached: Attached


ServerMessage = CommandResult | SnapshotMessage | FeedMessage | AttachedMessage
