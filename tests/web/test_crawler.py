"""Somebody who opens every link and every search of the console: no dead end, nothing of others.

Each role walks accounts of both kinds, from the dashboard, through the pages it is offered. What
our own pages link to must open; what belongs to another account must not appear. A form that is
asked nonsense may say so (422).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import pytest
from django.test import Client
from django.urls import Resolver404, resolve
from pytest_django.fixtures import Settings

from cln.accounts.models import Account
from cln.enums import AccountKind, Role
from cln.flows.demo import ensure_demo
from tests.customers import START, clock_at
from tests.shop import open_shop
from tests.visitors import a_login, signed_in

pytestmark = pytest.mark.django_db

PER_ROUTE = 3
"""Pages of one kind that are opened: two invoices look alike, fifty do, too."""
LEAVES = {"account_logout", "sandbox_clock"}
MARKS = {
    "Acme Hosting": ("acme.example", "198.51.100."),
    "Nordwind Hosting": ("nordwind.example", "DE123456788", "Hafenstraße"),
    "Zenith Hosting": ("zenith.example", "203.0.113."),
}


class Links(HTMLParser):
    """Where a page leads: its links, its parts that load themselves, its forms that only ask."""

    def __init__(self, here: str) -> None:
        super().__init__()
        self.here, self.found, self._form = here, list[str](), ""
        self._fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in has:
            self._lead(has["href"])
        if "hx-get" in has:
            self._lead(has["hx-get"])
        if tag == "form" and has.get("method", "get").lower() == "get":
            self._form, self._fields = has.get("action") or self.here, {}
        if self._form and tag in ("input", "select") and has.get("name"):
            self._fields[has["name"]] = has.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form" and self._form:
            path = urlsplit(self._form).path
            self._lead(f"{path}?{urlencode(self._fields)}")
            self._lead(f"{path}?{urlencode(dict.fromkeys(self._fields, 'zzz'))}")
            self._form = ""

    def _lead(self, to: str) -> None:
        url = urlsplit(urljoin(self.here, to))
        if not url.netloc and url.path.startswith("/"):
            self.found.append(f"{url.path}?{url.query}" if url.query else url.path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture
def accounts(settings: Settings, folder: Path) -> dict[str, Account]:
    """The demo's accounts, which know nothing of each other."""
    (folder / "demo.json").unlink(missing_ok=True)
    settings.CLN_DATA_DIR = folder
    clock_at(START)
    open_shop()
    ensure_demo(now=START)
    return {account.company: account for account in Account.objects.all()}


def kind_of(url: str) -> str:
    """What a URL is of: its route, and which questions it asks, not about which thing."""
    parts = urlsplit(url)
    names = sorted({name for name, _ in parse_qsl(parts.query, keep_blank_values=True)})
    return f"{resolve(parts.path).view_name}?{'&'.join(names)}"


def walk(client: Client, start: str) -> Iterator[tuple[str, str, int, str]]:
    """Open everything that can be reached: (from, to, status, text)."""
    waiting, seen, opened = [("the address bar", start)], {start}, Counter[str]()
    while waiting:
        came_from, url = waiting.pop()
        try:
            kind = kind_of(url)
        except Resolver404:
            if not url.startswith("/static/"):
                yield came_from, url, 404, ""
            continue
        opened[kind] += 1
        if kind.partition("?")[0] in LEAVES or opened[kind] > PER_ROUTE:
            continue
        answer = client.get(url, follow=True)
        text = b"".join(answer) if answer.streaming else answer.content
        is_page = answer.get("Content-Type", "").startswith("text/html")
        page = text.decode() if is_page else ""
        yield came_from, url, answer.status_code, page
        links = Links(url)
        links.feed(page)
        for link in links.found:
            if link not in seen:
                seen.add(link)
                waiting.append((url, link))


def answers_to(url: str) -> tuple[int, ...]:
    """What may come of a URL: nonsense in a form is refused, but never by a dead end."""
    return (200, 422) if "?" in url else (200,)


def complaints(client: Client, account: Account) -> list[str]:
    """What is wrong with the walk of one person."""
    foreign = [mark for name, marks in MARKS.items() if name != account.company for mark in marks]
    foreign += [name for name in MARKS if name != account.company]
    wrong, pages = [], 0
    for came_from, url, status, page in walk(client, "/console/dashboard"):
        pages += 1
        if status not in answers_to(url):
            wrong.append(f"{came_from} leads to {url}: {status}")
        # Whoever may read the mails of a sandbox reads those of all; that is its purpose.
        if not url.startswith("/sandbox/"):
            wrong += [f"{url} shows {mark}" for mark in foreign if mark in page]
    assert pages > 10, "nothing was walked"
    return wrong


@pytest.mark.parametrize("role", Role)
def test_every_link_a_role_is_offered_opens_and_shows_nothing_of_others(
    accounts: dict[str, Account], role: Role
) -> None:
    for company in ("Acme Hosting", "Zenith Hosting"):
        account = accounts[company]
        client = signed_in(a_login(account, role, name=f"{role}-{account.kind}".replace("_", "-")))

        assert not (wrong := complaints(client, account)), "\n".join(wrong)


def test_a_stranger_finds_no_dead_end_either(client: Client) -> None:
    clock_at(START)
    wrong = [
        f"{came_from} leads to {url}: {status}"
        for came_from, url, status, _ in walk(client, "/")
        if status not in answers_to(url)
    ]

    assert wrong == []


def test_an_operator_lands_on_a_page_and_is_offered_none_that_is_refused() -> None:
    """Who has no account has no console: its pages say so, and nothing leads there."""
    clock_at(START)
    open_shop()
    otto = signed_in(a_login(None, name="otto"))

    landed = otto.get("/console/auth/login")
    walked = list(walk(otto, "/"))
    refused = otto.get("/console/dashboard")

    assert landed["Location"] == "/"
    assert {"/", "/console/prices", "/console/install"} <= {url for _, url, _, _ in walked}
    assert [
        f"{came_from} leads to {url}: {status}"
        for came_from, url, status, _ in walked
        if status not in answers_to(url)
    ] == []
    assert refused.status_code == 403
    way_out = Links("/console/dashboard")
    way_out.feed(refused.content.decode())
    assert set(way_out.found) - {"/static/console/icon.svg"} == {"/"}


def test_a_debtor_whose_account_is_blocked_finds_the_way_out(accounts: dict[str, Account]) -> None:
    account = accounts["Nordwind Hosting"]
    assert account.kind == AccountKind.CUSTOMER
    Account.objects.filter(pk=account.pk).update(
        dunning_state="blocked", blocked_on=START.date(), dunning_next_on=None
    )
    client = signed_in(a_login(account, name="nora"))

    assert not (wrong := complaints(client, account)), "\n".join(wrong)
