"""Running the checks over one moment of the database, and telling the operator."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import connection, transaction

from cln.accounts.models import Account
from cln.flows.books import deposits, money, prices, rights
from cln.notifications.services import queue_mail

MOST_TOLD = 50


@dataclass(frozen=True, slots=True)
class Difference:
    """Something the books say that its first events do not; amounts are cents.

    `account` is a public id, empty where the difference belongs to none.
    """

    account: str
    what: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.account or '-'}: {self.what}: expected {self.expected}, found {self.found}"


def check_books(*, account_id: int | None = None) -> tuple[Difference, ...]:
    """Derive every figure again, of all accounts or of one, and return what differs (P12).

    Reads one snapshot, so the work of other processes is seen whole or not at all, and nothing
    is locked. Numbering is checked with all accounts only.
    """
    rows: list[tuple[int | None, str, str, str]] = []
    with _one_snapshot(), connection.cursor() as cursor:
        for query in (*money.CHECKS, *prices.CHECKS, *rights.CHECKS, *deposits.CHECKS):
            cursor.execute(_narrowed(query), {"account_id": account_id})
            rows += cursor.fetchall()
        names = Account.objects.in_bulk({row[0] for row in rows if row[0] is not None})
    return tuple(
        Difference(names[pk].public_id if pk is not None else "", what, expected, found)
        for pk, what, expected, found in rows
    )


def nightly(*, now: datetime) -> tuple[Difference, ...]:
    """Check all books; where they differ, mail the operator (CLN_OPERATOR_EMAIL), once a day."""
    differences = check_books()
    if differences and settings.CLN_OPERATOR_EMAIL:
        with transaction.atomic(durable=True):
            queue_mail(
                account_id=None,
                template="books_differ",
                to=settings.CLN_OPERATOR_EMAIL,
                context={
                    "count": len(differences),
                    "differences": [str(one) for one in differences[:MOST_TOLD]],
                    "more": max(0, len(differences) - MOST_TOLD),
                },
                dedupe=f"books_differ:{now:%Y-%m-%d}",
                now=now,
            )
    return differences


def _narrowed(query: str) -> str:
    return f"""
        SELECT account_id, what, expected::text, found::text
        FROM ({query}) AS differences (account_id, what, expected, found)
        WHERE %(account_id)s::bigint IS NULL OR account_id = %(account_id)s
        ORDER BY account_id, what
    """


@contextmanager
def _one_snapshot() -> Iterator[None]:
    """A transaction that sees one moment; the caller's own where there is one."""
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield
