"""The examples of docs/api are run, one after the other, and answer what the pages say.

A fenced `sh` block that begins with `curl` is a request; the fenced `http` block after it is the
answer: status and content type in its first line, the body below. `…` stands for any text.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

import pytest
from django.http import HttpResponse
from django.test import Client

from cln import clock
from cln.api.refusals import TABLE, agent_status
from cln.enums import AccountKind
from cln.licensing.services import reveal
from cln.payments.gateways.sandbox import Script
from tests.customers import use_card
from tests.licensing import bought
from tests.v1 import a_client
from tests.v2 import token_for

API = Path(__file__).resolve().parents[2] / "docs/api"
EXAMPLE = re.compile(r"^```sh\n(curl .*?)\n```\n```http\n(.*?)\n```$", re.DOTALL | re.MULTILINE)
URL = "http://testserver"


@dataclass
class Request:
    """What a line of curl asks for; no more of curl than the pages use."""

    url: str = ""
    body: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/x-www-form-urlencoded"
    method: str = ""

    @classmethod
    def from_curl(cls, line: str) -> Request:
        words = iter(shlex.split(line)[1:])
        request = cls()
        for word in words:
            match word:
                case "-d":
                    request.body.append(next(words))
                case "-H":
                    name, _, value = next(words).partition(": ")
                    request.headers[name] = value
                case "-X":
                    request.method = next(words)
                case "--json":
                    request.body, request.content_type = [next(words)], "application/json"
                case _:
                    assert word.startswith(URL), f"{word!r} is not an option the pages use"
                    request.url = word.removeprefix(URL)
        return request

    def send(self, client: Client) -> HttpResponse:
        method = self.method or ("POST" if self.body else "GET")
        body = "&".join(self.body)
        return client.generic(
            method, self.url, body, content_type=self.content_type, headers=self.headers
        )


def _examples(page: str) -> list[tuple[str, str]]:
    return EXAMPLE.findall((API / page).read_text(encoding="utf-8"))


def _as_printed(answer: HttpResponse) -> str:
    body = answer.content.decode().rstrip("\n")
    return f"{answer.status_code} {answer['Content-Type']}\n{body}"


def _fits(printed: str, answered: str) -> bool:
    pattern = '[^"\n]+'.join(re.escape(part) for part in printed.split("…"))
    return re.fullmatch(pattern, answered) is not None


def _keep_what_clients_keep(answered: str, known: dict[str, str]) -> None:
    if secret := re.search(r'"secret":"([^"]+)"', answered):
        known["SECRET"] = secret[1]
    if server_id := re.search(r"^server_id:(\w{16})$", answered, re.MULTILINE):
        known["SERVER_ID"] = server_id[1]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("page", "requests"),
    [
        ("README.md", 2),
        ("agent.md", 17),
        ("kernelcare.md", 9),
        ("v1.md", 21),
        ("xmlrpc.md", 1),
        ("rhn.md", 1),
    ],
)
def test_the_examples_of_a_page_answer_what_it_prints(page: str, requests: int) -> None:
    program = a_client()
    acme = program.account
    known = {
        "URL": URL,
        "TOKEN": program.token,
        "KEY": reveal(bought(acme, "cloudlinux", 1)),
        "KC_KEY": reveal(bought(acme, "kernelcare", 1)),
        "ELS_KEY": reveal(bought(acme, "els_centos6", 1)),
    }
    bought(acme, "imunify360_250", 1)

    assert len(_examples(page)) == requests
    _run(page, known)


@pytest.mark.django_db
def test_the_examples_of_rest_v2_answer_what_they_print() -> None:
    program = a_client(kind=AccountKind.CUSTOMER)
    use_card(program.account, Script.OK, now=clock.now())

    assert len(_examples("v2.md")) == 12
    _run("v2.md", {"URL": URL, "TOKEN": program.token, "API_TOKEN": token_for(program.account)})


def _run(page: str, known: dict[str, str]) -> None:
    client = Client()
    for line, printed in _examples(page):
        answered = _as_printed(Request.from_curl(Template(line).substitute(known)).send(client))
        _keep_what_clients_keep(answered, known)

        assert _fits(printed, answered), f"{line}\n{answered}"


def test_the_refusals_page_prints_every_status_that_rest_v2_does_not_derive_from_a_code() -> None:
    page = (API / "refusals.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d{3}) \| (`.*`) \|$", page, re.MULTILINE)
    printed = {code: int(status) for status, codes in rows for code in re.findall(r"\w+", codes)}

    assert printed == {code: row.v2.value for code, row in TABLE.items() if row.v2}


def test_the_refusals_page_prints_the_status_of_every_refusal_of_the_agent_api() -> None:
    page = (API / "refusals.md").read_text(encoding="utf-8")
    printed = dict(re.findall(r"^\| `(\w+)` \| (\d{3}) \|", page, re.MULTILINE))

    assert {code for code, row in TABLE.items() if row.agent} <= printed.keys()
    assert printed == {code: str(agent_status(code).value) for code in printed}


def test_the_kernelcare_page_prints_the_number_of_every_refusal() -> None:
    page = (API / "kernelcare.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d) \| [^|]+ \| (`.*`) \|$", page, re.MULTILINE)
    printed = {code: int(number) for number, codes in rows for code in re.findall(r"\w+", codes)}

    assert printed == {code: row.kcare for code, row in TABLE.items() if row.kcare}
