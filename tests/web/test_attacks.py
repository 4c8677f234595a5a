"""What strangers and customers may try on the console (security §5)."""

from __future__ import annotations

import csv
import html
import re
from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from html.parser import HTMLParser
from ipaddress import ip_network

import pytest
from allauth.usersessions.models import UserSession
from django.core.mail import EmailMessage
from django.db.models import Model
from django.http import HttpResponse
from django.test import Client
from pytest_django.fixtures import Settings

from cln.accounts.audit import record
from cln.accounts.models import Account, ApiToken, Login, Passkey, ServerAccount
from cln.console.csv_files import cell
from cln.flows.long_lists import begin_addition
from cln.flows.pay_link import pay_url
from cln.licensing.groups import create_group
from cln.licensing.models import (
    ActivationKey,
    IpLicense,
    MaintenanceWindow,
    PatchReport,
    Server,
    ServerGroup,
    ServerTag,
)
from cln.licensing.server_accounts import Person, add_server_account
from cln.licensing.services import create_key
from cln.licensing.watch_rules import add_window
from cln.notifications.models import Message
from cln.notifications.queries import written
from cln.notifications.services import send_due
from cln.payments.models import PaymentMethod
from tests import pdf_text
from tests.backups import a_backup
from tests.customers import START, clock_at
from tests.licensing import registered
from tests.visitors import (
    PASSWORD,
    a_login,
    a_reselling_visitor,
    a_visitor,
    signed_in,
    text_of,
    with_licenses,
)
from tests.web.test_doors import GUARDED, a_passkey, a_token, access_of, pages, path_of

pytestmark = pytest.mark.django_db

EVIL = '"><script>alert(1)</script><b onclick=a(2)>{{ 7|add:7 }}'
FORMULA = "=cmd|' /C calc'!A0"
WITH_FILES = frozenset(("servers", "server_accounts", "invoices", "audit", "product")).union(
    ("ip_licenses", "group", "key", "backups")
)
# Where each of the names stands that only these pages show: a person's passkeys, the notes of
# maintenances, the server of a backup, the company with its VAT number.
NAMED_BY_PEOPLE = {"security", "remove_passkey", "group", "backups", "backup", "profile"}
# What a browser keeps a file as: nothing in it leads out of the folder or ends the header.
SAFE_FILE = re.compile(r'(attachment|inline); filename="\w[\w.-]*\.(csv|pdf)"')
NEW_HEADER = "Acme\r\nBcc: all@evil.example\r\n\r\n<b>free</b>\x85\u2028Cc: all@evil.example"
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
    assert Running.found_in(EVIL) == ["script", "b onclick=a(2)"]
    assert Running.found_in('<a href=" JavaScript:x">') == ["a href= JavaScript:x"]
    assert Running.found_in('<input value="&quot;&gt;<img onerror=x">') == []


def a_booby_trapped_account() -> tuple[Account, Client, dict[str, str]]:
    """Everything a customer can name carries markup and a template."""
    account, client = a_visitor()
    with_licenses(account, 3, "kernelcare")
    return account, client, trap(account)


def trap(account: Account, evil: str = EVIL) -> dict[str, str]:
    """Spoil whatever people, servers, programs and browsers say of themselves; the ids of it."""
    key = create_key(account_id=account.pk, license_type="kernelcare", actor="x", now=START)
    server = registered(key, "web1", now=START).server
    PatchReport.objects.create(server=server, kernel_id=evil[:120], level=1, reported_at=START)
    ServerTag.objects.create(server=server, tag=evil, reported_at=START)
    group = create_group(account_id=account.pk, name="Rack 4", actor="x", now=START)
    Server.objects.update(group=group)
    other = a_login(account, name="other")
    token = a_token(account, other)
    signed_in(other)
    passkey = a_passkey(account.logins.exclude(pk=other.pk).latest("pk"))
    add_window(
        account_id=account.pk,
        group="Rack 4",
        starts_at=START,
        ends_at=START + timedelta(hours=1),
        note="new disks",
        actor="x",
        now=START,
    )
    for table, names in SPOILED.items():
        table._default_manager.update(**dict.fromkeys(names, evil))
    Login.objects.filter(pk=other.pk).update(username=evil)
    Account.objects.update(vat_number=evil[:32])
    record(
        account_id=account.pk, actor=evil, verb=evil, subject=evil, details={evil: evil}, now=START
    )
    ids = {
        "key": key.public_id,
        "server": server.public_id,
        "login": str(other.pk),
        "group": str(group.pk),
        "api_token": token,
        "passkey": str(passkey),
        "backup": a_backup(account.pk, server.public_id, now=START).public_id,
    }
    invoice = account.invoices.first()
    return ids | ({"public_id": invoice.public_id} if invoice else {})


