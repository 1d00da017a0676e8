"""Are the tests of the money rooms any good? Each small fault planted in the code must fail one.

    python tests/mutation/mutate.py                        # core/capital and core/risk, whole
    python tests/mutation/mutate.py --sample 150 --seed 7  # a random part of them
    python tests/mutation/mutate.py core/risk/rules        # one folder or file

The last line is JSON: mutants, killed, survived, score (percent). Survivors are listed above it.

Our own rather than mutmut or cosmic-ray: a mutant runs in a fork of a process that has pytest and
hypothesis imported already and is put in by the import system, so nothing is copied or written to
the tree (it is shared with whoever works in it), and a mutant costs a second instead of five.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib.abc
import importlib.machinery
import json
import os
import random
import shutil
import sys
import tempfile
import types
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_ROOMS = ("core/capital", "core/risk")
# Most mutants die in the quick tests of what a room promises, so these are collected and run by
# themselves. Tests that start other processes would run the code without its mutant there.
FIRST = ("test_shared_capital_manager", "test_capital_book", "test_risk_")
LAST = ("stateful", "properties", "race", "equity_and_days")
DESELECTED = "not a_race_ends_with and not killed_in_the_middle"

DECLARATIONS = ("annotation", "returns", "decorator_list")  # the type checker's business

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
BUILTINS = {"min": "max", "max": "min", "any": "all", "all": "any"}


class Mutant(NamedTuple):
    path: Path
    line: int
    text: str
    module: ast.Module


def mutants_of(path: Path) -> Iterator[Mutant]:
    """Each with exactly one change. The tree is changed in place, copied, and changed back."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for parent in list(_walk(tree)):
        for field, value in list(ast.iter_fields(parent)):
            if field in DECLARATIONS:
                continue
            children = value if isinstance(value, list) else [value]
            for index, child in enumerate(children):
                if not isinstance(child, ast.AST) or _is_left_alone(child):
                    continue
                for text, changed in _changes(child):
                    if isinstance(value, list):
                        value[index] = changed
                    else:
                        setattr(parent, field, changed)
                    module = ast.fix_missing_locations(copy.deepcopy(tree))
                    yield Mutant(path, getattr(child, "lineno", 0), text, module)
                    if isinstance(value, list):
                        value[index] = child
                    else:
                        setattr(parent, field, child)


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for field, value in ast.iter_fields(node):
        if field not in DECLARATIONS:
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _walk(child)


def _is_left_alone(node: ast.AST) -> bool:
    """Log lines and names for importers change nothing that money could notice; what is inside
    of them is left alone too, for it is taken out of the tree here."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True  # a docstring
    if isinstance(node, ast.Expr) and ast.unparse(node).startswith("log."):
        node.value = ast.Constant(None)
        return True
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("__all__", "log")


def _changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:  # noqa: PLR0912 (a table of cases)
    match node:
        case ast.Compare(ops=[operator]) if type(operator) in COMPARISONS:
            yield _named(node, ops=[COMPARISONS[type(operator)]()])
        case ast.Compare():
            for index, operator in enumerate(node.ops):
                if type(operator) in COMPARISONS:
                    ops = list(node.ops)
                    ops[index] = COMPARISONS[type(operator)]()
                    yield _named(node, ops=ops)
        case ast.BinOp() if type(node.op) in OPERATORS:
            yield _named(node, op=OPERATORS[type(node.op)]())
        case ast.AugAssign() if type(node.op) in OPERATORS:
            yield _named(node, op=OPERATORS[type(node.op)]())
            yield f"remove: {ast.unparse(node)}", ast.Pass()
        case ast.BoolOp():
            yield _named(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield f"{ast.unparse(node)} -> {ast.unparse(node.operand)}", node.operand
        case ast.Constant(value=bool() as value):
            yield f"{value} -> {not value}", ast.Constant(not value)
        case ast.Constant(value=int() | float() as value):
            yield f"{value} -> {value + 1}", ast.Constant(value + 1)
        case ast.Call(func=ast.Name(id=name)) if name in BUILTINS:
            yield _named(node, func=ast.Name(BUILTINS[name], ast.Load()))
        case ast.Call(func=ast.Name(id="Decimal"), args=[ast.Constant(value=str() as digits)]):
            other = str(Decimal(digits) * 2)
            yield _named(node, args=[ast.Constant(other)])
        case ast.If() | ast.While() | ast.IfExp():
            yield (
                f"not: {ast.unparse(node.test)}",
                _with(node, test=ast.UnaryOp(ast.Not(), node.test)),
            )
        case ast.Return(value=ast.Constant(value="")):
            yield "return a text, not none", ast.Return(ast.Constant("planted"))
        case ast.Return(value=ast.expr() as value) if not _is_none(value):
            yield f"return None, not {ast.unparse(value)}", ast.Return(ast.Constant(None))
        case ast.Expr(value=ast.Call()):
            yield f"remove: {ast.unparse(node)}", ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]) | ast.Delete():
            yield f"remove: {ast.unparse(node)}", ast.Pass()
        case ast.Continue() | ast.Break():
            yield f"remove: {ast.unparse(node)}", ast.Pass()


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def _with(node: ast.AST, **changes: object) -> ast.AST:
    fields = {name: getattr(node, name) for name in node._fields} | changes
    return type(node)(**fields)


def _named(node: ast.AST, **changes: object) -> tuple[str, ast.AST]:
    changed = _with(node, **changes)
    return f"{ast.unparse(node)} -> {ast.unparse(changed)}", changed


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives the mutated module to whoever imports it."""

    def __init__(self, name: str, mutant: Mutant) -> None:
        self.name = name
        self.mutant = mutant

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: types.ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self.name:
            return None
        is_package = self.mutant.path.name == "__init__.py"
        spec = importlib.machinery.ModuleSpec(fullname, self, is_package=is_package)
        if is_package:
            spec.submodule_search_locations = [str(self.mutant.path.parent)]
        return spec

    def exec_module(self, module: types.ModuleType) -> None:
        exec(compile(self.mutant.module, str(self.mutant.path), "exec"), module.__dict__)


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def tests_of(path: Path) -> list[list[str]]:
    """The tests of the mutant's own room, in the order in which they are asked."""
    room = path.relative_to(ROOT).parts[1]
    parts: dict[int, list[str]] = {0: [], 1: [], 2: []}
    for file in sorted((ROOT / "tests/core" / room).glob("test_*.py")):
        is_last = any(word in file.name for word in LAST)
        parts[2 if is_last else 0 if file.name.startswith(FIRST) else 1].append(str(file))
    return [parts[part] for part in sorted(parts) if parts[part]]


