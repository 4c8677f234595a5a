"""Lists that say which tests prove what: each names a test that exists."""

import ast
from collections.abc import Iterable
from pathlib import Path

TESTS_DIR = Path(__file__).resolve().parent


def missing(places: Iterable[str]) -> list[str]:
    """Those of the places, each `path::name`, at which there is no such test."""
    return [place for place in places if not _is_there(*place.split("::"))]


def _is_there(path: str, name: str) -> bool:
    tree = ast.parse((TESTS_DIR / path).read_text(encoding="utf-8"))
    return any(isinstance(node, ast.FunctionDef) and node.name == name for node in ast.walk(tree))
