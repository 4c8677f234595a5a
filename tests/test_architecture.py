"""The size of things, their names and what the core may import: what a linter cannot say."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LINES_PER_MODULE = 500
LINES_PER_FUNCTION = 60
NAMES_THAT_SAY_NOTHING = {"core", "common", "util", "utils", "helper", "helpers"}


def _modules(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return sorted(path for path in found if "migrations" not in path.parts)


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_every_module_fits_in_a_head() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in _modules("cln", "agent", "tests")
    }

    assert len(lengths) > 40
    assert {name: n for name, n in lengths.items() if n > LINES_PER_MODULE} == {}


def test_every_function_fits_on_a_screen() -> None:
    too_long = [
        f"{path.relative_to(ROOT)}:{function.lineno} {function.name}: {length} lines"
        for path in _modules("cln", "agent", "tests")
        for function in _functions(path)
        if (length := (function.end_lineno or 0) - function.lineno + 1) > LINES_PER_FUNCTION
    ]

    assert too_long == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    names = [
        str(path.relative_to(ROOT))
        for path in _modules("cln", "agent", "tests")
        if {*path.relative_to(ROOT).with_suffix("").parts} & NAMES_THAT_SAY_NOTHING
    ]

    assert names == []


@pytest.mark.parametrize("folder", ["cln/domain", "agent"])
def test_the_core_and_the_agent_import_the_standard_library_only(folder: str) -> None:
    own = folder.replace("/", ".")
    foreign = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in _modules(folder)
        for name in _imported(path)
        if not (name == own or name.startswith(f"{own}."))
        and name.partition(".")[0] not in sys.stdlib_module_names
    ]

    assert foreign == []
