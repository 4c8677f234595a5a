"""Sign-in by login or e-mail, sign-out, reset and change of passwords."""

import re

import pytest
from django.conf import settings
from django.test import Client

from cln.accounts.models import Login
from cln.notifications.models import Message
from cln.notifications.queries import written
from tests.customers import START, a_customer, clock_at
from tests.visitors import PASSWORD, a_login, signed_in, text_of

pytestmark = pytest.mark.django_db

LOGIN, RESET = "/console/auth/login", "/console/auth/reset"
NEW = "quite another sentence"


@pytest.fixture
def anna() -> Login:
    clock_at(START)
    return a_login(a_customer(), name="anna")


@pytest.mark.parametrize("typed", ["anna", "ANNA", "anna@people.example", " Anna@People.Example "])
def test_login_and_email_both_sign_in(client: Client, anna: Login, typed: str) -> None:
    answer = client.post(LOGIN, {"login": typed, "password": PASSWORD})

    assert answer["Location"] == "/console/dashboard"


@pytest.mark.parametrize("typed", ["anna", "nobody"])
def test_a_wrong_password_and_an_unknown_login_answer_alike(
    client: Client, anna: Login, typed: str
) -> None:
    answer = client.post(LOGIN, {"login": typed, "password": "wrong wrong wrong"})

    assert answer.status_code == 200
    assert "login or e-mail and this password do not go together" in text_of(answer)
    assert "_auth_user_id" not in client.session


def test_guessing_is_stopped_after_five_tries_even_for_the_right_password(
    client: Client, anna: Login
) -> None:
    for _ in range(5):
        client.post(LOGIN, {"login": "anna", "password": "wrong wrong wrong"})

    answer = client.post(LOGIN, {"login": "anna", "password": PASSWORD})

    assert "Too many failed tries. Wait five minutes" in text_of(answer)
    assert "_auth_user_id" not in client.session


def test_a_page_that_needs_a_login_is_shown_after_signing_in(client: Client, anna: Login) -> None:
    answer = client.get("/console/billing/invoices")
    assert answer["Location"] == f"{LOGIN}?next=/console/billing/invoices"

    form = client.get(answer["Location"])
    assert 'name="next" value="/console/billing/invoices"' in form.content.decode()
    answer = client.post(
        LOGIN, {"login": "anna", "password": PASSWORD, "next": "/console/billing/invoices"}
    )

    assert answer["Location"] == "/console/billing/invoices"


def test_signing_in_never_leads_to_another_site(client: Client, anna: Login) -> None:
    answer = client.post(
        LOGIN, {"login": "anna", "password": PASSWORD, "next": "https://evil.example/"}
    )

    assert answer["Location"] == "/console/dashboard"


def test_signing_out_takes_a_post(anna: Login) -> None:
    client = signed_in(anna)

    client.get("/console/auth/logout")
    assert client.get("/console/dashboard").status_code == 200
    client.post("/console/auth/logout")

    assert client.get("/console/dashboard").status_code == 302


@pytest.mark.parametrize("typed", ["anna", "anna@people.example"])
def test_a_password_is_reset_by_login_or_by_email(client: Client, anna: Login, typed: str) -> None:
    client.post(RESET, {"login": typed})
    mail = Message.objects.get(template="password_reset")
    assert mail.to == "anna@people.example"
    found = re.search(
        re.escape(settings.CLN_BASE_URL) + r"(/console/auth/reset/\S+)", written(mail)[1]
    )
    assert found is not None

    form = client.get(found[1])["Location"]
    answer = client.post(form, {"password1": NEW, "password2": NEW})

    assert answer.status_code == 302
    anna.refresh_from_db()
    assert anna.check_password(NEW)
    assert "used or is too old" in text_of(Client().get(found[1], follow=True))


def test_resetting_answers_the_same_for_known_and_unknown_logins(
    client: Client, anna: Login
) -> None:
    known = client.post(RESET, {"login": "anna"}, follow=True)
    unknown = client.post(RESET, {"login": "nobody@nowhere.example"}, follow=True)

    assert text_of(known) == text_of(unknown)
    assert known.redirect_chain == unknown.redirect_chain
    assert Message.objects.filter(template="password_reset").count() == 1


def test_reset_mails_for_one_login_are_limited(client: Client, anna: Login) -> None:
    answers = [client.post(RESET, {"login": "anna"}).status_code for _ in range(7)]

    assert answers[:5] == [302] * 5
    assert 429 in answers[5:]
    assert Message.objects.filter(template="password_reset").count() == 5


def test_a_too_many_page_says_when_to_come_back(client: Client, anna: Login) -> None:
    answers = [client.post(RESET, {"login": "anna"}) for _ in range(7)]

    assert answers[-1]["Retry-After"] == "60"
    assert "Wait a few minutes" in text_of(answers[-1])


def test_every_login_changes_its_own_password(anna: Login) -> None:
    client = signed_in(anna)

    client.post(
        "/console/profile/password",
        {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW},
    )

    anna.refresh_from_db()
    assert anna.check_password(NEW)


def test_a_login_that_was_switched_off_cannot_sign_in(client: Client, anna: Login) -> None:
    Login.objects.update(is_active=False)

    client.post(LOGIN, {"login": "anna", "password": PASSWORD})

    assert "_auth_user_id" not in client.session
