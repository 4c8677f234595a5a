"""`cln-agent` against `cln serve`, each in processes of their own: a server's whole life."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import settings

from cln.licensing.models import Server
from cln.licensing.services import reveal
from tests.agent import AgentMachine
from tests.customers import database_url
from tests.licensing import an_account, bought
from tests.serving import free_port, start_cln


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="cln agent "))
    yield folder
    shutil.rmtree(folder)


@contextmanager
def cln_served(data_dir: Path, port: int) -> Iterator[str]:
    """`cln serve` over the tests' database while the block runs; yields its address."""
    process = start_cln(
        *("serve", "--port", str(port), "--web", "1", "--workers", "0"),
        data_dir=data_dir,
        CLN_DATABASE_URL=database_url(),
        CLN_SECRET_KEY=settings.SECRET_KEY,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line == f"CLN is up at http://127.0.0.1:{port}\n", process.communicate()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=40)


@pytest.mark.django_db(transaction=True)
def test_a_server_registers_proves_its_license_alone_moves_and_leaves(place: Path) -> None:
    """Done when 3 of issue 4: with CLN stopped in between, and an installer to begin with."""
    port, key = free_port(), reveal(bought(an_account(), "cloudlinux", 2))
    web1, web2 = (AgentMachine.built(place / name, f"{name}.example.com") for name in ("a", "b"))

    with cln_served(place / "var", port) as url:
        done = web1.run("register", "--server", url, CLN_KEY=key)
        assert (done.returncode, done.stderr) == (0, "")
        assert re.match(r"Registered: cloudlinux as srv_\w{20}\.\nThe license", done.stdout)
        seen = web1.run("check-in")
        assert (seen.returncode, seen.stderr) == (0, "")
        web3 = _installed(url, key, place / "c")
    state = web1.root / "var/lib/cln/state.json"
    assert stat.S_IMODE(state.stat().st_mode) == 0o600

    alone = web1.run("verify")
    assert (alone.returncode, "is good until" in alone.stdout) == (0, True)
    away = web1.run("check-in")
    assert away.returncode == 4
    assert f"{url} cannot be reached" in away.stderr
    assert "is good until" in away.stderr
    copy = web1.copied_to(place / "d")
    copy.write("etc/machine-id", "another")
    judged = copy.run("verify")
    assert judged.returncode == 5
    assert (
        judged.stdout == "The lease belongs to another machine; this one was copied or changed.\n"
    )

    with cln_served(place / "var", port):
        code = re.search(r"mv_\w+", web1.run("move").stdout)
        assert code is not None
        moved = web2.run("move", code[0], "--server", url)
        assert (moved.returncode, moved.stderr) == (0, "")
        assert moved.stdout.startswith("Moved here: cloudlinux as srv_")
        gone = web1.run("check-in")
        assert (gone.returncode, "Moved to b.example.com (127.0.0.1)" in gone.stderr) == (1, True)
        assert web1.run("verify").returncode == 5
        again = web2.run("move", code[0], "--server", url)
        assert (again.returncode, "was used" in again.stderr) == (1, True)
        left = web2.run("unregister")
        assert (left.returncode, left.stderr) == (0, "")
    assert web2.run("status").returncode == 3
    assert json.loads((web2.root / "var/lib/cln/state.json").read_text()) == {}
    assert web3.run("verify").returncode == 0
    assert sorted(Server.objects.values_list("hostname", "status")) == [
        ("a.example.com", "superseded"),
        ("b.example.com", "removed"),
        ("web3.example.com", "active"),
    ]


def _installed(url: str, key: str, root: Path) -> AgentMachine:
    """`curl … | sh -s -- -k KEY` on a third machine."""
    machine = AgentMachine.built(root, "web3.example.com")
    script = subprocess.run(
        ["curl", "-fsSL", f"{url}/install/cln-install.sh"], capture_output=True, check=True
    ).stdout
    done = subprocess.run(
        ["sh", "-s", "--", "-k", key],
        input=script,
        env={"CLN_AGENT_ROOT": str(root), "PATH": os.environ["PATH"]},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b""), done.stdout
    agent = root / "usr/local/sbin/cln-agent"
    assert done.stdout.startswith(f"cln-agent is installed: {agent}\nRegistered: ".encode())
    assert os.access(agent, os.X_OK)
    assert (root / "etc/systemd/system/cln-agent.timer").exists()
    return machine
