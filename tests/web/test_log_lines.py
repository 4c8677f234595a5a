"""What the log tells: no secret in full, whatever broke (security §3 and §5)."""

from __future__ import annotations

import logging

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import path, re_path

from cln.log_lines import MaskingFormatter, masked
from cln.urls import urlpatterns as all_doors
from tests.log_scan import SCAN, Scan, keeping

API_SECRET = "Abcdefghij0123456789Abcdefghij0123456789"
TOKEN = "97e17a41ea904e0ca2bf03c7c36dee2492ba89cd"


def broken(_request: object, **_parts: str) -> HttpResponse:
    raise ZeroDivisionError


urlpatterns = [
    path("api/kcare/nagios-res/<str:login>/<str:token>", broken),
    re_path("^pay/(?P<token>.+)$", broken),
    *all_doors,
]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"/api/kcare/nagios-res/acme/{API_SECRET}", "/api/kcare/nagios-res/acme/…6789"),
        ("at /clweb/api/kcare/nagios/WsTs821nSAtiastD,", "at /clweb/api/kcare/nagios/…stD,"),
        ("at /api/kcare/patchset/WsTs821nSAtiastD,", "at /api/kcare/patchset/…stD,"),
        (f"?token=acme|1401189361|{TOKEN}&x=1", "?token=…89cd&x=1"),
        (f"acme%7C1401189361%7C{TOKEN} x", "acme%7C1401189361%7C…89cd x"),
        ("cls_dqVEpJLWRmcWa4yYAk3jbmZLfNPSceYqGJrfFrUj", "cls_…FrUj"),
        ("cln_dqVEpJLWRmc-_4yYAk3jbmZLfNPSceYqGJrfFrUjx12", "cln_…jx12"),
        ("whsec_dqVEpJLWRmc-_4yYAk3jbmZLfNPSceYq", "whsec_…ceYq"),
        ("mv_DGPH4rY0_1773144000_0123456789abcdef0123456789abcdef", "mv_…cdef"),
        ("CL-abcdefghijklmnopqrstuvwx and IM250abcdefghijklmno", "CL-…uvwx and IM…lmno"),
        ("CLSOLO-abcdefghijklmnopqrstuvwx", "CLSOLO-…uvwx"),
        (f"the secret {API_SECRET}.", "the secret …6789."),
        ("/pay/WyJhY2NfMSIsMTc2XQ:1abc:sig-xyz_1234", "/pay/…1234"),
        ("GET /x?key=WsTs821nSAtiastD", "GET /x?key=…astD"),
        # What helps whoever reads the log stays.
        ("step of 12 waits: srv_DGPH4rY0se4aNyJRu8Az", None),
        ("2026-11-29 03:00:00,123 WARNING cln.flows.each: CBI-000001 of inv_x", None),
        ("File /usr/lib/python3.12/site-packages/django/core/handlers/exception.py", None),
    ],
)
def test_what_looks_like_a_secret_shows_its_end_only(text: str, line: str | None) -> None:
    assert masked(text) == (text if line is None else line)


@pytest.mark.django_db
@pytest.mark.urls("tests.web.test_log_lines")
@pytest.mark.parametrize(
    "address",
    [f"/api/kcare/nagios-res/acme/{API_SECRET}", "/pay/WyJhY2NfMSIsMTc2XQ:1abc:sig-xyz_1"],
)
def test_a_door_that_breaks_does_not_log_the_secret_in_its_path(address: str) -> None:
    scan = Scan()
    scan.note(address.rpartition("/")[2])

    with keeping(scan, MaskingFormatter):
        assert Client(raise_request_exception=False).get(address).status_code == 500

    assert any("Internal Server Error: /" in line for line in scan.lines)
    assert any("ZeroDivisionError" in line for line in scan.lines)
    assert scan.found() == []


def test_the_scan_of_the_whole_run_finds_what_it_looks_for() -> None:
    """A scan that cannot fail would be worth nothing."""
    scan = Scan()
    for secret in ("WsTs821nSAtiastD", "correct horse 7", "short"):
        scan.note(secret)
    told = [
        "key=WsTs821nSAtiastD",
        "'a\\nWsTs821nSAtiastD'",
        "the password correct horse 7 is wrong",
        f"token acme%7C1401189361%7C{TOKEN}",
        "cls_dqVEpJLWRmcWa4yYAk3jbmZLfNPSceYqGJrfFrUj",
        f"<name>checksum</name><value><string>{'0a' * 32}",
    ]
    scan.printed("\n".join([*told, "a short line", "key=…iasD", "WsTs821nSAtiastDx"]))

    assert scan.found() == sorted(told)


@pytest.mark.django_db
def test_the_scan_of_the_whole_run_knows_what_is_handed_out_and_keeps_what_is_logged() -> None:
    from tests.v1 import a_client

    secret = a_client("watched").secret
    logging.getLogger("cln.flows").warning("a line of this test")

    assert secret in SCAN.secrets
    assert "correct-horse-7" in SCAN.secrets
    assert "WARNING cln.flows: a line of this test" in SCAN.lines
