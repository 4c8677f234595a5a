"""Answers that no door gives, below an API's root: in that API's form, never a page of HTML."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import path

from cln.urls import urlpatterns as all_doors
from tests.v2 import problem_of

NOWHERE = (
    '{"success":false,"message":"There is nothing at this address.","type":"no_such_door",'
    '"data":null,"code":404}'
)
BROKEN = (
    '{"success":false,"message":"Unexpected server error","type":"broken","data":null,"code":500}'
)


def broken(_request: object) -> HttpResponse:
    raise ZeroDivisionError


urlpatterns = [path("api/broken.json", broken), path("api/v2/broken", broken), *all_doors]
handler404 = "cln.api.edges.page_not_found"
handler500 = "cln.api.edges.server_error"


def ask(method: str, path: str, **extra: Any) -> HttpResponse:
    return Client(raise_request_exception=False).generic(method, path, **extra)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/x", "/api/ipl/list.xml", "/api/ipl/list.json/", "/api/%00"]
)
@pytest.mark.parametrize("root", ["", "/clweb"])
def test_an_unknown_address_of_v1_answers_in_the_envelope(
    root: str, path: str, method: str
) -> None:
    answer = ask(method, root + path)

    assert (answer.status_code, answer["Content-Type"]) == (404, "application/json")
    assert answer.content.decode() == NOWHERE
    assert answer["Cache-Control"] == "no-store"


def test_an_unknown_address_in_lines_answers_in_lines() -> None:
    answer = ask("GET", "/clweb/api/kd/validate.plain")

    assert (answer.status_code, answer["Content-Type"]) == (404, "text/plain; charset=utf-8")
    assert answer.content == b"success:false\nmessage:There is nothing at this address.\n"


@pytest.mark.parametrize("path", ["", "/", "/x", "/keys/", "/agent/x", "/cl/x"])
def test_an_unknown_address_of_v2_answers_a_problem(path: str) -> None:
    answer = ask("GET", f"/api/v2{path}")

    assert problem_of(answer) == (404, "no_such_door")
    # Partners' doors speak v1's words too, also where there is none (V2-4).
    assert (b'"success":false' in answer.content) is (path == "/cl/x")


def test_pages_of_people_stay_pages() -> None:
    for address in ("/nowhere", "/apinot", "/clweb", "/clweb/x"):
        answer = ask("GET", address)
        assert (answer.status_code, answer["Content-Type"]) == (404, "text/html; charset=utf-8")


@pytest.mark.parametrize(
    ("method", "path", "allowed", "body"),
    [
        ("PUT", "/api/ipl/list.json", "GET, POST, HEAD", "Use GET or POST or HEAD."),
        ("HEAD", "/api/ipl/remove.json", "GET, POST", ""),
        ("HEAD", "/api/v2/agent/register", "POST", ""),
        ("PATCH", "/clweb/api/els/key/update.json", "GET, POST, PUT", "Use GET or POST or PUT."),
        ("DELETE", "/api/kcare/check.json", "GET, POST, HEAD", "Use GET or POST or HEAD."),
        ("DELETE", "/api/kcare/patchset.json", "GET, POST, HEAD", "Use GET or POST or HEAD."),
        ("DELETE", "/api/cl/awp", "GET, POST, HEAD", "Use GET or POST or HEAD."),
    ],
)
def test_a_wrong_method_at_v1_answers_in_the_envelope(
    method: str, path: str, allowed: str, body: str
) -> None:
    answer = ask(method, path)

    assert (answer.status_code, answer["Allow"]) == (405, allowed)
    assert answer.content.decode() == (
        f'{{"success":false,"message":"{body}","type":"method_not_allowed","data":null,"code":405}}'
        if body
        else ""
    )


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/ipl/list.plain", b"success:false\nmessage:Use GET or POST or HEAD.\n"),
        ("/api/kcare/nagios/KEY", b"Use GET.\n"),
    ],
)
def test_a_wrong_method_at_a_door_of_lines_answers_in_lines(path: str, body: bytes) -> None:
    answer = ask("DELETE", path)

    assert (answer.status_code, answer["Content-Type"]) == (405, "text/plain; charset=utf-8")
    assert answer.content == body
    assert answer["Allow"].startswith("GET")


@pytest.mark.parametrize("path", ["/api/v2/agent/check-in", "/api/v2/me", "/api/v2/leases/keys"])
def test_a_wrong_method_at_v2_answers_a_problem(path: str) -> None:
    assert problem_of(ask("PUT", path)) == (405, "method_not_allowed")


@pytest.mark.urls("tests.contract.test_edges")
def test_a_bug_behind_a_door_tells_nothing_of_itself() -> None:
    v1, v2 = ask("GET", "/api/broken.json"), ask("GET", "/api/v2/broken")

    assert (v1.status_code, v1.content.decode()) == (500, BROKEN)
    assert problem_of(v2) == (HTTPStatus.INTERNAL_SERVER_ERROR, "broken")
