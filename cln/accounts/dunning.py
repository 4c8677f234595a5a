"""What dunning keeps at an account."""

from collections.abc import Iterable

from django.db import connection

from cln.accounts.models import Account


def save_dunning(accounts: Iterable[Account]) -> None:
    """Write state, next day and block of locked accounts, in one statement. Joins."""
    rows = [(a.pk, a.dunning_state, a.dunning_next_on, a.blocked_on) for a in accounts]
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(_SAVE_DUNNING, [list(column) for column in zip(*rows, strict=True)])


_SAVE_DUNNING = """
UPDATE accounts_account AS a
SET dunning_state = v.state, dunning_next_on = v.next_on, blocked_on = v.blocked_on
FROM unnest(%s::bigint[], %s::text[], %s::date[], %s::date[])
    AS v (id, state, next_on, blocked_on)
WHERE a.id = v.id
"""
