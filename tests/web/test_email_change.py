"""Another e-mail address: confirmed where it leads, told and undone where it came from."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client

from cln.accounts.models import AuditEntry, EmailChange, Login
from cln.notifications.models import Message
from cln.notifications.queries import written
from tests.customers import START, a_customer, clock_at
from tests.visitors import PASSWORD, a_login, signed_in, text_of

pytestmark = pytest.mark.django_db

CHANGE, LOGIN = "/console/profile/email", "/console/auth/login"
OLD, NEW = "anna@people.example", "anna@new.example"


@pytest.fixture
def anna() -> Login:
    clock_at(START)
    return a_login(a_customer(), name="anna")


def asks(client: Client, email: str = NEW) -> str:
    page: str = text_of(client.post(CHANGE, {"email": email}, follow=True))
    return page


def link_in(template: str, *, to: str) -> str:
    mail = Message.objects.filter(template=template, to=to).latest("pk")
    found = re.search(r"https?://[^/]+(/console/auth/email/\S+)", written(mail)[1])
    assert found is not None
    return found[1]


def address_of(login: Login) -> str:
    return Login.objects.get(pk=login.pk).email


def signs_in(email: str) -> bool:
    answer = Client().post(LOGIN, {"login": email, "password": PASSWORD})
    return answer.status_code == 302


def changed(login: Login) -> Client:
    """The new address said yes."""
    client = signed_in(login)
    asks(client)
    client.post(link_in("email_change_confirm", to=NEW))
    assert address_of(login) == NEW
    return client


def test_nothing_changes_before_the_new_address_says_yes(anna: Login) -> None:
    page = asks(signed_in(anna), " Anna@New.example ")
    link = link_in("email_change_confirm", to=NEW)

    asked = text_of(Client().get(link))

    assert f"Nothing is changed yet: follow the link mailed to {NEW}." in page
    assert f"Shall {NEW} be the address of the login anna ?" in asked
    assert address_of(anna) == OLD
    assert signs_in(OLD)
    assert not signs_in(NEW)


def test_the_new_address_signs_in_and_the_old_one_is_told(anna: Login) -> None:
    changed(anna)

    assert (signs_in(NEW), signs_in(OLD)) == (True, False)
    told = written(Message.objects.get(template="email_changed", to=OLD))[1]
    assert f"The login anna has another e-mail address: {NEW}" in told
    verbs = AuditEntry.objects.filter(verb__startswith="login.email").order_by("pk")
    assert [(row.verb, row.actor, row.details) for row in verbs] == [
        ("login.email_change_asked", "anna", {"email": [OLD, NEW]}),
        ("login.email_changed", "anna", {"email": [OLD, NEW]}),
    ]


def test_a_link_works_once_for_three_days_and_until_the_next_request(anna: Login) -> None:
    client = signed_in(anna)
    asks(client)
    first = link_in("email_change_confirm", to=NEW)
    asks(client, "anna@other.example")
    overtaken = client.post(first)
    link = link_in("email_change_confirm", to="anna@other.example")
    clock_at(START + timedelta(days=3, minutes=1))
    late = client.post(link)

    assert (overtaken.status_code, late.status_code) == (410, 410)
    assert address_of(anna) == OLD
    clock_at(START + timedelta(days=4))
    client = changed(anna)
    assert client.post(link_in("email_change_confirm", to=NEW)).status_code == 410
    assert Client().get("/console/auth/email/forged").status_code == 410


def test_an_address_of_another_login_looks_like_any_other(anna: Login) -> None:
    bert = a_login(a_customer("Globex"), name="bert")

    page = asks(signed_in(anna), bert.email)

    assert f"Nothing is changed yet: follow the link mailed to {bert.email}." in page
    mail = Message.objects.get(to=bert.email)
    assert mail.template == "email_change_known"
    assert mail.account_id == bert.account_id
    assert "anna" not in written(mail)[1]
    assert (address_of(anna), address_of(bert)) == (OLD, "bert@people.example")


def test_an_address_taken_meanwhile_is_refused_to_the_second(anna: Login) -> None:
    asks(signed_in(anna))
    a_login(a_customer("Globex"), name="bert")
    Login.objects.filter(username="bert").update(email=NEW)

    answer = Client().post(link_in("email_change_confirm", to=NEW))

    assert answer.status_code == 409
    assert address_of(anna) == OLD


def test_the_old_address_takes_the_login_back(anna: Login) -> None:
    thief = changed(anna)
    link = link_in("email_changed", to=OLD)
    asks(thief, "thief@else.example")
    further = link_in("email_change_confirm", to="thief@else.example")
    asked = text_of(Client().get(link))

    Client().post(link)

    assert f"put {OLD} back" in asked
    assert address_of(anna) == OLD
    assert thief.get("/console/dashboard").status_code == 302
    assert (signs_in(NEW), signs_in(OLD)) == (False, False)
    assert Client().post(further).status_code == 410
    mail = written(Message.objects.get(template="email_change_undone", to=OLD))[1]
    way_in = re.search(r"https?://[^/]+(/console/auth/reset/\S+)", mail)
    assert way_in is not None
    assert Client().get(way_in[1], follow=True).status_code == 200
    assert AuditEntry.objects.get(verb="login.email_change_undone").details == {"email": [NEW, OLD]}
    assert Client().post(link).status_code == 410


def test_the_way_back_is_open_for_seven_days(anna: Login) -> None:
    changed(anna)
    link = link_in("email_changed", to=OLD)
    clock_at(START + timedelta(days=7, minutes=1))

    assert Client().post(link).status_code == 410
    assert address_of(anna) == NEW


@pytest.mark.parametrize(
    ("typed", "says"),
    [("nonsense", "is not an e-mail address"), (OLD.upper(), "This is your address already.")],
)
def test_what_cannot_become_the_address_is_refused(anna: Login, typed: str, says: str) -> None:
    answer = signed_in(anna).post(CHANGE, {"email": typed})

    assert answer.status_code == 422
    assert says in text_of(answer)
    assert EmailChange.objects.count() == 0


def test_five_requests_an_hour_and_no_more(anna: Login) -> None:
    client = signed_in(anna)
    for number in range(5):
        asks(client, f"anna@new{number}.example")

    answer = client.post(CHANGE, {"email": "anna@new6.example"})

    assert answer.status_code == 429
    assert Message.objects.filter(template="email_change_confirm").count() == 5
