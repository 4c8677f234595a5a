"""The embedded server as the processes that share it see it.

Each process holds a shared lock on `<data directory>/postgres.users` for as long as it uses the
server; the last one out stops it. A process that dies lets go of its lock, so a server that lost
all its users is joined by the next one, and stopped by it.
"""

from __future__ import annotations

import contextlib
import fcntl
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import quote

import psycopg

from cln.database.cluster import Cluster, EmbeddedServerError

DATABASE_NAME = "cln"


class EmbeddedServer:
    """One PostgreSQL server over `data_dir`, shared with other processes that use the same one.

    `durable=False` trades safety after a power cut for speed and is for tests only.
    """

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        """Name the data directory; nothing is touched before `start`."""
        self._data_dir = data_dir.absolute()
        self._cluster = Cluster(self._data_dir, durable=durable)
        self._users_lock: IO[bytes] | None = None

    def __enter__(self) -> Self:
        """Start, or join the server that already runs."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the server; the last one out stops it."""
        self.stop()

    def start(self) -> str:
        """Make sure the server runs and return the URL of its database.

        Refuses with EmbeddedServerError when the platform, the data directory or the disk does not
        allow it.
        """
        if not sys.platform.startswith("linux"):
            raise EmbeddedServerError(
                "The embedded PostgreSQL runs on Linux only; set CLN_DATABASE_URL to use a server "
                "of your own."
            )
        with _plain_errors(self._data_dir), self._mutex():
            self._cluster.create()
            users_lock = (self._data_dir / "postgres.users").open("ab")
            fcntl.flock(users_lock, fcntl.LOCK_SH)
            self._users_lock = users_lock
            try:
                self._cluster.start()
                _ensure_database(self.url("postgres"))
            except BaseException:
                self._leave(users_lock)
                raise
            return self.url()

    def stop(self) -> None:
        """Leave the server; stop it when no other process uses it. Doing this twice is harmless."""
        if self._users_lock is not None:
            with self._mutex():
                self._leave(self._users_lock)

    def url(self, database: str = DATABASE_NAME) -> str:
        """Return the URL of a database of the running server."""
        socket_dir = self._cluster.socket_dir()
        if socket_dir is None:
            raise EmbeddedServerError(f"No server runs over {self._data_dir}.")
        return f"postgresql://cln@/{quote(database)}?host={quote(str(socket_dir), safe='')}"

    def process_id(self) -> int | None:
        """Return the number of the server's first process if it is alive."""
        return self._cluster.process_id()

    def programs(self) -> Path:
        """Return the directory of the server's programs (`psql`, `pgbench`, `pg_dump`)."""
        return self._cluster.programs()

    def _leave(self, users_lock: IO[bytes]) -> None:
        try:
            fcntl.flock(users_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        else:
            self._cluster.stop()
        finally:
            users_lock.close()
            self._users_lock = None

    @contextlib.contextmanager
    def _mutex(self) -> Iterator[None]:
        """Let one process at a time start or stop the server of this data directory.

        Signals wait until it is done: a Ctrl-C in between would leave a server nobody stops.
        """
        self._data_dir.mkdir(parents=True, exist_ok=True)
        with (self._data_dir / "postgres.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
            try:
                yield
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ensure_database(server_url: str) -> None:
    with psycopg.connect(server_url, autocommit=True) as connection:
        query = "SELECT 1 FROM pg_database WHERE datname = %s"
        if connection.execute(query, [DATABASE_NAME]).fetchone() is None:
            connection.execute(f"CREATE DATABASE {DATABASE_NAME}")


@contextlib.contextmanager
def _plain_errors(data_dir: Path) -> Iterator[None]:
    """Turn what the operating system says into a sentence."""
    try:
        yield
    except PermissionError as error:
        raise EmbeddedServerError(
            f"The data directory {data_dir} is not writable for this user ({error.filename}); "
            "set CLN_DATA_DIR to one that is."
        ) from error
    except OSError as error:
        raise EmbeddedServerError(
            f"The data directory {data_dir} cannot be used: {error.strerror} ({error.filename})."
        ) from error
