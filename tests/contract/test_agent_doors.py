"""The other doors of our agent: leases, moves, addresses, limits, the installer."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from ipaddress import ip_network
from typing import Any
from xmlrpc.client import Fault, dumps, loads

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

from cln import clock
from cln.api import limits
from cln.flows import ip_licenses
from cln.licensing.lease_keys import declare_incident, published_keys
from cln.licensing.models import IpLicense, Server
from cln.licensing.services import reveal
from tests.agent import AGENT, agent_module
from tests.licensing import NOW, an_account, bought
from tests.rhn import STATUS, call, fault_of, machine
from tests.v1 import a_client

pytestmark = pytest.mark.django_db
REGISTER = "/api/v2/agent/register"
LEASE = "/api/v2/agent/lease"
AT = "203.0.113.7"
PROXY = "10.0.0.5"
UUID = "b1b4a0de-9f8e-4d8e-8a11-6f5d0c2e7a44"


@pytest.fixture
def on_the_internet(settings: Settings) -> None:
    """Production's view of addresses, behind a proxy of ours."""
    settings.CLN_MODE = "production"
    settings.CLN_ALLOW_PRIVATE_ADDRESSES = False
    settings.CLN_TRUSTED_PROXIES = (ip_network("10.0.0.0/8"),)


def post(path: str, data: object = None, *, secret: str = "", **extra: str) -> Any:
    """POST JSON; the answer."""
    headers = {"HTTP_AUTHORIZATION": f"Bearer {secret}"} if secret else {}
    return Client().post(path, json.dumps(data or {}), "application/json", **headers, **extra)


def get(path: str, *, secret: str = "", **extra: str) -> HttpResponse:
    headers = {"HTTP_AUTHORIZATION": f"Bearer {secret}"} if secret else {}
    return Client().get(path, **headers, **extra)


def a_server(license_type: str = "cloudlinux", **extra: str) -> dict[str, Any]:
    """The answer to a registration by key."""
    key = reveal(bought(an_account(), license_type, 1))
    answer = post(REGISTER, {"key": key, "hostname": "web1", **extra})
    assert answer.status_code == 201
    return dict(answer.json())


def post_xml(path: str, body: str) -> bytes:
    return Client().post(path, body, content_type="text/xml", REMOTE_ADDR=AT).content


def holds(*license_types: str, address: str = AT) -> None:
    account = a_client().account
    for code in license_types:
        ip_licenses.add_ip_license(
            account_id=account.pk, license_type=code, address=address, actor="z", now=NOW
        )


def facts_of(lease: str) -> dict[str, Any]:
    keys = {row["kid"]: row["public"] for row in get("/api/v2/leases/keys").json()["keys"]}
    facts = agent_module().opened(lease, b"cln-lease-v1\n", keys)
    assert facts is not None
    return dict(facts)


# -- leases --------------------------------------------------------------------------------------