SPOILED: dict[type[Model], tuple[str, ...]] = {
    Account: ("company", "address", "billing_email"),
    Login: ("first_name", "last_name"),
    ActivationKey: ("note",),
    Server: ("hostname", "kernel"),
    IpLicense: ("hostname",),
    ServerGroup: ("name", "description"),
    ApiToken: ("name",),
    ServerAccount: ("login", "first_name", "last_name", "company"),
    UserSession: ("user_agent",),
    PaymentMethod: ("label",),
    Passkey: ("name",),
    MaintenanceWindow: ("note",),
}


@pytest.fixture(params=["customer", "reseller"])
def trapped(request: pytest.FixtureRequest) -> tuple[Client, dict[str, str]]:
    """Somebody whose whole account is spoiled, and its ids."""
    if request.param == "customer":
        return a_booby_trapped_account()[1:]
    account, client = a_reselling_visitor()
    person = Person(login="sub1", email="sub1@host.example")
    made = add_server_account(account_id=account.pk, person=person, actor="zoe", now=START)
    held = IpLicense.objects.get().public_id
    ids = {"server_account": str(made.number), "license": held}
    return client, ids | trap(account)


def test_what_customers_name_is_text_on_every_page_and_no_page_is_framed(
    trapped: tuple[Client, dict[str, str]],
) -> None:
    client, ids = trapped
    shown = set()
    for name, route in pages().items():
        access = access_of(route)
        if "GET" not in access.methods or access.sandbox_only:
            continue
        answer = client.get(path_of(route, **ids), follow=True)
        is_page = answer["Content-Type"].startswith("text/html")
        # Long names may be broken: what stands between is markup of ours.
        body = answer.content.decode().replace("<wbr>", "") if is_page else ""
        policy = answer["Content-Security-Policy"]
        assert (answer["X-Frame-Options"], "unsafe" in policy) == ("DENY", False), name
        assert "frame-ancestors 'none'" in policy, name
        assert Running.found_in(body) == [], name
        assert "{{ 7|add:7 }}" in body or "alert(1)" not in body, name
        shown |= {name} if "alert(1)" in body else set()
        assert "format=csv" not in body or name in WITH_FILES, name
    assert len(shown) >= 15, shown
    assert shown >= NAMED_BY_PEOPLE, NAMED_BY_PEOPLE - shown


def test_what_customers_name_is_text_in_mails() -> None:
    _, client, _ = a_booby_trapped_account()

    client.post("/console/profile/logins/invite", {"email": "x@y.example", "role": "full"})

    mail = Message.objects.get(template="invitation")
    assert f"account of {EVIL}." in written(mail)[1]
    page = client.get(f"/sandbox/mail/{mail.pk}").content.decode()
    assert "<script>alert" not in page


