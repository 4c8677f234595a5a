"""How `cln-agent` takes what CLN answers: pauses, redirects, refusals, new keys, a new identity."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.agent import AgentMachine, agent_module

agent = agent_module()
NOW = 1_773_144_000
DAY = 86_400


class Key:
    """A key of CLN's."""

    def __init__(self, kid: str, seed: int) -> None:
        self.kid, self.private = kid, Ed25519PrivateKey.from_private_bytes(bytes([seed] * 32))

    @property
    def published(self) -> dict[str, object]:
        public = self.private.public_key().public_bytes_raw().hex()
        return {"kid": self.kid, "alg": "Ed25519", "public": public, "signs": True}

    def signs(self, context: bytes, **facts: object) -> str:
        body = json.dumps({"alg": "Ed25519", "kid": self.kid, **facts}).encode()
        parts = (body, self.private.sign(context + body))
        return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)

    def lease(self, *, seq: int = 1, server: str = "srv_1", iat: int = NOW) -> str:
        return self.signs(
            agent.LEASE_CONTEXT,
            server_id=server,
            fingerprint="",
            license_type="cloudlinux",
            seq=seq,
            iat=iat,
            exp=iat + 14 * DAY,
            grace_until=iat + 28 * DAY,
        )


FIRST, SECOND = Key("k1", 1), Key("k2", 2)


