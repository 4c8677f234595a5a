"""`cln simulate` as people run it: twice the same, interrupted, killed, beside other databases."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from cln.management.interruption import interrupted_between_steps
from cln.management.throwaway import prefix_beside
from tests.customers import database_url
from tests.stories.test_simulation import EXAMPLE, KERNELCARE

pytestmark = pytest.mark.django_db


@pytest.fixture
def server_url(django_db_blocker: Any) -> str:
    """The tests' own server, as CLN_DATABASE_URL names one."""
    from django.db import connection

    host = quote(str(connection.settings_dict["HOST"]), safe="")
    return f"postgresql://{connection.settings_dict['USER']}@/postgres?host={host}"


def _command(*arguments: object, url: str, tmp_path: Path, **streams: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "cln.management.main", "simulate", *map(str, arguments)],
        env={**os.environ, "CLN_DATABASE_URL": url, "CLN_DATA_DIR": str(tmp_path / "var")},
        text=True,
        # Where the tests run in the background, a child would ignore Ctrl-C from its birth.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        **streams,
    )


def _databases_of_simulations() -> list[str]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT datname FROM pg_database WHERE starts_with(datname, %s)",
            [prefix_beside("postgres")],
        )
        return [row[0] for row in cursor.fetchall()]


def test_the_command_says_the_same_twice_and_leaves_nothing_behind(
    server_url: str, tmp_path: Path
) -> None:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    runs = [
        _command(EXAMPLE, "--json", url=server_url, tmp_path=tmp_path, **pipes) for _ in range(2)
    ]
    (first, complaints), (second, _) = (run.communicate(timeout=120) for run in runs)

    assert ([run.returncode for run in runs], complaints) == ([0, 0], "")
    assert first == second
    told = json.loads(first)
    assert [one["total"] for one in told["accounts"]["acme"]["invoices"]] == ["19.75", "1.69"]
    assert told["accounts"]["acme"]["invoices"][0]["number"] == "CBI-000001"
    assert _databases_of_simulations() == []


def test_a_run_drops_what_a_killed_one_left_and_nothing_beside_another_database(
    tmp_path: Path,
) -> None:
    """A lock is seen from its own database only: another's run may be alive."""
    url = database_url()
    with psycopg.connect(url, autocommit=True) as admin:
        left, other = prefix_beside(admin.info.dbname) + "left", prefix_beside("another") + "runs"
        for name in (left, other):
            admin.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name))
            )
        run = _command(EXAMPLE, url=url, tmp_path=tmp_path, stdout=subprocess.DEVNULL)
        code = run.wait(timeout=120)
        found = admin.execute(
            "SELECT datname FROM pg_database WHERE datname = ANY(%s)", [[left, other]]
        ).fetchall()
        admin.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(other)))

    assert (code, found) == (0, [(other,)])


def test_the_command_refuses_a_malformed_file_before_it_looks_for_a_database(
    tmp_path: Path,
) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text("accounts: {acme: {}}\ntimeline:\n  - {do: buy}\n", encoding="utf-8")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    nowhere = "postgresql:///none?host=/nowhere"

    for file, complaint in (
        (path, "line 1, column 1: the file needs 'until'\n"),
        (tmp_path / "absent.yaml", f"{tmp_path}/absent.yaml cannot be read: "),
    ):
        run = _command(file, url=nowhere, tmp_path=tmp_path, **pipes)
        out, err = run.communicate(timeout=60)
        assert (run.returncode, out) == (2, "")
        assert err.startswith(complaint)


@contextlib.contextmanager
def _terminal() -> Iterator[tuple[int, int]]:
    ours, theirs = pty.openpty()
    try:
        yield ours, theirs
    finally:
        os.close(ours)


def test_the_command_shows_its_progress_and_cleans_up_when_it_is_interrupted(
    server_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "long.yaml"
    path.write_text(
        "accounts: {acme: {payment_method: card}}\ntimeline:\n"
        f"  - {{at: 2026-01-31, account: acme, do: buy, {KERNELCARE}, quantity: 1}}\n"
        "until: 2125-12-31\n",
        encoding="utf-8",
    )
    with _terminal() as (ours, theirs):
        run = _command(
            path, url=server_url, tmp_path=tmp_path, stdout=subprocess.PIPE, stderr=theirs
        )
        os.close(theirs)
        shown = os.read(ours, 1_000).decode()
        run.send_signal(signal.SIGINT)
        out, _ = run.communicate(timeout=60)

    assert shown.startswith("\r[....")
    assert (run.returncode, out) == (130, "")
    assert _databases_of_simulations() == []


def test_a_ctrl_c_waits_for_the_end_of_a_step_and_a_second_one_does_not() -> None:
    """Raised inside a commit or a template it would be lost: both were seen to swallow it."""
    before = signal.getsignal(signal.SIGINT)

    with interrupted_between_steps() as check:
        check()
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            check()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)

    assert signal.getsignal(signal.SIGINT) is before
