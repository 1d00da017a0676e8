"""Every no that the engine can say has a name and an advice on the screen."""

from __future__ import annotations

import ast
from pathlib import Path

from core.risk.rules import RULES
from ui.models import words

CORE = Path(__file__).resolve().parents[2] / "core"


def codes_of_the_engine() -> set[str]:
    """The literal codes of `Denial(...)`, of `code=` and of the portfolio's `_reject(...)`."""
    found = {rule.name for rule in RULES}
    for path in CORE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            places = {"Denial": 0, "_reject": 2, "_halt": 0}
            arguments = [k.value for k in node.keywords if k.arg == "code"]
            if name in places and len(node.args) > places[name]:
                arguments.append(node.args[places[name]])
            found |= {
                argument.value
                for argument in arguments
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
            }
    return found - {""}


def test_every_code_has_a_name_and_an_advice() -> None:
    codes = codes_of_the_engine()
    assert {"largest_position", "below_minimum", "kill_switch", "no_stop"} <= codes
    assert sorted(codes - words.RULES.keys()) == []
    assert sorted(codes - words.ADVICE.keys()) == []
