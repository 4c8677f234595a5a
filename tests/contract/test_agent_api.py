"""REST v2 for agents: register, check in, unregister, and what each refusal looks like."""

from __future__ import annotations

import json
from http import HTTPStatus
from ipaddress import ip_network
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from cln import clock
from cln.api.refusals import TABLE
from cln.domain import addresses, licensing
from cln.domain.errors import Refusal
from cln.licensing.models import Server
from cln.licensing.services import reveal
from tests.licensing import an_account, bought, locked_by_somebody_else, used
from tests.reselling import holds_ip
from tests.v1 import a_client

pytestmark = pytest.mark.django_db

REGISTER = "/api/v2/agent/register"
CHECK_IN = "/api/v2/agent/check-in"
UNREGISTER = "/api/v2/agent/unregister"


def send(
    path: str, data: object = None, *, secret: str = "", status: int = 200, **extra: str
) -> Any:
    """POST JSON, as an agent does; returns the decoded body."""
    if secret:
        extra["HTTP_AUTHORIZATION"] = f"Bearer {secret}"
    answer = Client().post(path, json.dumps(data or {}), "application/json", **extra)
    assert answer.status_code == status, answer.content
    assert answer["Cache-Control"] == "no-store"
    return answer.json()


def _timed(answer: dict[str, Any]) -> dict[str, Any]:
    """What differs from call to call; its own tests look into it."""
    return {name: answer[name] for name in ("lease", "lease_tag", "next_checkin_at", "server_time")}


def _users(count: int | None, limit: int | None = None) -> dict[str, Any]:
    return {"user_count": count, "user_limit": limit}


def test_an_agent_registers_checks_in_and_leaves() -> None:
    acme = an_account()
    key = bought(acme, "cloudlinux", 1)

    done = send(
        REGISTER,
        {"key": f" {reveal(key)} ", "hostname": "web1", "os_version": "8.10"},
        status=201,
        REMOTE_ADDR="192.0.2.10",
    )
    server = Server.objects.get()
    assert done == {
        "server_id": server.public_id,
        "secret": done["secret"],
        "license_type": "cloudlinux",
        "address": "192.0.2.10",
        "reinstalled": False,
        "state": "active",
        "valid_until": None,
    } | _timed(done) | _users(None)
    assert len(done["secret"]) == 44

    seen = send(CHECK_IN, {"kernel": "4.18", "users": 7}, secret=done["secret"])
    assert seen == {
        "server_id": server.public_id,
        "license_type": "cloudlinux",
        "state": "active",
        "valid_until": None,
    } | _timed(seen) | _users(7)
    server.refresh_from_db()
    assert (server.kernel, server.users) == ("4.18", 7)

    gone = send(UNREGISTER, secret=done["secret"])
    assert gone == {"server_id": server.public_id, "status": "removed"}
    assert used(acme, "cloudlinux") == (0, 0)


def test_more_users_than_the_license_type_allows_are_told_and_take_nothing_away() -> None:
    """AI-6, U-32: the message comes while it is so, with the page to change it."""
    key = bought(an_account(), "imunify360_30", 1)
    done = send(REGISTER, {"key": reveal(key), "hostname": "web1"}, status=201)

    fits = send(CHECK_IN, {"users": 30}, secret=done["secret"])
    over = send(CHECK_IN, {"users": 31}, secret=done["secret"])
    untold = send(CHECK_IN, secret=done["secret"])
    back = send(CHECK_IN, {"users": 29}, secret=done["secret"])

    assert ("message" in fits, "message" in back) == (False, False)
    assert (over["state"], bool(over["lease"]), over["user_count"]) == ("active", True, 31)
    for answer in (over, untold):
        assert answer["user_limit"] == 30
        assert answer["message"] == (
            "The server has 31 users; Imunify360, up to 30 users allows 30. "
            "Choose a license type for more."
        )
        page = f"/console/servers/{done['server_id']}/license-type"
        assert answer["upgrade_url"].endswith(page)


