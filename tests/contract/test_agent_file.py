"""`agent/cln-agent` from within: its Ed25519, its judgement of leases, and its idea of the time."""

from __future__ import annotations

import ast
import base64
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.agent import AGENT, AgentMachine, agent_module, oldest_python

SOURCE = AGENT.read_text(encoding="utf-8")
TREE = ast.parse(SOURCE)
DAY = 86_400
BORN = 1_773_144_000  # 2026-03-10T12:00:00Z
agent = agent_module()

# RFC 8032, section 7.1: public key, message, signature.
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701"
        "cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d"
        "0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f7609"
        "84dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


# -- what it is made of --------------------------------------------------------------------------


def test_the_agent_is_python_3_6_and_standard_library_only() -> None:
    ast.parse(SOURCE, feature_version=(3, 6))
    imported = {
        name.partition(".")[0]
        for node in ast.walk(TREE)
        if isinstance(node, ast.Import)
        for name in (alias.name for alias in node.names)
    }

    assert imported <= sys.stdlib_module_names
    assert not [node for node in ast.walk(TREE) if isinstance(node, ast.ImportFrom)]
    too_new = ("capture_output=", "text=True", "fromisoformat", "removeprefix", "dataclass", ":=")
    assert [name for name in too_new if name in SOURCE] == []


def test_the_agents_functions_fit_on_a_screen() -> None:
    lengths = {
        node.name: (node.end_lineno or 0) - node.lineno + 1
        for node in ast.walk(TREE)
        if isinstance(node, ast.FunctionDef)
    }

    assert {name: lines for name, lines in lengths.items() if lines > 45} == {}
    assert len(SOURCE.splitlines()) < 780, "one file is easier to ship than to read"


def test_the_agent_starts_on_the_oldest_python_here() -> None:
    done = subprocess.run(
        [oldest_python(), str(AGENT), "--help"], capture_output=True, text=True, check=True
    )

    assert "5 verify: the license is not good" in done.stdout


# -- signatures ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("public", "message", "signature"), VECTORS)
def test_the_vectors_of_rfc_8032_verify(public: str, message: str, signature: str) -> None:
    assert agent.ed25519_verifies(*map(bytes.fromhex, (public, message, signature)))


@settings(max_examples=25)  # a verification in plain Python takes 10 ms
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200), st.integers(0, 511))
def test_a_signature_verifies_for_its_message_only(seed: bytes, message: bytes, bit: int) -> None:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = private.public_key().public_bytes_raw(), private.sign(message)
    broken = bytearray(signature)
    broken[bit // 8] ^= 1 << bit % 8

    assert agent.ed25519_verifies(public, message, signature)
    assert not agent.ed25519_verifies(public, message + b"x", signature)
    assert not agent.ed25519_verifies(public, message, bytes(broken))


def test_a_signature_whose_number_was_raised_by_the_order_is_refused() -> None:
    """Section 5.1.7: S must lie below L, or one signature has many spellings."""
    public, message, signature = map(bytes.fromhex, VECTORS[1])
    raised = int.from_bytes(signature[32:], "little") + agent.L

    forged = signature[:32] + raised.to_bytes(32, "little")

    assert not agent.ed25519_verifies(public, message, forged)


@pytest.mark.parametrize(
    "public",
    [
        b"",
        b"\x00" * 31,
        (agent.P + 1).to_bytes(32, "little"),  # y is not reduced
        (2).to_bytes(32, "little"),  # no point has this y
        (1 | 1 << 255).to_bytes(32, "little"),  # x is 0 and yet negative
    ],
)
def test_what_is_no_public_key_verifies_nothing(public: bytes) -> None:
    assert not agent.ed25519_verifies(public, b"", bytes(64))


# -- leases --------------------------------------------------------------------------------------


PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEYS = {"k1": PRIVATE.public_key().public_bytes_raw().hex()}


def _signed(context: bytes, facts: dict[str, Any]) -> str:
    body = json.dumps(facts).encode()
    parts = (body, PRIVATE.sign(context + body))
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def _lease(**changes: Any) -> str:
    facts = {
        "alg": "Ed25519",
        "kid": "k1",
        "server_id": "srv_1",
        "fingerprint": "here",
        "license_type": "cloudlinux",
        "iat": BORN,
        "exp": BORN + 14 * DAY,
        "grace_until": BORN + 28 * DAY,
        "seq": 1,
    }
    return _signed(agent.LEASE_CONTEXT, facts | changes)


def _state(lease: str = "", **changes: Any) -> dict[str, Any]:
    state = {"server_id": "srv_1", "state": "active", "keys": KEYS, "lease": lease or _lease()}
    return state | changes


@pytest.mark.parametrize(
    ("days", "good", "sentence"),
    [
        (0, True, "is good until 2026-04-07 12:00 UTC without any contact."),
        (13.9, True, "is good until 2026-04-07 12:00 UTC without any contact."),
        (14, True, "is in grace until 2026-04-07 12:00 UTC: let this server reach CLN."),
        (27.9, True, "is in grace until 2026-04-07 12:00 UTC: let this server reach CLN."),
        (28, False, "ran out on 2026-04-07 12:00 UTC."),
    ],
)
def test_a_lease_is_good_then_in_grace_then_over(days: float, good: bool, sentence: str) -> None:
    judged, said = agent.judge_lease(_state(), "here", BORN + days * DAY)

    assert (judged, said.endswith(sentence)) == (good, True), said


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (_state(_lease(server_id="srv_2")), "The lease belongs to another server."),
        (_state(_lease(fingerprint="elsewhere")), "The lease belongs to another machine"),
        (_state(_lease(alg="none")), "There is no lease that CLN has signed."),
        (_state(_lease(kid="k2")), "There is no lease that CLN has signed."),
        (_state("nonsense"), "There is no lease that CLN has signed."),
        (_state("a.b.c"), "There is no lease that CLN has signed."),
        (_state() | {"lease": None, "keys": None}, "There is no lease that CLN has signed."),
        (_state(state="suspended"), "CLN says: the license is suspended."),
        (_state(state="removed"), "CLN says: this server is not registered any more."),
    ],
)
def test_a_lease_that_is_not_this_servers_is_no_license(state: dict[str, Any], why: str) -> None:
    good, sentence = agent.judge_lease(state, "here", BORN)

    assert (good, sentence.startswith(why)) == (False, True), sentence


