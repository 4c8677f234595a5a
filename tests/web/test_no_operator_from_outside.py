"""Operators are made with the commands of `cln`, never from outside (security §5, 6).

Whatever a page, a sign-up or a program sends along, nobody becomes one; and one that there is opens
no door of customers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import transaction
from django.test import Client

from cln.accounts.models import AuditEntry, Login
from cln.api.v1 import urls as v1
from cln.enums import AccountKind, Role
from cln.licensing.models import Server
from tests.contract.test_v2_bytes import DATA, a_world, filled, parts
from tests.rhn import fault_of, machine
from tests.v2 import with_token
from tests.visitors import PASSWORD, a_login, a_visitor, signed_in
from tests.web.test_doors import access_of, pages, path_of, who_has_everything

pytestmark = pytest.mark.django_db

# What makes an operator, by every name it has in the code or in frameworks.
GRAB: dict[str, Any] = {
    "is_staff": "1",
    "is_superuser": "1",
    "is_operator": "1",
    "is_admin": "1",
    "is_active": "1",
    "groups": "1",
    "user_permissions": "1",
    "account": "",
    "account_id": "",
    "kind": "operator",
}
# What makes most forms good, so that they are carried out.
GOOD = {
    "email": "mallory@evil.example",
    "username": "mallory",
    "login": "mallory",
    "password": PASSWORD,
    "password1": PASSWORD,
    "password2": PASSWORD,
    "company": "Mallory",
    "first_name": "Mallory",
    "last_name": "M",
    "billing_email": "bills@evil.example",
    "country": "DE",
    "role": "full",
    "name": "mallory",
    "accept": "on",
    "terms": "on",
    "days": "30",
    "limit": "1",
}


@contextmanager
def undone() -> Iterator[None]:
    before = transaction.savepoint()
    yield
    transaction.savepoint_rollback(before)


def operators() -> list[str]:
    """Whoever is one, by any of the marks."""
    marked = Login.objects.filter(is_staff=True) | Login.objects.filter(is_superuser=True)
    return [*(marked | Login.objects.filter(account=None)).values_list("username", flat=True)]


@pytest.mark.parametrize("kind", AccountKind)
def test_no_form_of_any_page_makes_an_operator(kind: AccountKind) -> None:
    client, ids = who_has_everything(kind, Role.FULL)
    stranger, carried_out, made = Client(), set(), set()

    for name, route in pages().items():
        if "POST" not in access_of(route).methods:
            continue
        for who in (client, stranger):
            with undone():
                before = AuditEntry.objects.count(), Login.objects.count()
                who.post(path_of(route, **ids), {**GOOD, **GRAB})
                assert operators() == [], name
                now = AuditEntry.objects.count(), Login.objects.count()
                carried_out |= {name} if now[0] > before[0] else set()
                made |= {name} if now[1] > before[1] else set()

    assert {"account_signup", "invite_login"} <= made
    assert len(carried_out) >= 10, carried_out


def test_no_call_of_any_program_makes_an_operator() -> None:
    program, known = a_world()
    acme = with_token(program)
    document = json.loads(Client().get("/api/v2/openapi.json").content)
    calls = [
        (verb.upper(), re.sub("[{}]", "", path.removeprefix("/api/v2/")), GOOD)
        for path, verbs in document["paths"].items()
        for verb in {*verbs} - {"get"}
    ]
    for request in DATA:  # those with good arguments, which are carried out
        verb, path, *body = parts(filled(request, known))
        calls.append((verb, path, json.loads(body[0]) if body else {}))
    carried_out = 0

    for verb, path, body in calls:
        joint = "&" if "?" in path else "?"
        with undone():
            answer = acme.send(verb, f"{path}{joint}{urlencode(GRAB)}", {**body, **GRAB})
            carried_out += answer.status_code in (200, 201)
            assert operators() == [], (verb, path)
    for call in v1.CALLS:
        with undone():
            answer = Client().post(f"/api/{call}.json", {**GOOD, **GRAB, "token": program.token})
            carried_out += answer.json()["success"]
            assert operators() == [], call

    assert len(calls) > 80
    assert carried_out > 40


@pytest.mark.parametrize("role", ["operator", "staff", "admin", "superuser", "", "FULL"])
def test_there_is_no_role_of_operators_to_invite_to(role: str) -> None:
    account, client = a_visitor()
    before = Login.objects.count()

    answer = client.post(
        "/console/profile/logins/invite", {"email": "m@evil.example", "role": role}
    )

    assert (answer.status_code, Login.objects.count()) == (422, before)
    assert not AuditEntry.objects.filter(account=account, verb__contains="invit").exists()


@pytest.mark.parametrize("path", ["/admin", "/admin/", "/admin/login/", "/setup", "/console/admin"])
def test_there_is_no_page_that_makes_the_first_operator(path: str) -> None:
    assert Login.objects.count() == 0
    for client in (Client(), Client(enforce_csrf_checks=True)):
        assert client.get(path).status_code == 404
    assert Client().post(path, {**GOOD, **GRAB}).status_code in (403, 404)
    assert Login.objects.count() == 0


def test_an_operator_opens_no_page_and_no_wire_of_customers() -> None:
    client, ids = who_has_everything(AccountKind.CUSTOMER, Role.FULL)
    assert client.get("/console/dashboard").status_code == 200
    operator = a_login(None, name="otto")
    otto, before = signed_in(operator), Server.objects.count()

    for name, route in pages().items():
        access = access_of(route)
        for method in access.methods if access.permission else ():
            status = otto.generic(method, path_of(route, **ids)).status_code
            assert status == 403, f"{method} {name}"
    code, _ = fault_of("registration.new_system", machine("", username="otto", password=PASSWORD))

    assert (code, Server.objects.count()) == (-2, before)