def test_a_server_by_address_is_sent_to_the_ip_licenses_for_more_users() -> None:
    zenith = a_client("zenith").account
    holds_ip(zenith.pk, "192.0.2.10", license_type="imunify360_1", now=clock.now())
    wish = {"by_address": True, "product": "imunify360"}
    done = send(REGISTER, wish, status=201, REMOTE_ADDR="192.0.2.10")

    over = send(CHECK_IN, {"users": 2}, secret=done["secret"], REMOTE_ADDR="192.0.2.10")

    assert over["upgrade_url"].endswith("/console/ip-licenses")


def test_a_form_body_is_as_good_as_json() -> None:
    key = bought(an_account(), "cloudlinux", 1)

    answer = Client().post(REGISTER, {"key": reveal(key), "hostname": "web1"})

    assert answer.status_code == HTTPStatus.CREATED
    assert Server.objects.get().hostname == "web1"


def test_a_refusal_is_a_problem_with_code_detail_and_fix() -> None:
    answer = Client().post(REGISTER, {"key": "nonsense"})

    assert answer.status_code == HTTPStatus.NOT_FOUND
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "code": "unknown_key",
        "detail": "There is no such activation key.",
        "fix": "Copy the key from your console.",
        "request_id": answer["X-Request-ID"],
    }


@pytest.mark.parametrize("path", [CHECK_IN, UNREGISTER])
@pytest.mark.parametrize("header", ["", "Bearer nonsense", "Basic abc", "Bearer "])
def test_without_the_servers_secret_there_is_nothing_to_do(path: str, header: str) -> None:
    answer = Client().post(path, HTTP_AUTHORIZATION=header)

    assert answer.status_code == HTTPStatus.UNAUTHORIZED
    assert answer["WWW-Authenticate"] == "Bearer"
    assert answer.json()["code"] == "unknown_server"


