"""The engine's bots: which there are, who owns which symbol, how they start, stop and change.

What a bot owns is derived, never kept twice: the symbol of its spec, or what the journal says its
entries have opened.
"""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Callable, Collection, Mapping

import msgspec

from core.account_desk import AccountDesk
from core.bot_registry import BotRegistry
from core.bots.bot import Bot, BotParts
from core.bots.bot_account import BotAccount
from core.bots.bot_spec import BotSpec
from core.bots.kinds import bot_kind
from core.bots.universe_book import UniverseBook
from core.clock import Clock
from core.exchange_port import ExchangeError, RequestRejected
from core.limits.priority import asking_for
from core.market_data.candle_store import StoreFault
from core.market_feed import MarketFeed
from core.models.orders import Order
from core.portfolio.sizing import SizingMethod
from core.portfolio.sizing_methods import make_sizing
from core.refusal import Refused
from core.scanning.settings import ScanSettings
from core.snapshots import AccountMode, BotState, FindingSnapshot
from core.strategy import Strategy
from core.supervision import Supervisor

CLOSE_TIMEOUT_S = 10.0
RETRY_FIRST_S, RETRY_MOST_S = 1.0, 60.0
HEAD_START_S = 5.0
MOST_NAME_LENGTH = 60


class BotRoster:
    """Attributes: `bots` by id."""

    def __init__(
        self,
        *,
        clock: Clock,
        supervisor: Supervisor,
        desks: Mapping[str, AccountDesk],
        feeds: Mapping[str, MarketFeed],
        registry: BotRegistry,
        universes: UniverseBook,
        make_strategy: Callable[[BotSpec], Strategy],
        notice: Callable[..., None],
    ) -> None:
        """`make_strategy` raises ValueError for an unknown name or bad parameters.
        `notice(severity, title, text, symbol=, bot_id=)` tells the trader."""
        self.bots: dict[str, Bot] = {}
        self._clock = clock
        self._supervisor = supervisor
        self._desks = desks
        self._feeds = feeds
        self._registry = registry
        self._universes = universes
        self._make_strategy = make_strategy
        self._notice = notice
        self._specs = {spec.bot_id: spec for spec, _ in registry.load()}  # of all that are kept
        # what was found on accounts' symbols that wait for the trader; "" once he knows of it
        self._findings: dict[tuple[str, str], str] = {}
        self._to_pause: set[str] = set()  # bots that come back paused
        self._first_up: list[asyncio.Task[None]] = []  # bots of one symbol that come up now

    def bring_back(self, account: str, configured: list[BotSpec], *, autostart: bool) -> None:
        """An account's bots of the configuration and those kept from earlier runs; starts those
        told to, those that ran before, and paused those that were paused; except with real money
        (a person starts those). Raises Refused when a bot of the configuration cannot exist."""
        for spec in configured:
            if spec.account == account and self._registry.is_news(spec):
                self._make(spec)  # refused before it is kept: a mistake in a file stays there
                self._keep(spec)
                self._registry.note_configured(spec)
        to_start: list[Bot] = []
        for spec, state in self._registry.load():
            if spec.account != account:
                continue  # also one that is no longer configured: the bot is kept for its return
            if spec.bot_id not in self.bots and not self._made_again(spec):
                continue
            if not (autostart or spec.autostart or state is not BotState.STOPPED):
                continue
            if self._desks[spec.account].mode is AccountMode.LIVE:
                text = "It trades real money: a person starts it."
                self._notice("warning", "Not started", text, bot_id=spec.bot_id)
                continue
            if state is BotState.PAUSED:
                self._to_pause.add(spec.bot_id)
            to_start.append(self.bots[spec.bot_id])
        self._bring_all_up(to_start)

    def stop_all(self, reason: str) -> None:
        """They come back with the next run."""
        for bot in self.bots.values():
            bot.stop(reason)

    # --- commands: each does the whole thing or raises Refused --------------------------------

    async def start(self, bot_id: str, *, confirm_live: bool) -> str:
        bot = self._bot(bot_id)
        desk = self._desks[bot.spec.account]
        if desk.mode is AccountMode.LIVE and not confirm_live:
            raise Refused(f"{bot_id} trades real money: it starts only after you confirm.")
        if not desk.is_ready:
            raise Refused(f"{desk.name} is not ready: {desk.state_text}")
        self._to_pause.discard(bot_id)
        try:
            with asking_for(bot_id):
                await bot.start()
        except (ExchangeError, StoreFault):
            raise Refused(bot.state_text) from None
        if bot.state is BotState.STOPPED:
            raise Refused(f"{bot_id} was stopped while it was starting.")
        self._has_been_seen(bot)
        self._registry.set_state(bot_id, BotState.RUNNING)
        return f"{bot_id} is running."

    def pause(self, bot_id: str) -> str:
        """It comes back paused after a restart: who paused it has to say otherwise."""
        bot = self._bot(bot_id)
        self._pause(bot)
        return bot.state_text

    async def stop(self, bot_id: str, *, close_position: bool) -> str:
        """Stops first, so that no new entry can follow; then closes, and waits to see it flat."""
        bot = self._bot(bot_id)
        bot.stop()
        self._registry.set_state(bot_id, BotState.STOPPED)
        vanished = self._close_vanished(bot) if close_position else ""
        closed = await self._flatten(bot) if close_position else []  # whatever else it holds
        if vanished:
            return (
                f"{bot_id} is stopped. The exchange shows no {vanished}, our books do: "
                "it is closed if it shows up."
            )
        if not closed:
            return f"{bot_id} is stopped."
        are = "is" if len(closed) == 1 else "are"
        return f"{bot_id} is stopped and {', '.join(closed)} {are} closed."

    def add(self, spec: BotSpec) -> str:
        if spec.account not in self._desks:
            raise Refused(f"There is no account {spec.account!r}.")
        if spec.bot_id in self.bots or spec.bot_id in self._specs:
            raise Refused(f"There is a bot {spec.bot_id} already.")
        self._make(spec)
        self._keep(spec)
        return f"{spec.bot_id} is ready."

    def remove(self, bot_id: str) -> str:
        bot = self._still(bot_id)
        desk = self._desks[bot.spec.account]
        for symbol in self._symbols_of(bot):
            if _has_position(desk, symbol):
                raise Refused(f"{bot_id} still owns a position in {symbol}; close it first.")
            if _orders_on_their_way(desk, symbol):
                raise Refused(f"{bot_id} cannot be removed: an order of it is on its way.")
        del self.bots[bot_id], self._specs[bot_id]
        self._registry.remove(bot_id)
        self._universes.forget(bot_id)
        self._let_go(bot_id)
        return f"{bot_id} was removed."

    def rename(self, bot_id: str, name: str) -> str:
        """What screens show; the id stays, because orders and books carry it."""
        bot = self._bot(bot_id)
        self._reconfigure(bot, msgspec.structs.replace(bot.spec, name=_checked_name(name)))
        return f"{bot_id} is now called {bot.spec.shown_name}."

    def duplicate(self, bot_id: str, *, name: str, symbol: str, account: str) -> str:
        """A second bot with the same settings, stopped."""
        spec = self._bot(bot_id).spec
        account = account or spec.account
        copy = msgspec.structs.replace(
            spec,
            account=account,
            symbol=symbol or spec.symbol,
            name=_checked_name(name),
            autostart=False,
        )
        return self.add(msgspec.structs.replace(copy, bot_id=self.new_id(copy)))

    def change_scan(self, bot_id: str, settings: ScanSettings) -> str:
        bot = self._bot(bot_id)
        if not bot.scans:
            raise Refused(f"{bot_id} follows {bot.spec.symbol} alone: it does not scan.")
        self._reconfigure(bot, msgspec.structs.replace(bot.spec, scan=settings))
        return f"{bot_id} scans with the new settings."

    def change_signals(self, bot_id: str, exchange: str) -> str:
        """The exchange whose candles give its signals; "" is its account's own. It is made anew,
        on that one's feed."""
        bot = self._still(bot_id)
        own = self._desks[bot.spec.account].port.exchange
        wanted = "" if exchange == own else exchange
        spec = msgspec.structs.replace(bot.spec, signal_exchange=wanted)
        bot.stop()  # one that could not be started may follow prices
        self._make(spec)
        self._let_go(bot_id)
        self._keep(spec)
        return f"{bot_id} takes its signals from {exchange or own}."

    def new_id(self, spec: BotSpec) -> str:
        """An id for a bot that has none yet: from its symbol, or from its kind where it scans
        many; with the account or a number where that is taken."""
        what = "multi" if bot_kind(spec.kind).scans else spec.symbol.lower()
        first = f"{what}-{spec.timeframe}"
        taken = self._specs.keys() | self.bots.keys()
        if first not in taken or self._bot_of_symbol(spec.account, spec.symbol) == first:
            return first  # the second of one symbol is refused by that name
        names = [f"{first}-{spec.account}", *(f"{first}-{number}" for number in range(2, 1000))]
        return next(name for name in names if name not in taken)

    # --- the desks' questions -------------------------------------------------------------------

    def owner_of(self, account: str, symbol: str) -> str:
        """The bot that trades this symbol on this account, "" if none."""
        owner = self._bot_of_symbol(account, symbol)
        if owner:
            return owner
        holder = _holder(self._desks[account], symbol)
        return holder if holder in self._specs and not self._specs[holder].symbol else ""

    def sizing_of(self, bot_id: str) -> SizingMethod | None:
        """A bot's own sizing method, None when it uses the account's."""
        spec = self._specs.get(bot_id)
        return make_sizing(spec.sizing) if spec is not None and spec.sizing else None

    def symbols_of(self, account: str) -> set[str]:
        """What its bots of one symbol each are made for."""
        specs = self._specs.values()
        return {spec.symbol for spec in specs if spec.account == account and spec.symbol}

    def stop_bots_of(self, account: str, reason: str) -> None:
        """The kill switch of an account: its bots stop and stay stopped."""
        for bot in self.bots.values():
            if bot.spec.account == account and bot.state is not BotState.STOPPED:
                bot.stop(reason)
                self._registry.set_state(bot.spec.bot_id, BotState.STOPPED)

    def pause_external(self, account: str, symbol: str, text: str) -> None:
        """Something on `symbol` that no bot explains: the bot of that symbol pauses, also one that
        comes up later or after a restart, until the trader starts it; a bot that scans leaves the
        symbol alone. The trader is told."""
        if text or (account, symbol) not in self._findings:
            self._findings[account, symbol] = text
        owner = self._specs.get(self.owner_of(account, symbol))
        if owner is not None and owner.symbol == symbol:
            self._registry.pause(owner.bot_id)
            if owner.bot_id in self.bots:
                self.bots[owner.bot_id].pause()
        self._notice("danger", "External", text, symbol=symbol)

    def is_found(self, account: str, symbol: str) -> bool:
        """Whether something there waits for the trader's word, or is ignored on his word."""
        return (account, symbol) in self._findings

    def ignore_finding(self, account: str, symbol: str) -> None:
        """Known to the trader; the symbol's bots stay paused."""
        self._findings[account, symbol] = ""

    def drop_finding(self, account: str, symbol: str) -> None:
        self._findings.pop((account, symbol), None)

    def findings(self) -> list[FindingSnapshot]:
        """What waits for the trader's word, those that he knows of included."""
        return [
            FindingSnapshot(account, symbol, text, is_ignored=not text)
            for (account, symbol), text in self._findings.items()
        ]

    # --- inside ---------------------------------------------------------------------------------

    def _made_again(self, spec: BotSpec) -> bool:
        """One bot of our own list that cannot exist any more (a delisted symbol, say) must not
        keep the others down."""
        try:
            self._make(spec)
        except Refused as refusal:
            self._notice("danger", "Bot not loaded", str(refusal), bot_id=spec.bot_id)
            return False
        return True

    def _make(self, spec: BotSpec) -> None:
        desk = self._desks[spec.account]
        try:
            kind = bot_kind(spec.kind)
            self._check_symbol(spec, desk, scans=kind.scans)
            make_sizing(spec.sizing)
            self.bots[spec.bot_id] = kind(spec, self._parts(spec, desk))
        except ValueError as fault:
            raise Refused(str(fault)) from None

    def _check_symbol(self, spec: BotSpec, desk: AccountDesk, *, scans: bool) -> None:
        if scans:
            if spec.symbol:
                raise Refused(f"{spec.kind} chooses its symbols itself; {spec.symbol} is too much.")
            return
        if spec.symbol not in desk.instruments:
            likely = difflib.get_close_matches(spec.symbol, desk.instruments, n=1)
            hint = f" Did you mean {likely[0]}?" if likely else ""
            raise Refused(f"{desk.port.exchange} has no symbol {spec.symbol}.{hint}")
        listed = self._listed(spec.signal_exchange)
        if listed and spec.symbol not in listed:
            raise Refused(
                f"{spec.signal_exchange} has no symbol {spec.symbol}, so it gives no signals."
            )
        owner = self.owner_of(spec.account, spec.symbol)
        if owner not in ("", spec.bot_id):
            raise Refused(f"{owner} trades {spec.symbol} on {spec.account} already.")

    def _listed(self, exchange: str) -> Collection[str]:
        """Its symbols, as far as an account on it has read them."""
        desks = (desk for desk in self._desks.values() if desk.port.exchange == exchange)
        return next((desk.instruments for desk in desks if desk.instruments), ())

    def _parts(self, spec: BotSpec, desk: AccountDesk) -> BotParts:
        """Raises ValueError."""
        feed = self._feeds[desk.port.exchange]
        signal_feed = self._feeds.get(spec.signal_exchange or desk.port.exchange)
        if signal_feed is None:
            known = ", ".join(self._feeds)
            raise ValueError(
                f"no account is on {spec.signal_exchange!r}, so it gives no signals; known: {known}"
            )
        account = BotAccount(
            desk,
            spec.bot_id,
            owner_of=lambda symbol: self.owner_of(desk.name, symbol),
            reserved=lambda: self._reserved(desk.name),
        )
        return BotParts(
            strategy=self._make_strategy(spec),
            account=account,
            feed=feed,
            signal_feed=signal_feed,
            bus=desk.bus,
            clock=self._clock,
            supervisor=self._supervisor,
            universes=self._universes,
            turn_to_load=self._turn_to_load,
        )

    def _reserved(self, account: str) -> dict[str, str]:
        """See `BotAccount`."""
        owners = {s.symbol: s.bot_id for s in self._specs.values() if s.account == account}
        waiting = {symbol: "" for name, symbol in self._findings if name == account}
        return owners | waiting

    def _keep(self, spec: BotSpec) -> None:
        self._registry.add(spec)
        self._specs[spec.bot_id] = spec

    def _reconfigure(self, bot: Bot, spec: BotSpec) -> None:
        self._keep(spec)
        bot.reconfigure(spec)

    def _bring_all_up(self, bots: list[Bot]) -> None:
        """Side by side; see `_turn_to_load`."""
        for bot in sorted(bots, key=lambda bot: bot.scans):
            task = self._supervisor.spawn(bot.spec.bot_id, self._bring_up(bot))
            if not bot.scans:
                self._first_up.append(task)

    async def _turn_to_load(self) -> None:
        """The many requests of a bot that scans shall not stand before those of a bot that has a
        single symbol to load."""
        if self._first_up:
            await asyncio.wait(self._first_up, timeout=HEAD_START_S)

    async def _bring_up(self, bot: Bot) -> None:
        """Start a bot that nobody stands beside: an exchange that does not answer is asked
        again, until somebody stops the bot."""
        bot_id, delay_s = bot.spec.bot_id, RETRY_FIRST_S
        while True:
            try:
                with asking_for(bot_id):
                    await bot.start()
                break
            except (ExchangeError, StoreFault) as fault:
                if delay_s == RETRY_FIRST_S:
                    self._notice("danger", "Bot not running", bot.state_text, bot_id=bot_id)
                if isinstance(fault, RequestRejected):
                    return
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, RETRY_MOST_S)
            if bot.state is not BotState.ERROR or self.bots.get(bot_id) is not bot:
                return
        if bot.state is BotState.RUNNING:
            self._registry.set_state(bot_id, BotState.RUNNING)
            if bot_id in self._to_pause or self.is_found(bot.spec.account, bot.spec.symbol):
                self._pause(bot)

    def _pause(self, bot: Bot) -> None:
        bot.pause()
        if bot.state is BotState.PAUSED:
            self._registry.set_state(bot.spec.bot_id, BotState.PAUSED)

    def _has_been_seen(self, bot: Bot) -> None:
        """Who starts a bot by hand knows what was found on its symbol; with one that scans, on
        all symbols without a bot of their own."""
        for account, symbol in list(self._findings):
            owner = self._bot_of_symbol(account, symbol)
            if account == bot.spec.account and owner == ("" if bot.scans else bot.spec.bot_id):
                del self._findings[account, symbol]

    def _bot_of_symbol(self, account: str, symbol: str) -> str:
        """The bot that has this very symbol in its spec, "" if none."""
        owners = (
            spec.bot_id
            for spec in self._specs.values()
            if symbol and (spec.account, spec.symbol) == (account, symbol)
        )
        return next(owners, "")

    async def _flatten(self, bot: Bot) -> list[str]:
        """Close its positions, also one whose entry is still on its way; returns the symbols that
        were open. Raises Refused when it takes too long: it goes on by itself then."""
        desk = self._desks[bot.spec.account]
        ways = {symbol: _orders_on_their_way(desk, symbol) for symbol in self._symbols_of(bot)}
        opened = {symbol for symbol in ways if _has_position(desk, symbol)}
        deadline_s = self._clock.monotonic_s() + CLOSE_TIMEOUT_S
        asked: set[str] = set()
        while True:
            busy = [
                s for s in sorted({*self._symbols_of(bot), *ways}) if self._may_be_open(desk, s)
            ]
            if not busy:
                break
            for symbol in busy:
                opened |= {symbol} if _has_position(desk, symbol) else set()
                is_new = symbol not in asked
                asked.add(symbol)
                desk.close_position(
                    symbol, "The bot was stopped.", with_entries=True, at_once=is_new
                )
            if self._clock.monotonic_s() > deadline_s:
                bot_id, open_ = bot.spec.bot_id, ", ".join(busy)
                if not (desk.is_ready or any(_has_position(desk, s) for s in busy)):
                    raise Refused(
                        f"{bot_id} is stopped. Whether {open_} is open cannot be seen now; it is "
                        "closed as soon as the exchange answers."
                    )
                raise Refused(f"{bot_id} is stopped, but {open_} is not closed yet; see Orders.")
            await asyncio.sleep(0.05)
        filled = {symbol for symbol, orders in ways.items() if _has_filled(desk, orders)}
        return sorted(opened | filled)

    def _close_vanished(self, bot: Bot) -> str:
        """Where our books hold what the exchange does not show: somebody may have closed it by
        hand, or the exchange has answered wrongly. Nobody can wait to see it flat, but should it
        show up, it is closed. "" where there is none."""
        desk = self._desks[bot.spec.account]
        unclear = desk.oms.unclear_symbols(desk.name) if desk.is_built else set()
        vanished = [
            symbol
            for symbol in self._symbols_of(bot)
            if symbol in unclear and not self._may_be_open(desk, symbol)
        ]
        for symbol in vanished:
            desk.close_position(symbol, "The bot was stopped.", with_entries=True)
        return ", ".join(vanished)

    def _may_be_open(self, desk: AccountDesk, symbol: str) -> bool:
        """A position, an order on its way, or a message that is missing: what looks flat may not
        be, nor what cannot be seen. Where others trade by hand, nobody can be that sure."""
        if desk.is_built and not desk.is_ready:
            return True
        if _has_position(desk, symbol) or _orders_on_their_way(desk, symbol):
            return True
        is_others = (desk.name, symbol) in self._findings
        return desk.is_built and not is_others and symbol in desk.oms.unclear_symbols(desk.name)

    def _symbols_of(self, bot: Bot) -> list[str]:
        """What it trades: its one symbol, or those that it has entered."""
        if bot.spec.symbol:
            return [bot.spec.symbol]
        return sorted(bot.account.engaged())

    def _let_go(self, bot_id: str) -> None:
        """Of the candles that it has followed; one that only stands still keeps them complete."""
        for feed in self._feeds.values():
            feed.release(bot_id)

    def _still(self, bot_id: str) -> Bot:
        """One that stands still. Raises Refused."""
        bot = self._bot(bot_id)
        if bot.state not in (BotState.STOPPED, BotState.ERROR):
            raise Refused(f"{bot_id} is {bot.state}; stop it first.")
        return bot

    def _bot(self, bot_id: str) -> Bot:
        if bot_id not in self.bots:
            raise Refused(f"There is no bot {bot_id!r}.")
        return self.bots[bot_id]


def _checked_name(name: str) -> str:
    name = " ".join(name.split())
    if len(name) > MOST_NAME_LENGTH:
        raise Refused(f"A name has at most {MOST_NAME_LENGTH} characters.")
    return name


def _holder(desk: AccountDesk, symbol: str) -> str:
    """The bot that opened the symbol's position from flat, whoever has added to it since; else
    the one whose entry may still open one."""
    if not desk.is_built:
        return ""
    trade = desk.trades.open_trades.get(symbol)
    return desk.oms.entering(desk.name, symbol) if trade is None else trade.bot_id


def _has_position(desk: AccountDesk, symbol: str) -> bool:
    position = desk.state.position(desk.name, symbol)
    return position is not None and not position.is_flat


def _orders_on_their_way(desk: AccountDesk, symbol: str) -> list[Order]:
    """Orders of ours, which may yet open something; not the exchange's own stops."""
    if not desk.is_built:
        return []
    working = desk.oms.working_orders(desk.name)
    return [order for order in working if order.symbol == symbol and order.client_order_id]


def _has_filled(desk: AccountDesk, orders: list[Order]) -> bool:
    newest = (desk.oms.order(order.client_order_id) for order in orders)
    return any(order is not None and order.filled_quantity > 0 for order in newest)
