"""What can go wrong between an engine and a venue, as data: kinds, windows, chances.

A plan of faults is the whole misfortune of a run. Each fault rolls its own dice, so that taking
one away (to find the shortest plan that still fails) leaves the others' luck as it was.
"""

from __future__ import annotations

import enum
import random
from collections import Counter
from collections.abc import Callable, Iterable

import msgspec


class FaultKind(enum.StrEnum):
    # a request for an order
    LOST_REQUEST = "lost_request"  # never arrives; nobody answers
    LOST_ACK = "lost_ack"  # done at the venue; nobody answers
    LATE_ADMIT = "late_admit"  # arrives seconds after the caller gave up; `value`: at most so many
    SLOW_ACK = "slow_ack"  # the streams tell first; `value`: seconds
    DUPLICATE_ACK = "duplicate_ack"  # done; the answer says that the id is taken
    AMBIGUOUS_DONE = "ambiguous_done"  # done; the answer is a code that says nothing
    AMBIGUOUS_NOT_DONE = "ambiguous_not_done"  # not done; the same answer
    REJECT = "reject"  # a definite no
    NO_FUNDS = "no_funds"  # the definite no of an empty account
    RATE_LIMIT = "rate_limit"  # 10006: wait `value` seconds
    BAN = "ban"  # 403, to be waited for; until the window ends every request gets it
    STOP_REJECTED = "stop_rejected"  # protection is refused
    SLOW_CANCEL = "slow_cancel"  # accepted at once, done up to `value` seconds later
    # an answer to a question
    READ_ERROR = "read_error"
    EMPTY_READ = "empty_read"  # status 200, and nothing in it
    PARTIAL_READ = "partial_read"  # some of the rows
    STALE_READ = "stale_read"  # the answer to the question before
    INDEX_LAG = "index_lag"  # what is younger than `value` seconds is not found yet
    # a message of a stream
    ORDER_DROP = "order_drop"
    FILL_DROP = "fill_drop"
    POSITION_DROP = "position_drop"
    BALANCE_DROP = "balance_drop"
    PRIVATE_DUPLICATE = "private_duplicate"
    PRIVATE_LATE = "private_late"  # and so out of order; `value`: at most so many seconds
    TICKER_DROP = "ticker_drop"
    CANDLE_DROP = "candle_drop"
    PUBLIC_DUPLICATE = "public_duplicate"
    PUBLIC_LATE = "public_late"
    PRIVATE_STALL = "private_stall"  # connected, and silent
    PUBLIC_STALL = "public_stall"
    PRIVATE_OUTAGE = "private_outage"
    PUBLIC_OUTAGE = "public_outage"
    NETWORK_OUTAGE = "network_outage"  # nothing gets through, in either direction
    MAINTENANCE = "maintenance"  # the venue answers that it does not answer
    # the market and the venue themselves
    THIN_BOOK = "thin_book"  # market orders fill in part, the rest is cancelled
    EMPTY_BOOK = "empty_book"  # they find nobody
    PRICE_JUMP = "price_jump"  # by the ratio `value`
    MARKET_CRASH = "market_crash"  # the same for every symbol at once
    EXTERNAL_ORDER = "external_order"  # somebody trades on the account by hand
    EXTERNAL_POSITION = "external_position"
    EXTERNAL_CLOSE = "external_close"
    STOP_REMOVED = "stop_removed"
    CANCELLED_BY_VENUE = "cancelled_by_venue"
    DELISTING = "delisting"
    HEDGE_MODE = "hedge_mode"  # somebody switches the flat account to it, and back at the end
    # the engine's own machine
    CLOCK_STEP = "clock_step"  # by `value` seconds
    CLOCK_DRIFT = "clock_drift"  # `value` seconds per second
    SLEEP = "sleep"  # suspended for `value` seconds
    DISK_JOURNAL = "disk_journal"  # the account's books cannot be written
    DISK_CANDLES = "disk_candles"
    CRASH = "crash"
    CRASH_BEFORE_REQUEST = "crash_before_request"  # written down, not sent
    CRASH_AFTER_REQUEST = "crash_after_request"  # done, not answered


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Strikes with `chance` at each opportunity from `start_s` to `end_s` of the run. `symbol` ""
    is any. What `value` means stands beside the kind."""

    kind: FaultKind
    start_s: float
    end_s: float
    chance: float = 1.0
    symbol: str = ""
    value: float = 0.0


class FaultPlan:
    """`struck` counts how often each kind happened."""

    def __init__(self, faults: Iterable[Fault], *, seed: int, now_s: Callable[[], float]) -> None:
        """`now_s()`: seconds since the run began."""
        self.struck: Counter[str] = Counter()
        self._now_s = now_s
        self._by_kind: dict[FaultKind, list[tuple[Fault, random.Random]]] = {}
        for fault in faults:
            dice = random.Random(f"{seed}/{fault}")
            self._by_kind.setdefault(fault.kind, []).append((fault, dice))

    def active(self, kind: FaultKind, symbol: str = "") -> Fault | None:
        """A fault of that kind whose window is open; it is neither rolled nor counted."""
        entry = self._open(kind, symbol)
        return entry[0] if entry else None

    def strikes(self, kind: FaultKind, symbol: str = "") -> Fault | None:
        """The fault of that kind that happens now, if one does."""
        entry = self._open(kind, symbol)
        if entry is None or entry[1].random() >= entry[0].chance:
            return None
        self.struck[kind.value] += 1
        return entry[0]

    def dice(self, kind: FaultKind, symbol: str = "") -> random.Random:
        """Of the open fault of that kind. Raises LookupError when there is none."""
        entry = self._open(kind, symbol)
        if entry is None:
            raise LookupError(f"no {kind.value} now")
        return entry[1]

    def heal(self) -> None:
        """From now on nothing goes wrong any more."""
        self._by_kind.clear()

    def _open(self, kind: FaultKind, symbol: str) -> tuple[Fault, random.Random] | None:
        entries = self._by_kind.get(kind)
        if not entries:
            return None
        now_s = self._now_s()
        for entry in entries:
            fault = entry[0]
            if fault.start_s <= now_s < fault.end_s and fault.symbol in ("", symbol):
                return entry
        return None
