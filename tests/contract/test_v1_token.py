"""Signed tokens, to the letter (facts V1-2…V1-5, TV-1; security §3)."""

from __future__ import annotations

import hashlib
import logging
import struct
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from cln import clock, vault
from cln.accounts.models import Account, ApiSecret, Login
from cln.api.auth import AuthFailed, check_token
from tests.licensing import NOW
from tests.v1 import ApiClient, a_client, token_of

pytestmark = pytest.mark.django_db

FAILED = '{"success":false,"message":"Authorization failed","type":null,"data":null}'
OK = '{"success":true,"message":"","type":null,"data":[]}'
LIST = "/api/ipl/list.json"


def now() -> int:
    return int(clock.system_now().timestamp())


def answer(token: str) -> str:
    response = Client().get(LIST, {"token": token})
    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "no-store"
    return response.content.decode()


@pytest.fixture
def acme() -> ApiClient:
    return a_client()


def test_the_published_vector_signs_as_printed_tv1() -> None:
    printed = "demo|1401189361|099e2a1986d532287f564c6e8ba02c6af02a5725"
    demo = a_client("demo")
    ApiSecret.objects.filter(account=demo.account).update(cipher=vault.seal("s3cr3t"))
    signed_at = NOW.fromtimestamp(1401189361, tz=NOW.tzinfo)

    assert token_of("demo", "s3cr3t", 1401189361) == printed
    assert check_token(printed, now=signed_at).account_id == demo.account.pk
    assert check_token(printed, now=signed_at + timedelta(seconds=1800)).login == "demo"
    with pytest.raises(AuthFailed):
        check_token(printed, now=signed_at + timedelta(seconds=1801))


@pytest.mark.parametrize("root", ["/api", "/clweb/api"])
def test_the_bar_comes_raw_or_encoded_v1_5(acme: ApiClient, root: str) -> None:
    raw, encoded = acme.token, acme.token.replace("|", "%7C")

    for query in (f"token={raw}", f"token={encoded}", f"?&token={raw}", f"&&x=1&token={encoded}&"):
        response = Client().get(f"{root}/ipl/list.json?{query}")
        assert response.content.decode() == OK


def test_the_token_comes_as_argument_of_any_kind_or_as_bearer_v1_6(acme: ApiClient) -> None:
    token, client = acme.token, Client()

    answers = [
        client.get(LIST, headers={"Authorization": f"Bearer {token}"}),
        client.get(LIST, {"token": token}, headers={"Content-Type": "application/json"}),
        client.get(LIST, {"token": token}, content_type="application/x-www-form-urlencoded"),
        client.post(LIST, {"token": token}),
        client.post(LIST, {"token": token}, content_type="application/json"),
    ]

    assert [each.content.decode() for each in answers] == [OK] * 5


@pytest.mark.parametrize("name", ["acme", "ACME", "acme@acme.example", "Acme@ACME.example"])
def test_a_token_names_the_login_or_its_address_in_any_case_v1_4(
    acme: ApiClient, name: str
) -> None:
    assert answer(token_of(name, acme.secret, now())) == OK


def test_a_login_wins_over_somebody_elses_address(acme: ApiClient) -> None:
    other = a_client("zenith")
    Login.objects.filter(username="zenith").update(email="acme-2@acme.example")
    Login.objects.filter(username="acme").update(username="acme-2@acme.example")

    assert answer(token_of("acme-2@acme.example", acme.secret, now())) == OK
    assert answer(token_of("acme-2@acme.example", other.secret, now())) == FAILED


@pytest.mark.parametrize(
    ("shift", "body"), [(-1790, OK), (-1801, FAILED), (290, OK), (310, FAILED)]
)
def test_a_token_is_good_for_1800_seconds_back_and_300_ahead(
    acme: ApiClient, shift: int, body: str
) -> None:
    assert answer(token_of("acme", acme.secret, now() + shift)) == body


def test_the_window_is_a_setting(acme: ApiClient, settings: Settings) -> None:
    settings.CLN_TOKEN_MAX_AGE, settings.CLN_TOKEN_MAX_AHEAD = 60, 5

    assert answer(token_of("acme", acme.secret, now() - 50)) == OK
    assert answer(token_of("acme", acme.secret, now() - 70)) == FAILED
    assert answer(token_of("acme", acme.secret, now() + 20)) == FAILED


def test_a_sandbox_clock_that_was_moved_does_not_age_tokens(acme: ApiClient) -> None:
    clock.move_to(clock.now() + timedelta(days=40))

    assert answer(acme.token) == OK


def _spoilt(client: ApiClient) -> dict[str, str]:
    at = now()
    good = client.token
    login, _, digest = good.split("|")
    return {
        "nothing": "",
        "no bars": "nonsense",
        "one bar": f"{login}|{digest}",
        "wrong hash": f"{login}|{at}|{'0' * 40}",
        "upper-case hash": f"{login}|{at}|{digest.upper()}",
        "short hash": good[:-1],
        "long hash": f"{good}0",
        "line end": f"{good}\n",
        "space before": f" {good}",
        "space after": f"{good} ",
        "space around the login": token_of(" acme", client.secret, at),
        "space before the time": token_of("acme", client.secret, f" {at}"),
        "plus before the time": token_of("acme", client.secret, f"+{at}"),
        "underscore in the time": token_of("acme", client.secret, f"{at:_}"),
        "eleven digits": token_of("acme", client.secret, f"0{at}"),
        "arabic digits": token_of(
            "acme", client.secret, str(at).translate({48 + n: 0x660 + n for n in range(10)})
        ),
        "full-width digits": token_of(
            "acme", client.secret, str(at).translate({48 + n: 0xFF10 + n for n in range(10)})
        ),
        "decimals": token_of("acme", client.secret, f"{at}.5"),
        "nul in the login": token_of("acme\x00", client.secret, at),
        "no login": token_of("", client.secret, at),
        "unknown login": token_of("nobody", client.secret, at),
        "one bar more": token_of("acme|x", client.secret, at),
        "a megabyte of login": token_of("a" * 1_000_000, client.secret, at),
        "somebody else's secret": token_of("acme", "s3cr3t", at),
        "the secret itself": client.secret,
    }


