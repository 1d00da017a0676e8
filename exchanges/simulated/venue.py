"""The exchange itself: time, matching and the accounts, over one market.

Not thread safe: one loop owns it. Every public call first brings the market up to the clock, so
answers are never older than the question. Results depend on market time only, not on how often
`advance` is called.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from core.clock import Clock
from core.models.candles import Candle, Timeframe
from core.models.instruments import Instrument
from core.models.orders import Side
from exchanges.simulated.account import Account
from exchanges.simulated.instruments import EXCHANGE
from exchanges.simulated.market import Level, Market, OrderBook, Tick, TickBlock
from exchanges.simulated.matching import Matching
from exchanges.simulated.quiet import quiet_until
from exchanges.simulated.settlement import FUNDING_INTERVAL_MS, MARGIN_INTERVAL_MS, settle
from exchanges.simulated.state import VenueState
from exchanges.simulated.store import VenueStore
from exchanges.simulated.values import Traded, VenueEvent, VenueTicker
from exchanges.simulated.venue_profile import STANDARD, ClientIds, VenueProfile

_ZERO = Decimal(0)
_SAVE_TIME_EVERY_S = 1.0  # real seconds
_LEAD_S = 2.0  # the time on disk runs ahead by this: a crash never takes market time back
_TRADES_REACH_MS = 600_000


class Venue:
    """Public side and accounts.

    Attributes: `on_event` (called in order, after the change is committed; must not raise or call
    back into the venue), `clock`, `market`, `profile`, `maker_fee_rate`, `taker_fee_rate`.
    """

    def __init__(
        self,
        *,
        market: Market,
        clock: Clock,
        initial_balance: Decimal = Decimal(25000),
        maker_fee_rate: Decimal = Decimal("0.0002"),
        taker_fee_rate: Decimal = Decimal("0.00055"),
        store: VenueStore | None = None,
        profile: VenueProfile = STANDARD,
    ) -> None:
        """`store` None: books live in memory only. Raises BooksMismatch when the store holds
        the books of another market."""
        self.market = market
        self.clock = clock
        self.maker_fee_rate = maker_fee_rate
        self.taker_fee_rate = taker_fee_rate
        self.profile = profile
        self._initial_balance = initial_balance
        has_unique_ids = profile.client_ids is ClientIds.ALWAYS
        store = store or VenueStore(has_unique_client_ids=has_unique_ids)
        self._state = VenueState(market, store, clock.time_ms())
        self._matching = Matching(
            self._state, maker_fee_rate=maker_fee_rate, taker_fee_rate=taker_fee_rate
        )
        self._accounts: dict[str, Account] = {}
        self._watchers: dict[str, int] = {}
        self._told_ms: dict[str, int] = {}
        self._commit()  # a crash in the first second finds the time that was shown by then

    @property
    def on_event(self) -> list[Callable[[VenueEvent], None]]:
        return self._state.listeners

    @property
    def instruments(self) -> dict[str, Instrument]:
        return self.market.instruments

    def time_ms(self) -> int:
        """Market time, ms UTC."""
        return self.clock.time_ms()

    # -- time ---------------------------------------------------------------------------------

    def advance(self) -> None:
        """Process everything that happened up to the clock's time, commit, send events.

        Over live prices, time stands still while a symbol with orders or a position has none.
        """
        state, now_ms = self._state, self.clock.time_ms()
        while state.now_ms < now_ms:
            symbols = self._symbols_with_business()
            if not symbols:
                state.now_ms = now_ms
                break
            if any(self.market.last_tick(symbol, now_ms) is None for symbol in symbols):
                break  # live prices that have not come yet: the books wait for them
            quiet_ms = quiet_until(state, symbols, now_ms)
            if quiet_ms > state.now_ms:
                state.now_ms = quiet_ms
                continue
            minute_ms = (state.now_ms // MARGIN_INTERVAL_MS + 1) * MARGIN_INTERVAL_MS
            self._play(min(minute_ms, now_ms))
            if state.now_ms % MARGIN_INTERVAL_MS == 0:
                settle(state, self._matching)
        for symbol, told_ms in self._told_ms.items():
            if told_ms < state.now_ms:
                block = self.market.ticks(symbol, told_ms, state.now_ms)
                self._told_ms[symbol] = state.now_ms
                if len(block):
                    state.tell(Traded(symbol, block))
        is_time_to_save = self.clock.monotonic_s() - self._time_saved_s >= _SAVE_TIME_EVERY_S
        if state.has_changes or is_time_to_save:
            self._commit()
        else:
            state.tell_events()

    def _symbols_with_business(self) -> set[str]:
        return {
            symbol
            for ledger in self._state.ledgers.values()
            for symbol in (
                *(order.symbol for order in ledger.orders.values()),
                *(symbol for symbol, _ in ledger.open_holdings()),
            )
        }

    def _play(self, end_ms: int) -> None:
        """Trades of every symbol with orders, in order of time, up to and including `end_ms`."""
        state = self._state
        pending: dict[str, tuple[TickBlock, int]] = {}
        for symbol, orders in state.orders.items():
            if len(orders):
                block = self.market.ticks(symbol, state.now_ms, end_ms)
                index = orders.first_concerned(block, 0)
                if index is not None:
                    pending[symbol] = block, index
        while pending:
            symbol = min(pending, key=lambda name: pending[name][0].times_ms[pending[name][1]])
            block, index = pending.pop(symbol)
            tick = block[index]
            state.now_ms = tick.time_ms
            self._matching.on_trade(symbol, tick)
            following = state.orders[symbol].first_concerned(block, index + 1)
            if following is not None:
                pending[symbol] = block, following
        state.now_ms = end_ms

    def _commit(self) -> None:
        self._time_saved_s = self.clock.monotonic_s()
        lead_ms = int(_LEAD_S * 1000 * self.clock.rate)
        self._state.commit({"resume_ms": str(self.clock.time_ms() + lead_ms)})

    def close(self) -> None:
        """Commit the market time reached exactly and close the store."""
        self.advance()
        self._state.commit({"resume_ms": str(self.clock.time_ms())})
        self._state.store.close()

    # -- accounts -----------------------------------------------------------------------------

    def account(self, name: str) -> Account:
        """The account of that name (api key); made with the initial balance on first use."""
        account = self._accounts.get(name)
        if account is None:
            state = self._state
            ledger = state.ledgers.get(name)
            if ledger is None:
                ledger = state.open_account(name, self._initial_balance)
                self._commit()
            account = self._accounts[name] = Account(
                ledger,
                state,
                self._matching,
                advance=self.advance,
                commit=self._commit,
                profile=self.profile,
            )
        return account

    # -- public side --------------------------------------------------------------------------

    def watch(self, symbol: str) -> None:
        """From now on every trade of `symbol` comes as `Traded`. Counted: pairs with unwatch."""
        self._watchers[symbol] = self._watchers.get(symbol, 0) + 1
        self._told_ms.setdefault(symbol, self._state.now_ms)

    def unwatch(self, symbol: str) -> None:
        self._watchers[symbol] -= 1
        if not self._watchers[symbol]:
            del self._watchers[symbol], self._told_ms[symbol]

    def ticker(self, symbol: str) -> VenueTicker:
        """Raises LookupError before the symbol's first trade."""
        now_ms = self.clock.time_ms()
        day = self.market.day_statistics(symbol, now_ms)
        book = self.market.order_book(symbol, now_ms, 1)
        tick = self.market.last_tick(symbol, now_ms)
        if tick is None:
            raise LookupError(f"{symbol} has not traded yet.")
        price = tick.price
        bid = book.bids[0] if book.bids else Level(price, _ZERO)
        ask = book.asks[0] if book.asks else Level(price, _ZERO)
        next_funding_ms = (now_ms // FUNDING_INTERVAL_MS + 1) * FUNDING_INTERVAL_MS
        change = price / day.price_24h_ago - 1
        return VenueTicker(
            exchange=EXCHANGE,
            symbol=symbol,
            last_price=price,
            exchange_time_ms=now_ms,
            mark_price=price,
            bid_price=bid.price,
            ask_price=ask.price,
            high_24h=day.high,
            low_24h=day.low,
            change_24h_ratio=change.quantize(Decimal("0.000001")),
            turnover_24h=day.turnover,
            funding_rate=self.market.funding_rate(symbol, next_funding_ms),
            bid_size=bid.quantity,
            ask_size=ask.quantity,
            volume_24h=day.volume,
            price_24h_ago=day.price_24h_ago,
            price_1h_ago=day.price_1h_ago,
            next_funding_ms=next_funding_ms,
            open_interest=day.volume,  # a market turns over about its open interest a day
        )

    def candles(
        self,
        symbol: str,
        timeframe: Timeframe,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 200,
    ) -> list[Candle]:
        """As `Market.candles`, at the clock's time."""
        return self.market.candles(
            symbol,
            timeframe,
            now_ms=self.clock.time_ms(),
            start_ms=start_ms,
            end_ms=end_ms,
            limit=limit,
        )

    def order_book(self, symbol: str, depth: int = 50) -> OrderBook:
        """The market's book with the accounts' resting orders in it."""
        self.advance()
        book = self.market.order_book(symbol, self._state.now_ms, depth)
        orders = self._state.orders[symbol]
        own = {
            side: [(o.price or _ZERO, o.leaves_quantity) for o in orders.resting(side)]
            for side in Side
        }
        # A level of the market that an account's order stands in the way of is not shown: the
        # next trade meets that order first.
        lowest_ask = min((price for price, _ in own[Side.SELL]), default=None)
        highest_bid = max((price for price, _ in own[Side.BUY]), default=None)
        bids = [level for level in book.bids if lowest_ask is None or level.price < lowest_ask]
        asks = [level for level in book.asks if highest_bid is None or level.price > highest_bid]
        return OrderBook(
            symbol,
            book.time_ms,
            _merged([*bids, *own[Side.BUY]], depth, highest_first=True),
            _merged([*asks, *own[Side.SELL]], depth, highest_first=False),
        )

    def recent_trades(self, symbol: str, limit: int = 60) -> list[Tick]:
        """Newest first."""
        now_ms = self.clock.time_ms()
        block = self.market.ticks(symbol, now_ms - _TRADES_REACH_MS, now_ms)
        newest = block.part(max(0, len(block) - limit), len(block))
        return list(newest)[::-1]

    def funding_rate(self, symbol: str, funding_ms: int) -> Decimal:
        return self.market.funding_rate(symbol, funding_ms)


def _merged(
    levels: list[Level] | list[tuple[Decimal, Decimal]], depth: int, *, highest_first: bool
) -> list[Level]:
    sums: dict[Decimal, Decimal] = {}
    for price, quantity in levels:
        sums[price] = sums.get(price, _ZERO) + quantity
    return [Level(price, sums[price]) for price in sorted(sums, reverse=highest_first)[:depth]]
