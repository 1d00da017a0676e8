"""The only part of the screen that knows the link to the engine.

`EngineLink` finds the engine by its runtime file, attaches, and keeps trying when it is gone; a gap
in the ordered list means that something was lost, so it attaches again and gets the list anew.
`Bridge` gives the tabs the shared services (`ui/shared_services.py`), one `BotLink` per bot, and
the newest of everything.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import itertools
import logging
import time
from collections import deque
from pathlib import Path

import msgspec
from PyQt6.QtCore import QObject, pyqtSignal

from core.commands import (
    AddBot,
    Attach,
    AttachedMessage,
    Command,
    CommandResult,
    FeedMessage,
    KillSwitch,
    Request,
    ResumeTrading,
    ServerMessage,
    SnapshotMessage,
    StopEngine,
)
from core.link_protocol import (
    LinkError,
    RuntimeFile,
    decode_server_message,
    encode_frame,
    read_frame,
)
from core.models.instruments import Instrument
from core.models.orders import Order, OrderPurpose
from core.parameter_form import PartForm
from core.snapshots import (
    PROTOCOL_VERSION,
    AccountMode,
    AccountSnapshot,
    Attached,
    BotSnapshot,
    ClosedCandle,
    EngineSnapshot,
    EngineState,
    FeedItem,
    FillRecord,
    LiveCandle,
    OrderRecord,
    PositionSnapshot,
    RiskSnapshot,
    TickerRow,
)
from ui.chart_links import ChartLinks
from ui.chart_memory import ChartMemory
from ui.i18n import tr
from ui.order_desk import OrderDesk
from ui.shared_services import APIRateLimiter, BotLink, SharedCapitalManager, SharedDataManager

_LOG = logging.getLogger(__name__)
_RETRY_FIRST_S = 0.25
_RETRY_MOST_S = 2.0
_ATTACH_TIMEOUT_S = 5.0
_KEPT_ITEMS = 2000
STALE_AFTER_MS = 15_000
NOT_CONNECTED = "The engine is not connected"
CONNECTING = "Connecting to the engine"
WAITING_FOR_PRICE = "Waiting for a fresh price"
_NO_BOTS_YET = (EngineState.STARTING, EngineState.RECONCILING)


class LinkState(enum.Enum):
    """SEARCHING: never attached yet. LOST: it was attached and the engine went away."""

    SEARCHING = "searching"
    ATTACHED = "attached"
    LOST = "lost"


class _GapError(Exception):
    """Items of the ordered list were lost."""


class _RefusedError(Exception):
    """The engine did not let this screen in."""


class EngineLink(QObject):
    """Connection to the engine of one data directory, renewed for as long as the screen lives.

    Attributes: state, reason (one sentence while not attached), engine_pid.
    Signals: state_changed(LinkState), attached(Attached), snapshot(EngineSnapshot),
    records(list[FeedItem]): new items in order, each once; those of the backlog come with
    `attached` and not here.
    """

    state_changed = pyqtSignal(object)
    attached = pyqtSignal(object)
    snapshot = pyqtSignal(object)
    records = pyqtSignal(list)

    def __init__(self, data_dir: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.state = LinkState.SEARCHING
        self.reason = "Looking for the engine."
        self.engine_pid: int | None = None
        self._runtime_path = data_dir / "run" / "engine.json"
        self._request_ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[CommandResult]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._last_seq: int | None = None
        self._last_word_s = time.monotonic()
        self._task: asyncio.Task[None] | None = None
        self._is_attached = asyncio.Event()

    def start(self) -> None:
        """Look for the engine until `close`; needs a running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._keep_attached())

    async def close(self) -> None:
        """Leave the engine alone and forget it."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def until_attached(self) -> None:
        """Return as soon as an engine is attached."""
        await self._is_attached.wait()

    def silence_s(self) -> float:
        """Seconds since the engine's last message."""
        return time.monotonic() - self._last_word_s

    async def send(self, command: Command, timeout_s: float = 10.0) -> CommandResult:
        """Ask the engine; the answer is always a result with a sentence, never an exception.

        No answer within `timeout_s` is unknown, not "no": the sentence says so.
        """
        if self._writer is None:
            return CommandResult(0, False, "The engine is not connected. Nothing was sent.")
        request_id = next(self._request_ids)
        answer: asyncio.Future[CommandResult] = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = answer
        try:
            self._writer.write(encode_frame(Request(request_id, command)))
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError:
            text = f"No answer from the engine for {timeout_s:.0f} s. It may still do it."
            return CommandResult(request_id, False, text, is_unknown=True)
        finally:
            self._waiting.pop(request_id, None)

    async def _keep_attached(self) -> None:
        delay_s = _RETRY_FIRST_S
        while True:
            try:
                await self._session()
            except _GapError as error:
                _LOG.info("%s; attaching again", error)
                delay_s = 0.0
            except (OSError, EOFError, TimeoutError) as error:
                self._go_away(
                    "The engine stopped answering."
                    if self._writer is not None
                    else self._why_not(error)
                )
            except (LinkError, msgspec.MsgspecError, _RefusedError) as error:
                self._go_away(f"The engine cannot be used: {error}")
            finally:
                was_attached = self._drop_connection()
            if was_attached:
                delay_s = min(delay_s, _RETRY_FIRST_S)
            await asyncio.sleep(delay_s)
            delay_s = min(max(delay_s, _RETRY_FIRST_S) * 2, _RETRY_MOST_S)

    async def _session(self) -> None:
        runtime = msgspec.json.decode(self._runtime_path.read_bytes(), type=RuntimeFile)
        async with asyncio.timeout(_ATTACH_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(runtime.host, runtime.port)
        try:
            writer.write(encode_frame(Request(next(self._request_ids), Attach(runtime.token))))
            async with asyncio.timeout(_ATTACH_TIMEOUT_S):
                first = decode_server_message(await read_frame(reader))
            if not isinstance(first, CommandResult) or first.attached is None:
                raise _RefusedError(first.text if isinstance(first, CommandResult) else "no answer")
            if first.attached.protocol_version != PROTOCOL_VERSION:
                raise _RefusedError("it is another version of the program; restart it")
            self._welcome(first.attached, writer)
            while True:
                self._dispatch(decode_server_message(await read_frame(reader)))
        finally:
            writer.close()

    def _welcome(self, attached: Attached, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.engine_pid = attached.engine_pid
        self._last_seq = attached.last_seq
        self._last_word_s = time.monotonic()
        self._set_state(LinkState.ATTACHED, "")
        self.attached.emit(attached)
        self.snapshot.emit(attached.snapshot)

    def _dispatch(self, message: ServerMessage) -> None:
        self._last_word_s = time.monotonic()
        if isinstance(message, SnapshotMessage):
            self.snapshot.emit(message.snapshot)
        elif isinstance(message, FeedMessage):
            self._take_items(message.items)
        elif isinstance(message, AttachedMessage):
            assert self._writer is not None
            self._welcome(message.attached, self._writer)
        else:
            answer = self._waiting.get(message.request_id)
            if answer is not None and not answer.done():
                answer.set_result(message)

    def _take_items(self, items: list[FeedItem]) -> None:
        fresh = []
        for item in items:
            if self._last_seq is not None:
                if item.seq <= self._last_seq:
                    continue  # it came with the backlog already
                if item.seq != self._last_seq + 1:
                    raise _GapError(f"items {self._last_seq + 1} to {item.seq - 1} were lost")
            self._last_seq = item.seq
            fresh.append(item)
        if fresh:
            self.records.emit(fresh)

    def _go_away(self, reason: str) -> None:
        lost = self.state is not LinkState.SEARCHING
        self._set_state(LinkState.LOST if lost else LinkState.SEARCHING, reason)

    def _drop_connection(self) -> bool:
        was_attached, self._writer = self._writer is not None, None
        text = "The engine went away before it answered. It may still have done it."
        for request_id, answer in self._waiting.items():
            if not answer.done():
                answer.set_result(CommandResult(request_id, False, text))
        return was_attached

    def _set_state(self, state: LinkState, reason: str) -> None:
        if (state, reason) != (self.state, self.reason):
            self.state, self.reason = state, reason
            if state is LinkState.ATTACHED:
                self._is_attached.set()
            else:
                self._is_attached.clear()
            self.state_changed.emit(state)

    @staticmethod
    def _why_not(error: Exception) -> str:
        if isinstance(error, FileNotFoundError):
            return "No engine runs on this data directory."
        if isinstance(error, PermissionError):
            return "The engine belongs to another user of this computer."
        return "The engine does not answer."


class Bridge(QObject):
    """Everything a tab may use: the shared services, one `BotLink` per bot, and the feed.

    Attributes: link, data, capital, limiter, orders (what may be asked about them), bots (by id, in
    the engine's order), snapshot (newest or None), instruments (by symbol), strategies, items (the
    newest of the ordered list).
    Signals: snapshot_changed(EngineSnapshot), state_changed(LinkState), bots_changed() when
    the set of bots differs, feed_reset() after attaching, feed_items(list[FeedItem]).
    """

    snapshot_changed = pyqtSignal(object)
    state_changed = pyqtSignal(object)
    bots_changed = pyqtSignal()
    feed_reset = pyqtSignal()
    feed_items = pyqtSignal(list)

    def __init__(self, data_dir: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.data_dir = data_dir
        self.chart_memory, self.chart_links = ChartMemory(data_dir, self), ChartLinks(self)
        self.link = EngineLink(data_dir, self)
        self.data = SharedDataManager(self.link.send, self)
        self.capital = SharedCapitalManager(self)
        self.limiter = APIRateLimiter(self)
        self.orders = OrderDesk(self.link.send)
        self.bots: dict[str, BotLink] = {}
        self.snapshot: EngineSnapshot | None = None
        self.instruments: dict[str, Instrument] = {}
        self.strategies: list[PartForm] = []
        self.sizing_methods: list[PartForm] = []
        self.items: deque[FeedItem] = deque(maxlen=_KEPT_ITEMS)
        self.link.attached.connect(self.take_attached)
        self.link.snapshot.connect(self.take_snapshot)
        self.link.records.connect(self.take_items)
        self.link.state_changed.connect(self.state_changed)

    def recall(self, bot: BotSnapshot, instrument: Instrument) -> None:
        """What the last run showed; it counts as old until an engine says what there is."""
        link = self.bots[bot.bot_id] = BotLink(self.link.send, bot, self)
        link.grow_old()
        self.instruments[instrument.symbol] = instrument

    def take_attached(self, attached: Attached) -> None:
        """A new connection: the backlog replaces what was known. An engine that has not met its
        exchange yet knows no instruments; those of before hold on until then."""
        self.instruments = {i.symbol: i for i in attached.instruments} or self.instruments
        self.strategies = attached.strategies
        self.sizing_methods = attached.sizing_methods
        self.items = deque(attached.backlog, maxlen=_KEPT_ITEMS)
        self.feed_reset.emit()

    def take_snapshot(self, snapshot: EngineSnapshot) -> None:
        """Newest values: facades first, so that a listener of the whole sees them all new."""
        self.snapshot = snapshot
        if snapshot.bots or self.is_settled:
            self._take_bots(snapshot.bots)
        else:  # it has still to bring them back: their tabs stay, and say so
            for link in self.bots.values():
                link.grow_old()
        self.capital.take(snapshot)
        self.limiter.take(snapshot)
        self.data.take(snapshot)
        self.snapshot_changed.emit(snapshot)

    def take_items(self, items: list[FeedItem]) -> None:
        """New entries of the ordered list."""
        self.items.extend(items)
        for item in items:
            if isinstance(item.record, ClosedCandle):
                self.data.candle_closed.emit(item.record.candle)
        self.feed_items.emit(items)

    def _take_bots(self, bots: list[BotSnapshot]) -> None:
        if [bot.bot_id for bot in bots] != list(self.bots):
            kept, self.bots = self.bots, {}
            for bot in bots:
                known = kept.pop(bot.bot_id, None)
                self.bots[bot.bot_id] = known or BotLink(self.link.send, bot, self)
            for gone in kept.values():
                gone.deleteLater()
            self.bots_changed.emit()
        for bot in bots:
            self.bots[bot.bot_id].take(bot)

    def repeat(self) -> None:
        """Say everything again, for texts in another language."""
        for bot in self.bots.values():
            bot.changed.emit(bot.latest)
        if self.capital.latest is not None:
            self.capital.changed.emit(self.capital.latest)
        self.limiter.changed.emit(self.limiter.latest)
        if self.data.latest is not None:
            self.data.changed.emit(self.data.latest)
        if self.snapshot is not None:
            self.snapshot_changed.emit(self.snapshot)

    @property
    def is_attached(self) -> bool:
        return self.link.state is LinkState.ATTACHED

    @property
    def is_settled(self) -> bool:
        """Whether the engine has reconciled: only then does an empty list mean "none"."""
        return self.snapshot is not None and self.snapshot.state not in _NO_BOTS_YET

    def knows(self, bot_id: str) -> bool:
        """Whether the engine that is attached has spoken of this bot."""
        bot = self.bots.get(bot_id)
        return self.is_attached and bot is not None and not bot.is_old

    def account(self, name: str) -> AccountSnapshot | None:
        accounts = self.snapshot.accounts if self.snapshot else []
        return next((a for a in accounts if a.name == name), None)

    def risk_in_view(self) -> RiskSnapshot | None:
        """Of the account whose capital is in view; where that has none yet, of the one that is
        stopped furthest."""
        account = self.account(self.capital.account)
        if account is not None and account.risk is not None:
            return account.risk
        return self.snapshot.risk if self.snapshot is not None else None

    def mode(self) -> AccountMode | None:
        """The most serious mode of all accounts: one live account makes the window LIVE."""
        modes = {a.mode for a in self.snapshot.accounts} if self.snapshot else set()
        order = (AccountMode.LIVE, AccountMode.PAPER, AccountMode.DEMO)
        return next((mode for mode in order if mode in modes), None)

    def ticker(self, symbol: str) -> TickerRow | None:
        rows = self.snapshot.tickers if self.snapshot else []
        return next((row for row in rows if row.ticker.symbol == symbol), None)

    def price_age_ms(self, symbol: str) -> int | None:
        """How old the newest price is now; None before the first."""
        row = self.ticker(symbol)
        return None if row is None else row.age_ms + int(self.link.silence_s() * 1000)

    def is_price_stale(self, symbol: str) -> bool:
        """Whether a price must not be traded on, nor look as if it could."""
        age_ms = self.price_age_ms(symbol)
        return not self.is_attached or (age_ms is not None and age_ms > STALE_AFTER_MS)

    def obstacle(self, symbol: str) -> str:
        """Why nothing that depends on this symbol's price may be sent now, in English; "" if
        nothing stands in the way."""
        if not self.is_attached:
            return NOT_CONNECTED
        if not self.is_settled:
            return CONNECTING
        return WAITING_FOR_PRICE if self.is_price_stale(symbol) else ""

    def owners(self) -> dict[str, str]:
        """Accounts and bots by the names that the engine gives their parts, as a trader reads
        them."""
        accounts = self.snapshot.accounts if self.snapshot else []
        shown = {a.name: f"{tr('Account')} · {a.name}" for a in accounts}
        for bot_id, link in self.bots.items():
            bot = link.latest
            shown[bot_id] = f"{tr('Bot')} · {bot.title} {bot.timeframe}"
        return shown

    def entry_of(self, account: str, symbol: str) -> Order | None:
        """The newest entry of ours that was filled there: what its position was meant to be."""
        return next(
            (
                order
                for order in self.order_history()
                if (order.account, order.symbol) == (account, symbol)
                and order.purpose is OrderPurpose.ENTRY
                and order.filled_quantity > 0
                and order.client_order_id
            ),
            None,
        )

    def position(self, account: str, symbol: str) -> PositionSnapshot | None:
        """The open position of one account in one symbol; None when flat."""
        for row in self.snapshot.positions if self.snapshot else []:
            if row.position.symbol == symbol and row.position.account == account:
                return None if row.position.is_flat else row
        return None

    def working_orders(self, symbol: str) -> list[Order]:
        orders = self.snapshot.working_orders if self.snapshot else []
        return [order for order in orders if order.symbol == symbol]

    def live_candle(self, symbol: str, timeframe: str) -> LiveCandle | None:
        candles = self.snapshot.live_candles if self.snapshot else []
        return next((c for c in candles if (c.symbol, c.timeframe) == (symbol, timeframe)), None)

    def fills(self, symbol: str | None = None) -> list[FillRecord]:
        """Fills of the list, oldest first."""
        records = (item.record for item in self.items)
        return [
            r
            for r in records
            if isinstance(r, FillRecord) and (symbol is None or r.fill.symbol == symbol)
        ]

    def order_history(self) -> list[Order]:
        """Newest known state of each order of the list, the last changed first."""
        newest: dict[str, Order] = {}
        for item in self.items:
            if isinstance(item.record, OrderRecord):
                order = item.record.order
                key = order.client_order_id or order.exchange_order_id
                newest.pop(key, None)
                newest[key] = order
        return list(reversed(newest.values()))

    async def add_bot(self, wanted: AddBot) -> CommandResult:
        return await self.link.send(wanted)

    async def kill_switch(self) -> CommandResult:
        return await self.link.send(KillSwitch(), timeout_s=30)

    async def resume_trading(self) -> CommandResult:
        return await self.link.send(ResumeTrading())

    async def stop_engine(self) -> CommandResult:
        return await self.link.send(StopEngine(), timeout_s=30)