@pytest.mark.parametrize("what", list(_spoilt(ApiClient(Account(), "acme", "x"))))
def test_every_spoilt_token_fails_alike(acme: ApiClient, what: str) -> None:
    assert answer(_spoilt(acme)[what]) == FAILED


def test_no_token_at_all_fails_on_every_signed_call() -> None:
    for path in ("ipl/list", "kcare/key/list", "kcare/srv/remove"):
        assert Client().get(f"/api/{path}.json").content.decode() == FAILED


def test_the_digest_of_a_lengthened_message_is_refused(acme: ApiClient) -> None:
    """Who sees one token can sign `ts‖padding‖new ts` without the secret; the parser stops it."""
    old, new = str(now() - 5000), str(now())
    seen = token_of("acme", acme.secret, old).rsplit("|", 1)[1]
    padding, digest = _lengthened(seen, length=len(acme.secret) + len(old), suffix=new)
    forged = hashlib.sha1(acme.secret.encode() + old.encode() + padding + new.encode())

    assert digest == forged.hexdigest(), "the forgery is a true one"
    glue = padding.decode("latin-1")
    for token in (
        f"acme|{old}{glue}{new}|{digest}",
        f"acme|{old}{glue}|{new}|{digest}",
        f"acme|{new}|{digest}",
    ):
        assert answer(token) == FAILED


@pytest.mark.parametrize(
    "closed",
    [
        lambda acme: Login.objects.filter(account=acme.account).update(is_active=False),
        lambda acme: Account.objects.filter(pk=acme.account.pk).update(api_enabled=False),
        lambda acme: ApiSecret.objects.filter(account=acme.account).delete(),
    ],
    ids=["closed login", "API switched off", "no secret"],
)
def test_a_good_token_of_a_closed_door_fails_alike(acme: ApiClient, closed: object) -> None:
    assert callable(closed)
    closed(acme)

    assert answer(acme.token) == FAILED


def test_an_operator_of_the_vendor_has_no_token(acme: ApiClient) -> None:
    Login.objects.filter(username="acme").update(account=None, is_staff=True)

    assert answer(acme.token) == FAILED


def test_an_unknown_login_costs_the_same_questions_and_the_same_hash(acme: ApiClient) -> None:
    asked = []
    for name in ("acme", "nobody"):
        with CaptureQueriesContext(connection) as queries, pytest.raises(AuthFailed):
            check_token(token_of(name, "wrong", now()), now=clock.system_now())
        asked.append(len(queries))

    assert asked == [1, 1]


def test_a_token_is_never_logged(acme: ApiClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    token = acme.token

    answer(token)
    answer(token.replace("acme", "nobody"))
    Client().delete(f"{LIST}?token={token}")
    Client().get(f"/api/no/such.json?token={token}")

    assert token.rsplit("|", 1)[1] not in caplog.text
    assert acme.secret not in caplog.text


def _lengthened(digest: str, *, length: int, suffix: str) -> tuple[bytes, str]:
    """SHA-1 continued from a digest: the padding of the first message, and the forged digest."""
    padding = _padding(length)
    state = list(struct.unpack(">5I", bytes.fromhex(digest)))
    tail = suffix.encode()
    total = length + len(padding) + len(tail)
    for block in _blocks(tail + _padding(total)):
        state = _round(state, block)
    return padding, struct.pack(">5I", *state).hex()


def _padding(length: int) -> bytes:
    return b"\x80" + b"\x00" * ((55 - length) % 64) + struct.pack(">Q", length * 8)


def _blocks(data: bytes) -> list[bytes]:
    return [data[start : start + 64] for start in range(0, len(data), 64)]


def _round(state: list[int], block: bytes) -> list[int]:
    words = list(struct.unpack(">16I", block))
    for i in range(16, 80):
        words.append(_left(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1))
    a, b, c, d, e = state
    for i, word in enumerate(words):
        if i < 20:
            mixed, constant = (b & c) | (~b & d), 0x5A827999
        elif i < 40:
            mixed, constant = b ^ c ^ d, 0x6ED9EBA1
        elif i < 60:
            mixed, constant = (b & c) | (b & d) | (c & d), 0x8F1BBCDC
        else:
            mixed, constant = b ^ c ^ d, 0xCA62C1D6
        turned = (_left(a, 5) + mixed + e + constant + word) & 0xFFFFFFFF
        a, b, c, d, e = turned, a, _left(b, 30), c, d
    return [(old + new) & 0xFFFFFFFF for old, new in zip(state, (a, b, c, d, e), strict=True)]


def _left(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (32 - bits))) & 0xFFFFFFFF
