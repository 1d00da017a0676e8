"""Lost time is noticed at once and nothing leaves before clock and books are right (D1, R16)."""

import asyncio

import pytest

from core.clock import ManualClock
from core.clock_watch import ClockWatch, InStep, SteadyClock
from core.event_bus import EventBus
from core.supervision import Supervisor


class TwoClocks(ManualClock):
    """Market and monotonic time that may part."""

    def jump(self, *, market_ms: int = 0, monotonic_s: float = 0.0) -> None:
        self._time_ms += market_ms
        self._monotonic_s += monotonic_s


@pytest.mark.parametrize("rate", [1.0, 900.0])
def test_time_that_goes_on_evenly_says_nothing(rate):
    clock = TwoClocks(rate=rate)
    watch = ClockWatch(clock)
    for _ in range(100):
        clock.advance_ms(int(1000 * rate))
        assert watch.look() == ""


@pytest.mark.parametrize(
    ("market_ms", "monotonic_s", "words"),
    [
        (3_600_000, 0.0, "jumped by"),  # the machine slept: only the wall clock went on
        (-3_600_000, 0.0, "jumped by -3600.0 s"),  # somebody set the clock back
        (1_500, 0.0, "jumped by"),
        (60_000, 60.0, "stood still for 60 s"),  # the process was stopped
        (5_500, 5.5, "stood still"),
    ],
)
def test_sleep_steps_and_stops_are_told_once(market_ms, monotonic_s, words):
    clock = TwoClocks()
    watch = ClockWatch(clock)
    clock.jump(market_ms=market_ms, monotonic_s=monotonic_s)
    assert words in watch.look()
    assert watch.look() == ""


def test_what_we_did_to_the_clock_ourselves_does_not_count():
    clock = TwoClocks()
    watch = ClockWatch(clock)
    clock.jump(market_ms=7_000)
    watch.rebase()
    assert watch.look() == ""


@pytest.mark.parametrize("rate", [1.0, 900.0])
@pytest.mark.parametrize("step_ms", [3_600_000, -3_600_000])
def test_a_clock_that_somebody_sets_does_not_end_the_day(rate, step_ms):
    clock = TwoClocks(rate=rate)
    steady = SteadyClock(clock)
    clock.advance_ms(90_000)
    right_ms = clock.time_ms()
    clock.jump(market_ms=step_ms)
    assert steady.time_ms() == right_ms
    clock.advance_ms(90_000)
    assert steady.time_ms() == right_ms + 90_000
    clock.jump(market_ms=-step_ms + 7)  # it is corrected, by the exchange's
    steady.trust()
    assert steady.time_ms() == clock.time_ms() == right_ms + 90_007


class Account:
    def __init__(self) -> None:
        self.clock = TwoClocks()
        self.bus = EventBus(self.clock)
        self.supervisor = Supervisor(self.bus, self.clock)
        self.lost: list[str] = []
        self.reconciled = 0
        self.fails = 0
        self.step = InStep(
            part="demo",
            clock=self.clock,
            supervisor=self.supervisor,
            reconcile=self.reconcile,
            on_lost=self.lost.append,
        )
        self.step.regained()

    async def reconcile(self) -> None:
        self.reconciled += 1
        if self.fails:
            self.fails -= 1
            return
        self.step.rebase()
        self.step.regained()


async def test_nothing_leaves_between_the_jump_and_the_reconciliation():
    account = Account()
    order = []

    async def send():
        await account.step.wait()
        order.append(account.reconciled)

    await send()
    account.clock.jump(market_ms=600_000)
    await send()
    assert order == [0, 1]
    assert account.lost == [
        "The clock jumped by +600.0 s, or the machine slept. Reconciling first."
    ]
    await account.supervisor.stop()


async def test_a_second_jump_before_it_is_made_good_is_the_same_one():
    account = Account()
    account.clock.jump(market_ms=600_000)
    account.step.look()
    account.clock.jump(market_ms=600_000)
    account.step.look()
    assert len(account.lost) == 1
    await account.supervisor.stop()


async def test_an_exchange_that_is_away_after_the_sleep_is_asked_again(monkeypatch):
    monkeypatch.setattr("core.clock_watch.RETRY_FIRST_S", 0.0)
    monkeypatch.setattr("core.clock_watch.EXIT_HOLD_S", 0.2)
    account = Account()
    account.fails = 3
    account.clock.jump(market_ms=600_000)
    await account.step.wait()
    assert account.reconciled == 4
    await account.supervisor.stop()


async def test_an_order_on_its_way_out_does_not_wait_for_ever(monkeypatch):
    monkeypatch.setattr("core.clock_watch.EXIT_HOLD_S", 0.01)
    account = Account()
    account.fails = 10**6
    account.clock.jump(market_ms=600_000)
    async with asyncio.timeout(2):
        await account.step.wait()
    await account.supervisor.stop()
