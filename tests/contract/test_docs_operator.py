"""The operators' tables say what the code does: defaults of rules, names of settings, codes."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from cln.domain.rules import Rules

ROOT = Path(__file__).resolve().parents[2]
OPERATOR = ROOT / "docs/operator"


def _as_printed(value: object) -> str:
    """A default as the table writes it: false, 30, `daily`, 7, 3, 1."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f"`{value}`"
        case tuple():
            return ", ".join(map(str, value))
        case _:
            return str(value)


def test_the_rules_page_prints_every_rule_with_its_default() -> None:
    page = (OPERATOR / "rules.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", page, re.MULTILINE)

    assert rows == [
        (field.name, _as_printed(getattr(Rules(), field.name)))
        for field in dataclasses.fields(Rules)
    ]


def test_the_settings_page_names_no_variable_that_nothing_reads() -> None:
    page = (OPERATOR / "settings.md").read_text(encoding="utf-8")
    sources = [*(ROOT / "cln").rglob("*.py"), *(ROOT / "tools").iterdir()]
    read = "\n".join(path.read_text(encoding="utf-8") for path in sources)

    named = set(re.findall(r"`(CLN_[A-Z_]+)`", page))
    assert named
    assert sorted(name for name in named if not re.search(rf"\b{name}\b", read)) == []


def test_the_simulation_page_names_every_verb_that_is_played() -> None:
    from cln.flows.simulation.grammar import FORMS

    page = (OPERATOR / "simulate.md").read_text(encoding="utf-8")
    first_cells = "\n".join(re.findall(r"^\| (`[^|]+) \|", page, re.MULTILINE))

    assert set(re.findall(r"`(\w+)`", first_cells)) == set(FORMS)
