"""Two-factor sign-in, recovery codes and the list of sessions."""

from __future__ import annotations

import base64
import re

import pytest
import segno
from allauth.usersessions.models import UserSession
from django.test import Client

from cln import clock
from cln.accounts.models import AuditEntry, Login, RecoveryCode, TwoFactor
from cln.accounts.two_factor import new_secret, turn_on
from cln.domain.totp import code_at, step_at
from cln.notifications.models import Message
from cln.notifications.queries import written
from tests.customers import START, a_customer, clock_at
from tests.visitors import PASSWORD, a_login, signed_in, text_of

pytestmark = pytest.mark.django_db

LOGIN, CODE, SECURITY = "/console/auth/login", "/console/auth/code", "/console/profile/security"
TURN_ON, OFF, CODES = f"{SECURITY}/two-factor", f"{SECURITY}/two-factor/off", f"{SECURITY}/codes"


@pytest.fixture
def anna() -> Login:
    clock_at(START)
    return a_login(a_customer(), name="anna")


def code_of(secret: str) -> str:
    """What the app shows now."""
    return code_at(base64.b32decode(secret), step_at(clock.system_now()))


def with_app(login: Login) -> tuple[str, list[str]]:
    """The login has an app whose code of the half minute before this one is used up."""
    secret, at = new_secret(), clock.system_now()
    before = code_at(base64.b32decode(secret), step_at(at) - 1)
    codes = turn_on(login=login, secret=secret, code=before, at=at, now=START)
    return secret, list(codes)


def half_way(login: Login) -> Client:
    """A browser in which the password was typed."""
    client = Client()
    answer = client.post(LOGIN, {"login": login.username, "password": PASSWORD})
    assert answer["Location"] == CODE
    return client


def is_in(client: Client) -> bool:
    return client.get("/console/dashboard").status_code == 200


def test_an_app_is_added_after_the_password_and_the_right_code(anna: Login) -> None:
    client = signed_in(anna)
    asked = client.get(TURN_ON)
    assert asked["Location"].startswith("/console/auth/again")
    client.post(asked["Location"], {"password": PASSWORD})
    shown = client.get(TURN_ON).content.decode()
    secret = re.search(r"secret=([A-Z2-7]{32})&", shown)
    assert secret is not None
    text = f"otpauth://totp/CLN:anna?secret={secret[1]}&issuer=CLN"
    assert (
        segno.make(text, error="m", micro=False).svg_inline(
            border=4, omitsize=True, dark="#000", light="#fff", svgclass="qr"
        )
        in shown
    )

    wrong = client.post(TURN_ON, {"code": "000000"})
    assert (wrong.status_code, TwoFactor.objects.count()) == (422, 0)
    page = text_of(client.post(TURN_ON, {"code": code_of(secret[1])}))

    assert len(re.findall(r"\b[a-z2-9]{5}-[a-z2-9]{5}\b", page)) == 10
    assert RecoveryCode.objects.filter(login=anna).count() == 10
    entry = AuditEntry.objects.get(verb="two_factor.turned_on")
    assert (entry.actor, entry.address) == ("anna", "127.0.0.1")
    mail = Message.objects.get(template="security_notice")
    assert mail.to == "anna@people.example"
    assert "Two-factor sign-in was turned on." in written(mail)[1]
    assert secret[1] not in written(mail)[1]


def test_the_password_alone_no_longer_signs_in(anna: Login) -> None:
    with_app(anna)

    client = half_way(anna)

    assert not is_in(client)
    assert "your code" in text_of(client.get(CODE))


def test_the_code_of_the_app_signs_in_once(anna: Login) -> None:
    secret, _ = with_app(anna)
    code = code_of(secret)

    first, second = half_way(anna), half_way(anna)
    first.post(CODE, {"code": code})
    again = second.post(CODE, {"code": code})

    assert is_in(first)
    assert not is_in(second)
    assert again.status_code == 422
    assert "not the code that belongs to this moment" in text_of(again)


def test_a_recovery_code_signs_in_once_and_is_written_down(anna: Login) -> None:
    _, codes = with_app(anna)
    typed = codes[3].upper().replace("-", " ")

    first, second = half_way(anna), half_way(anna)
    first.post(CODE, {"code": typed})
    second.post(CODE, {"code": typed})

    assert (is_in(first), is_in(second)) == (True, False)
    assert RecoveryCode.objects.filter(login=anna, used_at=None).count() == 9
    assert AuditEntry.objects.filter(verb="two_factor.recovery_code_used").count() == 1


def test_codes_are_guessed_five_times_and_no_more(anna: Login) -> None:
    secret, _ = with_app(anna)
    client = half_way(anna)

    answers = [client.post(CODE, {"code": "000000"}).status_code for _ in range(6)]
    late = client.post(CODE, {"code": code_of(secret)})

    assert answers == [422] * 5 + [429]
    assert (late.status_code, late["Retry-After"]) == (429, "300")
    assert not is_in(client)


def test_the_code_page_without_a_password_leads_to_the_sign_in(client: Client) -> None:
    assert client.get(CODE)["Location"] == LOGIN


def test_nothing_is_stored_that_signs_in_by_itself(anna: Login) -> None:
    secret, codes = with_app(anna)

    row = TwoFactor.objects.get()
    hashes = [bytes(one.code_hash) for one in RecoveryCode.objects.all()]

    assert secret.encode() not in bytes(row.cipher)
    assert all(codes[0].replace("-", "").encode() not in one for one in hashes)


def test_turning_it_off_needs_a_late_password_and_takes_the_codes_along(anna: Login) -> None:
    client = signed_in(anna)
    with_app(anna)

    client.post(OFF)

    assert (TwoFactor.objects.count(), RecoveryCode.objects.count()) == (0, 0)
    assert is_in(signed_in(anna))


def test_new_recovery_codes_replace_the_old_ones(anna: Login) -> None:
    client = signed_in(anna)
    _, old = with_app(anna)
    client.post(client.get(CODES)["Location"], {"password": PASSWORD})

    page = text_of(client.post(CODES))

    assert len(re.findall(r"\b[a-z2-9]{5}-[a-z2-9]{5}\b", page)) == 10
    other = half_way(anna)
    other.post(CODE, {"code": old[0]})
    assert not is_in(other)


def test_sessions_are_listed_and_ended(anna: Login) -> None:
    here, there = signed_in(anna), signed_in(anna)

    page = text_of(here.get(SECURITY))
    other = UserSession.objects.exclude(session_key=here.session.session_key).get()
    here.post(f"{SECURITY}/sessions/{other.pk}/end")

    assert "this one" in page
    assert (is_in(here), is_in(there)) == (True, False)


def test_everywhere_else_is_signed_out_at_once(anna: Login) -> None:
    here, second, third = (signed_in(anna) for _ in range(3))

    here.post(f"{SECURITY}/sessions/0/end")

    assert [is_in(one) for one in (here, second, third)] == [True, False, False]


def test_another_password_signs_out_everywhere_else(anna: Login) -> None:
    here, there = signed_in(anna), signed_in(anna)
    new = "a quite different sentence"

    here.post(
        "/console/profile/password",
        {"oldpassword": PASSWORD, "password1": new, "password2": new},
    )

    assert (is_in(here), is_in(there)) == (True, False)
