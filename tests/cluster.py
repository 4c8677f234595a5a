"""The tests' PostgreSQL: one cluster per checkout, one database per test process.

The migrations run for real, once, into a template database named by their content; every test
process gets a clone. The cluster stays in `build/` between runs, so a second run starts at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
from django.core.management import call_command
from django.db import connection, connections
from psycopg import sql

from cln.database import EmbeddedServer
from cln.settings import _database

ROOT = Path(__file__).resolve().parent.parent
CLUSTER_DIR = ROOT / "build" / "test-cluster"
_TEMPLATES_LOCK = 4_711


@contextlib.contextmanager
def migrated_database(purpose: str = "") -> Iterator[str]:
    """Yield the URL of a fresh, migrated database; the template is filled if need be.

    A process that needs a second one says for what purpose.
    """
    with EmbeddedServer(CLUSTER_DIR, durable=False) as server:
        name = f"cln_test_{os.getpid()}{purpose and '_'}{purpose}"
        with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
            admin.execute("SELECT pg_advisory_lock(%s)", [_TEMPLATES_LOCK])
            template = f"cln_template_{_fingerprint()}"
            _drop_stale(admin, template)
            if template not in _databases(admin):
                _build_template(admin, template, server)
            _create(admin, name, template)
            admin.execute("SELECT pg_advisory_unlock(%s)", [_TEMPLATES_LOCK])
        try:
            yield server.url(name)
        finally:
            with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
                _drop(admin, name)


def use_database(url: str) -> None:
    """Let the connections of this process, those of its threads as well, go to a database."""
    connections.close_all()
    connection.settings_dict.update(_database(url))


def _build_template(admin: psycopg.Connection, template: str, server: EmbeddedServer) -> None:
    unfinished = "cln_template_unfinished"
    _drop(admin, unfinished)
    _create(admin, unfinished, "template0")
    _migrate(server.url(unfinished))
    rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
    admin.execute(rename.format(sql.Identifier(unfinished), sql.Identifier(template)))


def _migrate(url: str) -> None:
    use_database(url)
    call_command("migrate", verbosity=0)
    connections.close_all()


def _fingerprint() -> str:
    """Return a digest of everything that shapes an empty, migrated database."""
    paths = [*ROOT.glob("cln/**/migrations/*.py"), ROOT / "requirements" / "dev.txt"]
    paths += [ROOT / "cln" / "settings.py"]
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _databases(admin: psycopg.Connection) -> set[str]:
    return {row[0] for row in admin.execute("SELECT datname FROM pg_database")}


def _drop_stale(admin: psycopg.Connection, template: str) -> None:
    for name in _databases(admin):
        old = name.startswith("cln_template_") and name != template
        left = name.startswith("cln_test_") and not Path(f"/proc/{name.split('_')[2]}").exists()
        if old or left:
            _drop(admin, name)


def _create(admin: psycopg.Connection, name: str, template: str) -> None:
    query = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    admin.execute(query.format(sql.Identifier(name), sql.Identifier(template)))


def _drop(admin: psycopg.Connection, name: str) -> None:
    query = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
    admin.execute(query.format(sql.Identifier(name)))