class Cln(ThreadingHTTPServer):
    """A CLN that answers as it is told, by path: (status, headers, body); and counts."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, tuple[int, dict[str, str], object]] = {}
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        self.afterwards: Callable[[], None] = lambda: None
        self.publishes(FIRST)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def publishes(self, *keys: Key) -> None:
        published = {"keys": [key.published for key in keys]}
        self.answers["/api/v2/leases/keys"] = (200, {}, published)

    def answers_check_in(
        self, status: int = 200, /, *, headers: Any = None, **more: object
    ) -> None:
        body: dict[str, object] = {
            "server_id": "srv_1",
            "license_type": "cloudlinux",
            "state": "active",
            "lease": FIRST.lease(),
            "lease_tag": "tag",
            "next_checkin_at": "2026-03-10T16:00:00Z",
            "server_time": NOW,
        }
        body = body | more if status == 200 else dict(more)
        self.answers["/api/v2/agent/check-in"] = (status, headers or {}, body)


class Handler(BaseHTTPRequestHandler):
    server: Cln
    protocol_version: ClassVar[str] = "HTTP/1.0"

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        data = json.loads(self.rfile.read(length) or b"{}")
        self.server.asked.append((self.path, self.headers.get("Authorization", ""), data))
        status, headers, body = self.server.answers.get(self.path, (404, {}, {"detail": "No."}))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.server.afterwards()
        self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

    do_GET = do_POST

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@pytest.fixture
def cln() -> Iterator[Cln]:
    with Cln() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Web1:
    """A registered machine, whose agent runs in this process."""

    def __init__(self, root: Path, cln: Cln, monkeypatch: pytest.MonkeyPatch) -> None:
        self.machine = AgentMachine.built(root, "web1")
        self.path = root / "var/lib/cln/state.json"
        monkeypatch.setenv("CLN_AGENT_ROOT", str(root))
        monkeypatch.setenv("CLN_SERVER", cln.url)
        keys = {FIRST.kid: FIRST.published["public"]}
        state = {
            "server_id": "srv_1",
            "secret": "cls_1",
            "state": "active",
            "keys": keys,
            "lease": FIRST.lease(),
            "lease_tag": "old",
            "anchor": {"server": NOW, "wall": NOW, "uptime": 1000.0, "boot": self._boot()},
        }
        self.machine.write("var/lib/cln/state.json", json.dumps(state))

    def _boot(self) -> str:
        return (self.machine.root / "proc/sys/kernel/random/boot_id").read_text().strip()

    def later(self, seconds: int) -> None:
        """Let the machine run on."""
        self.machine.write("proc/uptime", f"{1000 + seconds} 0")

    @property
    def state(self) -> dict[str, Any]:
        return dict(json.loads(self.path.read_text()))

    def runs(self, *arguments: str) -> int:
        return int(agent.main(list(arguments)))


@pytest.fixture
def web1(tmp_path: Path, cln: Cln, monkeypatch: pytest.MonkeyPatch) -> Web1:
    return Web1(tmp_path, cln, monkeypatch)


def test_a_check_in_tells_of_the_machine_and_keeps_what_it_brings(cln: Cln, web1: Web1) -> None:
    cln.answers_check_in(lease=FIRST.lease(seq=2), lease_tag="new")

    assert web1.runs("check-in") == 0

    [(path, secret, told)] = cln.asked
    assert (path, secret) == ("/api/v2/agent/check-in", "Bearer cls_1")
    assert (told["hostname"], told["lease_tag"], len(told["fingerprint"])) == ("web1", "old", 64)
    state = web1.state
    assert (state["lease"], state["lease_tag"]) == (FIRST.lease(seq=2), "new")
    assert (state["next_at"], state["seen_at"], state["failures"]) == (NOW + 4 * 3600, NOW, 0)


# As administrators have published it, of versions from 2016 to 2021.
PATCHED = """kpatch-state: patch is applied
kpatch-for: Linux version 3.16.0-4-amd64 (gcc version 4.8.4 (Debian 4.8.4-1) ) #1 SMP (2016-07-02)
kpatch-build-time: Fri Oct 21 02:05:59 2016
"""


@pytest.mark.parametrize(
    ("script", "level"),
    [
        (f"cat <<'END'\n{PATCHED}kpatch-description: 3;3.16.36-1+deb8u2\nEND", "3"),
        (f"cat <<'END'\n{PATCHED}kpatch-description: 1-:1615812815;5.4.0-1028.31\nEND", "1"),
        (f"cat <<'END'\n{PATCHED}kpatch-description: 12-extra:1615812815;5.14\nEND", "12"),
        ('test "$1" = --info && echo "No patches applied, but some are available"', "0"),
        ("exit 3", ""),
        (None, ""),
    ],
)
def test_a_check_in_tells_up_to_which_level_kernelcare_has_patched(
    cln: Cln, web1: Web1, script: str | None, level: str
) -> None:
    """Nothing is told where KernelCare is not there, or does not say."""
    cln.answers_check_in()
    if script is not None:
        web1.machine.write("usr/bin/kcarectl", f"#!/bin/sh\n{script}")
        (web1.machine.root / "usr/bin/kcarectl").chmod(0o755)

    assert web1.runs("check-in") == 0

    [(_, _, told)] = cln.asked
    assert told["patch_level"] == level
    assert told["kernel"]


@pytest.mark.parametrize(
    ("folder", "names", "count"),
    [
        ("var/cpanel/users", ("anna", "bert", "system"), "2"),
        ("usr/local/directadmin/data/users", ("anna",), "1"),
        ("home", ("anna",), ""),
    ],
)
def test_a_check_in_tells_the_panels_accounts_and_says_what_cln_thinks_of_them(
    cln: Cln,
    web1: Web1,
    capsys: pytest.CaptureFixture[str],
    folder: str,
    names: tuple[str, ...],
    count: str,
) -> None:
    """AI-6: too many users are told on the server, too, and are no failure."""
    cln.answers_check_in(message="Too many users.", upgrade_url="https://cln.example/x")
    for name in names:
        web1.machine.write(f"{folder}/{name}", "")

    assert web1.runs("check-in") == 0

    [(_, _, told)] = cln.asked
    assert told["users"] == count
    assert "Too many users. https://cln.example/x" in capsys.readouterr().out


def test_usage_is_reported_as_it_comes(cln: Cln, web1: Web1) -> None:
    path = "/api/v2/agent/usage"
    cln.answers[path] = (200, {}, {"server": "srv_1", "product": "AWP_CDN", "uses": 1})
    uses = [{"primary_domain": "a.example", "cdn_limit_type": "50 GB"}]
    here = {"CLN_SERVER": cln.url}

    done = web1.machine.run("usage", "--product", "AWP_CDN", said=json.dumps(uses), **here)
    wrong = web1.machine.run("usage", "--product", "AWP_CDN", said="a.example", **here)

    assert (done.returncode, done.stdout) == (0, "AWP_CDN: 1 sites are counted.\n"), done.stderr
    assert cln.asked == [(path, "Bearer cls_1", {"product": "AWP_CDN", "uses": uses})]
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("cln-agent: The input is not JSON: ")


def test_a_check_in_that_is_not_due_asks_nobody(cln: Cln, web1: Web1) -> None:
    cln.answers_check_in()
    web1.runs("check-in")

    assert [web1.runs("check-in", "--if-due") for _ in range(3)] == [0, 0, 0]
    assert len(cln.asked) == 1
    web1.later(4 * 3600)
    assert web1.runs("check-in", "--if-due") == 0
    assert len(cln.asked) == 2


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_trouble_is_waited_out_as_long_as_cln_says(cln: Cln, web1: Web1, status: int) -> None:
    cln.answers_check_in(status, headers={"Retry-After": "600"}, detail="Busy.", fix="Later.")

    assert web1.runs("check-in") == 4
    retry_at = web1.state["retry_at"]
    assert NOW + 600 <= retry_at <= NOW + 600 + 120
    web1.later(599)
    assert web1.runs("check-in", "--if-due") == 0
    assert [path for path, _, _ in cln.asked].count("/api/v2/agent/check-in") == 1
    web1.later(retry_at - NOW)
    assert web1.runs("check-in", "--if-due") == 4
    assert web1.state["failures"] == 2
    assert web1.runs("verify") == 0, "the license stands"


def test_a_redirect_is_not_followed_with_the_secret(cln: Cln, web1: Web1) -> None:
    for status in (301, 302, 307, 308):
        cln.answers_check_in(status, headers={"Location": f"{cln.url}/elsewhere"})
        assert web1.runs("check-in") == 1

    assert {path for path, _, _ in cln.asked} == {"/api/v2/agent/check-in"}


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"\xff", b"", b'{"a":1}'])
def test_an_answer_that_is_not_clns_changes_nothing(cln: Cln, web1: Web1, body: bytes) -> None:
    cln.answers["/api/v2/agent/check-in"] = (200, {}, body)
    before = web1.state

    assert web1.runs("check-in") == 4

    assert web1.state["lease"] == before["lease"]
    assert web1.runs("verify") == 0


@pytest.mark.parametrize("code", ["server_removed", "unknown_server"])
def test_a_server_that_cln_does_not_know_any_more_has_no_license(
    cln: Cln, web1: Web1, code: str
) -> None:
    cln.answers_check_in(410, code=code, detail="Gone.", fix="Register it again.")

    assert web1.runs("check-in") == 1
    assert web1.runs("verify") == 5


def test_a_copy_that_is_refused_keeps_its_lease_until_it_runs_out(cln: Cln, web1: Web1) -> None:
    cln.answers_check_in(409, code="clone_refused", detail="A copy.", fix="Register it.")

    assert web1.runs("check-in") == 1
    assert web1.runs("verify") == 0
    assert web1.state["next_at"] == NOW + 4 * 3600


def test_a_license_that_ended_is_believed_at_once(cln: Cln, web1: Web1) -> None:
    cln.answers_check_in(state="ended", lease=None, lease_tag=None)

    assert web1.runs("check-in") == 1
    assert web1.runs("verify") == 5


def test_a_new_key_is_fetched_when_a_lease_names_it_and_old_ones_are_dropped(
    cln: Cln, web1: Web1
) -> None:
    cln.publishes(SECOND)
    cln.answers_check_in(lease=SECOND.lease(seq=2))

    assert web1.runs("check-in") == 0

    assert web1.state["lease"] == SECOND.lease(seq=2)
    assert list(web1.state["keys"]) == ["k2"]


@pytest.mark.parametrize("lease", [SECOND.lease(seq=2), "nonsense", FIRST.lease(seq=0)])
def test_a_lease_that_is_forged_or_older_does_not_replace_the_one_we_have(
    cln: Cln, web1: Web1, lease: str
) -> None:
    cln.answers_check_in(lease=lease)

    assert web1.runs("check-in") == 0

    assert web1.state["lease"] == FIRST.lease()
    assert web1.state["lease_tag"] == "old"


def test_an_accepted_copy_takes_its_own_identity_and_fetches_its_lease_at_once(
    cln: Cln, web1: Web1
) -> None:
    own = {"server_id": "srv_2", "secret": "cls_2"}
    cln.answers_check_in(new_identity=own)
    second = {"server_id": "srv_2", "lease": FIRST.lease(server="srv_2")}
    cln.afterwards = lambda: cln.answers_check_in(**second)

    assert web1.runs("check-in") == 0

    assert [secret for _, secret, _ in cln.asked] == ["Bearer cls_1", "Bearer cls_2"]
    assert (web1.state["server_id"], web1.state["secret"]) == ("srv_2", "cls_2")
    assert web1.runs("verify") == 0


@pytest.mark.parametrize("at", ["tomorrow", 7, None, "2026-03-10 16:00"])
def test_a_slot_that_is_no_instant_is_trouble_and_not_a_crash(
    cln: Cln, web1: Web1, at: object
) -> None:
    cln.answers_check_in(next_checkin_at=at)

    assert web1.runs("check-in") == 4
    assert web1.runs("verify") == 0


def test_a_notice_of_an_outage_is_fetched_when_a_check_in_fails(cln: Cln, web1: Web1) -> None:
    notice = FIRST.signs(agent.INCIDENT_CONTEXT, starts_at=NOW + 20 * DAY, until=NOW + 60 * DAY)
    cln.answers_check_in(503)
    cln.answers["/api/v2/leases/incident"] = (200, {}, {"incident": notice})
    web1.later(20 * DAY)

    assert web1.runs("check-in") == 4

    # The anchor moved with the failed try: the uptime goes on from there.
    web1.later(50 * DAY)
    assert web1.runs("verify") == 0
    web1.later(60 * DAY)
    assert web1.runs("verify") == 5


def test_registering_again_shows_the_secret_and_a_copy_does_not(cln: Cln, web1: Web1) -> None:
    body = {**json.loads(json.dumps(_registered())), "secret": "cls_1"}
    cln.answers["/api/v2/agent/register"] = (201, {}, body)

    assert web1.runs("register", "--key", "CL-1") == 0
    assert web1.runs("register", "--key", "CL-1", "--copy") == 0
    assert web1.runs("register", "--ip", "--product", "kernelcare") == 0

    calls = [call for call in cln.asked if call[0] == "/api/v2/agent/register"]
    (_, first, told), (_, second, copied), (_, _, by_address) = calls
    assert (first, second) == ("Bearer cls_1", "")
    assert (told["key"], "copy" in told, copied["copy"]) == ("CL-1", False, "1")
    assert (by_address["by_address"], by_address["product"]) == ("1", "kernelcare")
    assert "key" not in by_address


def test_a_server_that_cln_has_forgotten_can_be_unregistered_all_the_same(
    cln: Cln, web1: Web1
) -> None:
    cln.answers["/api/v2/agent/unregister"] = (410, {}, {"code": "server_removed"})

    assert web1.runs("unregister") == 0
    assert web1.state == {}


def test_unregistering_needs_cln_or_the_word_forget(cln: Cln, web1: Web1) -> None:
    cln.answers["/api/v2/agent/unregister"] = (503, {}, {})

    assert web1.runs("unregister", "--tries", "1") == 4
    assert web1.state["secret"] == "cls_1"
    assert web1.runs("unregister", "--forget") == 0
    assert web1.state == {}


def _registered() -> dict[str, object]:
    return {
        "server_id": "srv_1",
        "license_type": "cloudlinux",
        "state": "active",
        "reinstalled": False,
        "lease": FIRST.lease(),
        "lease_tag": "tag",
        "next_checkin_at": "2026-03-10T16:00:00Z",
        "server_time": NOW,
    }
