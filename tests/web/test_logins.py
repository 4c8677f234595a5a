"""Sub-logins: invited, given a role, removed."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from cln.accounts.models import Account, AuditEntry, Login
from cln.enums import Role
from cln.notifications.models import Message
from cln.notifications.queries import written
from tests.visitors import PASSWORD, a_login, a_visitor, signed_in, text_of

pytestmark = pytest.mark.django_db

LOGINS = "/console/profile/logins"
BERT = "bert@people.example"


@pytest.fixture
def owner() -> tuple[Account, Client]:
    return a_visitor()


def invite(client: Client, email: str = BERT, role: str = "billing") -> int:
    return client.post(f"{LOGINS}/invite", {"email": email, "role": role}).status_code


def link_in(mail: Message) -> str:
    found = re.search(r"https?://\S+/console/auth/reset/\S+", written(mail)[1])
    assert found is not None
    return found[0]


def bert() -> Login:
    return Login.objects.get(email=BERT)


def test_who_is_invited_chooses_a_password_and_has_the_role(owner: tuple[Account, Client]) -> None:
    assert invite(owner[1]) == 303
    mail = Message.objects.get(template="invitation")
    guest = Client()

    form = guest.get(link_in(mail), follow=True).redirect_chain[-1][0]
    guest.post(form, {"password1": PASSWORD, "password2": PASSWORD})
    client = signed_in(bert())

    assert mail.to == BERT
    assert "Your role is: Billing" in written(mail)[1]
    assert client.get("/console/billing/invoices").status_code == 200
    assert client.get(LOGINS).status_code == 403
    entry = AuditEntry.objects.get(verb="login.invited")
    assert (entry.subject, entry.details, entry.address) == (
        "bert",
        {"role": "billing"},
        "127.0.0.1",
    )


def test_an_invitation_link_works_once(owner: tuple[Account, Client]) -> None:
    invite(owner[1])
    link = link_in(Message.objects.get(template="invitation"))
    first, second = Client(), Client()
    form = first.get(link, follow=True).redirect_chain[-1][0]
    first.post(form, {"password1": PASSWORD, "password2": PASSWORD})

    assert "has been used or is too old" in text_of(second.get(link, follow=True))


def test_nobody_signs_in_before_a_password_was_chosen(owner: tuple[Account, Client]) -> None:
    invite(owner[1])

    answer = Client().post("/console/auth/login", {"login": "bert", "password": ""})

    assert answer.status_code == 200
    assert not bert().has_usable_password()
    assert "invited" in text_of(owner[1].get(LOGINS))


def test_an_invitation_is_sent_again_until_it_is_taken(owner: tuple[Account, Client]) -> None:
    invite(owner[1])
    again = f"{LOGINS}/{bert().pk}/again"

    owner[1].post(again)
    taken = a_login(owner[0], name="taken")
    refused = owner[1].post(f"{LOGINS}/{taken.pk}/again")

    assert Message.objects.filter(template="invitation", to=BERT).count() == 2
    assert refused.status_code == 404
    assert not Message.objects.filter(to=taken.email).exists()


def test_an_address_that_has_a_login_is_not_invited(owner: tuple[Account, Client]) -> None:
    a_login(owner[0], name="bert")

    answer = owner[1].post(f"{LOGINS}/invite", {"email": BERT.upper(), "role": "full"})

    assert answer.status_code == 422
    assert "already belongs to a login" in text_of(answer)
    assert Login.objects.filter(email=BERT).count() == 1


def test_a_role_counts_from_the_next_click_on(owner: tuple[Account, Client]) -> None:
    sub = a_login(owner[0], Role.READ_SERVERS, name="bert")
    client = signed_in(sub)
    assert client.get("/console/billing").status_code == 403

    owner[1].post(f"{LOGINS}/{sub.pk}/role", {"role": "billing"})

    assert client.get("/console/billing").status_code == 200
    details = AuditEntry.objects.get(verb="login.role_changed").details
    assert details == {"role": ["read_servers", "billing"]}


def test_nobody_is_given_full_access_because_no_role_was_chosen(
    owner: tuple[Account, Client],
) -> None:
    form = owner[1].get(f"{LOGINS}/invite").content.decode()

    assert 'name="role"' in form
    assert "checked" not in form.partition('name="role"')[2].partition("</fieldset>")[0]
    assert invite(owner[1], role="") == 422
    assert owner[0].logins.count() == 1


def test_a_role_that_is_none_is_refused(owner: tuple[Account, Client]) -> None:
    sub = a_login(owner[0], Role.READ_SERVERS, name="bert")

    answer = owner[1].post(f"{LOGINS}/{sub.pk}/role", {"role": "owner"})

    assert answer.status_code == 422
    assert bert().role == Role.READ_SERVERS


def test_who_is_removed_is_out_at_once_and_can_be_invited_again(
    owner: tuple[Account, Client],
) -> None:
    sub = a_login(owner[0], Role.BILLING, name="bert")
    client = signed_in(sub)

    owner[1].post(f"{LOGINS}/{sub.pk}/remove")

    assert client.get("/console/billing").status_code == 302
    answer = Client().post("/console/auth/login", {"login": "bert", "password": PASSWORD})
    assert answer.status_code == 200
    assert BERT not in text_of(owner[1].get(LOGINS))
    assert invite(owner[1]) == 303
    assert bert().pk != sub.pk


@pytest.mark.parametrize("verb", ["role", "remove"])
def test_the_primary_login_keeps_full_access(owner: tuple[Account, Client], verb: str) -> None:
    boss = signed_in(a_login(owner[0], Role.FULL, name="boss"))
    primary = Login.objects.get(account=owner[0], is_primary=True)

    answer = boss.post(f"{LOGINS}/{primary.pk}/{verb}", {"role": "billing"})

    assert answer.status_code == 409
    assert "keeps full access" in text_of(answer)
    primary.refresh_from_db()
    assert (primary.role, primary.is_active) == (Role.FULL, True)


@pytest.mark.parametrize("verb", ["role", "remove"])
def test_nobody_changes_the_login_they_are_signed_in_with(
    owner: tuple[Account, Client], verb: str
) -> None:
    boss = a_login(owner[0], Role.FULL, name="boss")

    answer = signed_in(boss).post(f"{LOGINS}/{boss.pk}/{verb}", {"role": "billing"})

    assert answer.status_code == 409
    boss.refresh_from_db()
    assert (boss.role, boss.is_active) == (Role.FULL, True)


def test_the_page_says_what_each_role_may_do(owner: tuple[Account, Client]) -> None:
    page = text_of(owner[1].get(LOGINS))

    assert "View prices yes yes – no – no – no – no" in page
    assert "Sub-logins and the API secret yes – no" in page