@pytest.mark.parametrize("page", ["invitation", "ticket"])
def test_a_line_break_in_what_customers_write_makes_no_header_of_a_mail(
    settings: Settings, mailoutbox: list[EmailMessage], page: str
) -> None:
    """By our own forms and out through a mail server; a mail has no part that runs as HTML."""
    settings.CLN_SUPPORT_EMAIL = "support@vendor.example"
    account, client = a_visitor()
    client.post("/console/profile", {"company": NEW_HEADER, "billing_email": ""})
    client.post("/console/profile/person", {"first_name": NEW_HEADER, "last_name": NEW_HEADER})
    if page == "ticket":
        client.post("/console/support", {"subject": NEW_HEADER, "text": NEW_HEADER})
    else:
        client.post("/console/profile/logins/invite", {"email": "x@y.example", "role": "full"})

    send_due(now=START + timedelta(minutes=1))

    assert mailoutbox, "nothing was sent"
    for mail in mailoutbox:
        sent = message_from_bytes(mail.message().as_bytes(), policy=default)
        assert (sent["Bcc"], sent["Cc"]) == (None, None)
        assert sent.get_content_type() == "text/plain"
        assert sent["From"] == settings.DEFAULT_FROM_EMAIL
        assert len(mail.to) == 1
        assert len(mail.subject.splitlines()) == 1
    account.refresh_from_db()
    assert "Acme" in account.company


def test_what_customers_name_runs_in_no_spreadsheet() -> None:
    """Of every page that offers a file of its table."""
    account, client = a_reselling_visitor()
    person = Person(login="sub1", email="sub1@host.example")
    add_server_account(account_id=account.pk, person=person, actor="zoe", now=START)
    ids = trap(account, FORMULA)
    for name in WITH_FILES:
        path = path_of(pages()[name], **ids)
        answer = client.get(f"{path}?format=csv")
        assert SAFE_FILE.fullmatch(answer["Content-Disposition"]), name
        text = answer.getvalue().decode().lstrip("\ufeff")
        cells = [cell for row in csv.reader(text.splitlines()) for cell in row]
        assert "'" + FORMULA in " ".join(cells) or name == "invoices", name
        assert [one for one in cells if one.startswith(("=", "+", "@"))] == [], name


def test_what_is_pasted_as_an_address_runs_in_no_spreadsheet() -> None:
    """The result of a long list repeats each line that was pasted, whatever it was."""
    account, client = a_reselling_visitor()
    pasted = ["=1+1", "+1", "-1", "@SUM(A1)", "=cmd|'/C'!A0"]
    listed = begin_addition(
        account_id=account.pk,
        license_type="kernelcare",
        text="\n".join(pasted),
        actor="zoe",
        now=START,
    )

    answer = client.get(f"/console/ip-licenses/lists/{listed}?format=csv")

    rows = list(csv.reader(answer.getvalue().decode().splitlines()))
    assert [row[0] for row in rows[1:]] == [f"'{line}" for line in pasted]
    assert [row[1] for row in rows[1:]] == ["refused"] * len(pasted)
    assert SAFE_FILE.fullmatch(answer["Content-Disposition"])


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_text_that_begins_like_a_formula_is_quoted_in_every_csv(start: str) -> None:
    assert cell(f"{start}1+1") == f"'{start}1+1"
    assert cell(f"a{start}1") == f"a{start}1"


def test_what_customers_name_is_printed_as_it_is() -> None:
    """Company, address and VAT number: kept with the invoice, on its page and its paper."""
    named = (
        '#panic("x") *Acme* $x$',
        '#panic("a") <script>alert(1)</script>',
        "#v() <b onclick=x>",
    )
    account, client = a_visitor(named[0])
    Account.objects.update(address=named[1], vat_number=named[2], country="DE")
    with_licenses(account, 1, "kernelcare")
    invoice = account.invoices.get().public_id

    page = client.get(f"/console/billing/invoices/{invoice}")
    paper = client.get(f"/console/billing/invoices/{invoice}.pdf")

    assert Running.found_in(page.content.decode()) == []
    printed = pdf_text.text_of(paper.content)
    assert [one for one in named if one not in printed] == []
    shown = html.unescape(page.content.decode())
    assert [one for one in named if one not in shown] == []
    assert SAFE_FILE.fullmatch(paper["Content-Disposition"])


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
