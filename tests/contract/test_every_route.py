"""What every route promises, taken from the route table: a new one is walked when it is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from django.http.response import HttpResponseBase
from django.test import Client
from django.urls import URLPattern
from django.urls.resolvers import RoutePattern

from tests.customers import START, clock_at
from tests.visitors import PASSWORD, a_reselling_visitor, a_visitor, all_routes
from tests.web.test_doors import path_of

pytestmark = pytest.mark.django_db

PATTERNS = {
    "account_reset_password_from_key": "/console/auth/reset/1-key",
    "rhn_download": "/XMLRPC/GET-REQ/label/package.rpm",
}
PAGES = ("/console/", "/pay/", "/sandbox/")


def paths() -> Iterator[tuple[str, URLPattern]]:
    """Every route of CLN, people's and machines', with ids of nothing."""
    for route in all_routes():
        if not isinstance(route.pattern, RoutePattern):
            yield PATTERNS[str(route.name)], route
        else:
            path = path_of(route, key="key_x", server="srv_x")
            yield re.sub(r"<(?:\w+:)?\w+>", "x", path), route


def missing(answer: HttpResponseBase) -> list[str]:
    """Which of the headers that every answer has this one has not, or weaker."""
    policy = answer.get("Content-Security-Policy", "")
    wrong = [
        part
        for part in ("default-src 'self'", "frame-ancestors 'none'", "form-action 'self'")
        if part not in policy
    ]
    wrong += [word for word in ("unsafe", "http:", "https:", "*") if word in policy]
    for name, value in {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
    }.items():
        if answer.get(name) != value:
            wrong.append(name)
    return wrong


TOLD = dict.fromkeys(("next", "to", "url", "back", "return"), "https://evil.example/")


@pytest.fixture(params=["stranger", "reseller"])
def somebody(request: pytest.FixtureRequest) -> Client:
    if request.param == "reseller":
        return a_reselling_visitor()[1]
    clock_at(START)
    return Client()


def test_every_answer_has_the_security_headers_and_leads_to_no_other_site(
    somebody: Client,
) -> None:
    is_known = "sessionid" in somebody.cookies
    wrong, walked = [], 0
    for path, route in paths():
        # Machines' doors do not look at the session.
        if is_known and not path.startswith(PAGES):
            continue
        for method in ("GET", "POST"):
            if (method, route.name) == ("POST", "account_logout"):
                continue
            answer = somebody.generic(method, f"{path}?{urlencode(TOLD)}")
            walked += 1
            assert answer.status_code < 500, f"{method} {path}"
            faults = missing(answer)
            faults += ["leads away"] if leads_away(answer.get("Location", "")) else []
            if path.startswith(PAGES):
                faults += [] if answer.get("X-Frame-Options") == "DENY" else ["may be framed"]
                is_kept = is_known and "no-store" not in answer.get("Cache-Control", "")
                faults += ["may be stored"] if is_kept else []
            wrong += [f"{method} {path}: {one}" for one in faults]

    assert walked > (200 if is_known else 400)
    assert not wrong, "\n".join(wrong)
    assert is_known == (somebody.get("/console/profile").status_code == 200)


def test_no_form_of_any_route_is_taken_without_its_token_or_with_a_session_alone() -> None:
    """Pages refuse the form; doors for machines do not look at the session at all."""
    _, visitor = a_visitor()
    thief = Client(enforce_csrf_checks=True)
    thief.cookies = visitor.cookies
    walked = 0
    for path, route in paths():
        walked += 1
        if getattr(route.callback, "csrf_exempt", False):
            # Tries are counted by address.
            by = f"192.0.2.{walked % 250}"
            with_session = thief.post(path, REMOTE_ADDR=by)
            without = Client().post(path, REMOTE_ADDR=by)
            assert with_session.status_code == without.status_code, path
            assert "Set-Cookie" not in with_session, path
        else:
            assert thief.post(path).status_code in (403, 405), path

    assert walked > 250
    assert visitor.get("/console/profile").status_code == 200


ELSEWHERE = (
    "https://evil.example/",
    "http:evil.example",
    "//evil.example/",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "\t//evil.example",
    "/\t/evil.example",
    "https://testserver@evil.example/",
    "https://testserver.evil.example/",
    "javascript:alert(1)",
    "data:text/html,evil",
    "https:///evil.example",
)


def leads_away(to: str) -> bool:
    """As a browser reads it: it strips tabs, and takes a backslash for a slash."""
    to = re.sub(r"[\t\r\n]", "", to).strip().replace("\\", "/")
    return bool(to) and re.match(r"(?:http://testserver)?/(?!/)", to) is None


@pytest.mark.parametrize("url", ["/console/support?x", *ELSEWHERE])
def test_who_comes_in_and_goes_out_is_led_on_in_this_site_only(url: str) -> None:
    login = a_visitor()[0].logins.get()
    client, told = Client(), {"next": url, "login": login.username, "password": PASSWORD}

    to = [
        answer.get("Location", "")
        for answer in (
            client.post("/console/auth/login", told),
            client.get("/console/auth/login", told),
            client.post("/console/auth/again", told),
            client.post("/console/auth/logout", told),
        )
    ]

    if url in ELSEWHERE:
        assert not any(map(leads_away, to))
        assert "evil" not in "".join(to)
    else:
        assert to == [url] * 4


def test_the_finder_of_ways_out_finds_them() -> None:
    assert all(map(leads_away, ELSEWHERE))
    assert not any(map(leads_away, ("", "/console/dashboard", "http://testserver/x")))
