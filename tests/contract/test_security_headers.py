"""What every page promises the browser (security §5)."""

import gzip
import re

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from tests.visitors import a_visitor, text_of

pytestmark = pytest.mark.django_db

PAGES = [
    "/",
    "/console/register/customer",
    "/console/auth/login",
    "/console/dashboard",
    "/console/purchase/kernelcare",
    "/console/billing/invoices",
    "/nowhere",
]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_allows_only_our_own_scripts_and_no_frames(path: str) -> None:
    _, client = a_visitor()

    answer = client.get(path)

    policy = answer["Content-Security-Policy"].split("; ")
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy
    assert "unsafe" not in answer["Content-Security-Policy"]
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Referrer-Policy"] == "same-origin"
    assert re.fullmatch(r"[0-9a-f]{16}", answer["X-Request-ID"])


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_no_inline_script_style_or_handler(path: str) -> None:
    _, client = a_visitor()

    body = client.get(path).content.decode()

    assert re.findall(r"<script(?![^>]*\bsrc=)", body) == []
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=", body) == []


def test_pages_behind_the_sign_in_are_kept_by_no_cache() -> None:
    _, client = a_visitor()

    assert "no-store" in client.get("/console/dashboard")["Cache-Control"]


def test_a_post_without_the_forms_token_changes_nothing_and_says_what_helps() -> None:
    client = Client(enforce_csrf_checks=True)

    answer = client.post("/console/register/customer", {"email": "a@b.example"})

    assert answer.status_code == 403
    assert "open for too long" in text_of(answer)


def test_an_error_page_names_the_request_that_the_log_names() -> None:
    answer = Client().get("/nowhere", headers={"x-request-id": "abcdef-123456"})

    assert answer.status_code == 404
    assert answer["X-Request-ID"] == "abcdef-123456"
    assert "abcdef-123456" in text_of(answer)


def test_a_request_id_that_is_not_one_is_replaced() -> None:
    answer = Client().get("/nowhere", headers={"x-request-id": "<script>alert(1)</script>"})

    assert "script" not in answer["X-Request-ID"]


def test_cookies_are_out_of_reach_of_scripts() -> None:
    _, client = a_visitor()

    assert client.cookies["sessionid"]["httponly"] is True
    assert client.cookies["sessionid"]["samesite"] == "Lax"


def test_a_first_visit_weighs_less_than_150_kilobytes() -> None:
    _, client = a_visitor()
    browser = {"Accept-Encoding": "gzip"}

    def weight(path: str) -> int:
        return len(client.get(path, headers=browser).getvalue())

    page = gzip.decompress(client.get("/console/dashboard", headers=browser).content).decode()
    files = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)

    assert len(files) == 6
    assert weight("/console/dashboard") + sum(map(weight, files)) < 80_000


def test_what_machines_read_is_not_compressed() -> None:
    answer = Client().get("/healthz", headers={"Accept-Encoding": "gzip"})

    assert "Content-Encoding" not in answer.headers


def test_during_maintenance_people_read_why_and_machines_are_served(settings: Settings) -> None:
    settings.CLN_MAINTENANCE = "The database is being moved until 06:00 UTC."
    client = Client()

    answer = client.get("/console/auth/login", headers={"x-request-id": "abcdef-123456"})

    assert (answer.status_code, answer["Retry-After"]) == (503, "30")
    page = text_of(answer)
    assert "The database is being moved until 06:00 UTC." in page
    assert "Running servers are not affected." in page
    assert "abcdef-123456" in page
    assert client.get("/pay/some-token").status_code == 503
    assert client.get("/healthz").status_code == 200
    assert client.get("/api/ipl/check.json?ip=192.0.2.1").status_code != 503
