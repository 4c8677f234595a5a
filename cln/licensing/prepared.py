"""Statements of the hottest doors: bound by the server, planned once per connection.

Django's cursors put values into the text of each statement, so PostgreSQL plans every one anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from django.db import connection
from psycopg.rows import dict_row, tuple_row


def fetch_all(query: str, values: Mapping[str, object]) -> list[dict[str, Any]]:
    """The rows of one statement by column, in the caller's transaction or as one of its own."""
    return _fetched(query, values, dict_row)


def fetch_tuples(query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
    """The same by position."""
    return _fetched(query, values, tuple_row)


def _fetched(query: str, values: Any, shape: Any) -> list[Any]:
    """Prepared where the process keeps a pool; a lone command would plan it for one use."""
    connection.ensure_connection()
    is_pooled = bool(connection.settings_dict["OPTIONS"].get("pool"))
    if connection.queries_logged:
        connection.queries_log.append({"sql": query, "time": "0"})
    with connection.wrap_database_errors:
        cursor = psycopg.Cursor(connection.connection, row_factory=shape)
        with cursor:
            cursor.execute(query, values, prepare=is_pooled)
            return cursor.fetchall()
