"""The engine writes the report of each trading day that has ended, whatever stood in its way."""

from __future__ import annotations

from datetime import UTC

from app.command_handler import CommandHandler
from core.commands import Request, WriteReport
from core.reports.daily import report_of_history, write_files
from core.snapshot_builder import SnapshotBuilder


async def at_work(world):
    await world.start()
    await world.running()
    world.engine.supervisor.keep_running("daily reports", world.engine.reports.run)
    return world.data_dir / "reports"


def pages(folder):
    return sorted(path.name for path in folder.glob("*.md"))


async def test_the_report_of_a_day_is_written_when_it_has_ended(world, tmp_path):
    folder = await at_work(world)
    first, *_ = world.desk.capital.trading_days(1)
    await world.until(lambda: len(pages(folder)) == 1, within_h=25)
    assert pages(folder) == [f"demo-{first}.md"]
    page = (folder / f"demo-{first}.md").read_text(encoding="utf-8")
    assert "The ledger and the executions agree." in page
    assert "it may go on" not in page
    assert world.notices("Daily report") == [f"demo: demo-{first}.md is written."]
    # without an engine, from the journal alone, it says the same to the letter
    desk = world.desk
    replayed = report_of_history(
        first, account="demo", exchange=desk.port.exchange, currency="USDT", timezone=UTC,
        days=desk.capital.trading_days(10), history=desk.oms.history(),
    )  # fmt: skip
    assert len(replayed.trips) > 0
    for path in write_files(replayed, tmp_path / "replayed"):
        assert path.read_bytes() == (folder / path.name).read_bytes()


async def test_a_day_that_ended_while_no_engine_ran_is_reported_at_the_next_start(world):
    folder = await at_work(world)
    first, *_ = world.desk.capital.trading_days(1)
    await world.stop()
    await world.hours(30)
    await at_work(world)
    await world.until(lambda: pages(folder) == [f"demo-{first}.md"], within_h=4)


async def test_a_disk_that_refuses_is_told_once_and_tried_again(world):
    folder = await at_work(world)
    folder.write_text("a file where the folder should be")
    await world.until(lambda: world.notices("Daily report") != [], within_h=25)
    await world.hours(2)
    [told] = world.notices("Daily report")
    assert told.startswith("demo: the daily report cannot be written yet: ")
    folder.unlink()
    await world.until(lambda: len(pages(folder)) == 1, within_h=1)
    assert world.notices("Daily report")[-1].endswith(".md is written.")


async def test_the_trader_asks_for_the_report_of_today(world):
    await world.start()
    await world.running()
    await world.until(lambda: len(world.desk.trades.round_trips) >= 1, within_h=24)
    handler = CommandHandler(world.engine, SnapshotBuilder(world.engine))
    today = list(world.desk.capital.trading_days(1))[-1]
    answer, _ = await handler.handle(Request(1, WriteReport("demo")))
    path = world.data_dir / "reports" / f"demo-{today}.md"
    assert (answer.ok, answer.text, answer.path) == (True, f"{path.name} is written.", str(path))
    assert "it may go on" in path.read_text(encoding="utf-8")
    assert path.with_suffix(".csv").is_file()
    for command, why in (
        (WriteReport("nobody"), "There is no account 'nobody'."),
        (WriteReport("demo", "1999-01-01"), "demo has no trading day '1999-01-01'."),
    ):
        refused, _ = await handler.handle(Request(2, command))
        assert (refused.ok, refused.text) == (False, why)
