"""Real processes of CLN for the tests that look at it from outside."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start_cln(*arguments: str, data_dir: Path, **env: str) -> subprocess.Popen[str]:
    """Start `cln arguments…` over a data directory; no setting of this process reaches it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CLN_")}
    kept.pop("DJANGO_SETTINGS_MODULE", None)
    return subprocess.Popen(
        [sys.executable, "-m", "cln.management.main", *arguments],
        cwd=ROOT,
        env={**kept, "CLN_DATA_DIR": str(data_dir), **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
