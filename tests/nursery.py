"""Processes of ours that a test may kill: forked from one that has imported everything already.

A fork costs milliseconds where a start of Python and Django costs a second. Each child opens its
own connections, as any process of the installation.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from tests.customers import ROOT, database_url

PATIENCE_SECONDS = 60
_BEGIN = "import django; django.setup(); from tests.nursery import forks; forks()"


@dataclass
class Nursery:
    """The process that forks; safe to ask from several threads."""

    process: subprocess.Popen[bytes]
    log: BinaryIO
    asking: threading.Lock = field(default_factory=threading.Lock)

    def starts(
        self, verb: Callable[..., object], settings: dict[str, str], **arguments: object
    ) -> int:
        """Fork a child that does one verb under these settings; returns its process id."""
        return self._ask("start", verb, arguments, settings)

    def end_of(self, pid: int) -> int:
        """Wait for the end of a child; 0 = done, 1 = it raised, -N = killed by signal N."""
        return self._ask("wait", pid)

    def kills(self, pid: int) -> int:
        """`kill -9`; returns when the child is gone."""
        os.kill(pid, signal.SIGKILL)
        return self.end_of(pid)

    def said(self) -> str:
        """What all children have printed; for the message of a failed assertion."""
        self.log.seek(0)
        return self.log.read().decode("utf-8", "replace")[-4_000:]

    def _ask(self, *question: object) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with self.asking:
            _send(self.process.stdin, question)
            answer = _receive(self.process.stdout)
        assert isinstance(answer, int), self.said()
        return answer


@contextlib.contextmanager
def nursery() -> Iterator[Nursery]:
    """Open the nursery on the test's database; leaving it ends every child."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-c", _BEGIN],
            cwd=ROOT,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "tests.settings",
                "CLN_DATABASE_URL": database_url(),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
        try:
            yield Nursery(process, log)
        finally:
            process.communicate(timeout=PATIENCE_SECONDS)


def work() -> None:
    """`cln worker`, until no job waits."""
    from django.core.management import call_command

    call_command("worker", until_idle=True, concurrency=1)


def posts(path: str, body: dict[str, Any]) -> None:
    """A web process answers one request."""
    from django.test import Client

    Client().post(path, **body)


def _send(pipe: Any, thing: object) -> None:
    data = pickle.dumps(thing)
    pipe.write(len(data).to_bytes(8, "big") + data)
    pipe.flush()


def _receive(pipe: Any) -> Any:
    size = pipe.read(8)
    return pickle.loads(pipe.read(int.from_bytes(size, "big"))) if size else None


def forks() -> None:
    """The life of the process that forks: import everything, then answer questions."""
    import cln.flows.tasks
    import cln.flows.webhooks
    import cln.payments.gateways.paypal
    import cln.payments.gateways.stripe
    import cln.urls  # noqa: F401

    alive: set[int] = set()
    while question := _receive(sys.stdin.buffer):
        if question[0] == "start":
            pid = os.fork()
            if pid == 0:
                _live(*question[1:])
            alive.add(pid)
            _send(sys.stdout.buffer, pid)
        else:
            _, status = os.waitpid(question[1], 0)
            alive.discard(question[1])
            _send(sys.stdout.buffer, os.waitstatus_to_exitcode(status))
    for pid in alive:
        os.kill(pid, signal.SIGKILL)


def _live(
    verb: Callable[..., object], arguments: dict[str, object], settings: dict[str, str]
) -> None:
    """A child's whole life; it never returns to the loop of its parent."""
    code = 1
    try:
        from django.conf import settings as ours

        os.dup2(2, 1)
        for name, value in settings.items():
            setattr(ours, name, value)
        verb(**arguments)
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)
