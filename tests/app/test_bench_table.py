"""The line that every benchmark ends with, and how two sides are measured."""

from __future__ import annotations

import json

import pytest

from app import bench
from app.benchmarks.measure import Row, interleaved
from app.options import EXIT_OK


def test_the_ratio_is_the_best_rival_over_ours() -> None:
    row = Row("window", "s", 0.5, {"slow": 2.0, "fast": 1.0})
    assert row.ratio == 2.0
    assert Row("alone", "s", 0.5, {}).ratio is None


def test_sides_are_measured_in_turn_and_the_first_round_is_only_warm_up() -> None:
    turns: list[str] = []
    ours, theirs = iter([100.0, 1.0, 9.0, 2.0]), iter([100.0, 4.0, 5.0, 6.0])

    def side(name: str, values: object) -> float:
        turns.append(name)
        return next(values)  # type: ignore[call-overload, no-any-return]

    medians = interleaved(3, {"a": lambda: side("a", ours), "b": lambda: side("b", theirs)})
    assert medians == {"a": 2.0, "b": 5.0}
    assert turns == ["a", "b"] * 4


def test_the_last_line_is_one_json_object(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [Row("window", "s", 0.123456, {"rival": 1.0}), Row("alone", "MB", 3.0, {})]
    monkeypatch.setattr("app.benchmarks.startup.startup", lambda: rows)
    assert bench.main(["startup"]) == EXIT_OK
    *shown, last = capsys.readouterr().out.splitlines()
    assert len(shown) == 2
    table = json.loads(last)
    assert table["bench"] == "startup"
    first, second = table["rows"]
    assert {"name", "unit", "ours", "rivals", "ratio"} <= first.keys() == second.keys()
    assert (first["name"], first["unit"], first["ours"]) == ("window", "s", 0.1235)
    assert (first["rivals"], first["ratio"]) == ({"rival": 1.0}, 8.1)
    assert (second["rivals"], second["ratio"]) == ({}, None)
