"""Every argument of every door of our agent: missing, empty, repeated, of another kind, huge.
Always that door's own no, never a 500, and nothing has changed."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from cln.licensing.models import IpLicense, Server
from cln.licensing.services import reveal
from tests.licensing import an_account, bought, registered

pytestmark = pytest.mark.django_db

# Arguments that are judged alike go together: a value that is bad for one is bad for all.
ARGUMENTS = {
    "register": (
        ("key",),
        ("ip",),
        ("hostname", "machine_uuid", "os_version", "fingerprint", "boot_id"),
    ),
    "check-in": (
        ("users",),
        ("hostname", "os_version", "kernel", "fingerprint", "boot_id", "lease_tag"),
    ),
    "move-here": (("code",), ("hostname", "ip")),
    "move": (("anything",),),
}
NASTY: tuple[Any, ...] = (
    "",
    " ",
    "\x00",
    "\ud800",
    "a\nb\r\nSet-Cookie: x",
    "../../etc/passwd",
    "<script>alert(1)</script>",
    "' OR 1=1 --",
    "٣٣٣٣٣٣٣٣",
    "-1",
    "9" * 40,
    "x" * 100_000,
    0,
    True,
    1.5,
    None,
    [],
    {},
    [["x"]],
)


def post(door: str, body: bytes, kind: str = "application/json", secret: str = "") -> HttpResponse:
    return Client().generic(
        "POST", f"/api/v2/agent/{door}", body, kind, HTTP_AUTHORIZATION=f"Bearer {secret}"
    )


@pytest.mark.parametrize(
    ("door", "names"), [(door, names) for door, groups in ARGUMENTS.items() for names in groups]
)
def test_a_wrong_argument_is_refused_or_harmless(door: str, names: tuple[str, ...]) -> None:
    key = bought(an_account(), "cloudlinux", 100)
    done = registered(key, "web1")
    good = {"register": {"key": reveal(key)}, "move-here": {"code": "mv_x_1_" + "0" * 32}}
    for number, value in enumerate(NASTY):
        data = good.get(door, {}) | dict.fromkeys(names, value)
        body = json.dumps(data).encode()

        answer = post(door, body, secret=done.secret if door != "register" else "")

        assert answer.status_code < 500, (value, answer.content)
        assert answer.status_code in {200, 201, 400, 403, 404, 429}, (number, answer.content)
        assert "Set-Cookie" not in answer
    for server in Server.objects.all():
        printed = f"{server.hostname}{server.os_version}{server.kernel}{server.machine_uuid}"
        assert printed.isprintable()
        assert len(printed) < 500


@pytest.mark.parametrize("door", [*ARGUMENTS, "unregister"])
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "application/json"),
        (b"{", "application/json"),
        (b"[" * 50_000, "application/json"),
        (b'{"key":"a","key":"b"}', "application/json"),
        (b"key=a&key=b", "application/x-www-form-urlencoded"),
        (b"\xff\xfe\x00", "application/x-www-form-urlencoded"),
        (b"x" * 3_000_000, "application/json"),
        (b"--x\r\nnonsense", "multipart/form-data; boundary=x"),
    ],
)
def test_a_body_that_is_none_changes_nothing(door: str, body: bytes, kind: str) -> None:
    answer = post(door, body, kind)

    assert answer.status_code in {400, 401, 403, 404}, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert not Server.objects.exists()


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer " + "x" * 9_000, "Basic eDp5", "Bearer cls_\u00e9\u00ff", "\x7f"]
)
@pytest.mark.parametrize("door", ["check-in", "move", "unregister"])
def test_a_wrong_secret_is_401_everywhere(door: str, header: str) -> None:
    answer = Client().post(f"/api/v2/agent/{door}", HTTP_AUTHORIZATION=header)

    assert answer.status_code == HTTPStatus.UNAUTHORIZED
    lease = Client().get("/api/v2/agent/lease", HTTP_AUTHORIZATION=header)
    assert lease.status_code == HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize("tag", ["*", '"', 'W/""', "x" * 9_000, '"1-1", "2-2"', "\x00"])
def test_a_wrong_tag_gets_the_whole_lease(tag: str) -> None:
    done = registered(bought(an_account(), "cloudlinux", 1), "web1")

    answer = Client().get(
        "/api/v2/agent/lease?fingerprint=%00%ED%A0%80",
        HTTP_AUTHORIZATION=f"Bearer {done.secret}",
        HTTP_IF_NONE_MATCH=tag,
    )

    assert answer.status_code == HTTPStatus.OK
    assert answer.json()["lease"]


@pytest.mark.parametrize("value", NASTY, ids=repr)
def test_a_wrong_registration_by_address_finds_no_license(value: Any) -> None:
    body = json.dumps({"by_address": "1", "product": value, "hostname": value}).encode()

    answer = post("register", body)

    assert answer.status_code in {400, 404}
    assert not Server.objects.exists()
    assert not IpLicense.objects.exists()