def run_one(mutant: Mutant, folder: Path) -> int:
    """In a fork: pytest's exit code, 0 when nothing noticed."""
    import pytest
    from hypothesis import HealthCheck, Phase, settings

    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    sys.meta_path.insert(0, _Finder(module_name(mutant.path), mutant))
    settings.register_profile(
        "mutation",
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    settings.load_profile("mutation")
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # no Qt for these rooms: half the time
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "pytest_timeout", "-o", "timeout=60"]
    options += ["-c", str(Path(__file__).with_name("pytest.ini"))]
    options += [f"--rootdir={ROOT}", f"--confcutdir={ROOT}"]
    options += ["-k", DESELECTED, f"--basetemp={folder / 'tmp'}"]
    for files in tests_of(mutant.path):
        code = int(pytest.main([*options, *files]))
        if code != 0:
            return code
    return 0


def fork(mutant: Mutant, folder: Path) -> int:
    """Start a fork that answers by its exit code; returns its process id."""
    folder.mkdir()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = run_one(mutant, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os._exit(code)
    return child


def run_all(mutants: list[Mutant], jobs: int, folder: Path) -> list[Mutant]:
    """The survivors."""
    waiting = list(mutants)
    running: dict[int, Mutant] = {}
    survivors: list[Mutant] = []
    for done in range(1, len(mutants) + 1):
        while waiting and len(running) < jobs:
            mutant = waiting.pop(0)
            running[fork(mutant, folder / str(len(waiting)))] = mutant
        child, status = os.wait()
        mutant = running.pop(child)
        if status == 0:
            survivors.append(mutant)
            where = f"{mutant.path.relative_to(ROOT)}:{mutant.line}"
            print(f"[{done}/{len(mutants)}] survived {where}: {mutant.text}", flush=True)
    return survivors


def require_a_clean_start(files: list[Path], folder: Path) -> None:
    """Without any mutant the tests have to pass, or every mutant would seem to be killed."""
    for number, room in enumerate(sorted({file.parent for file in files})):
        file = next(f for f in files if f.parent == room)
        whole = Mutant(file, 0, "", ast.parse(file.read_text(encoding="utf-8")))
        fork(whole, folder / f"clean-{number}")
        if os.wait()[1] != 0:
            raise SystemExit(f"the tests of {room.relative_to(ROOT)} fail without any mutant")


def _python_files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("paths", nargs="*", default=list(DEFAULT_ROOMS))
    parser.add_argument("--sample", type=int, help="so many mutants, at random")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    files = [file for path in options.paths for file in _python_files(ROOT / path)]
    mutants = [mutant for file in files for mutant in mutants_of(file)]
    if options.sample:
        mutants = random.Random(options.seed).sample(mutants, min(options.sample, len(mutants)))
    import hypothesis.stateful  # noqa: F401 (imported here once, for all forks)
    import msgspec  # noqa: F401
    import pytest  # noqa: F401

    memory = Path("/dev/shm")  # no disk: thousands of ledgers are synced
    with tempfile.TemporaryDirectory(
        prefix="mutants-", dir=memory if memory.is_dir() else None
    ) as folder:
        require_a_clean_start(files, Path(folder))
        survivors = run_all(mutants, options.jobs, Path(folder))
    killed = len(mutants) - len(survivors)
    result = {
        "mutants": len(mutants),
        "killed": killed,
        "survived": len(survivors),
        "score": round(100 * killed / max(1, len(mutants)), 1),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
