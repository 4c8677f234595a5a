"""Statements of the hottest doors: bound by the server, planned once per connection.

Django's cursors put values into the text of each statement, so PostgreSQL plans every one anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import psycopg
from django.db import connection
from django.db.models import Model
from psycopg.rows import dict_row, tuple_row

M = TypeVar("M", bound=Model)


def fetch_all(query: str, values: Mapping[str, object] | Sequence[object]) -> list[dict[str, Any]]:
    """The rows of one statement by column, in the caller's transaction or as one of its own."""
    return _fetched(query, values, dict_row)


def fetch_tuples(query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
    """The same by position."""
    return _fetched(query, values, tuple_row)


def columns(model: type[Model], alias: str) -> str:
    """What a SELECT must name to give an instance of the model, in the order of its fields."""
    return ", ".join(f'{alias}."{field.column}"' for field in model._meta.concrete_fields)


def instance(model: type[M], row: Sequence[Any], *, start: int = 0) -> M:
    """The model instance whose `columns` begin at a place of a row; without a query set, which
    takes longer to write its statement than PostgreSQL to answer it.
    """
    names = [field.attname for field in model._meta.concrete_fields]
    return model.from_db(connection.alias, names, row[start : start + len(names)])


def width(model: type[Model]) -> int:
    """How many `columns` a model has."""
    return len(model._meta.concrete_fields)


def insert(row: Model) -> None:
    """Write a new row of a table with an `id` of its own, and set it on the instance."""
    fields = [field for field in row._meta.concrete_fields if not field.primary_key]
    names = ", ".join(f'"{field.column}"' for field in fields)
    query = (
        f'INSERT INTO "{row._meta.db_table}" ({names}) VALUES ({_marks(len(fields))}) RETURNING id'
    )
    [(row.pk,)] = fetch_tuples(query, [getattr(row, field.attname) for field in fields])
    row._state.adding, row._state.db = False, connection.alias


def _marks(count: int) -> str:
    return ", ".join(["%s"] * count)


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
