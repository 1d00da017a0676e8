"""Builds an engine from a configuration: the one place where concrete parts meet.

Everything is passed in; nothing looks anything up by itself. Tests call the same function.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from pathlib import Path

import msgspec

from app.config import AccountConfig, Config, time_zone
from app.demo_runtime import DemoExchangeRuntime, demo_key
from app.key_watch import KeyWatch, has_watched_key
from app.keys import read_key
from app.options import Options
from core.account_desk import AccountDesk
from core.alerts.machine import measure_machine
from core.bot_registry import BotRegistry
from core.bots.bot_spec import BotSpec
from core.bots.universe_book import UniverseBook
from core.clock import Clock, ScaledClock, SystemClock
from core.engine import Engine
from core.event_bus import EventBus
from core.exchange_port import ExchangePort
from core.limits.api_rate_limiter import MultiExchangeRateLimiter
from core.market_data.shared_data_manager import SharedDataManager
from core.market_feed import MarketFeed
from core.portfolio.sizing_methods import make_sizing
from core.risk.limits_table import make_limits
from core.storage.database import open_database
from core.strategy import Strategy
from core.supervision import Supervisor
from exchanges.credentials import Credentials
from exchanges.exchange_manager import AccountSpec, ExchangeManager
from strategies import strategy_type


def build_engine(config: Config, options: Options, demo: DemoExchangeRuntime | None) -> Engine:
    """`demo` is where the demo exchange listens, None in the real world. Raises StartError."""
    clock = _clock(demo)
    rng = random.Random()  # jitter of retries only: nothing that has to be repeatable
    limiters = MultiExchangeRateLimiter(clock)
    manager = ExchangeManager(rng)
    specs = {
        account.name: _account_spec(
            account,
            number=number,
            options=options,
            clock=clock,
            limiters=limiters,
            demo=demo,
        )
        for number, account in enumerate(config.accounts)
    }
    engine = assemble_engine(
        config.accounts,
        data_dir=options.data_dir,
        clock=clock,
        rng=rng,
        limiters=limiters,
        open_port=lambda account: manager.add(specs[account.name]),
    )
    for spec in filter(has_watched_key, specs.values()):
        watch = KeyWatch(spec, bus=engine.bus, clock=clock)
        engine.supervisor.keep_running(f"{spec.name}: key", watch.run)
    engine.alerts.measure_machine = functools.partial(measure_machine, options.data_dir)
    return engine


def assemble_engine(
    accounts: list[AccountConfig],
    *,
    data_dir: Path,
    clock: Clock,
    rng: random.Random,
    limiters: MultiExchangeRateLimiter,
    open_port: Callable[[AccountConfig], ExchangePort],
) -> Engine:
    """The same engine whatever its clock and behind whichever ports; the files of an account lie
    under `data_dir`."""
    bus = EventBus(clock)
    supervisor = Supervisor(bus, clock)
    storage = data_dir / "storage"
    database = open_database(storage / "engine.sqlite")
    feeds: dict[str, MarketFeed] = {}
    desks: dict[str, AccountDesk] = {}
    engine: Engine  # bound below: the desks reach it, late, only when they run
    for account in accounts:
        port = open_port(account)
        if port.exchange not in feeds:
            data = SharedDataManager(port.exchange, cache_dir=data_dir / "cache", clock=clock)
            feeds[port.exchange] = MarketFeed(
                port, data=data, bus=bus, supervisor=supervisor, clock=clock
            )
        desks[account.name] = AccountDesk(
            mode=account.mode,
            port=port,
            feed=feeds[port.exchange],
            bus=EventBus(clock),
            clock=clock,
            supervisor=supervisor,
            database=open_database(storage / f"account_{account.name}.sqlite"),
            rng=rng,
            risk_limits=make_limits(account.risk),
            sizing=make_sizing(account.sizing),
            sizing_of=lambda bot_id: engine.roster.sizing_of(bot_id),  # noqa: PLW0108
            timezone=time_zone(account.timezone),
            traded=lambda name: engine.roster.symbols_of(name),  # noqa: PLW0108
            leverage=account.leverage,
            owner_of=lambda name, symbol: engine.roster.owner_of(name, symbol),  # noqa: PLW0108
            on_external=lambda *told: engine.roster.pause_external(*told),  # noqa: PLW0108
            on_kill=lambda *told: engine.roster.stop_bots_of(*told),  # noqa: PLW0108
            correct_clock=clock.set_offset if isinstance(clock, SystemClock) else None,
        )
    engine = Engine(
        clock=clock,
        bus=bus,
        supervisor=supervisor,
        desks=desks,
        feeds=feeds,
        registry=BotRegistry(database),
        universes=UniverseBook(database),
        limiters=limiters,
        make_strategy=make_strategy,
        data_dir=data_dir,
    )
    return engine


def make_strategy(spec: BotSpec) -> Strategy:
    """Raises ValueError for an unknown name or parameters that do not fit."""
    kind = strategy_type(spec.strategy)
    try:
        return kind(msgspec.convert(spec.parameters, kind.parameters_type))
    except msgspec.ValidationError as fault:
        raise ValueError(f"{spec.bot_id}: {fault}") from None


def _clock(demo: DemoExchangeRuntime | None) -> Clock:
    if demo is None:
        return SystemClock()
    return ScaledClock(
        market_anchor_ms=demo.market_anchor_ms,
        unix_anchor_ms=demo.unix_anchor_ms,
        rate=demo.rate,
    )


def _account_spec(
    account: AccountConfig,
    *,
    number: int,
    options: Options,
    clock: Clock,
    limiters: MultiExchangeRateLimiter,
    demo: DemoExchangeRuntime | None,
) -> AccountSpec:
    credentials: Credentials | None = None
    rest_url, ws_public_url = account.rest_url or "", account.ws_public_url or ""
    ws_private_url = account.ws_private_url or ""
    if demo is not None:
        credentials = Credentials(demo_key(demo.api_key, number), demo.api_secret)
        host = f"{demo.host}:{demo.port}"
        rest_url, ws_public_url = f"http://{host}", f"ws://{host}/v5/public/linear"
        ws_private_url = f"ws://{host}/v5/private"
    elif account.key is not None:
        credentials = read_key(account.key, options.data_dir / "storage" / "vault.json")
    return AccountSpec(
        name=account.name,
        exchange=account.exchange,
        mode=account.mode,
        clock=clock,
        limiter=limiters.limiter(account.exchange).for_account(account.name),
        credentials=credentials,
        rest_url=rest_url,
        ws_public_url=ws_public_url,
        ws_private_url=ws_private_url,
        paper_store=options.data_dir / "storage" / f"paper_{account.name}.sqlite",
        paper_balance=account.paper_balance,
        accept_unverified=account.i_accept_unverified,
    )
