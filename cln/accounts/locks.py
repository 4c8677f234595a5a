"""The account row is the lock of all money of an account (architecture §4)."""

from collections.abc import Sequence

from django.db import connection

from cln.accounts.models import Account

LOCK_TIMEOUT_MS = 3000


def lock_account(account_id: int) -> Account:
    """Return the account with its row locked until the transaction ends; the first statement
    of every money flow. Waits at most three seconds. Raises Account.DoesNotExist.
    """
    _wait_briefly()
    return Account.objects.select_for_update(no_key=True).get(pk=account_id)


def lock_accounts(account_ids: Sequence[int]) -> list[Account]:
    """The same for many accounts, locked in the order of their ids."""
    _wait_briefly()
    rows = Account.objects.select_for_update(no_key=True).filter(pk__in=account_ids)
    return list(rows.order_by("pk"))


def _wait_briefly() -> None:
    assert connection.in_atomic_block, "a lock outside a transaction locks nothing"
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{LOCK_TIMEOUT_MS}ms"])
