"""Child processes of `cln serve`: started together, watched, stopped together, never orphaned."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

READY_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 15
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


class ChildFailed(Exception):
    """A child process ended by itself or never answered; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class _Child:
    name: str
    process: subprocess.Popen[bytes]


class Children:
    """A set of processes; leaving the context stops every one of them and their descendants."""

    def __init__(self) -> None:
        """Begin with none."""
        self._children: list[_Child] = []
        self._stop = threading.Event()

    def __enter__(self) -> Self:
        """From here on SIGTERM and Ctrl-C ask the set to stop instead of ending this process."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop.set())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ask every child to stop, the latest first; kill what does not."""
        for child in reversed(self._children):
            with contextlib.suppress(ProcessLookupError):
                child.process.terminate()
        give_up_at = time.monotonic() + STOP_TIMEOUT_SECONDS
        for child in self._children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.1, give_up_at - time.monotonic()))
            # Each child leads a session of its own; this reaches what it started, too.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.process.pid, signal.SIGKILL)
            child.process.wait()

    def start(
        self, name: str, module: str, arguments: Sequence[str], *, env: Mapping[str, str]
    ) -> None:
        """Start `python -m module arguments…`; `name` is for messages."""
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, *arguments],
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            # A Ctrl-C in the terminal is for us alone: we stop them in order.
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
        self._children.append(_Child(name, process))

    def wait_until_ready(self, url: str) -> bool:
        """Return True once `url` answers 200, False when asked to stop before that.

        Raises ChildFailed when a child ends or a minute passes.
        """
        give_up_at = time.monotonic() + READY_TIMEOUT_SECONDS
        answer = ""
        while not self._stop.wait(0.05):
            self._check()
            try:
                with urllib.request.urlopen(url, timeout=5):
                    return True
            except urllib.error.HTTPError as error:
                answer = error.read().decode("utf-8", "replace")
            except OSError as error:
                answer = str(error)
            if time.monotonic() > give_up_at:
                raise ChildFailed(
                    f"The web server was not ready after {READY_TIMEOUT_SECONDS} seconds: {answer}"
                )
        return False

    def wait(self) -> None:
        """Return when asked to stop; raises ChildFailed when a child ends by itself."""
        while not self._stop.wait(0.5):
            self._check()

    def _check(self) -> None:
        for child in self._children:
            if (code := child.process.poll()) is not None:
                raise ChildFailed(f"The {child.name} stopped by itself (exit code {code}).")


def _die_with_parent() -> None:
    """Ask the kernel for a SIGTERM when the parent is gone, however it went (Linux)."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
