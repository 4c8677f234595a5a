"""The checks of the books, planned once for a connection: stories ask them after every step.

On a few rows PostgreSQL plans the thirty checks for five times as long as it runs them. So they
are one prepared statement here; what differs is told by `check_books` itself.
"""

from __future__ import annotations

from weakref import WeakSet

import psycopg
from django.db import connection

from cln.flows.books import deposits, money, prices, rights
from cln.flows.books.check import check_books

_planned: WeakSet[psycopg.Connection] = WeakSet()
_CHECKS = (*money.CHECKS, *prices.CHECKS, *rights.CHECKS, *deposits.CHECKS)
_PLAN = "PREPARE all_books AS " + " UNION ALL ".join(
    f"(SELECT account_id, what FROM ({check}) AS d (account_id, what, expected, found))"
    for check in _CHECKS
)


def books_are_clean() -> None:
    """Nothing in the books differs from what its first events say (P12)."""
    with connection.cursor() as cursor:
        if connection.connection not in _planned:
            cursor.execute(_PLAN)
            _planned.add(connection.connection)
        cursor.execute("EXECUTE all_books")
        found = cursor.fetchall()
    if found:
        assert check_books() == ()
    assert found == []
