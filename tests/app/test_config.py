"""Every fault of a configuration file is one sentence that names the file and the line."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest

from app.config import default_config, load_config
from app.demo_exchange_main import _Keys
from app.demo_runtime import DEMO_ACCOUNTS, demo_key
from app.options import StartError
from core.models.candles import Timeframe
from core.portfolio.fixed_percent import FixedPercent
from core.portfolio.sizing_methods import make_sizing
from core.risk.limits_table import make_limits
from core.scanning.settings import ScanSettings
from core.snapshots import AccountMode

SOUND = """\
[[accounts]]
name = "main"
exchange = "bybit"
mode = "paper"
leverage = 3
timezone = "Asia/Seoul"

[accounts.sizing]
ratio = 0.05

[accounts.risk]
max_drawdown = 0.1

[accounts.risk.symbols.DOGEUSDT]
max_order_notional = 500

[[bots]]
account = "main"
symbol = "ETHUSDT"
autostart = true

[bots.parameters]
rsi_period = 21

[bots.sizing]
method = "kelly"
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "trading.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_sound_file_gives_accounts_and_bots(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, SOUND))
    assert config.world == "real"
    assert config.accounts[0].mode is AccountMode.PAPER
    account = config.accounts[0]
    assert account.leverage == Decimal(3)
    assert make_sizing(account.sizing) == FixedPercent(Decimal("0.05"))
    limits = make_limits(account.risk)
    assert limits.max_drawdown == Decimal("0.1")
    assert limits.symbols["DOGEUSDT"].max_order_notional == 500
    bot = config.bots[0]
    assert (bot.bot_id, bot.symbol, bot.timeframe) == ("ethusdt-15m", "ETHUSDT", Timeframe.M15)
    assert bot.parameters == {"rsi_period": 21}
    assert bot.sizing == {"method": "kelly"}
    assert bot.autostart


def test_the_example_of_the_readme_is_a_sound_file(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    [example] = re.findall(r"```toml\n(.*?)```", readme, re.DOTALL)
    config = load_config(written(tmp_path, example))
    assert [account.name for account in config.accounts] == ["main"]
    assert [bot.bot_id for bot in config.bots] == ["btcusdt-15m", "multi-15m"]


def test_without_a_file_bitcoin_and_the_rest_have_a_bot_each() -> None:
    config = default_config()
    assert config.world == "demo"
    assert [(bot.kind, bot.symbol) for bot in config.bots] == [
        ("UnifiedBot", "BTCUSDT"),
        ("MultiTrader", ""),
    ]


SCANNING = """[[accounts]]
name = "main"
exchange = "bybit"
mode = "paper"

[[bots]]
account = "main"
kind = "MultiTrader"
strategy = "rsi_pattern"

[bots.scan]
watch_count = 30
min_turnover_24h = 2.5e6
max_spread_ratio = 0.002
blocklist = ["DOGEUSDT"]
"""


def test_a_bot_that_scans_has_its_settings_in_a_table_of_its_own(tmp_path: Path) -> None:
    [bot] = load_config(written(tmp_path, SCANNING)).bots
    assert (bot.bot_id, bot.kind, bot.symbol) == ("multi-15m", "MultiTrader", "")
    assert bot.scan == ScanSettings(
        watch_count=30,
        min_turnover_24h=Decimal(2_500_000),
        max_spread_ratio=Decimal("0.002"),
        blocklist=("DOGEUSDT",),
    )


@pytest.mark.parametrize(
    ("change", "line", "sentence"),
    [
        (("watch_count = 30", "watch_cont = 30"), 12, "did you mean 'watch_count'"),
        (("watch_count = 30", "watch_count = 0"), 12, "watch_count"),
        (('kind = "MultiTrader"', 'symbol = "BTCUSDT"\nkind = "MultiTrader"'), 8, "chooses its"),
        (('kind = "MultiTrader"', ""), 6, "a UnifiedBot needs a symbol"),
        (('kind = "MultiTrader"', 'symbol = "BTCUSDT"'), 11, "it has no"),
        (("rsi_pattern", "macd_rsi_trend"), 9, "macd_rsi_trend does not score symbols"),
        (('"rsi_pattern"', '"rsi_pattern"\nsignal_exchange = "binanc"'), 10, "no account is on"),
    ],
)
def test_a_mistake_of_a_bot_that_scans_is_named_with_its_line(
    change: tuple[str, str], line: int, sentence: str, tmp_path: Path
) -> None:
    path = written(tmp_path, SCANNING.replace(*change))
    with pytest.raises(StartError, match=rf"line {line}: .*{sentence}"):
        load_config(path)


@pytest.mark.parametrize(
    ("change", "line", "sentence"),
    [
        (('exchange = "bybit"', 'exchange = "bybti"'), 3, "did you mean 'bybit'"),
        (('mode = "paper"', 'mode = "paperr"'), 4, "mode"),
        (('mode = "paper"', 'mode = "live"'), 4, "needs a key reference"),
        (("leverage = 3", "leverage = -2"), 5, "leverage is -2; it must be from 1 to 100"),
        (("leverage = 3", "leverage = 101"), 5, "from 1 to 100"),
        (("leverage = 3", "leverag = 3"), 5, "did you mean 'leverage'"),
        (("leverage = 3", 'key = "AbCdEf123"'), 5, "never the key"),
        (("leverage = 3", 'rest_url = "ftp://x"'), 5, "must begin with https://"),
        (('account = "main"', 'account = "mian"'), 18, "did you mean 'main'"),
        (('symbol = "ETHUSDT"', 'symbol = "eth/usdt"'), 19, "symbol"),
        (("autostart = true", 'strategy = "macd_rsi_trnd"'), 20, "did you mean 'macd_rsi_trend'"),
        (("autostart = true", 'timeframe = "1h"'), 20, "enters on 15m"),
        (("autostart = true", 'kind = "UnifidBot"'), 20, "did you mean 'UnifiedBot'"),
        (("rsi_period = 21", "rsi_perid = 21"), 23, "did you mean 'rsi_period'"),
        (("rsi_period = 21", "rsi_period = 1"), 23, "rsi_period"),
        (("Asia/Seoul", "Asia/Soul"), 6, "unknown time zone 'Asia/Soul'; write it as"),
        (("ratio = 0.05", "ratio = 5"), 8, "ratio is more than 0 and at most 1 of equity, not 5"),
        (("max_drawdown = 0.1", "max_drawdown = 15"), 11, "max_drawdown is more than 0 and at"),
        (("max_order_notional = 500", "max_order = 5"), 11, "max_order"),
        (('method = "kelly"', 'method = "kely"'), 25, "did you mean 'kelly'"),
        (("[[accounts]]", "[accounts]"), 1, r"\[\[accounts\]\]"),
        (("rsi_period = 21", "rsi_period = "), 23, "not valid TOML"),
    ],
)
def test_a_fault_names_its_line_and_the_remedy(
    tmp_path: Path, change: tuple[str, str], line: int, sentence: str
) -> None:
    path = written(tmp_path, SOUND.replace(*change))
    with pytest.raises(StartError, match=sentence) as fault:
        load_config(path)
    assert str(path) in fault.value.text
    assert f"line {line}" in fault.value.text
    assert "\n" not in fault.value.text


def test_a_clear_key_is_not_repeated_in_the_sentence(tmp_path: Path) -> None:
    path = written(tmp_path, SOUND.replace("leverage = 3", 'key = "SECRETSECRET"'))
    with pytest.raises(StartError) as fault:
        load_config(path)
    assert "SECRETSECRET" not in fault.value.text


def test_demo_and_real_accounts_never_share_a_file(tmp_path: Path) -> None:
    demo = '[[accounts]]\nname = "d"\nexchange = "bybit"\nmode = "demo"\n'
    with pytest.raises(StartError, match="use two files"):
        load_config(written(tmp_path, SOUND + demo))


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="cannot be read"):
        load_config(tmp_path / "nowhere.toml")


