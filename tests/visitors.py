"""People with a browser: logins made by the services, signed in through the real form."""

from __future__ import annotations

import html
import re
from datetime import timedelta

from django.test import Client
from django.urls import get_resolver, reverse
from django.urls.resolvers import URLPattern, URLResolver

from cln.accounts.models import Account, Login
from cln.accounts.services import create_login
from cln.enums import Role
from cln.flows.usage_run import run_due
from tests.customers import START, a_customer, buys, clock_at
from tests.reselling import holds_ip, registers
from tests.shop import open_shop

PASSWORD = "a sentence nobody guesses"


def a_login(account: Account | None, role: Role = Role.FULL, *, name: str = "") -> Login:
    """A confirmed login; the first of an account with full access is the primary one."""
    name = name or f"{role}-{account.pk if account else 'operator'}".replace("_", "-")
    is_first = account is not None and not account.logins.exists()
    return create_login(
        account_id=account.pk if account else None,
        email=f"{name}@people.example",
        password=PASSWORD,
        username=name,
        role=role,
        is_primary=is_first and role is Role.FULL,
        is_confirmed=True,
        now=START,
    )


def signed_in(login: Login, *, address: str = "127.0.0.1") -> Client:
    """A browser in which this person has signed in."""
    client = Client(REMOTE_ADDR=address)
    answer = client.post(reverse("account_login"), {"login": login.username, "password": PASSWORD})
    assert answer.status_code == 302, answer.content
    return client


def a_visitor(company: str = "Acme", role: Role = Role.FULL) -> tuple[Account, Client]:
    """A customer with a working card, and a person of theirs who has signed in."""
    clock_at(START)
    account = a_customer(company)
    return account, signed_in(a_login(account, role))


def a_reselling_visitor() -> tuple[Account, Client]:
    """A reseller with 500.00 and a KernelCare license at 198.51.100.7; a person of theirs."""
    clock_at(START)
    open_shop()
    account = Account.objects.get(pk=registers("zenith", now=START).account_id)
    holds_ip(account.pk, "198.51.100.7", now=START)
    Login.objects.filter(account=account).update(is_primary=False)
    return account, signed_in(a_login(account, Role.FULL, name="zoe"))


def a_reseller_in_debt() -> tuple[Account, Client]:
    """A reseller with 1.00 who has held Imunify360 at 198.51.100.8 since January; it is March and
    35.13 are due, since 1 February; a person of theirs.
    """
    clock_at(START)
    open_shop()
    account = Account.objects.get(pk=registers("poor", cents=1_00, now=START).account_id)
    holds_ip(account.pk, "198.51.100.8", license_type="imunify360_250", now=START)
    for later in (START + timedelta(days=1), START + timedelta(days=29)):
        run_due(now=later)
    clock_at(later)
    account.refresh_from_db()
    return account, signed_in(a_login(account, Role.FULL, name="pia"))


def with_licenses(account: Account, quantity: int = 5, license_type: str = "cloudlinux") -> None:
    """The customer buys, and the order is paid."""
    assert buys(account, quantity, license_type).payment is not None


def text_of(answer: object) -> str:
    """The page as a person reads it: no tags, single blanks."""
    body = answer.content.decode()  # type: ignore[attr-defined]
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", body, flags=re.DOTALL)
    body = body.replace("<wbr>", "")
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def routes() -> dict[str, URLPattern]:
    """Every named route of the console."""
    return {name: route for route in all_routes() if (name := route.name)}


def all_routes() -> list[URLPattern]:
    """Every route there is, people's and machines', also those without a name."""
    return _walk(get_resolver())


def _walk(resolver: URLResolver) -> list[URLPattern]:
    found: list[URLPattern] = []
    for entry in resolver.url_patterns:
        found += _walk(entry) if isinstance(entry, URLResolver) else [entry]
    return found
