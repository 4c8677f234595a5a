"""The examples of docs/api are run, one after the other, and answer what the pages say.

A fenced `sh` block that begins with `curl` is a request; the fenced `http` block after it is the
answer: status and content type in its first line, the body below, and between them headers where
curl is asked for them. `…` stands for any text. An `http` block that begins with `POST` is what a
webhook's receiver gets, and what it answers.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

import pytest
from django.db.models import Max
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

from cln import clock, rates
from cln.api.refusals import TABLE, agent_status
from cln.api.v2 import limits
from cln.enums import AccountKind
from cln.licensing.services import reveal
from cln.notifications.models import Message
from cln.payments.gateways.sandbox import Script
from tests.customers import use_card
from tests.licensing import bought
from tests.receiver import Receiver, a_receiver, sent
from tests.v1 import a_client
from tests.v2 import token_for

API = Path(__file__).resolve().parents[2] / "docs/api"
EXAMPLE = re.compile(r"^```sh\n(curl .*?)\n```\n```http\n(.*?)\n```$", re.DOTALL | re.MULTILINE)
STEP = re.compile(rf"{EXAMPLE.pattern}|^```http\n(POST .*?)\n```$", re.DOTALL | re.MULTILINE)
URL = "http://testserver"


@dataclass
class Request:
    """What a line of curl asks for; no more of curl than the pages use."""

    url: str = ""
    body: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/x-www-form-urlencoded"
    method: str = ""
    wants_headers: bool = False

    @classmethod
    def from_curl(cls, line: str) -> Request:
        words = iter(shlex.split(line)[1:])
        request = cls()
        for word in words:
            match word:
                case "-i":
                    request.wants_headers = True
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


def _as_printed(answer: HttpResponse, headers: Sequence[str]) -> str:
    first = f"{answer.status_code} {answer['Content-Type']}"
    return _message([first, *(f"{name}: {answer[name]}" for name in headers)], answer.content)


def _message(head: list[str], body: bytes) -> str:
    return "\n".join([*head, *([""] if head[1:] else []), body.decode().rstrip("\n")])


def _fits(printed: str, answered: str) -> bool:
    pattern = '[^"\n]+'.join(re.escape(part) for part in printed.split("…"))
    return re.fullmatch(pattern, answered) is not None


def _keep_what_clients_keep(answered: str, known: dict[str, str]) -> None:
    if secret := re.search(r'"secret":"([^"]+)"', answered):
        known["SECRET"] = secret[1]
    if cursor := re.search(r'"next_cursor":"([^"]+)"', answered):
        known["CURSOR"] = cursor[1]
    if webhook := re.search(r'"id":"(whk_\w+)"', answered):
        known["WEBHOOK"] = webhook[1]
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
def test_the_examples_of_rest_v2_answer_what_they_print(settings: Settings) -> None:
    program = a_client(kind=AccountKind.CUSTOMER)
    acme = program.account
    use_card(acme, Script.OK, now=clock.now())
    known = {"URL": URL, "TOKEN": program.token, "API_TOKEN": token_for(acme)}

    assert len(_examples("v2.md")) == 14
    for line, printed in _examples("v2.md"):
        rates.forget_idle(seconds=-61)
        settings.CLN_API_RATE = 6 if printed.startswith("429") else 600
        for _ in range(6 if printed.startswith("429") else 0):
            limits.count_account(acme.pk)
        _ask(line, printed, known)


@pytest.mark.django_db
def test_the_examples_of_webhooks_answer_what_they_print_and_send_what_they_print(
    settings: Settings,
) -> None:
    settings.CLN_WEBHOOK_INSECURE = True
    known = {"URL": URL, "API_TOKEN": token_for(a_client().account)}
    page = (API / "webhooks.md").read_text(encoding="utf-8")
    [check] = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    theirs: dict[str, Any] = {}
    secrets = set()
    exec(check, theirs)

    with a_receiver() as receiver:
        here = receiver.url.replace("/hook?x=1", "/cln")
        steps = STEP.findall(page.replace("https://example.com/cln", here))
        for line, printed, delivery in steps:
            if line:
                _ask(line, printed, known)
                continue
            headers, body = _delivered(receiver, delivery)
            secrets.add(known["SECRET"])
            for secret in secrets:
                assert theirs["is_ours"](secret, headers["CLN-Signature"], body)
                assert not theirs["is_ours"](secret, headers["CLN-Signature"], body + b" ")
            assert not theirs["is_ours"]("whsec_another", headers["CLN-Signature"], body)

    created, failed, again, _ = receiver.arrived
    assert failed[1] == again[1] != created[1]
    assert len(secrets) == 2
    assert len(steps) == 10 + 4


def _delivered(receiver: Receiver, printed: str) -> tuple[dict[str, str], bytes]:
    """What the receiver got when the worker came by; it answers as printed."""
    head, _, answered = printed.split("\n\n")
    receiver.status = int(answered.split()[1])
    due = Message.objects.aggregate(at=Max("send_after"))["at"]
    sent(due, sent_at=clock.system_now())
    headers, body = receiver.arrived[-1]
    names = re.findall(r"^([\w-]+): ", head, re.MULTILINE)
    arrived = _message([receiver.asked[-1], *(f"{name}: {headers[name]}" for name in names)], body)

    assert _fits(printed, f"{arrived}\n\n{answered}"), arrived
    return headers, body


def _run(page: str, known: dict[str, str]) -> None:
    for line, printed in _examples(page):
        _ask(line, printed, known)


def _ask(line: str, printed: str, known: dict[str, str]) -> None:
    request = Request.from_curl(Template(line).substitute(known))
    head = printed.partition("\n\n")[0] if request.wants_headers else ""
    names = re.findall(r"^([\w-]+): ", head, re.MULTILINE)
    answered = _as_printed(request.send(Client()), names)
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
