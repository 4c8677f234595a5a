"""What each refusal is called on each wire: the table of docs/api/refusals.md, cell by cell.

The page is read as its readers read it; what a wire says is what its translator really answers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from django.test import RequestFactory

from cln.api import envelope, refusals
from cln.api.rhn import faults
from cln.api.v1.calls import in_v1_words
from cln.api.v2 import problems
from cln.api.xmlrpc import partner
from cln.api.xmlrpc.door import Fault
from cln.domain.errors import Refusal
from tests.test_docs import refusal_codes

PAGE = Path(__file__).resolve().parents[2] / "docs/api/refusals.md"
PARTNER_TEXTS = {
    10: "Not authorized",
    30: "Invalid call arguments",
    40: "Invalid IP format",
}
WIRES = ("v1", "v2", "agents", "KernelCare", "XML-RPC", "RHN")
_ROW = re.compile(
    r"^\| `(\w+)` \| ([^|\n]+) \| (\d{3}) \| (\d{3}) \| (\d) \| (\S+) \| (−\d+) \|$", re.M
)


def printed() -> dict[str, tuple[str, ...]]:
    """The rows of the page, by code."""
    page = PAGE.read_text(encoding="utf-8")
    return {code: cells for code, *cells in _ROW.findall(page)}  # type: ignore[misc]


CELLS = {
    (code, wire): cell
    for code, cells in printed().items()
    for wire, cell in zip(WIRES, cells, strict=True)
}


def refusal(code: str) -> Refusal:
    return type("Some", (Refusal,), {"code": code})("No.", "Do this.", limit=2)  # type: ignore[no-any-return]


def on_v1(code: str) -> str:
    answer = in_v1_words(refusal(code))
    assert (answer.success, answer.data) == (False, None)
    return f"{answer.message}: {answer.type and f'`{answer.type}`'}"


def on_v2(code: str) -> str:
    answer = problems.refused(RequestFactory().get("/api/v2/keys"), refusal(code))
    problem = json.loads(answer.content)
    assert (problem["code"], problem["detail"], problem["fix"]) == (code, "No.", "Do this.")
    assert problem["status"] == answer.status_code
    return str(answer.status_code)


def on_agents(code: str) -> str:
    answer = envelope.problem(RequestFactory().post("/api/v2/agent/register"), refusal(code))
    assert json.loads(answer.content)["code"] == code
    return str(answer.status_code)


def on_kernelcare(code: str) -> str:
    return f"{refusals.kcare_number(code)}"


def on_xml_rpc(code: str) -> str:
    try:
        value = partner.said_no(refusal(code))
    except Fault as fault:
        return f"{fault.code}" if fault.text == PARTNER_TEXTS[fault.code] else fault.text
    assert value == -1
    return "−1"


def on_rhn(code: str) -> str:
    fault = faults.fault_of(refusal(code), token="CL-x")
    assert f"\nError Class Code: {-fault.code}\n" in fault.text
    return f"−{-fault.code}"


ASKED: Mapping[str, Callable[[str], str]] = dict(
    zip(WIRES, (on_v1, on_v2, on_agents, on_kernelcare, on_xml_rpc, on_rhn), strict=True)
)


def _table() -> str:
    """What the wires say, as the page prints it."""
    rows = []
    for code in refusal_codes():
        cells = [ask(code) for ask in ASKED.values()]
        cells[0] = "own" if cells[0].startswith("No. ") else cells[0]
        rows.append(f"| `{code}` | {' | '.join(cells)} |\n")
    return "".join(rows)


def test_the_page_has_a_row_for_every_refusal_there_is(pytestconfig: pytest.Config) -> None:
    """`--golden` writes the table anew: the diff is the review."""
    if pytestconfig.getoption("--golden"):
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(f"{page[: page.index('| `account_blocked` | own |')]}{_table()}")
    assert sorted(printed()) == refusal_codes()
    assert refusals.TABLE.keys() <= printed().keys()


@pytest.mark.parametrize(("code", "wire"), CELLS)
def test_a_refusal_is_called_on_a_wire_what_the_page_says(code: str, wire: str) -> None:
    said = ASKED[wire](code)

    cell = CELLS[code, wire]
    assert said == ({"own": f"No. Do this.: `{code}`"}.get(cell, cell) if wire == "v1" else cell)


def test_a_refusal_nobody_has_listed_looks_as_the_rules_have_it() -> None:
    said = {wire: ask("bad_news") for wire, ask in ASKED.items()}

    assert list(said.values()) == ["No. Do this.: `bad_news`", "422", "400", "3", "−1", "−106"]
    assert [on_v2(code) for code in ("unknown_news", "news")] == ["404", "409"]
