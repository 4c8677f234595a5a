"""The Python sessions of docs/api/xmlrpc.md and rhn.md run over a socket and print what they say;
the tables of faults on these pages are those of the code.
"""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest
from pytest_django.live_server_helper import LiveServer

from cln.api.refusals import TABLE, Rhn, rhn_fault
from cln.api.rhn import faults as rhn
from cln.api.xmlrpc import partner
from cln.licensing.services import reveal
from tests.licensing import bought
from tests.v1 import a_client

API = Path(__file__).resolve().parents[2] / "docs/api"
SESSION = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
ROW = re.compile(r"^\| (\d+) \| (.*?) \| (.*?) ?\|$", re.MULTILINE)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("page", "lines"), [("xmlrpc.md", 12), ("rhn.md", 12)])
def test_the_sessions_of_a_page_print_what_it_prints(
    live_server: LiveServer, page: str, lines: int
) -> None:
    program = a_client()
    names = {
        "URL": live_server.url,
        "TOKEN": program.token,
        "KEY": reveal(bought(program.account, "cloudlinux", 1)),
    }
    text = "\n".join(SESSION.findall((API / page).read_text(encoding="utf-8")))
    session = doctest.DocTestParser().get_doctest(text, names, page, page, 0)
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    told: list[str] = []

    runner.run(session, out=told.append)

    assert len(session.examples) == lines
    assert runner.tries == lines
    assert told == []


def test_the_rhn_page_has_the_fault_of_every_refusal() -> None:
    rows = ROW.findall((API / "rhn.md").read_text(encoding="utf-8"))
    printed = {int(code): set(re.findall(r"`(\w+)`", refusals)) for code, _, refusals in rows}

    assert printed.keys() == rhn.INFO.keys()
    refused = printed.pop(Rhn.REGISTRATION_REFUSED)
    assert {rhn_fault(name) for name in refused} == {Rhn.REGISTRATION_REFUSED}
    assert printed == {
        code: {name for name, row in TABLE.items() if row.rhn == code} for code in printed
    }


def test_the_partners_page_has_the_fault_of_every_refusal() -> None:
    rows = ROW.findall((API / "xmlrpc.md").read_text(encoding="utf-8"))

    assert {int(code): text for code, text, _ in rows} == partner.TEXTS
    for code, _, when in rows:
        refusals = {name for name, row in TABLE.items() if row.partner == int(code)}
        assert set(re.findall(r"`(\w+)`", when)) == refusals
