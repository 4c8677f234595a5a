"""Channels and downloads as dnf's spacewalk plugin asks for them (rhn.md §2, §3; AR-12, AR-16)."""

from __future__ import annotations

import base64
import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from xmlrpc.client import dumps, loads

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from cln import clock
from cln.accounts.models import Account
from cln.licensing.models import Server
from cln.licensing.services import remove_server, suspend
from tests.licensing import NOW
from tests.rhn import call

BASE = "cloudlinux-x86_64-server-8"
CHILD = "kernelcare-x86_64-server-8"
FOREIGN = "cloudlinux-x86_64-server-9"
INDEX = b"<repomd/>"
PACKAGE = bytes(range(256)) * 300
JUNE = 1_780_000_000  # 2026-05-28 20:26:40 UTC

pytestmark = pytest.mark.django_db


@pytest.fixture
def shelves(tmp_path: Path, settings: Settings) -> Path:
    """A directory with three channels, and what is none."""
    for label in (BASE, CHILD, FOREIGN, "attic"):
        index = tmp_path / label / "repodata/repomd.xml"
        index.parent.mkdir(parents=True)
        index.write_bytes(INDEX)
        os.utime(index, (JUNE, JUNE))
    (tmp_path / BASE / "Packages").mkdir()
    (tmp_path / BASE / "Packages/bash 5.rpm").write_bytes(PACKAGE)
    (tmp_path / "empty-x86_64-server-8").mkdir()
    (tmp_path / "secret").write_text("not for sale")
    (tmp_path / BASE / "way-out").symlink_to(tmp_path / "secret")
    settings.CLN_CHANNELS_DIR = tmp_path
    return tmp_path


@pytest.fixture
def ticket(shelves: Path, systemid: str) -> dict[str, str]:
    return _headers(call("up2date.login", systemid))


def _headers(login: dict[str, Any]) -> dict[str, str]:
    """The headers that the plugin copies from its login."""
    return {name: str(value) for name, value in login.items() if name != "X-RHN-Auth-Channels"}


def fetch(
    path: str, ticket: dict[str, str], root: str = "/XMLRPC", **more: str
) -> tuple[int, bytes]:
    answer = Client().get(f"{root}/GET-REQ/{path}", headers={**ticket, **more})
    assert not [name for name in answer.headers if name.startswith("X-RHN-Fault")]
    if answer.status_code >= 400:
        assert answer["Content-Type"] == "text/plain"  # §6: a plain body
        assert re.fullmatch(rb"[\w ;.]+\n", answer.getvalue())
    return answer.status_code, answer.getvalue()


def test_a_system_sees_the_channels_of_its_release_base_first_ar_16(
    shelves: Path, systemid: str
) -> None:
    base, child = call("up2date.listChannels", systemid)

    assert base == {
        "label": BASE,
        "name": BASE,
        "summary": BASE,
        "description": "cloudlinux for release 8 on x86_64",
        "arch": "channel-x86_64",
        "last_modified": "20260528202640",
        "parent_channel": "",
        "gpg_key_url": "",
    }
    assert (child["label"], child["parent_channel"]) == (CHILD, BASE)


def test_a_login_names_the_channels_in_its_answer_and_in_a_header_ar_12(
    shelves: Path, systemid: str
) -> None:
    body = dumps((systemid,), "up2date.login")
    answer = Client().post("/XMLRPC", body, content_type="text/xml")

    ((ticket,), _) = loads(answer.content)
    assert ticket["X-RHN-Auth-Channels"] == [
        [BASE, "20260528202640", "1", "1"],
        [CHILD, "20260528202640", "0", "1"],
    ]
    assert answer["X-RHN-Auth-Channels"] == (
        f"{BASE}:20260528202640:1:1,{CHILD}:20260528202640:0:1"
    )


def test_a_system_that_moves_to_another_release_sees_its_channels(
    shelves: Path, systemid: str
) -> None:
    newer = call("registration.upgrade_version", systemid, "9.4")

    assert [one["label"] for one in call("up2date.listChannels", newer)] == [FOREIGN]


@pytest.mark.parametrize("root", ["/XMLRPC", "/XMLRPC/", "/RPC2"])
def test_files_of_a_channel_are_served_whole_under_every_address(
    ticket: dict[str, str], root: str
) -> None:
    assert fetch(f"{BASE}/repodata/repomd.xml", ticket, root) == (200, INDEX)
    assert fetch(f"{BASE}/Packages/bash%205.rpm", ticket, root) == (200, PACKAGE)


def test_a_file_that_did_not_change_is_not_sent_again(ticket: dict[str, str]) -> None:
    seen = {"If-Modified-Since": "Thu, 28 May 2026 20:26:40 GMT"}

    assert fetch(f"{BASE}/repodata/repomd.xml", ticket | seen) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        f"{FOREIGN}/repodata/repomd.xml",
        "attic/repodata/repomd.xml",
        f"{BASE}/way-out",
        f"{BASE}/../secret",
        f"{BASE}/%2e%2e/secret",
        f"{BASE}/..%2f..%2f..%2fetc/passwd",
        f"{BASE}//etc/passwd",
        f"{BASE}/nul%00",
        f"{BASE}/repodata",
        f"../{BASE}/repodata/repomd.xml",
        f"{'x' * 3_000}/repodata/repomd.xml",
        f"{BASE}/{'x' * 3_000}",
    ],
)
def test_what_is_not_in_the_channels_of_the_system_is_not_there(
    ticket: dict[str, str], path: str
) -> None:
    status, body = fetch(path, ticket)

    assert (status, b"not for sale" in body, b"root:" in body) == (404, False, False)


@pytest.mark.parametrize(
    "change",
    [
        {"X-RHN-Server-Id": "1000000001"},
        {"X-RHN-Server-Id": "1" * 30},
        {"X-RHN-Server-Id": "٣"},
        {"X-RHN-Auth": base64.b64encode(bytes(32)).decode()},
        {"X-RHN-Auth": "é"},
        {"X-RHN-Auth": ""},
        {"X-RHN-Auth-Server-Time": "9999999999.00"},
        {"X-RHN-Auth-Server-Time": "soon"},
        {"X-RHN-Auth-Server-Time": "nan"},
    ],
)
def test_a_login_that_was_changed_is_401(ticket: dict[str, str], change: dict[str, str]) -> None:
    encoded = {name: value.encode().decode("latin-1") for name, value in change.items()}

    assert fetch(f"{BASE}/repodata/repomd.xml", ticket | encoded)[0] == 401


def test_nobody_downloads_without_a_login(shelves: Path) -> None:
    assert fetch(f"{BASE}/repodata/repomd.xml", {})[0] == 401


def test_a_login_is_good_for_ten_minutes(
    ticket: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = clock.now()

    for minutes, status in ((9, 200), (11, 401), (-1, 401)):
        monkeypatch.setattr(
            clock, "now", lambda minutes=minutes: begun + timedelta(minutes=minutes)
        )
        assert fetch(f"{BASE}/repodata/repomd.xml", ticket)[0] == status


def test_a_suspended_system_downloads_nothing_p7(acme: Account, ticket: dict[str, str]) -> None:
    suspend(account_id=acme.pk, now=NOW)

    assert fetch(f"{BASE}/repodata/repomd.xml", ticket)[0] == 403


def test_a_removed_system_downloads_nothing(acme: Account, ticket: dict[str, str]) -> None:
    server = Server.objects.get()
    remove_server(account_id=acme.pk, server=server.public_id, why="test", now=NOW)

    assert fetch(f"{BASE}/repodata/repomd.xml", ticket)[0] == 401
