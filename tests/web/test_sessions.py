"""A session's key is new whenever its worth changes, and the old one is worth nothing (§3)."""

from __future__ import annotations

import runpy

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from cln import settings as settings_module
from cln.accounts.models import Login
from tests.customers import START, a_customer, clock_at
from tests.visitors import PASSWORD, a_login, signed_in
from tests.web.test_two_factor import CODE, LOGIN, code_of, half_way, is_in, with_app

pytestmark = pytest.mark.django_db

NEW = "a quite different sentence"


@pytest.fixture
def anna() -> Login:
    clock_at(START)
    return a_login(a_customer(), name="anna")


def key_of(client: Client) -> str:
    return client.cookies["sessionid"].value


def with_key(key: str) -> Client:
    """Who has got hold of a session's key."""
    client = Client()
    client.cookies["sessionid"] = key
    return client


def test_a_key_that_was_slipped_in_before_the_sign_in_is_not_the_one_after_it(anna: Login) -> None:
    stranger = Client()
    stranger.get(f"{LOGIN}?next=/console/cart")
    session = stranger.session
    session["planted"] = True
    session.save()
    stranger.cookies["sessionid"] = session.session_key or ""

    stranger.post(LOGIN, {"login": "anna", "password": PASSWORD})

    assert key_of(stranger) != session.session_key
    assert is_in(stranger)
    assert not is_in(with_key(session.session_key or ""))
    assert not Session.objects.filter(session_key=session.session_key).exists()


def test_the_second_factor_ends_the_key_that_had_the_password_only(anna: Login) -> None:
    secret, _ = with_app(anna)
    client = half_way(anna)
    half = key_of(client)

    client.post(CODE, {"code": code_of(secret)})

    assert key_of(client) != half
    assert is_in(client)
    assert not is_in(with_key(half))


def test_another_password_ends_the_key_it_was_changed_with(anna: Login) -> None:
    client = signed_in(anna)
    before = key_of(client)

    form = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    client.post("/console/profile/password", form)

    assert key_of(client) != before
    assert is_in(client)
    assert not is_in(with_key(before))


def test_signing_out_ends_the_key(anna: Login) -> None:
    client = signed_in(anna)
    before = key_of(client)

    client.post("/console/auth/logout")

    assert not is_in(with_key(before))
    assert not Session.objects.filter(session_key=before).exists()


def test_cookies_travel_over_https_only_where_cln_is_served_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = str(settings_module.__file__)
    monkeypatch.setenv("CLN_BASE_URL", "https://cln.example")
    served = runpy.run_path(file)
    monkeypatch.setenv("CLN_BASE_URL", "http://127.0.0.1:8000")
    at_home = runpy.run_path(file)

    names = ("SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE")
    assert [served[name] for name in names] == [True, True]
    assert [at_home[name] for name in names] == [False, False]
    assert served["SECURE_HSTS_SECONDS"] == 31_536_000
    kept = ("SESSION_COOKIE_HTTPONLY", "CSRF_COOKIE_HTTPONLY", "SESSION_COOKIE_SAMESITE")
    assert [served[name] for name in kept] == [True, True, "Lax"]
