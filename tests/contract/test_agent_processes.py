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
from tests.agent import ROOT, AgentMachine
from tests.customers import database_url
from tests.licensing import an_account, bought
from tests.serving import free_port, start_cln

EXAMPLE = re.compile(r"^(\w+)# cln-agent (.*)\n((?:(?!\w+# ).*\n)*)", re.MULTILINE)


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
def test_a_server_lives_as_the_guide_tells_it(place: Path) -> None:
    """Done when 3 of issue 4: with CLN stopped in between; the guide's transcript is what is run.

    A copy of the disk in another machine proves nothing; and a third machine is installed as the
    guide's first line says.
    """
    port, key = free_port(), reveal(bought(an_account(), "cloudlinux", 2))
    guide = Transcript(place, f"http://127.0.0.1:{port}", key)

    with cln_served(place / "var", port) as url:
        guide.plays("Register", commands=3)
        web3 = _installed(url, key, place / "web3")
    state = place / "web1/var/lib/cln/state.json"
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    guide.plays("When CLN is out of reach", commands=2)
    copy = guide.machines["web1"].copied_to(place / "copy")
    copy.write("etc/machine-id", "another")
    judged = copy.run("verify")
    assert (judged.returncode, judged.stdout) == (
        5,
        "The lease belongs to another machine; this one was copied or changed.\n",
    )

    with cln_served(place / "var", port) as url:
        guide.plays("Move to another machine", commands=4)
        again = web3.run("move", guide.known["mv_…"], "--server", url)
        assert (again.returncode, "was used" in again.stderr) == (1, True)
        guide.plays("Leave", commands=2)
    assert json.loads((place / "web2/var/lib/cln/state.json").read_text()) == {}
    assert web3.run("verify").returncode == 0
    # The installer let it check in at once: the console's first steps wait for that.
    assert Server.objects.get(hostname="web3.example.com").last_check_in_at is not None
    assert sorted(Server.objects.values_list("hostname", "status")) == [
        ("web1.example.com", "superseded"),
        ("web2.example.com", "removed"),
        ("web3.example.com", "active"),
    ]


class Transcript:
    """The `console` blocks of docs/guide/agent.md: `host# cln-agent …`, what it says, `exit N`."""

    def __init__(self, place: Path, url: str, key: str) -> None:
        self.text = (ROOT / "docs/guide/agent.md").read_text(encoding="utf-8")
        self.known = {"CL-…": key, "https://cln.example.com": url}
        self.machines = {
            name: AgentMachine.built(place / name, f"{name}.example.com")
            for name in ("web1", "web2")
        }

    def plays(self, section: str, *, commands: int) -> None:
        """Run a section's commands on their machines; each says what is printed."""
        start = self.text.index(f"## {section}\n")
        body = re.split(r"^## ", self.text[start + 3 :], flags=re.MULTILINE)[0]
        blocks = re.findall(r"^```console\n(.*?)^```$", body, re.DOTALL | re.MULTILINE)
        examples = re.findall(
            r"^(\w+)# cln-agent (.*)\n((?:(?!\w+# ).*\n)*)", "".join(blocks), re.M
        )
        assert len(examples) == commands
        for host, line, printed in examples:
            self._plays(host, line, printed)

    def _plays(self, host: str, line: str, printed: str) -> None:
        for shown, meant in self.known.items():
            line, printed = line.replace(shown, meant), printed.replace(shown, meant)
        printed, _, code = printed.partition("exit ")
        done = self.machines[host].run(*line.split())
        said = done.stdout + done.stderr

        pattern = r"[^\n]+".join(map(re.escape, printed.split("…")))
        assert re.fullmatch(pattern, said), f"{host}# cln-agent {line}\n{said}"
        assert done.returncode == int(code or 0)
        if found := re.search(r"mv_\w+", said):
            self.known["mv_…"] = found[0]


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
