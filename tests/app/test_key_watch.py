"""A live key's rights are asked at start and every day; what has changed is told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from test_add_account import Bybit
from test_add_account import bybit as bybit  # noqa: PLC0414 (a fixture)

from app.config import AccountConfig, Config
from app.key_watch import DAY_S, RETRY_S, KeyWatch, has_watched_key
from app.options import Options
from app.wiring import build_engine
from core.clock import ManualClock
from core.event_bus import EventBus
from core.events import Error, Severity
from core.limits.api_rate_limiter import MultiExchangeRateLimiter
from core.snapshots import AccountMode
from exchanges.credentials import Credentials
from exchanges.exchange_manager import AccountSpec

KEY, SECRET = "canary-key-7Q", "canary-secret-9Z"


def spec(
    url: str = "", *, exchange: str = "bybit", mode: AccountMode = AccountMode.LIVE
) -> AccountSpec:
    clock = ManualClock()
    return AccountSpec(
        name="main",
        exchange=exchange,
        mode=mode,
        clock=clock,
        limiter=MultiExchangeRateLimiter(clock).limiter(exchange).for_account("main"),
        credentials=Credentials(KEY, SECRET),
        rest_url=url,
    )


class Watched:
    """A watch and what it tells. `pauses`: how long it slept; at the third it ends."""

    def __init__(self, url: str) -> None:
        clock = ManualClock()
        bus = EventBus(clock)
        self.told: list[tuple[Severity, str]] = []
        self.pauses: list[float] = []
        bus.subscribe(Error, self._on_error, part="test")
        self.watch = KeyWatch(spec(url), bus=bus, clock=clock, pause=self._pause)

    def _on_error(self, error: Error) -> None:
        assert error.part == "main"
        self.told.append((error.severity, error.text))

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        if len(self.pauses) == 3:
            raise asyncio.CancelledError


async def test_a_key_that_may_just_trade_is_asked_about_daily_and_nothing_is_told(
    bybit: Bybit,
) -> None:
    bybit.ips = ["203.0.113.7"]
    watched = Watched(bybit.url)
    with pytest.raises(asyncio.CancelledError):
        await watched.watch.run()
    assert (watched.pauses, bybit.asked) == ([DAY_S] * 3, 3)
    assert watched.told == []


@pytest.mark.parametrize(
    ("wallet", "sentence"),
    [
        (["Withdraw"], "This key can withdraw. Replace it at the exchange."),
        (["AccountTransfer"],
         "This key can move money to other accounts. Replace it at the exchange."),
    ],
)  # fmt: skip
async def test_a_key_that_has_gained_rights_is_told_each_day_until_it_is_replaced(
    bybit: Bybit, wallet: list[str], sentence: str
) -> None:
    bybit.ips = ["203.0.113.7"]
    watched = Watched(bybit.url)
    assert await watched.watch.look()
    assert watched.told == []
    bybit.wallet = wallet
    for _ in range(2):
        assert await watched.watch.look()
    assert watched.told == [(Severity.DANGER, sentence)] * 2
    bybit.wallet = []
    await watched.watch.look()
    assert len(watched.told) == 2


async def test_the_days_that_a_key_still_has_are_told_from_a_week_on(bybit: Bybit) -> None:
    bybit.ips = ["203.0.113.7"]
    watched = Watched(bybit.url)
    for days in (8, 7, 7, 6):
        bybit.deadline_day = days
        await watched.watch.look()
    assert watched.told == [
        (Severity.WARNING, "The key ends in 7 days."),
        (Severity.WARNING, "The key ends in 6 days."),
    ]


async def test_an_open_address_is_told_once(bybit: Bybit) -> None:
    watched = Watched(bybit.url)
    for _ in range(3):
        await watched.watch.look()
    assert [severity for severity, _ in watched.told] == [Severity.WARNING]


async def test_an_exchange_that_does_not_answer_is_asked_hourly_and_told_once() -> None:
    watched = Watched("http://127.0.0.1:1")
    with pytest.raises(asyncio.CancelledError):
        await watched.watch.run()
    assert watched.pauses == [RETRY_S] * 3
    [(severity, text)] = watched.told
    assert severity is Severity.WARNING
    assert text.startswith("What the key may do could not be asked (")
    assert KEY not in text


@pytest.mark.parametrize(
    ("made", "is_watched"),
    [
        (spec(), True),
        (spec(mode=AccountMode.PAPER), False),
        (spec(mode=AccountMode.DEMO), False),
        (spec(exchange="binance"), False),
    ],
)
def test_only_keys_of_real_money_at_an_exchange_that_tells(
    made: AccountSpec, is_watched: bool
) -> None:
    assert has_watched_key(made) is is_watched


async def test_the_engine_watches_the_keys_of_its_live_accounts(
    bybit: Bybit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAIN_API_KEY", KEY)
    monkeypatch.setenv("MAIN_API_SECRET", SECRET)
    bybit.wallet = ["Withdraw"]
    account = AccountConfig("main", "bybit", AccountMode.LIVE, key="env:MAIN", rest_url=bybit.url)
    engine = build_engine(Config([account], []), Options(data_dir=tmp_path), None)
    told: list[str] = []
    heard = asyncio.Event()

    def on_error(error: Error) -> None:
        told.append(error.text)
        heard.set()

    engine.bus.subscribe(Error, on_error, part="test")
    async with asyncio.timeout(10):
        await heard.wait()
    await engine.stop()
    assert told == ["This key can withdraw. Replace it at the exchange."]
