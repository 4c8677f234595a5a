"""What strangers and customers may try on the console (security §5)."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from ipaddress import ip_network

import pytest
from django.http import HttpResponse
from django.test import Client
from pytest_django.fixtures import Settings

from cln.accounts.models import Account, Login
from cln.flows.pay_link import pay_url
from cln.licensing.models import ActivationKey
from cln.notifications.models import Message
from cln.notifications.queries import written
from tests.customers import START, clock_at
from tests.licensing import registered
from tests.visitors import PASSWORD, a_login, a_visitor, text_of, with_licenses
from tests.web.test_doors import GUARDED, access_of, pages, path_of

pytestmark = pytest.mark.django_db

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7|add:7 }}'
LOGIN = "/console/auth/login"
NO_IDS = {"key": "k", "server": "s", "public_id": "i"}
OUR_PROXY = (ip_network("127.0.0.0/8"),)


class Running(HTMLParser):
    """Finds what a browser would run: scripts in the page, handlers, addresses that are code."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag == "script" and not (named.get("src") or "").startswith("/static/"):
            self.found.append(tag)
        for name, value in attrs:
            code = (value or "").strip().lower().startswith(("javascript:", "data:text"))
            if name.startswith("on") or (name in ("href", "src", "action") and code):
                self.found.append(f"{tag} {name}={value}")

    @classmethod
    def found_in(cls, body: str) -> list[str]:
        parser = cls()
        parser.feed(body)
        return parser.found


def test_the_finder_of_running_code_finds_it() -> None:
    assert Running.found_in(EVIL) == ["script", "img onerror=alert(2)"]
    assert Running.found_in('<a href=" JavaScript:x">') == ["a href= JavaScript:x"]
    assert Running.found_in('<input value="&quot;&gt;<img onerror=x">') == []


def a_booby_trapped_account() -> tuple[Account, Client, dict[str, str]]:
    """Everything a customer can name carries markup and a template."""
    account, client = a_visitor()
    with_licenses(account, 3, "kernelcare")
    key = ActivationKey.objects.get()
    server = registered(key, "web1", now=START).server
    Account.objects.filter(pk=account.pk).update(company=EVIL)
    Login.objects.filter(account=account).update(first_name=EVIL[:100], last_name=EVIL[:100])
    ActivationKey.objects.filter(pk=key.pk).update(note=EVIL[:100])
    type(server).objects.filter(pk=server.pk).update(hostname=EVIL, kernel=EVIL[:100])
    other = a_login(account, name="other")
    ids = {
        "key": key.public_id,
        "server": server.public_id,
        "public_id": account.invoices.get().public_id,
        "login": str(other.pk),
    }
    return account, client, ids


def test_what_customers_name_is_text_on_every_page_and_no_page_is_framed() -> None:
    _, client, ids = a_booby_trapped_account()
    client.post("/console/profile", {"company": EVIL, "billing_email": ""})

    shown = 0
    for name, route in pages().items():
        access = access_of(route)
        if "GET" not in access.methods or access.sandbox_only:
            continue
        answer = client.get(path_of(route, **ids), follow=True)
        is_page = answer["Content-Type"].startswith("text/html")
        body = answer.content.decode() if is_page else ""
        policy = answer["Content-Security-Policy"]
        assert (answer["X-Frame-Options"], "unsafe" in policy) == ("DENY", False), name
        assert "frame-ancestors 'none'" in policy, name
        shown += "alert(1)" in body
        assert Running.found_in(body) == [], name
        assert "{{ 7|add:7 }}" in body or "alert(1)" not in body, name
    assert shown >= 5


def test_what_customers_name_is_text_in_mails() -> None:
    _, client, _ = a_booby_trapped_account()

    client.post("/console/profile/logins/invite", {"email": "x@y.example", "role": "full"})

    mail = Message.objects.get(template="invitation")
    assert f"account of {EVIL}." in written(mail)[1]
    page = client.get(f"/sandbox/mail/{mail.pk}").content.decode()
    assert "<script>alert" not in page


@pytest.mark.parametrize("path", ["/console/servers", "/console/profile/audit"])
def test_what_customers_name_runs_in_no_spreadsheet(path: str) -> None:
    account, client, _ = a_booby_trapped_account()
    account.servers.update(hostname="=cmd|' /C calc'!A0")
    client.post("/console/profile", {"company": "@SUM(1)", "billing_email": ""})

    text = client.get(f"{path}?format=csv").getvalue().decode()

    assert len(text.splitlines()) > 1
    assert re.findall(r'(?m)(?:^|,)"?[=+@-]', text) == []


def test_a_form_without_its_token_changes_nothing_on_any_page() -> None:
    account, visitor = a_visitor()
    client = Client(enforce_csrf_checks=True)
    client.cookies = visitor.cookies
    before = (account.company, Login.objects.count(), account.payment_methods.count())

    tried = 0
    for name, route in pages().items():
        if "POST" in access_of(route).methods:
            tried += 1
            assert client.post(path_of(route, **NO_IDS)).status_code == 403, name

    account.refresh_from_db()
    after = (account.company, Login.objects.count(), account.payment_methods.count())
    assert tried > 25
    assert after == before


