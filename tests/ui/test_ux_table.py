"""The table of what a trader expects names tests that exist, and leaves no row out."""

from __future__ import annotations

import re
from typing import NamedTuple

from written_tests import table, written_by_file

ROWS = 80
STARS = {
    1, 2, 7, 9, 19, 20, 22, 23, 24, 27, 29, 30, 37, 38, 40, 43, 45, 52, 53, 54, 55, 57, 58, 60, 61,
    62, 63, 64, 68, 69, 71, 72, 73, 74, 76, 77, 78,
}  # fmt: skip
BESIDES = {
    11, 13, 14, 15, 16, 21, 25, 26, 28, 32, 34, 35, 36, 39, 41, 42, 46, 47, 48, 49, 56, 65, 66, 67,
    70, 75, 79, 80,
}  # fmt: skip


class Row(NamedTuple):
    number: int
    mark: str
    expectation: str
    tests: list[tuple[str, str]]
    difference: str


def rows() -> list[Row]:
    lines = re.findall(
        r"^\| (\d+)( [★•])? \| (.+?) \| (.*?) ?\| (.*?) ?\|$", table("ux.md"), re.MULTILINE
    )
    return [
        Row(int(number), mark.strip(), expectation,
            re.findall(r"`(test_\w+\.py)::(test_\w+)`", tests), difference)
        for number, mark, expectation, tests, difference in lines
    ]  # fmt: skip


def test_every_row_stands_in_it_with_its_weight() -> None:
    assert [row.number for row in rows()] == list(range(1, ROWS + 1))
    assert {row.number for row in rows() if row.mark == "★"} == STARS
    assert {row.number for row in rows() if row.mark == "•"} == BESIDES


def test_what_is_asked_for_has_a_test_or_a_reason() -> None:
    bare = [row.number for row in rows() if not row.tests and not row.difference]
    assert bare == []


def test_every_test_that_it_names_exists_where_it_says() -> None:
    written = written_by_file()
    named = {test for row in rows() for test in row.tests}
    assert len(named) > 100
    gone = [(file, test) for file, test in named if test not in written.get(file, set())]
    assert sorted(gone) == []
