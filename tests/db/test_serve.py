"""`cln serve` as an operator runs it: a process with children, a port and a data directory."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from cln.database import EmbeddedServer
from tests.serving import free_port, start_cln


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Give a data directory whose name has a space in it."""
    folder = Path(tempfile.mkdtemp(prefix="cln serve "))
    yield folder / "var"
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def served_twice() -> Iterator[Path]:
    """Give one data directory to both runs of the whole service: the second finds it filled."""
    folder = Path(tempfile.mkdtemp(prefix="cln serve twice "))
    yield folder / "var"
    shutil.rmtree(folder)


def _refusal(*arguments: str, data_dir: Path, **env: str) -> tuple[int, str]:
    process = start_cln(*arguments, data_dir=data_dir, **env)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


def _processes_of(data_dir: Path) -> list[str]:
    """Return the command lines of living processes that were given this data directory."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if os.fsencode(data_dir) in environ.read_bytes():
                found.append((environ.parent / "cmdline").read_text().replace("\0", " "))
        except (OSError, ProcessLookupError):
            continue
    return found


def _postmaster(data_dir: Path) -> int:
    return int((data_dir / "postgres/postmaster.pid").read_text().splitlines()[0])


@pytest.mark.long
@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_serve_answers_says_so_and_leaves_nothing_behind(
    served_twice: Path, stop: signal.Signals
) -> None:
    data_dir = served_twice
    port = free_port()
    serve = start_cln("serve", "--port", str(port), "--web", "1", data_dir=data_dir)
    assert serve.stdout is not None
    try:
        first_line = serve.stdout.readline()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
            ready = json.load(answer)
        running = _processes_of(data_dir)
        postmaster = _postmaster(data_dir)
    finally:
        serve.send_signal(stop)
        rest, errors = serve.communicate(timeout=40)

    assert first_line == f"CLN is up at http://127.0.0.1:{port}\n"
    assert (ready, rest, errors) == ({"status": "ready"}, "", "")
    assert sum(" worker" in line for line in running) == 1
    assert serve.returncode == 0
    assert _processes_of(data_dir) == []
    assert not Path(f"/proc/{postmaster}").exists() or _is_zombie(postmaster)


def _is_zombie(pid: int) -> bool:
    return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()


def test_a_port_in_use_is_refused_and_its_owner_keeps_it(data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as owner:
        port = owner.getsockname()[1]

        code, errors = _refusal("serve", "--port", str(port), data_dir=data_dir)

        assert code == 1
        assert f"Port {port} of 127.0.0.1 cannot be used" in errors
        assert "Traceback" not in errors
        socket.create_connection(("127.0.0.1", port)).close()


def test_a_database_that_is_down_is_refused(data_dir: Path) -> None:
    url = f"postgresql://cln@127.0.0.1:{free_port()}/cln"

    code, errors = _refusal("serve", "--port", "0", data_dir=data_dir, CLN_DATABASE_URL=url)

    assert code == 1
    assert "The database does not answer" in errors
    assert "Traceback" not in errors


STRONG = "Zq7-" + "xW9_k2Lm" * 8
PRODUCTION = {
    "CLN_MODE": "production",
    "CLN_SECRET_KEY": STRONG,
    "CLN_BASE_URL": "https://cln.example",
    "CLN_DATABASE_URL": "postgresql://cln@127.0.0.1:1/cln",
}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"CLN_SECRET_KEY": ""}, "CLN_SECRET_KEY is weak"),
        ({"CLN_SECRET_KEY": "a" * 60}, "CLN_SECRET_KEY is weak"),
        ({"CLN_DEBUG": "1"}, "production refuses it"),
        ({"CLN_GATEWAY": "sandbox"}, "the sandbox gateway, which moves no money"),
        ({"CLN_BASE_URL": "http://cln.example"}, "begins with https://"),
        ({"CLN_STRIPE_API_BASE": "http://127.0.0.1:1"}, "keys would travel in the open"),
        ({"CLN_PAYPAL_API_BASE": "http://127.0.0.1:1"}, "keys would travel in the open"),
        ({"CLN_MODE": "prod"}, "write sandbox or production"),
        ({"CLN_SMTP_PORT": "smtp"}, "write a whole number"),
        ({"CLN_DEBUG": "maybe"}, "write 1 or 0"),
    ],
)
def test_production_refuses_to_start(data_dir: Path, change: dict[str, str], sentence: str) -> None:
    code, errors = _refusal("check", data_dir=data_dir, **{**PRODUCTION, **change})

    assert (code, "Traceback" in errors) == (1, False)
    assert sentence in errors


@pytest.mark.parametrize(
    "change",
    [
        {"CLN_STRIPE_SECRET_KEY": "sk_live_x"},
        {"CLN_PAYPAL_API_BASE": "https://api-m.paypal.com"},
    ],
)
def test_a_sandbox_refuses_to_take_real_money(data_dir: Path, change: dict[str, str]) -> None:
    code, errors = _refusal("check", data_dir=data_dir, **change)

    assert (code, "Traceback" in errors) == (1, False)
    assert "must not take real money" in errors


def test_production_accepts_settings_that_are_in_order(data_dir: Path) -> None:
    code, errors = _refusal("diffsettings", data_dir=data_dir, **PRODUCTION)

    assert (code, errors) == (0, "")
    assert not data_dir.exists()


def test_a_sandbox_makes_its_secret_once_and_for_its_owner_only(data_dir: Path) -> None:
    _refusal("diffsettings", data_dir=data_dir)
    first = (data_dir / "secret_key").read_text()
    _refusal("diffsettings", data_dir=data_dir)

    assert (data_dir / "secret_key").read_text() == first
    assert (data_dir / "secret_key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in data_dir.iterdir()] == ["secret_key"]


def test_a_command_gives_a_fresh_embedded_database_its_tables(data_dir: Path) -> None:
    shown = start_cln("clock", "show", data_dir=data_dir)
    output, errors = shown.communicate(timeout=60)

    assert (shown.returncode, errors) == (0, "")
    assert output.endswith(" UTC\n")


def test_tables_missing_in_a_server_of_your_own_are_named(data_dir: Path) -> None:
    with EmbeddedServer(data_dir, durable=False) as server:
        code, errors = _refusal("clock", "show", data_dir=data_dir, CLN_DATABASE_URL=server.url())

    assert (code, errors) == (1, "The database's tables are not up to date; run: cln migrate\n")