def test_a_signature_for_another_purpose_is_no_lease() -> None:
    facts = json.loads(base64.urlsafe_b64decode(_lease().split(".")[0] + "=="))

    assert agent.judge_lease(_state(_signed(b"", facts)), "here", BORN)[0] is False
    assert agent.judge_lease(_state(_signed(b"cln-lease-v2\n", facts)), "here", BORN)[0] is False


@pytest.mark.parametrize(
    ("since", "days", "good"), [(20, 50, True), (20, 60, False), (29, 50, False)]
)
def test_a_notice_stretches_a_lease_that_had_not_run_out_when_the_outage_began(
    since: int, days: int, good: bool
) -> None:
    starts, until = BORN + since * DAY, BORN + 60 * DAY
    notice = {"alg": "Ed25519", "kid": "k1", "starts_at": starts, "until": until}
    state = _state(incident=_signed(agent.INCIDENT_CONTEXT, notice))

    assert agent.judge_lease(state, "here", BORN + days * DAY)[0] is good


def test_a_notice_adds_nothing_to_a_right_that_ends_t4() -> None:
    notice = {"alg": "Ed25519", "kid": "k1", "starts_at": BORN, "until": BORN + 60 * DAY}
    trial = _lease(exp=BORN + 3 * DAY, grace_until=BORN + 3 * DAY)
    state = _state(trial, incident=_signed(agent.INCIDENT_CONTEXT, notice))

    assert agent.judge_lease(state, "here", BORN + 2 * DAY)[0] is True
    assert agent.judge_lease(state, "here", BORN + 3 * DAY)[0] is False


def test_a_lease_is_no_notice() -> None:
    lease = _lease(starts_at=BORN, until=BORN + 99 * DAY)

    assert agent.judge_lease(_state(incident=lease), "here", BORN + 50 * DAY)[0] is False


# -- the time: security.md §5.13 -----------------------------------------------------------------

ANCHOR = {"server": BORN, "wall": BORN, "uptime": 1000, "boot": "b1"}
TEN_YEARS = 3653 * DAY


@pytest.mark.parametrize("off", [0, TEN_YEARS, -TEN_YEARS])
def test_in_the_same_boot_the_clock_may_be_moved_by_ten_years(off: int) -> None:
    wall = BORN + 3 * DAY + off

    assert agent.believed_now(ANCHOR, wall, 1000 + 3 * DAY, "b1") == BORN + 3 * DAY


@pytest.mark.parametrize("off", [TEN_YEARS, -TEN_YEARS])
def test_a_clock_that_was_ten_years_off_and_stays_so_keeps_its_error(off: int) -> None:
    anchor = {**ANCHOR, "wall": BORN + off}

    assert agent.believed_now(anchor, BORN + off + 2 * DAY, 60, "b2") == BORN + 2 * DAY


