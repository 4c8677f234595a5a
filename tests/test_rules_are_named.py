"""Every billing rule that is built and every worked example has a test that names it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS_DIR = Path(__file__).resolve().parent
THIS_ISSUE = {"Q": 14, "T": 4, "P": 12, "R": 8, "S": 3, "M": 5, "E": 16}
"""The rules of the billing document: Q1–Q14, and so on."""

IDS = [f"{letter}{number}" for letter, last in THIS_ISSUE.items() for number in range(1, last + 1)]
_ID = re.compile(r"(?<![A-Za-z0-9])([QTPRSME])(\d{1,2})(?:–\1?(\d{1,2}))?(?![A-Za-z0-9])", re.I)


def _ids_in(text: str) -> set[str]:
    """The rule ids of a text: `Q4`, `_q4_`, and all of a span such as `E1–E4`."""
    found = set()
    for letter, first, last in _ID.findall(text.replace("_", " ")):
        found |= {f"{letter.upper()}{n}" for n in range(int(first), int(last or first) + 1)}
    return found


def _named_by_tests() -> set[str]:
    """Ids in the name or the docstring of a test function. This file does not count, nor do the
    wires' tests: their M1 and E2 are facts about protocols.
    """
    found: set[str] = set()
    wires = set((TESTS_DIR / "contract").rglob("test_*.py"))
    for path in set(TESTS_DIR.rglob("test_*.py")) - wires - {Path(__file__).resolve()}:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                found |= _ids_in(node.name) | _ids_in(ast.get_docstring(node) or "")
    return found


NAMED = _named_by_tests()


@pytest.mark.parametrize("rule", IDS)
def test_a_test_names_every_rule(rule: str) -> None:
    assert rule in NAMED


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("test_a_unit_is_charged_q7_e13", {"Q7", "E13"}),
        ("E1–E4: halves up", {"E1", "E2", "E3", "E4"}),
        ("Q11, Q12", {"Q11", "Q12"}),
        ("sha256 of web1.example on 2026-03-01 with IM30 and Q123", set()),
    ],
)
def test_rule_ids_are_read_from_names_and_sentences(text: str, ids: set[str]) -> None:
    assert _ids_in(text) == ids