def test_a_second_bot_of_the_same_name_is_refused(tmp_path: Path) -> None:
    second = '[[bots]]\naccount = "main"\nsymbol = "ETHUSDT"\n'
    with pytest.raises(StartError, match="second bot named 'ethusdt-15m'"):
        load_config(written(tmp_path, SOUND + second))


def test_two_accounts_on_one_key_would_be_the_same_money(tmp_path: Path) -> None:
    text = SOUND.replace('mode = "paper"', 'mode = "live"\nkey = "env:MAIN"')
    second = '[[accounts]]\nname = "b"\nexchange = "bybit"\nmode = "live"\nkey = "env:MAIN"\n'
    with pytest.raises(StartError, match="line 32: env:MAIN is the key of 'main' too"):
        load_config(written(tmp_path, text + second))


def test_several_accounts_on_one_exchange_are_sound(tmp_path: Path) -> None:
    second = '[[accounts]]\nname = "b"\nexchange = "bybit"\nmode = "paper"\n'
    config = load_config(written(tmp_path, SOUND + second))
    assert [account.name for account in config.accounts] == ["main", "b"]


def test_more_demo_accounts_than_the_demo_exchange_has_are_refused(tmp_path: Path) -> None:
    account = '[[accounts]]\nname = "d{}"\nexchange = "bybit"\nmode = "demo"\n'
    text = "".join(account.format(number) for number in range(DEMO_ACCOUNTS + 1))
    with pytest.raises(StartError, match="line 68: the demo exchange has 16 accounts"):
        load_config(written(tmp_path, text))


def test_each_demo_account_has_a_key_of_its_own() -> None:
    keys = _Keys("demo-1", "secret").of_all_accounts()
    assert len(keys) == DEMO_ACCOUNTS
    assert demo_key("demo-1", 0) == "demo-1"
    assert {demo_key("demo-1", number) for number in range(DEMO_ACCOUNTS)} == keys.keys()


def test_an_exchange_that_was_never_met_is_for_paper_unless_the_trader_says_otherwise(
    tmp_path: Path,
) -> None:
    paper = '[[accounts]]\nname = "b"\nexchange = "binance"\nmode = "paper"\n'
    assert load_config(written(tmp_path, paper)).accounts[0].exchange == "binance"
    live = paper.replace("paper", "live") + 'key = "keyring:b"\n'
    with pytest.raises(
        StartError, match=r"line 4: .*Binance has never met .*i_accept_unverified = true"
    ):
        load_config(written(tmp_path, live))
    bold = load_config(written(tmp_path, live + "i_accept_unverified = true\n"))
    assert bold.accounts[0].i_accept_unverified
    with pytest.raises(StartError, match="there is a demo of bybit only; use mode paper for okx"):
        load_config(written(tmp_path, paper.replace("binance", "okx").replace("paper", "demo")))
