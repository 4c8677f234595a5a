"""Doors of agents that are not ours: ELS scripts (AE-1), KernelCare's monitoring keys (AK-9)."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from cln import clock
from cln.flows import ip_licenses
from cln.licensing.models import IpLicense, PatchReport, Server
from cln.licensing.patches import replace_patch_list
from cln.licensing.services import reveal
from tests.licensing import NOW, an_account, bought
from tests.v1 import a_client

pytestmark = pytest.mark.django_db
AT = "203.0.113.7"


def post(path: str, data: object, **extra: str) -> Any:
    """POST JSON, as the scripts do."""
    return Client().post(path, json.dumps(data), "application/json", **extra)


def get(path: str, **extra: str) -> HttpResponse:
    return Client().get(path, **extra)


def holds(license_type: str) -> None:
    """A reseller holds an IP license at the address."""
    ip_licenses.add_ip_license(
        account_id=a_client().account.pk,
        license_type=license_type,
        address=AT,
        actor="z",
        now=NOW,
    )


# -- ELS -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["centos/token", "els/token", "els/server"])
def test_an_els_script_gets_the_token_of_its_repository_ae_1(name: str) -> None:
    key = reveal(bought(an_account(), "els_centos6", 1))

    answer = post(f"/cln/api/{name}/register", {"key": key, "host_name": "web1.example.com"})

    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    assert re.fullmatch(rb'\{"token":"[\w-]+"\}', answer.content)
    server = Server.objects.get()
    assert (server.hostname, server.license_type.code) == ("web1.example.com", "els_centos6")


@pytest.mark.parametrize(
    ("data", "status", "said"),
    [
        ({"key": "CELS-nobody"}, 404, "There is no such activation key."),
        ({}, 400, "“key” is required."),
        ({"key": "CL"}, 404, "There is no such activation key."),
    ],
)
def test_a_refused_els_script_gets_a_message_and_no_token_ae_3(
    data: dict[str, str], status: int, said: str
) -> None:
    if data.get("key") == "CL":
        data = {"key": reveal(bought(an_account(), "cloudlinux", 1))}

    answer = post("/cln/api/els/token/register", data)

    assert answer.status_code == status
    assert list(answer.json()) == ["message"]
    assert answer.json()["message"].startswith(said)
    assert not Server.objects.exists()


def test_els_scripts_use_post() -> None:
    answer = get("/cln/api/els/token/register")

    assert (answer.status_code, answer["Allow"]) == (405, "POST")
    assert "token" not in answer.content.decode()


def test_an_els_key_whose_licenses_are_used_up_says_by_whom() -> None:
    key = reveal(bought(an_account(), "els_centos6", 1))
    post("/cln/api/els/server/register", {"key": key, "host_name": "web1"}, REMOTE_ADDR=AT)

    answer = post("/cln/api/els/server/register", {"key": key, "host_name": "web2"})

    assert (answer.status_code, "web1 (203.0.113.7)" in answer.json()["message"]) == (409, True)


# -- KernelCare's custom monitoring key ------------------------------------------------------------

KEY = "MyMonitoringKey2026"
NAGIOS = "/api/kcare/nagios"


@pytest.mark.parametrize("root", ["/api", "/clweb/api"])
def test_a_machine_with_an_ip_license_chooses_its_monitoring_key_ak_9(root: str) -> None:
    holds("kernelcare")
    path = f"{root}/kcare/nagios/register_key.plain?key={KEY}"

    answers = [get(path, REMOTE_ADDR=AT) for _ in range(2)]

    assert [answer.content for answer in answers] == [b"success:true\ncode:0\n"] * 2
    assert get(f"{NAGIOS}/{KEY}").content == (
        b"KernelCare OK - all servers are up to date!|"
        b"uptodate=1;outofdate=0;unsupported=0;inactive=0\n"
    )
    assert bytes(IpLicense.objects.get().monitoring_hash or b"") != KEY.encode()


def test_a_monitored_machine_that_went_silent_is_inactive() -> None:
    holds("kernelcare")
    get(f"{NAGIOS}/register_key.plain?key={KEY}", REMOTE_ADDR=AT)
    IpLicense.objects.update(last_check_in_at=clock.now() - timedelta(days=2))

    assert get(f"{NAGIOS}/{KEY}").content == (
        b"1 machines are INACTIVE!|uptodate=0;outofdate=0;unsupported=0;inactive=1\n"
        b"203.0.113.7 (203.0.113.7) is INACTIVE\n"
    )


def test_a_monitored_machine_that_runs_our_agent_is_as_patched_as_it_tells() -> None:
    holds("kernelcare")
    get(f"{NAGIOS}/register_key.plain?key={KEY}", REMOTE_ADDR=AT)
    here: dict[str, Any] = {"REMOTE_ADDR": AT}
    done = post("/api/v2/agent/register", {"by_address": "1", "hostname": "web1"}, **here)
    here["HTTP_AUTHORIZATION"] = f"Bearer {done.json()['secret']}"
    replace_patch_list([("5.14.0-1", 2, NOW.date())])
    check_in = "/api/v2/agent/check-in"

    refused = [
        post(check_in, told, **here)
        for told in ({"patch_level": "1"}, {"kernel": "5", "patch_level": "-1"})
    ]
    assert [answer.json()["code"] for answer in refused] == ["bad_argument"] * 2
    assert not PatchReport.objects.exists()
    assert post(check_in, {"kernel": "5.14.0-1", "patch_level": ""}, **here).status_code == 200
    assert not PatchReport.objects.exists()
    assert post(check_in, {"kernel": "5.14.0-1", "patch_level": "1"}, **here).status_code == 200

    assert get(f"{NAGIOS}/{KEY}").content == (
        b"1 machines are OUTOFDATE!|uptodate=0;outofdate=1;unsupported=0;inactive=0\n"
        b"web1 (203.0.113.7) is OUTOFDATE\n"
    )


@pytest.mark.parametrize("key", ["", "short", "x" * 15, "x" * 33, "with-dash-in-the-key", "٣" * 16])
def test_a_wrong_monitoring_key_is_code_1(key: str) -> None:
    holds("kernelcare")

    answer = get(f"{NAGIOS}/register_key.plain?key={key}", REMOTE_ADDR=AT)

    assert answer.content.startswith(b"success:true\ncode:1\n")
    assert IpLicense.objects.get().monitoring_hash is None


def test_a_machine_without_a_kernelcare_ip_license_is_code_2() -> None:
    holds("cloudlinux")
    holds_elsewhere = get(f"{NAGIOS}/register_key.plain?key={KEY}", REMOTE_ADDR="203.0.113.8")
    at_cloudlinux = get(f"{NAGIOS}/register_key.plain?key={KEY}", REMOTE_ADDR=AT)

    for answer in (holds_elsewhere, at_cloudlinux):
        assert answer.content.startswith(b"success:true\ncode:2\n")
    assert get(f"{NAGIOS}/{KEY}").content == f"Servers not found for key {KEY}\n".encode()
