"""`python run.py test`: the same checks for people and CI. With words of its own: pytest only."""

from __future__ import annotations

import os
import subprocess
import sys

from app.options import ROOT

LINT_IMPORTS = "from importlinter.cli import lint_imports_command; lint_imports_command()"
CHECKS = {
    "style": ("-m", "ruff", "check", "."),
    "format": ("-m", "ruff", "format", "--check", "--quiet", "."),
    "contracts": ("-c", LINT_IMPORTS),
    "types": ("-m", "mypy"),
}
TESTS = ("-m", "pytest", "-n", "2", "--dist", "worksteal")


def main(words: list[str]) -> int:
    """0 when everything passes."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    environment.setdefault("QT_QPA_PLATFORM", "offscreen")
    if words:
        return _python(("-m", "pytest", *words), environment)
    failed = [name for name, command in CHECKS.items() if _python(command, environment)]
    tests = _python(TESTS, environment)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return tests or int(bool(failed))


def _python(words: tuple[str, ...], environment: dict[str, str]) -> int:
    return subprocess.call([sys.executable, *words], cwd=ROOT, env=environment)
