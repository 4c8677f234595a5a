"""The account row is the lock of all money of an account (architecture §4)."""

from collections.abc import Sequence

from django.db import connection

from cln.accounts.models import Account
from cln.database.rows import among

NOT_LOCKED = "a lock outside a transaction locks nothing"


def lock_account(account_id: int) -> Account:
    """Return the account with its row locked until the transaction ends; the first statement
    of every money flow. Waits as long as the connection's `lock_timeout` (settings) allows.
    Raises Account.DoesNotExist.
    """
    assert connection.in_atomic_block, NOT_LOCKED
    return Account.objects.select_for_update(no_key=True).get(pk=account_id)


def lock_accounts(account_ids: Sequence[int]) -> list[Account]:
    """The same for many accounts, locked in the order of their ids."""
    assert connection.in_atomic_block, NOT_LOCKED
    rows = Account.objects.select_for_update(no_key=True).filter(pk__in=among(account_ids))
    return list(rows.order_by("pk"))