def test_a_registration_brings_the_first_lease() -> None:
    done = a_server(fingerprint="f" * 64)

    facts = facts_of(done["lease"])

    assert (facts["server_id"], facts["fingerprint"]) == (done["server_id"], "f" * 64)
    assert abs(facts["iat"] - clock.now().timestamp()) < 60
    assert facts["iat"] <= done["server_time"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", done["next_checkin_at"])


def test_the_lease_is_304_where_the_caller_holds_the_current_one() -> None:
    done = a_server()

    first = get(LEASE, secret=done["secret"])
    tag = first["ETag"]
    again = get(LEASE, secret=done["secret"], HTTP_IF_NONE_MATCH=tag)
    weak = get(LEASE, secret=done["secret"], HTTP_IF_NONE_MATCH=f"W/{tag}")
    other = get(LEASE, secret=done["secret"], HTTP_IF_NONE_MATCH='"1-00"')

    assert (first.status_code, first.json()["lease_tag"]) == (200, tag)
    for unchanged in (again, weak):
        assert (unchanged.status_code, unchanged.content, unchanged["ETag"]) == (304, b"", tag)
        assert unchanged["Cache-Control"] == "no-store"
    assert (other.status_code, facts_of(other.json()["lease"])["server_id"]) == (
        200,
        done["server_id"],
    )


def test_a_check_in_with_the_tag_of_the_current_lease_brings_no_other() -> None:
    done = a_server(fingerprint="f")

    seen = post(
        "/api/v2/agent/check-in",
        {"fingerprint": "f", "lease_tag": done["lease_tag"]},
        secret=done["secret"],
    ).json()

    assert (seen["lease"], seen["lease_tag"]) == (None, done["lease_tag"])


def test_a_server_that_left_gets_no_lease() -> None:
    done = a_server()
    post("/api/v2/agent/unregister", secret=done["secret"])

    assert get(LEASE, secret=done["secret"]).status_code == 410
    assert get(LEASE, secret="cls_nobody").status_code == 401
    assert get(LEASE).status_code == 401
    assert post(LEASE).status_code == 405


def test_the_keys_are_public_and_the_incident_too() -> None:
    keys = get("/api/v2/leases/keys")
    quiet = get("/api/v2/leases/incident")

    assert keys.json() == {"keys": [dict(row) for row in published_keys(now=NOW)]}
    assert quiet.content == b'{"incident":null}'
    assert post("/api/v2/leases/keys").status_code == 405
    done = a_server()
    declare_incident(days=30, reason="Flood", now=clock.now())
    seen = post("/api/v2/agent/check-in", secret=done["secret"]).json()
    assert seen["incident"] == get("/api/v2/leases/incident").json()["incident"]
    assert agent_module().opened(
        seen["incident"],
        b"cln-incident-v1\n",
        {row["kid"]: row["public"] for row in keys.json()["keys"]},
    )


# -- moving --------------------------------------------------------------------------------------


def test_a_server_moves_by_a_code_over_the_wire() -> None:
    done = a_server()
    code = post("/api/v2/agent/move", secret=done["secret"]).json()

    moved = post("/api/v2/agent/move-here", {"code": code["code"], "hostname": "web2"})

    assert moved.status_code == 201
    assert moved.json()["reinstalled"] is True
    assert facts_of(moved.json()["lease"])["server_id"] == moved.json()["server_id"]
    gone = post("/api/v2/agent/check-in", secret=done["secret"])
    assert (gone.status_code, "Moved to web2" in gone.json()["detail"]) == (410, True)
    assert post("/api/v2/agent/move-here", {"code": code["code"]}).status_code == 403
    assert post("/api/v2/agent/move").status_code == 401
    assert post("/api/v2/agent/move-here").json()["code"] == "bad_argument"


# -- by address ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("on_the_internet")
@pytest.mark.parametrize(
    ("remote", "forwarded", "status"),
    [
        (AT, "", 201),
        (f"::ffff:{AT}", "", 201),
        (PROXY, AT, 201),
        (PROXY, f"198.51.100.1, {AT}", 201),
        (PROXY, f"198.51.100.1, {AT}, 10.0.0.7", 201),
        # Forged: what a stranger says of itself, and what stands left of the last foreign hop.
        ("198.51.100.1", AT, 404),
        (PROXY, f"{AT}, 198.51.100.1", 404),
        (PROXY, f"{AT}, 198.51.100.1, 10.0.0.7", 404),
        ("198.51.100.1", f"{AT}, 10.0.0.7", 404),
        (PROXY, f"{AT}, unknown", 400),
        (PROXY, "", 404),
    ],
)
def test_a_license_by_address_is_given_to_no_forged_header(
    remote: str, forwarded: str, status: int
) -> None:
    """Security §5.12."""
    holds("cloudlinux")

    answer = post(
        REGISTER,
        {"by_address": "1", "ip": AT, "hostname": "web1"},
        REMOTE_ADDR=remote,
        HTTP_X_FORWARDED_FOR=forwarded,
    )

    assert answer.status_code == status
    assert Server.objects.count() == (1 if status == 201 else 0)
    shown = get("/showip.php", REMOTE_ADDR=remote, HTTP_X_FORWARDED_FOR=forwarded)
    assert (shown.content == f"{AT}\n".encode()) == (status == 201)


def test_showip_is_one_line_of_text() -> None:
    shown = get("/showip", REMOTE_ADDR="::ffff:198.51.100.9")

    assert (shown.status_code, shown["Content-Type"]) == (200, "text/plain; charset=utf-8")
    assert (shown.content, shown["Cache-Control"]) == (b"198.51.100.9\n", "no-store")
    assert post("/showip").status_code == 405


@pytest.mark.parametrize("token", ["", "IPL"])
def test_a_stock_client_without_a_key_registers_by_its_address(token: str) -> None:
    """AR-30 to AR-32: what `clnreg_ks --force` needs."""
    holds("cloudlinux")

    systemid = call("registration.new_system", machine(token), REMOTE_ADDR=AT)
    assert call("queue.get", systemid, 2, STATUS, REMOTE_ADDR=AT) == ""

    server, held = Server.objects.get(), IpLicense.objects.get()
    assert (server.by_address, server.address, held.registered_at is not None) == (True, AT, True)
    assert held.last_check_in_at is not None


def test_what_a_server_by_address_tells_is_in_ipl_server_ar_32() -> None:
    client = a_client()
    ip_licenses.add_ip_license(
        account_id=client.account.pk, license_type="cloudlinux", address=AT, actor="z", now=NOW
    )
    [before] = client.data("ipl/server.json", ip=AT)
    systemid = call("registration.new_system", machine(""), REMOTE_ADDR=AT)
    call("queue.get", systemid, 2, STATUS, REMOTE_ADDR=AT)

    [row] = client.data("ipl/server.json", ip=AT)

    assert (before["server_info"], before["registered"]) == (None, False)
    assert row["server_info"] == "cloudlinux-release-8 (4.18.0-553.el8)"
    assert (row["registered"], row["last_checkin"] is not None) == (True, True)


@pytest.mark.parametrize("path", ["/XMLRPC", "/clweb/xmlrpc"])
def test_register_ip_registers_by_the_address_at_either_door_x14(path: str) -> None:
    body = dumps((machine(""),), "registration.register_ip")
    with pytest.raises(Fault, match=r"No license is held at 203\.0\.113\.7\.") as raised:
        loads(post_xml(path, body))
    assert raised.value.faultCode == -106
    holds("cloudlinux")

    ((systemid,), _) = loads(post_xml(path, body))

    assert call("queue.get", systemid, 2, STATUS, REMOTE_ADDR=AT) == ""
    assert Server.objects.get().by_address is True


@pytest.mark.parametrize(("token", "code"), [("", -21), ("IPL", -106)])
def test_a_stock_client_at_an_address_without_a_license_is_told_which(
    token: str, code: int
) -> None:
    holds("kernelcare")

    found, text = fault_of("registration.new_system", machine(token), REMOTE_ADDR=AT)

    assert (found, f"No license is held at {AT}." in text) == (code, True)
    assert not Server.objects.exists()


# -- limits --------------------------------------------------------------------------------------


def test_an_address_that_guesses_is_stopped_after_30_failures_and_told_for_how_long() -> None:
    key = reveal(bought(an_account(), "cloudlinux", 1))
    for number in range(limits.TRIES.most):
        answer = post(REGISTER, {"key": f"CL-guess{number}"}, REMOTE_ADDR=AT)
        assert answer.status_code == 404

    stopped = post(REGISTER, {"key": key}, REMOTE_ADDR=AT)

    assert (stopped.status_code, stopped.json()["code"]) == (429, "too_many_tries")
    assert 0 < int(stopped["Retry-After"]) <= 601
    for path in ("/api/v2/agent/move-here", "/cln/api/els/token/register"):
        assert post(path, {"code": "x", "key": "x"}, REMOTE_ADDR=AT).status_code == 429
    assert post(REGISTER, {"key": key}, REMOTE_ADDR="203.0.113.8").status_code == 201


def test_the_addresses_of_one_ipv6_network_guess_together() -> None:
    for number in range(limits.TRIES.most):
        post(REGISTER, {"key": "CL-guess"}, REMOTE_ADDR=f"2001:db8::{number:x}")

    assert post(REGISTER, {"key": "x"}, REMOTE_ADDR="2001:db8::ffff").status_code == 429
    assert post(REGISTER, {"key": "x"}, REMOTE_ADDR="2001:db8:0:1::1").status_code == 404


def test_after_some_time_an_address_may_guess_again() -> None:
    """30 in ten minutes: one every 20 seconds."""
    for _ in range(limits.TRIES.most):
        post(REGISTER, {"key": "CL-guess"}, REMOTE_ADDR=AT)
    assert post(REGISTER, {"key": "CL-guess"}, REMOTE_ADDR=AT).status_code == 429

    with connection.cursor() as cursor:
        cursor.execute("UPDATE api_rate SET spread_until = spread_until - 20")

    assert post(REGISTER, {"key": "CL-guess"}, REMOTE_ADDR=AT).status_code == 404
    assert post(REGISTER, {"key": "CL-guess"}, REMOTE_ADDR=AT).status_code == 429


def test_refusals_that_are_no_guesses_do_not_count() -> None:
    key = reveal(bought(an_account(), "cloudlinux", 1))
    before = _counted()
    for number in range(3):
        post(REGISTER, {"key": key, "hostname": f"web{number}"}, REMOTE_ADDR=AT)

    assert _counted() == before


def _counted() -> int:
    """Rows of this test and of those before it that committed theirs."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM api_rate")
        count: int = cursor.fetchone()[0]
        return count


def test_a_server_that_runs_wild_is_stopped_by_itself_alone() -> None:
    """120 at once, then 2 a second."""
    mine = limits.Buckets()

    taken = [mine.take("one", at=1000.0) for _ in range(limits.BURST + 1)]

    assert taken == [0.0] * limits.BURST + [0.5]
    assert mine.take("two", at=1000.0) == 0.0
    assert mine.take("one", at=1000.5) == 0.0
    assert mine.take("one", at=1000.5) == 0.5


def test_buckets_are_forgotten_before_they_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SERVERS_REMEMBERED", 2)
    mine = limits.Buckets()
    for _ in range(limits.BURST):
        mine.take("one", at=0.0)
    for name in ("two", "three"):
        mine.take(name, at=0.0)

    assert mine.take("one", at=0.0) == 0.0


def test_a_server_beyond_its_limit_is_429_and_nothing_is_asked_of_the_database() -> None:
    done = a_server()
    for _ in range(limits.BURST):
        limits.servers.take(done["secret"], at=clock.system_now().timestamp() + 60)

    answer = post("/api/v2/agent/check-in", secret=done["secret"])

    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_tries")
    assert answer["Retry-After"] == "1"
    assert Server.objects.get().last_check_in_at is None


def test_who_knows_the_machine_but_not_the_key_gets_nothing_and_learns_nothing() -> None:
    """Security §1: hostname, UUID and address are hints, not proofs."""
    key = reveal(bought(an_account(), "cloudlinux", 1))
    known = {"hostname": "web1", "machine_uuid": UUID}
    assert post(REGISTER, {"key": key, **known}, REMOTE_ADDR=AT).status_code == 201
    stranger = {"hostname": "web2", "machine_uuid": UUID.replace("b", "c")}

    answers = [
        post(path, {**told, **machine}, REMOTE_ADDR=AT)
        for machine in (known, stranger)
        for path, told in (
            (REGISTER, {"key": "CL-wrong"}),
            (REGISTER, {"by_address": "1"}),
            ("/api/v2/agent/move-here", {"code": "mv_x_1_" + "0" * 32}),
        )
    ]

    assert [answer.status_code for answer in answers] == [404, 404, 403] * 2
    said = [{**answer.json(), "request_id": ""} for answer in answers]
    assert said[:3] == said[3:]
    assert Server.objects.get().status == "active"


# -- the installer -------------------------------------------------------------------------------


def test_the_agent_is_served_byte_for_byte_with_its_checksums() -> None:
    lines = get("/install/SHA256SUMS").content.decode().splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}

    assert set(sums) == {"cln-agent", "cln-agent.service", "cln-agent.timer", "cln-install.sh"}
    for name, digest in sums.items():
        answer = get(f"/install/{name}")
        assert hashlib.sha256(answer.content).hexdigest() == digest
    assert get("/install/cln-agent").content == AGENT.read_bytes()


@pytest.mark.parametrize("name", ["passwd", "..%2Fcln%2Fsettings.py", "", "cln-agent.pyc"])
def test_nothing_else_is_served_there(name: str) -> None:
    assert get(f"/install/{name}").status_code == 404
    assert post("/install/cln-agent").status_code == 405


@pytest.mark.usefixtures("on_the_internet")
def test_the_installer_names_our_address_whatever_host_was_asked_for(settings: Settings) -> None:
    settings.CLN_BASE_URL = "https://cln.example.com"
    settings.ALLOWED_HOSTS = ["*"]

    script = get("/install/cln-install.sh", HTTP_HOST="evil.example").content.decode()

    assert "SERVER='https://cln.example.com'" in script
    assert "evil" not in script
    assert re.findall(r"@[A-Z_0-9]+@", script) == []
    assert hashlib.sha256(AGENT.read_bytes()).hexdigest() in script


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "how should this server be registered? -k KEY or -i"),
        (["-k"], "-k needs a key"),
        (["--frobnicate"], "unknown option --frobnicate"),
    ],
)
def test_the_installer_explains_a_wrong_call_and_installs_nothing(
    arguments: list[str], said: str, tmp_path: Any
) -> None:
    script = get("/install/cln-install.sh").content

    done = subprocess.run(
        ["sh", "-s", "--", *arguments],
        input=script,
        env={"CLN_AGENT_ROOT": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=False,
    )

    assert (done.returncode, f"cln-install: {said}\n" in done.stderr.decode()) == (1, True)
    assert list(tmp_path.iterdir()) == []
