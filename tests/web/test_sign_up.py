"""Becoming a customer: form, confirmation, first sign-in."""

import re

import pytest
from django.conf import settings
from django.test import Client

from cln.accounts.models import Account, AuditEntry, Login
from cln.notifications.models import Message
from cln.notifications.queries import written
from tests.customers import START, clock_at
from tests.shop import open_shop
from tests.visitors import PASSWORD, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def present() -> None:
    clock_at(START)


FORM = {"email": "anna@acme.example", "password": PASSWORD, "company": "Acme"}
SIGN_UP = "/console/register/customer"
SENT = "/console/auth/confirm"


def link_in(mail: Message) -> str:
    found = re.search(re.escape(settings.CLN_BASE_URL) + r"(/\S+)", written(mail)[1])
    assert found is not None
    return found[1]


def sign_up(client: Client, **changes: str) -> None:
    answer = client.post(SIGN_UP, {**FORM, **changes})
    assert (answer.status_code, answer["Location"]) == (303, SENT)


def test_a_stranger_signs_up_confirms_and_signs_in(client: Client) -> None:
    sign_up(client)
    mail = Message.objects.get(template="confirm_email")
    assert mail.to == "anna@acme.example"
    assert "Your login is: anna" in written(mail)[1]

    confirm = client.get(link_in(mail))
    assert "anna" in text_of(confirm)
    client.post(link_in(mail))
    answer = client.post("/console/auth/login", {"login": "anna", "password": PASSWORD})

    assert answer["Location"] == "/console/dashboard"
    assert "Your first licensed server" in text_of(client.get("/console/dashboard"))
    assert Message.objects.get(template="welcome").to == "anna@acme.example"


def test_sign_up_makes_one_account_with_one_primary_login(client: Client) -> None:
    sign_up(client)

    login = Login.objects.get()
    assert login.account == Account.objects.get()
    assert (login.is_primary, login.role, login.is_staff) == (True, "full", False)
    assert login.account.company == "Acme"
    assert AuditEntry.objects.get().verb == "account.signed_up"


def test_the_currency_is_chosen_among_those_that_there_are_prices_in(client: Client) -> None:
    assert "Currency" not in text_of(client.get(SIGN_UP))
    open_shop()
    assert "Currency of prices and invoices USD EUR" in text_of(client.get(SIGN_UP))

    refused = client.post(SIGN_UP, {**FORM, "currency": "CHF"})
    sign_up(client, currency="EUR")
    sign_up(Client(), email="otto@acme.example")

    assert refused.status_code == 422
    assert [row.currency for row in Account.objects.order_by("id")] == ["EUR", "USD"]


def test_the_company_may_be_left_out(client: Client) -> None:
    sign_up(client, company="")

    assert Account.objects.get().company == ""


def test_nobody_signs_in_before_the_address_is_confirmed(client: Client) -> None:
    sign_up(client)

    answer = client.post("/console/auth/login", {"login": "anna", "password": PASSWORD})

    assert answer["Location"] == SENT
    assert client.get("/console/dashboard").status_code == 302


def test_a_known_address_gets_the_same_answer_and_a_mail_that_says_so(client: Client) -> None:
    sign_up(client)
    before = Login.objects.get()

    sign_up(Client(), email="ANNA@acme.example", password="another long sentence")

    assert Login.objects.get() == before
    assert Login.objects.get().password == before.password
    mail = Message.objects.get(template="sign_up_known")
    assert (mail.to, "anna" in written(mail)[1]) == ("anna@acme.example", True)


@pytest.mark.parametrize("known", [True, False])
def test_a_weak_password_is_refused_alike_for_known_and_unknown_addresses(
    client: Client, known: bool
) -> None:
    if known:
        sign_up(client)
    accounts = Account.objects.count()

    answer = Client().post(SIGN_UP, {**FORM, "password": "short"})

    assert answer.status_code == 422
    assert "too short" in text_of(answer)
    assert Account.objects.count() == accounts


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"email": "no address"}, "Enter a valid email address."),
        ({"email": ""}, "This field is required."),
        ({"password": ""}, "This field is required."),
        ({"company": "x" * 201}, "at most 200 characters"),
    ],
)
def test_a_form_with_errors_says_them_beside_the_field_and_opens_nothing(
    client: Client, changes: dict[str, str], sentence: str
) -> None:
    answer = client.post(SIGN_UP, {**FORM, **changes})

    assert answer.status_code == 422
    assert sentence in text_of(answer)
    assert 'role="alert"' in answer.content.decode()
    assert Account.objects.count() == Message.objects.count() == 0


def test_a_confirmation_link_works_once(client: Client) -> None:
    sign_up(client)
    link = link_in(Message.objects.get(template="confirm_email"))
    client.post(link)

    assert "does not work any more" in text_of(Client().get(link))
    assert Message.objects.filter(template="welcome").count() == 1


def test_a_tampered_confirmation_link_confirms_nothing(client: Client) -> None:
    sign_up(client)
    link = link_in(Message.objects.get(template="confirm_email"))

    answer = Client().get(link[:-3] + "xxx")

    assert "does not work any more" in text_of(answer)
    assert Client().post(link[:-3] + "xxx").status_code == 404


def test_signing_in_unconfirmed_sends_the_link_again(client: Client) -> None:
    sign_up(client)

    client.post("/console/auth/login", {"login": "anna", "password": PASSWORD})

    mails = Message.objects.filter(template="confirm_email")
    assert mails.count() == 2


def test_a_forged_host_header_does_not_reach_a_link(client: Client) -> None:
    client.post(SIGN_UP, FORM, headers={"host": "evil.example"})

    assert "evil.example" not in "".join(written(Message.objects.get()))


def test_sign_ups_from_one_address_are_limited(client: Client) -> None:
    answers = [
        client.post(SIGN_UP, {**FORM, "email": f"a{n}@acme.example"}).status_code for n in range(22)
    ]

    assert answers == [303] * 20 + [429] * 2
    assert Account.objects.count() == 20