def test_a_removed_server_is_told_that_it_is_gone() -> None:
    key = bought(an_account(), "cloudlinux", 1)
    secret = send(REGISTER, {"key": reveal(key)}, status=201)["secret"]
    send(UNREGISTER, secret=secret)

    assert send(CHECK_IN, secret=secret, status=410)["code"] == "server_removed"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b'"text"', "application/json"),
        (b"\xff\xfe", "application/json"),
        (b"[" * 100_000, "application/json"),
        (b'{"key": ["a"]}', "application/json"),
        (b'{"key": {"a": 1}}', "application/json"),
        (b"nonsense", "multipart/form-data; boundary=x"),
        (b"nonsense", "multipart/form-data"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_politely(body: bytes, content_type: str) -> None:
    answer = Client().generic("POST", REGISTER, body, content_type)

    assert answer.status_code == HTTPStatus.BAD_REQUEST
    assert answer.json()["code"] in {"bad_request_body", "bad_argument"}


def test_a_body_beyond_all_measure_is_refused_politely() -> None:
    answer = Client().post(REGISTER, b"x" * 3_000_000, "application/json")

    assert answer.status_code == HTTPStatus.BAD_REQUEST
    assert answer.json()["code"] == "bad_request_body"


@pytest.mark.parametrize("data", [{}, {"key": ""}, {"key": "  "}, {"key": None}])
def test_a_missing_key_is_named(data: object) -> None:
    problem = send(REGISTER, data, status=400)

    assert (problem["code"], problem["detail"]) == ("bad_argument", "“key” is required.")


@pytest.mark.parametrize(
    "users", ["-1", "1.5", "many", "9999999999999", "1000001", "٣", True, "\ud800"]
)
def test_a_number_of_users_that_is_none_is_refused_and_changes_nothing(users: object) -> None:
    key = bought(an_account(), "cloudlinux", 1)
    secret = send(REGISTER, {"key": reveal(key)}, status=201)["secret"]

    assert send(CHECK_IN, {"users": users}, secret=secret, status=400)["code"] == "bad_argument"

    assert Server.objects.get().last_check_in_at is None


@pytest.mark.parametrize("method", ["get", "put", "delete", "head"])
@pytest.mark.parametrize("path", [REGISTER, CHECK_IN, UNREGISTER])
def test_other_methods_change_nothing(method: str, path: str) -> None:
    answer = getattr(Client(), method)(path)

    assert answer.status_code == HTTPStatus.METHOD_NOT_ALLOWED
    assert answer["Allow"] == "POST"


def test_the_interface_needs_no_csrf_token_because_it_takes_no_cookie() -> None:
    key = bought(an_account(), "cloudlinux", 1)

    answer = Client(enforce_csrf_checks=True).post(REGISTER, {"key": reveal(key)})

    assert answer.status_code == HTTPStatus.CREATED


# -- where the request comes from ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("remote", "forwarded", "expected"),
    [
        ("192.0.2.10", "", "192.0.2.10"),
        ("192.0.2.10", "198.51.100.1", "192.0.2.10"),
        ("10.0.0.5", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.5", "203.0.113.9, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.5", "203.0.113.9, 198.51.100.1, 10.0.0.7", "198.51.100.1"),
        ("::ffff:10.0.0.5", "198.51.100.1", "198.51.100.1"),
    ],
)
def test_a_forwarded_address_counts_from_our_proxies_only_and_from_the_right(
    remote: str, forwarded: str, expected: str, settings: Settings
) -> None:
    settings.CLN_MODE = "production"
    settings.CLN_ALLOW_PRIVATE_ADDRESSES = False
    settings.CLN_TRUSTED_PROXIES = (ip_network("10.0.0.0/8"),)
    key = bought(an_account(), "cloudlinux", 1)

    done = send(
        REGISTER,
        {"key": reveal(key), "ip": "203.0.113.77"},
        status=201,
        REMOTE_ADDR=remote,
        HTTP_X_FORWARDED_FOR=forwarded,
    )

    assert done["address"] == expected


@pytest.mark.parametrize("forwarded", ["", "nonsense", "198.51.100.1, unknown"])
def test_a_proxy_that_names_nobody_registers_nobody(forwarded: str, settings: Settings) -> None:
    settings.CLN_MODE = "production"
    settings.CLN_ALLOW_PRIVATE_ADDRESSES = False
    settings.CLN_TRUSTED_PROXIES = (ip_network("10.0.0.0/8"),)
    acme = an_account()
    key = bought(acme, "cloudlinux", 1)

    answer = Client().post(
        REGISTER,
        {"key": reveal(key)},
        REMOTE_ADDR="10.0.0.5",
        HTTP_X_FORWARDED_FOR=forwarded,
    )

    assert answer.json()["code"] in {"bad_address", "address_not_public"}
    assert used(acme, "cloudlinux") == (0, 0)


def test_a_sandbox_believes_an_ip_argument() -> None:
    key = bought(an_account(), "cloudlinux", 1)

    done = send(REGISTER, {"key": reveal(key), "ip": "203.0.113.77"}, status=201)

    assert done["address"] == "203.0.113.77"


# -- the table of refusals -----------------------------------------------------------------------


def test_every_refusal_of_a_registration_has_a_number_of_kernelcares() -> None:
    documented = {
        refusal.code
        for module in (licensing, addresses)
        for refusal in vars(module).values()
        if isinstance(refusal, type) and issubclass(refusal, Refusal) and refusal is not Refusal
    }

    assert documented - {"bad_range"} == {code for code, row in TABLE.items() if row.kcare}


@pytest.mark.django_db(transaction=True)
def test_a_busy_database_is_a_503_that_says_when_to_come_again() -> None:
    acme = an_account()
    key = bought(acme, "cloudlinux", 1)

    with locked_by_somebody_else(key):
        answer = Client().post(REGISTER, {"key": reveal(key)})

    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer.json()["code"] == "try_again"
    assert "lock" not in answer.content.decode()
    assert used(acme, "cloudlinux") == (0, 0)