@pytest.mark.parametrize(
    "to",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "\thttps://evil.example",
    ],
)
def test_nobody_is_sent_to_another_site(client: Client, to: str) -> None:
    account, visitor = a_visitor()
    anna = a_login(account, name="anna")
    form = {"login": anna.username, "password": PASSWORD, "next": to}

    signed_in = client.post(LOGIN, form)["Location"]
    again = visitor.post("/console/auth/again", {"password": PASSWORD, "next": to})["Location"]

    assert signed_in == "/console/dashboard"
    assert again.startswith("/")
    assert "evil" not in again
    assert "javascript" not in again


# As many tries as a test has patience for; what stands in the settings is checked by itself.
FEW = 3


@pytest.fixture
def few(settings: Settings) -> None:
    """Every limit that counts addresses or subjects allows three tries."""
    settings.ACCOUNT_RATE_LIMITS = {
        action: ",".join(re.sub(r"^\d+", str(FEW), rate) for rate in rates.split(","))
        for action, rates in {**settings.ACCOUNT_RATE_LIMITS, **ALLAUTH_LIMITS}.items()
    }


ALLAUTH_LIMITS = {"reset_password": "20/m/ip,5/m/key"}


def test_every_public_form_is_limited_by_address_and_those_with_a_subject_by_it(
    settings: Settings,
) -> None:
    limits = settings.ACCOUNT_RATE_LIMITS

    assert limits["signup"] == "20/m/ip,5/h/key"
    assert limits["pay_link"] == "30/m/ip,30/m/key"
    assert limits["mailed_link"] == "60/m/ip,30/m/key"
    assert limits["two_factor"] == "10/m/ip,5/5m/key"
    assert limits["check_license"] == "30/m/key"


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/console/auth/reset", {"login": "nobody{n}"}),
        ("/console/register/customer", {"email": "a{n}@b.example", "password": PASSWORD}),
        ("/console/check-license?ip=192.0.2.{n}", {}),
        ("/console/auth/confirm/key-{n}", {}),
        ("/console/auth/reset/{n}-key", {}),
        ("/pay/token-{n}", {}),
    ],
)
@pytest.mark.usefixtures("few")
def test_one_address_tries_a_public_page_only_so_often(
    client: Client, path: str, form: dict[str, str]
) -> None:
    clock_at(START)

    answers = [_try(client, path, form, n) for n in range(FEW + 1)]

    assert 429 not in [answer.status_code for answer in answers[:-1]]
    assert answers[-1].status_code == 429
    assert int(answers[-1]["Retry-After"]) >= 60
    assert "Too many tries" in text_of(answers[-1])


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/console/auth/reset", {"login": "anna"}),
        ("/console/register/customer", {"email": "a@b.example", "password": PASSWORD}),
        ("/console/auth/confirm/key", {}),
        ("/console/auth/reset/1-key", {}),
        ("/pay/some-token", {}),
    ],
)
@pytest.mark.usefixtures("few")
def test_one_subject_is_tried_only_so_often_from_wherever(
    settings: Settings, path: str, form: dict[str, str]
) -> None:
    settings.CLN_TRUSTED_PROXIES = OUR_PROXY
    clock_at(START)
    clients = [Client(headers={"x-forwarded-for": f"198.51.100.{n + 1}"}) for n in range(FEW + 1)]

    answers = [_try(client, path, form, 0).status_code for client in clients]

    assert 429 not in answers[:-1]
    assert answers[-1] == 429


def _try(client: Client, path: str, form: dict[str, str], n: int) -> HttpResponse:
    path = path.replace("{n}", str(n))
    typed = {name: value.replace("{n}", str(n)) for name, value in form.items()}
    return client.post(path, typed) if form else client.get(path)  # type: ignore[return-value]


def test_a_password_is_guessed_five_times_whatever_the_address(settings: Settings) -> None:
    settings.CLN_TRUSTED_PROXIES = OUR_PROXY
    account, _ = a_visitor()
    anna = a_login(account, name="anna")
    for n in range(5):
        Client(headers={"x-forwarded-for": f"198.51.100.{n + 1}"}).post(
            LOGIN, {"login": anna.username, "password": "wrong"}
        )

    client = Client(headers={"x-forwarded-for": "198.51.100.99"})
    client.post(LOGIN, {"login": anna.username, "password": PASSWORD})

    assert client.get("/console/dashboard").status_code == 302


def test_the_pay_link_says_nothing_of_the_account(client: Client) -> None:
    account, _, _ = a_booby_trapped_account()

    page = client.get(pay_url(account=account, now=START)).content.decode()

    assert "alert(1)" not in page
    assert Login.objects.filter(account=account, is_primary=True).get().email not in page


def test_the_guarded_pages_exist() -> None:
    assert set(pages()) >= GUARDED
