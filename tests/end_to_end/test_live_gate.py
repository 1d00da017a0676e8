"""Real money (here the demo exchange behind a live account): nobody but a person starts a bot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from program import Home

from core.commands import AddBot, StartBot, StopBot
from core.snapshots import AccountMode, BotState, EngineSnapshot, EngineState

pytestmark = pytest.mark.end_to_end
CONFIG = """[[accounts]]
name = "main"
exchange = "bybit"
mode = "live"
key = "env:TWINSTAR_E2E"
rest_url = "http://{host}"
ws_public_url = "ws://{host}/v5/public/linear"
ws_private_url = "ws://{host}/v5/private"

[[bots]]
account = "main"
symbol = "BTCUSDT"
autostart = true
"""
BOT = "btcusdt-15m"


@pytest.fixture
def abroad(tmp_path: Path) -> Iterator[Home]:
    """The exchange, on a directory of its own: to the engine it is simply another host."""
    abroad = Home(tmp_path / "exchange")
    abroad.start("demo-exchange", "--speed", "1")
    abroad.wait_for_demo()
    yield abroad
    abroad.end_everything()


@pytest.fixture
def start(home: Home, abroad: Home) -> Iterator[tuple[str, ...]]:
    """The words that start a live engine there; its key stands in the environment."""
    demo = abroad.demo()
    config = home.folder / "live.toml"
    config.write_text(CONFIG.format(host=f"{demo.host}:{demo.port}"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TWINSTAR_E2E_API_KEY", demo.api_key)
        patch.setenv("TWINSTAR_E2E_API_SECRET", demo.api_secret)
        yield ("--config", str(config))


def is_ready(snapshot: EngineSnapshot) -> bool:
    return (
        snapshot.state is EngineState.RUNNING
        and bool(snapshot.bots)
        and snapshot.connections[0].private == "connected"
        and snapshot.connections[0].detail == "Reconciled."
    )


def state_of(snapshot: EngineSnapshot, bot_id: str = BOT) -> BotState:
    return next(bot.state for bot in snapshot.bots if bot.bot_id == bot_id)


@pytest.mark.parametrize("word", ["", "--autostart"])
def test_no_word_starts_a_live_bot(home: Home, start: tuple[str, ...], word: str) -> None:
    home.start_engine(*start, *filter(None, [word]))
    with home.attach() as screen:
        screen.until(is_ready)
        assert state_of(screen.next_snapshot()) is BotState.STOPPED


def test_a_live_bot_starts_only_when_a_person_confirms(
    home: Home, start: tuple[str, ...], abroad: Home
) -> None:
    engine = home.start_engine(*start)
    with home.attach() as screen:
        snapshot = screen.until(is_ready)
        assert [account.mode for account in snapshot.accounts] == [AccountMode.LIVE]
        assert state_of(screen.next_snapshot()) is BotState.STOPPED

        refused = screen.call(StartBot(BOT))
        assert not refused.ok
        assert refused.text == f"{BOT} trades real money: it starts only after you confirm."
        assert state_of(screen.next_snapshot()) is BotState.STOPPED

        accepted = screen.call(StartBot(BOT, confirm_live=True))
        assert accepted.ok, accepted.text
        screen.until(lambda s: state_of(s) is BotState.RUNNING)

    engine.kill()
    engine = home.start_engine(*start)
    with home.attach() as screen:
        screen.until(is_ready)
        assert state_of(screen.next_snapshot()) is BotState.STOPPED
        told = [repr(item.record) for item in screen.attached.backlog + screen.feed]
        assert any("It trades real money: a person starts it." in text for text in told)
    assert engine.terminate() == 0, engine.err
    assert abroad.demo().pid, "the exchange is not the engine's to end"
    written = [file for file in home.data_dir.rglob("*") if file.is_file()]
    assert not [f for f in written if abroad.demo().api_secret.encode() in f.read_bytes()]


def test_a_live_bot_that_is_added_or_stopped_has_to_be_confirmed_too(
    home: Home, start: tuple[str, ...]
) -> None:
    engine = home.start_engine(*start)
    with home.attach() as screen:
        screen.until(is_ready)
        added = screen.call(AddBot("UnifiedBot", "main", "ETHUSDT", "15m", "macd_rsi_trend"))
        assert added.ok, added.text
        assert not screen.call(StartBot("ethusdt-15m")).ok
        assert screen.call(StartBot("ethusdt-15m", confirm_live=True)).ok
        assert screen.call(StopBot("ethusdt-15m", close_position=False)).ok
        assert not screen.call(StartBot("ethusdt-15m")).ok
        assert state_of(screen.next_snapshot(), "ethusdt-15m") is BotState.STOPPED
    assert engine.terminate() == 0, engine.err
