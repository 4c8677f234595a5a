"""The only ways to fetch and to lock a key, a server or an entitlement.

Absent and foreign objects give the same refusal. Locks are always taken in this order: keys (by
id), then the entitlement, then a server account; so no two verbs can wait for each other.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

from django.db import connection
from django.db.models import Q, QuerySet

from cln.accounts.models import ServerAccount
from cln.catalog.models import LicenseType, Product
from cln.database.prepared import columns, fetch_tuples, instance, width
from cln.domain.errors import Refusal
from cln.licensing.models import ActivationKey, Entitlement, Server

LICENSING = "licensing"
"""The actor of the audit where no person acted: an agent or a due date did."""


class UnknownServerAccount(Refusal):
    """There is no such server account in this account."""

    code: ClassVar[str] = "unknown_server_account"


class UnknownServer(Refusal):
    """There is no such server in this account."""

    code: ClassVar[str] = "unknown_server"


class KeyNotFound(Refusal):
    """There is no such activation key in this account."""

    code: ClassVar[str] = "unknown_key"


@dataclass(frozen=True, slots=True)
class Pool:
    """The rows of one account and license type, locked until the transaction ends."""

    keys: dict[int, ActivationKey]
    entitlement: Entitlement | None


def get_key(*, account_id: int, public_id: str) -> ActivationKey:
    """Return a live key of the account. Refuses `unknown_key`."""
    rows = fetch_tuples(_KEY, (account_id, public_id))
    if not rows:
        raise KeyNotFound("There is no such activation key.", "Choose one from your list of keys.")
    return key_of_row(rows[0])


def get_server(*, account_id: int, public_id: str) -> Server:
    """Return a server of the account, also a removed one. Refuses `unknown_server`."""
    server = (
        Server.objects.select_related("license_type__product", "key", "group")
        .filter(account=account_id, public_id=public_id)
        .first()
    )
    if server is None:
        raise UnknownServer("There is no such server.", "Choose one from your list of servers.")
    return server


def lock_pool(
    *, account_id: int, license_type_id: int, keys: Collection[int] | None = None
) -> Pool:
    """Lock the live keys and the entitlement of a license type; needs a transaction.

    `keys` locks only those: an account may have thousands, and others register with them.
    """
    assert connection.in_atomic_block, "a lock outside a transaction locks nothing"
    held: list[object] = [account_id, license_type_id]
    rows = (
        fetch_tuples(_LOCK_KEYS, held)
        if keys is None
        else fetch_tuples(_LOCK_SOME_KEYS, [*held, sorted(keys)])
    )
    rights = [instance(Entitlement, row) for row in fetch_tuples(_LOCK_RIGHT, held)]
    locked = {key.pk: key for key in map(key_of_row, rows)}
    return Pool(keys=locked, entitlement=rights[0] if rights else None)


def get_server_account(*, account_id: int, number: int) -> ServerAccount:
    """A reseller's server account. Refuses `unknown_server_account`."""
    return _server_account(ServerAccount.objects.all(), account_id=account_id, number=number)


def lock_server_account(*, account_id: int, number: int) -> ServerAccount:
    """Joins: the same, locked; keys and entitlement are locked before it."""
    rows = ServerAccount.objects.select_for_update(no_key=True)
    return _server_account(rows, account_id=account_id, number=number)


def tokens_of(server_account: ServerAccount) -> QuerySet[ActivationKey]:
    """The live tokens of a server account."""
    return ActivationKey.objects.filter(server_account=server_account, removed_at=None)


def _server_account(
    rows: QuerySet[ServerAccount], *, account_id: int, number: int
) -> ServerAccount:
    row = rows.filter(account=account_id, pk=number, removed_at=None).first()
    if row is None:
        raise UnknownServerAccount(
            "There is no such server account.", "Choose one from your list of server accounts."
        )
    return row


def key_of_row(row: Sequence[Any]) -> ActivationKey:
    """A row of `KEYS` as an activation key with its license type and product."""
    key = instance(ActivationKey, row)
    at = width(ActivationKey)
    key.license_type = instance(LicenseType, row, start=at)
    key.license_type.product = instance(Product, row, start=at + width(LicenseType))
    return key


KEYS: Final = f"""
SELECT {columns(ActivationKey, "k")}, {columns(LicenseType, "t")}, {columns(Product, "p")}
FROM licensing_activationkey k
JOIN catalog_licensetype t ON t.id = k.license_type_id
JOIN catalog_product p ON p.id = t.product_id
"""
_KEY: Final = f"{KEYS} WHERE k.account_id = %s AND k.public_id = %s AND k.removed_at IS NULL"
_LIVE: Final = f"{KEYS} WHERE k.account_id = %s AND k.license_type_id = %s AND k.removed_at IS NULL"
_LOCKED: Final = "ORDER BY k.id FOR NO KEY UPDATE OF k"
_LOCK_KEYS: Final = f"{_LIVE} {_LOCKED}"
_LOCK_SOME_KEYS: Final = f"{_LIVE} AND k.id = ANY(%s) {_LOCKED}"
_LOCK_RIGHT: Final = f"""
SELECT {columns(Entitlement, "e")} FROM licensing_entitlement e
WHERE e.account_id = %s AND e.license_type_id = %s FOR NO KEY UPDATE"""


def holds_a_license(now: datetime) -> Q:
    """Entitlements of some quantity that have not ended; a suspended one is still held."""
    return (Q(quantity=None) | Q(quantity__gt=0)) & (Q(valid_until=None) | Q(valid_until__gt=now))


def active_servers(*, account_id: int) -> QuerySet[Server]:
    """The servers of an account that are registered now."""
    return Server.objects.filter(account=account_id, status="active")
