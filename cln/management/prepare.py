"""Bring a database up to date: tables and catalog. A second time does nothing."""

from __future__ import annotations

from django.core.management import call_command
from django.db import connection

from cln.catalog.services import load_catalog

_MIGRATIONS_LOCK = 2_001


def prepare_database() -> None:
    """Apply missing migrations and load the catalog; of several hosts at once, one does it."""
    with connection.cursor() as cursor:
        # Waiting for another host's migrations may take longer than any lock should.
        cursor.execute("SET lock_timeout = 0")
        cursor.execute("SELECT pg_advisory_lock(%s)", [_MIGRATIONS_LOCK])
    call_command("migrate", interactive=False, verbosity=0)
    load_catalog()
    connection.close()
