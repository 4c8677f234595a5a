"""The short way to the doors for machines answers exactly as Django's handler does."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from django.test import RequestFactory

from cln import wsgi
from tests.customers import START, clock_at
from tests.shop import open_shop

# Both ways give the connection back at the end, as in life: no transaction around the test.
pytestmark = pytest.mark.django_db(transaction=True)
BODIES = (b"", b"{}", b"not json", b"<methodCall>")


def ask(
    app: Any,
    method: str,
    path: str,
    body: bytes,
    caller: str = "203.0.113.9",
    **more: str,
) -> tuple[str, list[tuple[str, str]], bytes]:
    """One request, as the web server hands it over: status, headers, body, without its id."""
    environ = RequestFactory().generic(method, path, body, "application/json").environ
    environ |= {
        "REMOTE_ADDR": caller,
        "wsgi.input": BytesIO(body),
        "HTTP_X_REQUEST_ID": "the-same-request",
        **more,
    }
    if more:
        del environ["CONTENT_LENGTH"]
    told: list[Any] = []
    chunks = app(environ, lambda status, headers: told.append((status, headers)))
    [(status, headers)] = told
    kept = sorted(one for one in headers if not one[0].startswith("RateLimit"))
    return status, kept, b"".join(chunks)


def test_every_door_says_the_same_either_way() -> None:
    clock_at(START)
    open_shop()
    for number, path in enumerate(sorted(wsgi.DOORS)):
        caller = f"203.0.113.{number}"  # strangers are let in so often from one address
        for method, body in (("GET", b""), *(("POST", body) for body in BODIES), ("DELETE", b"")):
            short = ask(wsgi.application, method, path, body, caller)
            assert short == ask(wsgi.django, method, path, body, caller), (method, path, body)


def test_the_doors_that_thousands_come_to_are_among_them() -> None:
    assert wsgi.DOORS.keys() >= {
        "/api/v2/agent/check-in",
        "/api/v2/agent/register",
        "/XMLRPC",
        "/clweb/xmlrpc",
    }
    assert not [path for path in wsgi.DOORS if path.startswith("/console")]


@pytest.mark.parametrize(
    ("path", "too_long"),
    [
        ("/api/v2/agent/register", "400 Bad Request"),
        ("/clweb/xmlrpc", "200 OK"),
    ],
)
def test_a_body_that_comes_in_chunks_is_read_like_any_other(path: str, too_long: str) -> None:
    open_shop()
    body = b'{"key":"CL-mistyped","hostname":"web1"}'
    told = ask(wsgi.application, "POST", path, body)

    assert ask(wsgi.application, "POST", path, body, HTTP_TRANSFER_ENCODING="chunked") == told
    long = ask(wsgi.application, "POST", path, b" " * 20_000_000, HTTP_TRANSFER_ENCODING="Chunked")
    assert long[0] == too_long


def test_what_breaks_inside_a_door_is_a_logged_500(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    match = wsgi.DOORS["/showip"]

    def breaks(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setitem(
        wsgi.DOORS, "/showip", type(match)(breaks, (), {}, url_name="showip", route="showip")
    )

    status, headers, body = ask(wsgi.application, "GET", "/showip", b"")

    assert status == "500 Internal Server Error"
    assert b"It is our fault" in body
    assert b"a bug" not in body
    assert ("X-Request-ID", "the-same-request") in headers
    assert "RuntimeError: a bug" in caplog.text
