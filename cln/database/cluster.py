"""One cluster of PostgreSQL: its files, the user it runs as, its start and its stop.

PostgreSQL refuses to run as root. Started by root, it runs as the cluster's owner (`nobody` for a
new cluster). That user need not be able to walk to the data directory: the server is started *in*
it and told that its data is in `/proc/self/cwd`, so no parent's permissions are touched. Root
itself writes nothing into a directory that the other user owns.

The server listens on one Unix socket in a private directory of the system's temporary directory:
a socket's path may have at most 107 bytes, and a data directory may lie deeper than that.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shlex
import shutil
import stat
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from cln.database.programs import postgres_programs

MAJOR_VERSION = "18"
START_TIMEOUT_SECONDS = 60
# Backends of a killed server let go of its shared memory within moments; a start waits for them.
LINGERING_BACKENDS_SECONDS = 20

# Written into a new cluster's postgresql.conf, where an operator may change them.
_SETTINGS = {
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}
_FOR_TESTS_ONLY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedServerError(Exception):
    """The embedded server cannot do what was asked; the message is a sentence for a person."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The operating-system user the server runs as when root starts it."""

    uid: int
    gid: int


class Cluster:
    """The files in `<data directory>/postgres` and the server over them.

    Callers make sure that one process at a time creates, starts or stops; see `server`.
    """

    def __init__(self, data_dir: Path, *, durable: bool) -> None:
        """Name the data directory; `durable=False` is for tests only."""
        self._data_dir = data_dir
        self._files = data_dir / "postgres"
        self._durable = durable

    def programs(self) -> Path:
        """Return the directory of the programs that fit this cluster."""
        return postgres_programs(self._identity())

    def create(self) -> None:
        """Make the files where there are none; refuses files of another major version."""
        if not self._files.exists():
            self._initdb()
        found = (self._files / "PG_VERSION").read_text(encoding="ascii").strip()
        if found != MAJOR_VERSION:
            raise EmbeddedServerError(
                f"The cluster in {self._files} was made by PostgreSQL {found}, and this is "
                f"PostgreSQL {MAJOR_VERSION}; dump it with the old version and load it again."
            )

    def start(self) -> None:
        """Start the server unless it runs, after a crash too; returns when it answers."""
        if self.socket_dir() is not None:
            return
        socket_dir = self._remove_leftovers() or _new_socket_dir(self._identity())
        # The socket directory stands on the command line so that a later process can tell this
        # server from another program that was given the same process number.
        options = {"listen_addresses": "", "unix_socket_permissions": "0700"}
        options |= {} if self._durable else _FOR_TESTS_ONLY
        words = ["-k", str(socket_dir), *(f"--{name}={value}" for name, value in options.items())]
        arguments = ["start", "-w", "-t", str(START_TIMEOUT_SECONDS), "-l", "server.log"]
        arguments += ["-o", shlex.join(words)]
        give_up_at = time.monotonic() + LINGERING_BACKENDS_SECONDS
        while True:
            log_length = len(self._log())
            done = self._run("pg_ctl", arguments, directory=self._files)
            if done.returncode == 0:
                return
            said = self._log()[log_length:] or done.stdout
            if "is still in use" not in said or time.monotonic() > give_up_at:
                _remove_socket_dir(socket_dir)
                raise self._failure("PostgreSQL did not start", said)
            time.sleep(0.2)

    def stop(self) -> None:
        """Stop the server if it runs: sessions end, what they committed stays."""
        socket_dir = self.socket_dir()
        if socket_dir is None:
            return
        arguments = ["stop", "-w", "-m", "fast", "-t", str(START_TIMEOUT_SECONDS)]
        done = self._run("pg_ctl", arguments, directory=self._files)
        # One that was killed in this moment is gone all the same, without pg_ctl's blessing.
        if done.returncode != 0 and self.socket_dir() is not None:
            raise self._failure("PostgreSQL did not stop", done.stdout)
        _remove_socket_dir(socket_dir)

    def socket_dir(self) -> Path | None:
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

    def process_id(self) -> int | None:
        """Return the number of the server's first process if it is alive."""
        recorded = self._recorded()
        return recorded[0] if recorded is not None and self.socket_dir() is not None else None

    def _initdb(self) -> None:
        """Build the cluster under another name first, so that half a cluster is never used."""
        unfinished = self._data_dir / "postgres.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        identity = self._identity()
        if identity is not None:
            os.chown(unfinished, identity.uid, identity.gid)
        arguments = ["--username=cln", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin"]
        arguments += ["--builtin-locale=C.UTF-8", "--auth-local=trust", "--auth-host=reject"]
        arguments += [f"--set={name}={value}" for name, value in _SETTINGS.items()]
        arguments += [] if self._durable else ["--no-sync"]
        done = self._run("initdb", arguments, directory=unfinished)
        if done.returncode != 0:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise self._failure("PostgreSQL could not set up its files", done.stdout)
        unfinished.rename(self._files)

    def _identity(self) -> Identity | None:
        if os.geteuid() != 0:
            return None
        if self._files.exists() and (owner := self._files.stat()).st_uid != 0:
            return Identity(owner.st_uid, owner.st_gid)
        nobody = pwd.getpwnam("nobody")
        return Identity(nobody.pw_uid, nobody.pw_gid)

    def _recorded(self) -> tuple[int, Path] | None:
        """Return process number and socket directory from the server's own lock file."""
        try:
            lines = (self._files / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            return int(lines[0]), Path(lines[4])
        except (FileNotFoundError, IndexError, ValueError):
            return None

    def _remove_leftovers(self) -> Path | None:
        """Clear what a killed server left: PostgreSQL would trust a process number in use again.

        Returns the directory of its socket if it is still ours alone: there the server comes back,
        and processes that have lost it find it again.
        """
        recorded = self._recorded()
        (self._files / "postmaster.pid").unlink(missing_ok=True)
        if recorded is None:
            return None
        _remove_socket(recorded[1])
        if _is_private(recorded[1], self._identity()):
            return recorded[1]
        _remove_socket_dir(recorded[1])
        return None

    def _run(
        self, program: str, arguments: list[str], *, directory: Path
    ) -> subprocess.CompletedProcess[str]:
        identity = self._identity()
        data = "/proc/self/cwd" if identity is not None else str(directory)
        return subprocess.run(
            [str(postgres_programs(identity) / program), "-D", data, *arguments],
            cwd=directory,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            user=identity.uid if identity is not None else None,
            group=identity.gid if identity is not None else None,
            extra_groups=[] if identity is not None else None,
        )

    def _log(self) -> str:
        try:
            # Not through a link: root reads here what another user wrote.
            descriptor = os.open(self._files / "server.log", os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:
            return ""
        with os.fdopen(descriptor, encoding="utf-8", errors="replace") as log:
            return log.read()

    def _failure(self, what: str, output: str) -> EmbeddedServerError:
        if "No space left on device" in output:
            return EmbeddedServerError(f"{what}: the disk that holds {self._data_dir} is full.")
        last_lines = " ".join(line.strip() for line in output.strip().splitlines()[-3:])
        return EmbeddedServerError(f"{what} over {self._data_dir}: {last_lines}")


def _new_socket_dir(identity: Identity | None) -> Path:
    parent = tempfile.gettempdir()
    directory = Path(tempfile.mkdtemp(prefix="cln-", dir=parent if len(parent) <= 60 else "/tmp"))
    if identity is not None:
        os.chown(directory, identity.uid, identity.gid)
    return directory


def _remove_socket_dir(directory: Path) -> None:
    """Remove a server's socket and its directory, and nothing else that may lie there."""
    _remove_socket(directory)
    with contextlib.suppress(OSError):
        directory.rmdir()


def _remove_socket(directory: Path) -> None:
    for name in (".s.PGSQL.5432", ".s.PGSQL.5432.lock"):
        with contextlib.suppress(OSError):
            (directory / name).unlink()


def _is_private(directory: Path, identity: Identity | None) -> bool:
    """Whether nobody but the server's user can put anything there, not even a link to elsewhere."""
    try:
        found = directory.lstat()
    except OSError:
        return False
    owner = os.geteuid() if identity is None else identity.uid
    return stat.S_ISDIR(found.st_mode) and found.st_uid == owner and not found.st_mode & 0o077