@pytest.mark.parametrize("off", [TEN_YEARS, -TEN_YEARS])
def test_a_clock_that_is_set_right_at_a_restart_is_believed(off: int) -> None:
    anchor = {**ANCHOR, "wall": BORN + off}

    assert agent.believed_now(anchor, BORN + 2 * DAY, 60, "b2") == BORN + 2 * DAY


@pytest.mark.parametrize("off", [TEN_YEARS, -TEN_YEARS])
def test_a_clock_that_jumps_by_ten_years_at_a_restart_is_not_believed(off: int) -> None:
    assert agent.believed_now(ANCHOR, BORN + off, 3600, "b2") == BORN + 3600


def test_time_goes_on_by_the_uptime_however_often_the_clock_is_put_back() -> None:
    """Nobody lives for ever on one lease: 28 days of running end it."""
    anchor, boots = ANCHOR, 0
    while agent.judge_lease(_state(), "here", anchor["server"])[0]:
        boots += 1
        now = agent.believed_now(anchor, BORN - TEN_YEARS, DAY, f"b{boots + 1}")
        anchor = {"server": now, "wall": BORN - TEN_YEARS, "uptime": DAY, "boot": f"b{boots + 1}"}

    assert boots == 28


@given(
    st.integers(0, 2**32), st.integers(0, 10**8), st.sampled_from(["b1", "b2"]), st.integers(0, 99)
)
def test_the_time_never_goes_back_behind_what_was_known(
    wall: int, uptime: int, boot: str, later: int
) -> None:
    assume(boot != ANCHOR["boot"] or uptime >= ANCHOR["uptime"])  # a boot is never younger again

    now = agent.believed_now(ANCHOR, wall, uptime, boot)

    assert now >= BORN
    assert agent.believed_now(ANCHOR, wall + later, uptime + later, boot) >= now


def test_without_a_contact_the_clock_is_all_there_is() -> None:
    assert agent.believed_now(None, BORN + 0.9, 5, "b1") == BORN


# -- files and manners ---------------------------------------------------------------------------


def test_the_pause_after_failures_doubles_is_jittered_and_obeys_retry_after() -> None:
    for failures, most in ((1, 120), (2, 240), (8, 14_400), (99, 14_400)):
        pauses = [agent.pause_after(failures, 0) for _ in range(200)]
        assert 0 <= min(pauses) < most / 4
        assert most * 3 / 4 < max(pauses) <= most
    assert min(agent.pause_after(1, 600) for _ in range(50)) >= 600


@pytest.mark.parametrize(
    "url", ["http://cln.example.com", "ftp://cln.example.com", "cln.example.com", "https:"]
)
def test_secrets_do_not_travel_in_the_open(url: str, tmp_path: Path) -> None:
    done = AgentMachine.built(tmp_path, "web1").run("register", "--key", "K", "--server", url)

    assert (done.returncode, f"{url} is no address with https://" in done.stderr) == (2, True)


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    machine = AgentMachine.built(tmp_path, "web1")
    machine.write("var/lib/cln/state.json", "{broken")

    done = machine.run("status")

    assert done.returncode == 6
    assert "state.json cannot be read" in done.stderr


def test_a_second_agent_waits_for_nothing_and_says_so(tmp_path: Path) -> None:
    machine = AgentMachine.built(tmp_path, "web1")
    other = agent.Machine(str(tmp_path))
    other.lock()

    done = machine.run("register", "--key", "K", "--server", "https://cln.example.com")

    assert (done.returncode, done.stderr) == (
        7,
        "cln-agent: Another cln-agent is running.\n           Wait for it to end.\n",
    )
    other.release()


def test_the_fingerprint_tells_neither_number() -> None:
    machine = agent.Machine("/nowhere")

    assert machine.fingerprint() == ""
    assert machine.now({}) > BORN


def test_the_fingerprint_is_of_both_numbers(tmp_path: Path) -> None:
    AgentMachine.built(tmp_path, "web1")
    machine = agent.Machine(str(tmp_path))

    text = f"{machine.read('etc/machine-id')}\n{machine.uuid()}"
    assert machine.fingerprint() == hashlib.sha256(text.encode()).hexdigest()
    assert re.fullmatch(r"[0-9a-f]{64}", machine.fingerprint())
    assert (machine.hostname(), machine.os_version()) == ("web1", "8.10")
