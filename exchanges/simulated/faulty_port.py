"""A simulated exchange behind a network and a venue that misbehave, by plan.

What has left the engine arrives at the venue even when the engine has died meanwhile; what a dead
engine's port would still deliver is delivered to nobody. Answers to questions may be old, partial
or empty; messages of the streams may be missing, doubled, late.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple, NoReturn, TypeVar

import msgspec

from core.exchange_port import (
    DuplicateOrder,
    ExchangeError,
    ExchangeListener,
    OutcomeUnknown,
    RateLimited,
    RequestRejected,
    StreamKind,
    Unavailable,
)
from core.models.fills import Fill
from core.models.orders import Order, OrderRequest
from core.models.positions import Position
from exchanges.simulated.account import Account
from exchanges.simulated.faults import FaultKind, FaultPlan
from exchanges.simulated.faulty_streams import FaultyStreams, Heard
from exchanges.simulated.simulated_exchange import SimulatedExchange
from exchanges.simulated.venue import Venue

AMBIGUOUS_CODES = ("10000", "10016", "429", "500", "502", "503", "504", "-1007", "50004", "html")
CLOCK_AHEAD_S = 1.0  # a request dated further ahead is refused
Answer = TypeVar("Answer")
Item = TypeVar("Item", Order, Fill, Position)


class Sent(msgspec.Struct, frozen=True):
    """A request for an order that left the engine, at that second of the run.

    `blind_s`: how long the orders stream was lost by then; `read_s`: when positions were last
    answered; `is_early`: a limiter had told it to wait longer."""

    at_s: float
    request: OrderRequest
    blind_s: float
    read_s: float
    is_early: bool


class Doing(NamedTuple):
    """An instruction: `what` is place, cancel, amend, leverage or protect; `name` tells it from
    others of its kind."""

    what: str
    symbol: str
    name: str


class Standing(msgspec.Struct):
    """What outlives an engine: every order request that left, and what the venue has decreed."""

    sent: list[Sent] = []
    delisted: set[str] = set()
    is_hedge_mode: bool = False

    def refusal(self, doing: Doing) -> RequestRejected | None:
        """The no that an instruction gets when it arrives; None: it is done."""
        if doing.what == "place" and doing.symbol in self.delisted:
            return RequestRejected(f"{doing.symbol} is not traded any more.", "10029")
        if doing.what == "place" and self.is_hedge_mode:
            return RequestRejected("The position index does not match the position mode.", "10001")
        return None


class FaultyExchange(SimulatedExchange):
    """Attributes: `standing`; `plan`; `heard`, each symbol's price that reached the engine last;
    `is_dead` after `die`."""

    def __init__(
        self,
        account: str,
        *,
        venue: Venue,
        plan: FaultPlan,
        dice: random.Random,
        now_s: Callable[[], float],
        clock_error_s: Callable[[], float],
        standing: Standing,
        on_crash: Callable[[], None],
        on_wire: Callable[[str], None],
        on_arrival: Callable[[Doing, bool], None],
        stream_interval_s: float = 1.0,
        latency_s: float = 0.03,
        timeout_s: float = 2.0,
    ) -> None:
        """`now_s()`: seconds of the run. `clock_error_s()`: how far the engine's clock is ahead.
        `on_crash()`: the engine has to die at this await. `on_wire(text)` is told what passes,
        `on_arrival(doing, is_done)` before an instruction is carried out and afterwards.
        `latency_s`: typical time of a request to arrive; `timeout_s`: when its caller gives up.
        """
        super().__init__(account, venue=venue, stream_interval_s=stream_interval_s)
        self.plan = plan
        self.standing = standing
        self.heard: dict[str, Heard] = {}
        self.is_dead = False
        self._dice = dice
        self._now_s = now_s
        self._clock_error_s = clock_error_s
        self._on_crash = on_crash
        self._on_wire = on_wire
        self._on_arrival = on_arrival
        self._base_latency_s = latency_s
        self._timeout_s = timeout_s
        self._lost_s: dict[StreamKind, float] = {}
        self._wait_until_s: dict[str, float] = {}
        self._read_s = -1.0
        self._doing = Doing("", "", "")  # the next instruction
        self._former: dict[str, Any] = {}
        self._loop = asyncio.get_running_loop()

    def die(self) -> None:
        """The engine is gone: nothing reaches it any more; what it sent is still on its way."""
        self.is_dead = True
        self._close_stream()
        if self._streaming is not None:
            self._streaming.cancel()

    def is_lost(self, kind: StreamKind) -> bool:
        """True from `lose_stream` to `restore_stream`."""
        return kind in self._lost

    def lose_stream(self, kind: StreamKind, detail: str) -> None:
        self._lost_s.setdefault(kind, self._now_s())
        super().lose_stream(kind, detail)

    def restore_stream(self, kind: StreamKind) -> None:
        self._lost_s.pop(kind, None)
        super().restore_stream(kind)

    # ---- streams

    def _streams(self, listener: ExchangeListener) -> FaultyStreams:
        return FaultyStreams(self.plan, listener, self.heard, is_dead=lambda: self.is_dead)

    async def start_market_data(self, listener: ExchangeListener) -> None:
        await super().start_market_data(self._streams(listener))

    async def start_trading(self, listener: ExchangeListener) -> None:
        if self.standing.is_hedge_mode:
            raise RequestRejected("The account is in hedge mode; switch it to one-way mode.")
        await super().start_trading(self._streams(listener))

    # ---- instructions

    async def place_order(self, request: OrderRequest) -> str:
        if self.plan.strikes(FaultKind.CRASH_BEFORE_REQUEST, request.symbol):
            await self._crash()
        now_s = self._now_s()
        lost_s = self._lost_s.get(StreamKind.PRIVATE, now_s)
        wait_until_s = self._wait_until_s.get(request.client_order_id, 0.0)
        sent = Sent(now_s, request, now_s - lost_s, self._read_s, now_s < wait_until_s - 0.001)
        self.standing.sent.append(sent)
        self._doing = Doing("place", request.symbol, request.client_order_id)
        return await super().place_order(request)

    async def cancel_order(self, symbol: str, client_order_id: str, exchange_order_id: str) -> None:
        self._doing = Doing("cancel", symbol, client_order_id or exchange_order_id)
        await super().cancel_order(symbol, client_order_id, exchange_order_id)

    async def amend_order(
        self,
        symbol: str,
        client_order_id: str,
        exchange_order_id: str,
        *,
        quantity: Decimal | None = None,
        price: Decimal | None = None,
    ) -> None:
        self._doing = Doing("amend", symbol, f"{client_order_id} {quantity} {price}")
        await super().amend_order(
            symbol, client_order_id, exchange_order_id, quantity=quantity, price=price
        )

    async def set_leverage(self, symbol: str, leverage: Decimal) -> None:
        self._doing = Doing("leverage", symbol, str(leverage))
        await super().set_leverage(symbol, leverage)

    async def set_protection(
        self, symbol: str, stop_loss: Decimal | None, take_profit: Decimal | None
    ) -> None:
        self._doing = Doing("protect", symbol, f"{stop_loss} {take_profit}")
        await super().set_protection(symbol, stop_loss, take_profit)

    async def _instruct(self, action: Callable[[Account], Answer]) -> Answer | None:
        doing = self._doing
        if self.is_dead:
            await _for_ever()
        text = " ".join(doing)
        try:
            answer = await self._carried(doing, action)
        except ExchangeError as fault:
            self._on_wire(f"{text}: {type(fault).__name__} {fault.code}")
            raise
        self._on_wire(f"{text}: done")
        return answer

    async def _carried(self, doing: Doing, action: Callable[[Account], Answer]) -> Answer | None:
        """There, done, and back, or what became of it on the way."""
        what, symbol, _ = doing
        await self._stopped_before(doing)
        strikes = self.plan.strikes
        if strikes(FaultKind.LOST_REQUEST, symbol):
            await self._gives_up()
        arrived: asyncio.Future[Answer | None] = self._loop.create_future()
        arrive = partial(self._arrive, arrived, action, doing, self._now_s(), self._clock_error_s())
        late = strikes(FaultKind.LATE_ADMIT, symbol)
        delay_s = self._travel_s()
        if late is not None:
            dice = self.plan.dice(FaultKind.LATE_ADMIT, symbol)
            delay_s = self._timeout_s + dice.uniform(0, late.value)
        # on the loop, not in a task: it arrives also when the engine dies meanwhile
        slow = strikes(FaultKind.SLOW_CANCEL, symbol) if what == "cancel" else None
        if slow is not None:
            dice = self.plan.dice(FaultKind.SLOW_CANCEL, symbol)
            self._loop.call_later(delay_s + dice.uniform(0, slow.value), arrive)
            await asyncio.sleep(delay_s + self._travel_s())
            return None
        self._loop.call_later(delay_s, arrive)
        if late is not None:
            await self._gives_up()
        try:
            answer, refusal = await asyncio.shield(arrived), None
        except ExchangeError as fault:
            answer, refusal = None, fault
        if what == "place" and strikes(FaultKind.CRASH_AFTER_REQUEST, symbol):
            await self._crash()
        if strikes(FaultKind.LOST_ACK, symbol):
            await self._gives_up()
        if strikes(FaultKind.AMBIGUOUS_DONE, symbol):
            raise self._ambiguous(FaultKind.AMBIGUOUS_DONE, symbol)
        slow = strikes(FaultKind.SLOW_ACK, symbol)
        await asyncio.sleep(self._travel_s() + (slow.value if slow else 0.0))
        if refusal is not None:
            raise refusal
        if what == "place" and strikes(FaultKind.DUPLICATE_ACK, symbol):
            raise DuplicateOrder("An order with this client id exists already.", "110072")
        return answer

    async def _stopped_before(self, doing: Doing) -> None:
        """Raises where the request never reaches those who would do it."""
        what, symbol, name = doing
        strikes = self.plan.strikes
        if strikes(FaultKind.NETWORK_OUTAGE):
            await self._gives_up()
        banned = strikes(FaultKind.BAN)
        if banned is not None:
            left_s = banned.end_s - self._now_s()
            self._wait_until_s[name] = self._now_s() + left_s
            raise RateLimited("Access is forbidden for now.", "403", left_s)
        limited = strikes(FaultKind.RATE_LIMIT)
        if limited is not None:
            await asyncio.sleep(self._travel_s())
            self._wait_until_s[name] = self._now_s() + limited.value
            raise RateLimited("Too many requests.", "10006", limited.value)
        if strikes(FaultKind.MAINTENANCE):
            await asyncio.sleep(self._travel_s())
            raise OutcomeUnknown("The system is under maintenance.", "10016")
        if strikes(FaultKind.AMBIGUOUS_NOT_DONE, symbol):
            answer = self._ambiguous(FaultKind.AMBIGUOUS_NOT_DONE, symbol)  # it may end meanwhile
            await asyncio.sleep(self._travel_s())
            raise answer
        definite = {
            "place": {
                FaultKind.REJECT: ("The order is refused.", "110003"),
                FaultKind.NO_FUNDS: ("The available balance is too small.", "110007"),
            },
            "protect": {FaultKind.STOP_REJECTED: ("The stop is refused.", "10001")},
        }
        for kind, (text, code) in definite.get(what, {}).items():
            if strikes(kind, symbol):
                await asyncio.sleep(self._travel_s())
                raise RequestRejected(text, code)

    def _arrive(
        self,
        arrived: asyncio.Future[Answer | None],
        action: Callable[[Account], Answer],
        doing: Doing,
        signed_s: float,
        error_s: float,
    ) -> None:
        window_s = self._source.profile.receive_window_s
        try:
            age_s = self._now_s() - signed_s - error_s
            if age_s > window_s or error_s > CLOCK_AHEAD_S:
                raise RequestRejected("The request is outside of its time window.", "10002")
            refusal = self.standing.refusal(doing)
            if refusal is not None:
                raise refusal
            self._on_arrival(doing, False)
            answer = self._act(action)
            self._on_arrival(doing, True)
        except ExchangeError as fault:
            arrived.set_exception(fault)
            arrived.exception()  # its sender may have given up
        else:
            arrived.set_result(answer)

    def _ambiguous(self, kind: FaultKind, symbol: str) -> OutcomeUnknown:
        code = self.plan.dice(kind, symbol).choice(AMBIGUOUS_CODES)
        return OutcomeUnknown("The exchange says nothing that could be understood.", code)

    async def _gives_up(self) -> NoReturn:
        await asyncio.sleep(self._timeout_s)
        raise OutcomeUnknown("The exchange did not answer in time.", "timeout")

    async def _crash(self) -> NoReturn:
        self._on_crash()
        await _for_ever()

    def _travel_s(self) -> float:
        return self._base_latency_s * self._dice.uniform(0.5, 2.0)

    # ---- questions

    async def fetch_order(self, symbol: str, client_order_id: str) -> Order | None:
        found = await super().fetch_order(symbol, client_order_id)
        rows = self._distorted(f"order {client_order_id}", [] if found is None else [found])
        return rows[0] if rows else None

    @property
    def has_read_positions(self) -> bool:
        """Whether this engine, since its start, was ever told what is held."""
        return self._read_s >= 0

    async def fetch_open_orders(self) -> list[Order]:
        return self._distorted("orders", await super().fetch_open_orders())

    async def fetch_positions(self) -> list[Position]:
        positions = await super().fetch_positions()
        self._read_s = self._now_s()
        return self._distorted("positions", positions)

    async def fetch_fills(self, start_ms: int) -> list[Fill]:
        return self._distorted("fills", await super().fetch_fills(start_ms))

    async def fetch_clock_offset_ms(self) -> int:
        """The venue's clock minus the engine's, market time."""
        return await self._read(
            lambda: -round(self._clock_error_s() * 1000 * self._source.clock.rate)
        )

    async def _ask(self, question: Callable[[Account], Answer]) -> Answer:
        """A signed question."""
        error_s = self._clock_error_s()
        if error_s > CLOCK_AHEAD_S or -error_s > self._source.profile.receive_window_s:
            raise Unavailable("The request is outside of its time window.", "10002")
        return await super()._ask(question)

    async def _read(self, question: Callable[[], Answer]) -> Answer:
        if self.is_dead:
            await _for_ever()
        strikes = self.plan.strikes
        if strikes(FaultKind.NETWORK_OUTAGE):
            await asyncio.sleep(self._timeout_s)
            raise Unavailable("The exchange did not answer in time.", "timeout")
        await asyncio.sleep(self._travel_s())
        if strikes(FaultKind.BAN):
            raise Unavailable("Access is forbidden for now.", "403")
        if strikes(FaultKind.MAINTENANCE) or strikes(FaultKind.READ_ERROR):
            raise Unavailable("The exchange could not answer.", "10016")
        answer = question()
        await asyncio.sleep(self._travel_s())
        return answer

    def _distorted(self, name: str, rows: list[Item]) -> list[Item]:
        """The answer as a venue gives it whose parts do not agree."""
        strikes = self.plan.strikes
        former = self._former.get(name, rows)
        self._former[name] = rows
        if strikes(FaultKind.EMPTY_READ):
            return []
        if strikes(FaultKind.STALE_READ):
            return list(former)
        if strikes(FaultKind.PARTIAL_READ):
            dice = self.plan.dice(FaultKind.PARTIAL_READ)
            rows = [row for row in rows if dice.random() < 0.5]
        lag_s = self._source.profile.index_lag_s
        lagging = strikes(FaultKind.INDEX_LAG)
        if lagging is not None:
            lag_s = max(lag_s, lagging.value)
        if not lag_s:
            return rows
        indexed_ms = self._source.time_ms() - round(lag_s * 1000 * self._source.clock.rate)
        return [row for row in rows if _happened_ms(row) <= indexed_ms]


def _happened_ms(row: Order | Fill | Position) -> int:
    """What an index that lags has not seen yet: new orders and fills; a position shows as it is."""
    if isinstance(row, Order):
        return row.created_ms
    return row.time_ms if isinstance(row, Fill) else 0


async def _for_ever() -> NoReturn:
    await asyncio.get_running_loop().create_future()
    raise AssertionError("nobody answers a dead engine")
