"""The core stays a core: no framework, no clock, refusals that can be told apart."""

import ast
import pkgutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import cln.domain
from cln.domain.errors import Refusal

ROOT = Path(next(iter(cln.domain.__path__)))
MODULES = sorted(ROOT.glob("*.py"))
CLOCKS = {"now", "utcnow", "today", "time", "monotonic", "localtime", "gmtime"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_the_core_never_reads_a_clock(path: Path) -> None:
    calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    named = {node.func.attr for node in calls if isinstance(node.func, ast.Attribute)}

    assert not named & CLOCKS


def test_the_core_loads_without_django() -> None:
    imports = "; ".join(f"import cln.domain.{path.stem}" for path in MODULES if path.stem[0] != "_")
    program = f"import sys; {imports}; sys.exit('django' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT.parents[1], check=False)

    assert done.returncode == 0


def test_every_refusal_has_a_code_of_its_own() -> None:
    for module in pkgutil.iter_modules(cln.domain.__path__):
        import_module(f"cln.domain.{module.name}")
    codes = [
        kind.code for kind in Refusal.__subclasses__() if kind.__module__.startswith("cln.domain")
    ]

    assert len(codes) == len(set(codes)) >= 25
    assert all(code.replace("_", "").isalpha() and code.islower() for code in codes)


def test_a_refusal_carries_sentence_fix_and_facts() -> None:
    refusal = Refusal("No.", "Ask again.", limit=1)

    assert (str(refusal), refusal.message, refusal.fix) == ("No.", "No.", "Ask again.")
    assert (refusal.code, refusal.facts) == ("refused", {"limit": 1})
    assert Refusal("No.").fix == ""
