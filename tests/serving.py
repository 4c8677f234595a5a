"""Real processes of CLN for the tests that look at it from outside."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from tests.log_scan import SCAN

ROOT = Path(__file__).resolve().parents[1]


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Process(subprocess.Popen[str]):
    """A process of CLN; what it has logged at its end is scanned for secrets."""

    def communicate(
        self, input: str | None = None, timeout: float | None = None
    ) -> tuple[str, str]:
        """Wait for the end; what it has printed and logged."""
        out, err = super().communicate(input, timeout)
        SCAN.printed(err)
        return out, err


def start_cln(*arguments: str, data_dir: Path, **env: str) -> Process:
    """Start `cln arguments…` over a data directory; no setting of this process reaches it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CLN_")}
    kept.pop("DJANGO_SETTINGS_MODULE", None)
    return Process(
        [sys.executable, "-m", "cln.management.main", *arguments],
        cwd=ROOT,
        env={**kept, "CLN_DATA_DIR": str(data_dir), **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
