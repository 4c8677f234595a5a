"""A database that lives as long as a command: created on the configured server, then dropped.

A run holds an advisory lock named after its database, on a connection that dies with it; so what
a killed run left behind is recognised, and dropped, by the next one. Such a lock is seen from the
same database only, so the name says beside which one it was made, and others are left alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import signal
from collections.abc import Iterator

import psycopg
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, connections
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

_PREFIX = "cln_simulate_"


@contextlib.contextmanager
def throwaway_database(url: str, *, durable: bool = False) -> Iterator[None]:
    """Point Django at a fresh, migrated database beside the one of `url`; drop it at the end.

    Nothing in it must survive a power cut, so its commits do not wait for the disk; `durable` ones
    do, for a benchmark. Raises CommandError when the server cannot be reached or its user may not
    create databases.
    """
    with _server(url) as admin, _created(admin, durable=durable) as name:
        before = dict(connection.settings_dict)
        _use(_address(url) | {"NAME": name})
        try:
            call_command("migrate", verbosity=0)
            yield
        finally:
            _use(before)


@contextlib.contextmanager
def _server(url: str) -> Iterator[psycopg.Connection]:
    try:
        admin = psycopg.connect(url, autocommit=True)
    except psycopg.OperationalError as error:
        raise CommandError(f"The database does not answer: {error}".strip()) from error
    with contextlib.closing(admin):
        yield admin


@contextlib.contextmanager
def _created(admin: psycopg.Connection, *, durable: bool) -> Iterator[str]:
    prefix = prefix_beside(admin.info.dbname)
    _drop_left_behind(admin, prefix)
    name = prefix + secrets.token_hex(6)
    try:
        with _uninterrupted():
            _lock(admin, name)
            admin.execute(_query("CREATE DATABASE {} TEMPLATE template0", name))
            if not durable:
                admin.execute(_query("ALTER DATABASE {} SET synchronous_commit = off", name))
        yield name
    except psycopg.errors.InsufficientPrivilege as error:
        raise CommandError(
            "This needs a database of its own, and this database user may not create one; "
            "an administrator can allow it: ALTER ROLE … CREATEDB."
        ) from error
    finally:
        with _uninterrupted():
            admin.execute(_query("DROP DATABASE IF EXISTS {} WITH (FORCE)", name))


def prefix_beside(database: str) -> str:
    """How the throwaway databases beside a database are called."""
    return f"{_PREFIX}{hashlib.sha256(database.encode()).hexdigest()[:8]}_"


def _drop_left_behind(admin: psycopg.Connection, prefix: str) -> None:
    found = admin.execute(
        "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [prefix]
    ).fetchall()
    for (name,) in found:
        if _lock(admin, name):
            with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
                admin.execute(_query("DROP DATABASE IF EXISTS {} WITH (FORCE)", name))


def _lock(admin: psycopg.Connection, name: str) -> bool:
    """Take the lock of a database; False while the run that made it lives."""
    row = admin.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [name]).fetchone()
    return row is not None and row[0] is True


def _query(text: str, name: str) -> sql.Composed:
    return sql.SQL(text).format(sql.Identifier(name))


def _address(url: str) -> dict[str, object]:
    """Where the server is, in the words of Django's settings; they may have named none."""
    parts = conninfo_to_dict(url)
    names = {"USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    options = {**connection.settings_dict["OPTIONS"], "pool": False}
    return {word: str(parts.get(name) or "") for word, name in names.items()} | {"OPTIONS": options}


def _use(settings: dict[str, object]) -> None:
    connections.close_all()
    connection.settings_dict.update(settings)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let a Ctrl-C wait until it is known whether there is a database to drop."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
