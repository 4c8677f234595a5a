"""Our processes in a soak: two workers, one web server; a worker is killed and started again."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.customers import ROOT, database_url
from tests.serving import free_port

PATIENCE_SECONDS = 120
TOLD_LINES = 150


class Crew:
    """Starts them, loses them, stops them; keeps all they say."""

    def __init__(self, settings: dict[str, str]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="cln-soak-")
        self.log = Path(self._folder.name) / "log"
        self._settings = settings
        self.port = free_port()
        self.kills = 0
        self._workers: list[subprocess.Popen[str]] = []
        self._next_victim = itertools.cycle([0, 1])

    def __enter__(self) -> Self:
        self._web = self._start("serve", "--port", str(self.port), "--web", "1", "--workers", "0")
        self._workers = [self._start("worker"), self._start("worker")]
        assert self._web.stdout is not None
        assert "CLN is up" in self._web.stdout.readline(), self.said()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        finally:
            self._folder.cleanup()

    @property
    def url(self) -> str:
        """Where the web server is."""
        return f"http://127.0.0.1:{self.port}"

    def kill_a_worker(self) -> None:
        """`kill -9`, by turns, and start another in its place."""
        index = next(self._next_victim)
        victim = self._workers[index]
        assert victim.poll() is None, f"a worker has ended by itself: {self.said()}"
        victim.kill()
        victim.communicate()
        self.kills += 1
        self._workers[index] = self._start("worker")

    def stop(self) -> None:
        """Ask all to end, and wait for them; one that stays must say what it does, and is ended."""
        processes, self._workers = [self._web, *self._workers], []
        for process in processes:
            process.terminate()
        stayed = [process.args for process in processes if not self._ends(process)]
        last = "\n".join(self.said().splitlines()[-TOLD_LINES:])
        assert not stayed, f"did not end in {PATIENCE_SECONDS} s: {stayed}\n{last}"

    def _ends(self, process: subprocess.Popen[str]) -> bool:
        """Whether it ends in time. If not, SIGABRT has it log what each thread does."""
        try:
            process.communicate(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
            return False
        return True

    def said(self) -> str:
        """What they have complained of."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One command of CLN, to its end."""
        return subprocess.run(
            self._command(*arguments),
            cwd=ROOT,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )

    def _start(self, *arguments: str) -> subprocess.Popen[str]:
        with self.log.open("a", encoding="utf-8") as log:
            return subprocess.Popen(
                self._command(*arguments),
                cwd=ROOT,
                env=self._environment(),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "cln.management.main", *arguments]

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            **self._settings,
            "PYTHONFAULTHANDLER": "1",
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "CLN_DATABASE_URL": database_url(),
        }
