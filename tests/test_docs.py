"""The documents name what the code offers: commands, settings, refusal codes, decisions."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import cln

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"


def _text(*paths: Path) -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


def _all_docs() -> str:
    return _text(*sorted(DOCS.rglob("*.md")), ROOT / "README.md")


def _commands() -> list[str]:
    modules = (ROOT / "cln/management/commands").glob("[!_]*.py")
    return sorted(path.stem.replace("_", "-") for path in modules)


def _settings() -> list[str]:
    sources = [*(ROOT / "cln").rglob("*.py"), *(ROOT / "tools").iterdir()]
    return sorted(set(re.findall(r"\bCLN_[A-Z_]+[A-Z]\b", _text(*sources))))


def refusal_codes() -> list[str]:
    """Return the codes of every Refusal class of the package, found by importing all of it."""
    for module in pkgutil.walk_packages(cln.__path__, "cln."):
        if ".migrations" not in module.name and module.name != "cln.wsgi":
            importlib.import_module(module.name)
    from cln.domain.errors import Refusal

    classes, codes = [Refusal], set()
    while classes:
        refusal = classes.pop()
        classes += refusal.__subclasses__()
        if code := getattr(refusal, "code", None):
            codes.add(str(code))
    return sorted(codes)


def _rules() -> list[str]:
    from cln.domain.rules import Rules

    return [field.name for field in dataclasses.fields(Rules)]


def test_every_command_is_documented() -> None:
    documented = _all_docs()

    assert [name for name in _commands() if f"cln {name}" not in documented] == []


def test_every_setting_is_documented() -> None:
    documented = _text(DOCS / "operator/settings.md")

    assert [name for name in _settings() if f"`{name}`" not in documented] == []


def test_every_refusal_code_is_documented() -> None:
    documented, codes = _all_docs(), refusal_codes()

    assert codes
    assert [code for code in codes if f"`{code}`" not in documented] == []


def test_every_rule_of_the_billing_core_is_documented() -> None:
    documented = _all_docs()

    assert [name for name in _rules() if f"`{name}`" not in documented] == []


def test_every_decision_is_short_and_has_a_number_of_its_own() -> None:
    records = sorted((DOCS / "adr").glob("*.md"))
    numbers = [path.name[:4] for path in records]

    assert records
    assert all(re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", path.name) for path in records)
    assert len(set(numbers)) == len(numbers)
    assert [path.name for path in records if len(_text(path).splitlines()) > 30] == []


@pytest.mark.parametrize(
    "page", sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")]), ids=lambda path: path.name
)
def test_every_link_between_documents_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", _text(page))
    local = [target for target in targets if "://" not in target and "mailto:" not in target]

    assert [target for target in local if not (page.parent / target).exists()] == []
