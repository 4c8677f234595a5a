"""`agent/cln-agent` as its tests use it: as a module, and as a program on machines of ours."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import uuid
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
AGENT = ROOT / "agent/cln-agent"
OLDEST = ("python3.6", "python3.7", "python3.8", "python3.9", "python3.10")


@lru_cache
def agent_module() -> Any:
    """The agent's file as a module."""
    loader = SourceFileLoader("cln_agent", str(AGENT))
    spec = importlib.util.spec_from_loader("cln_agent", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module


@lru_cache
def oldest_python() -> str:
    """The oldest Python 3 from 3.6 on that runs here; a name on the path may be an empty shell."""
    named = filter(None, [os.environ.get("CLN_AGENT_PYTHON"), *map(shutil.which, OLDEST)])
    for python in named:
        if subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0:
            return python
    return sys.executable


@dataclass(frozen=True)
class AgentMachine:
    """A machine below a directory: its own names, hardware and boot."""

    root: Path

    @classmethod
    def built(cls, root: Path, hostname: str, *, uptime: float = 1000.0) -> AgentMachine:
        """A machine that has just been set up."""
        machine = cls(root)
        machine.write("etc/hostname", hostname)
        machine.write("etc/machine-id", uuid.uuid4().hex)
        machine.write("etc/os-release", 'NAME="CloudLinux"\nVERSION_ID="8.10"\n')
        machine.write("sys/class/dmi/id/product_uuid", str(uuid.uuid4()).upper())
        machine.write("proc/uptime", f"{uptime} 10.0")
        machine.restart()
        return machine

    def write(self, name: str, text: str) -> None:
        """Put a file where the agent looks for it."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")

    def restart(self) -> None:
        """Give it another boot id."""
        self.write("proc/sys/kernel/random/boot_id", str(uuid.uuid4()))

    def copied_to(self, root: Path) -> AgentMachine:
        """A copy of its disk, in another machine of the same kind that boots by itself."""
        shutil.copytree(self.root, root)
        copy = AgentMachine(root)
        copy.restart()
        return copy

    def run(
        self, *arguments: str, python: str = "", said: str = "", **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `cln-agent arguments…` here, in a process of its own; `said` is its input."""
        return subprocess.run(
            [python or oldest_python(), str(AGENT), *arguments],
            env={"CLN_AGENT_ROOT": str(self.root), "PATH": os.environ["PATH"], **env},
            input=said,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
