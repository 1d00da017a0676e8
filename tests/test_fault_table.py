"""The table of known faults names tests that exist, and two rules that no single test can show."""

from __future__ import annotations

import ast
import re

from written_tests import ROOT, table, written_by_file

ROWS = {"A": 25, "B": 11, "C": 18, "D": 10, "E": 10}


def test_every_row_has_a_test_or_says_why_it_waits():
    rows = re.findall(r"^\| ([A-E]\d+) \| .+? \| (.+) \|$", table("faults.md"), re.MULTILINE)
    assert [name for name, _ in rows] == [
        f"{part}{number}" for part, count in ROWS.items() for number in range(1, count + 1)
    ]
    for name, answer in rows:
        assert "`test_" in answer or answer.startswith("Waits: "), name


def test_every_test_that_it_names_exists():
    defined = set().union(*written_by_file().values())
    named = set(re.findall(r"`(test_\w+)`", table("faults.md")))
    assert named <= defined, sorted(named - defined)


def test_no_float_touches_money():
    """Fault A24: binary fractions lose cents; on the order path everything is a decimal."""
    for room in ("oms", "capital", "risk"):
        for path in (ROOT / "core" / room).glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    assert node.func.id != "float", f"{path.name}:{node.lineno}"


def test_no_dialog_blocks_the_loop():
    """Fault E2: a modal `exec()` inside a coroutine hangs every other task for good."""
    for path in (ROOT / "ui").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            assert not (is_call and node.func.attr == "exec"), f"{path}:{node.lineno}"
