"""The only ways to fetch and to lock a key, a server or an entitlement.

Absent and foreign objects give the same refusal. Locks are always taken in this order: keys (by
id), then the entitlement; so no two verbs can wait for each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from django.db.models import Q, QuerySet

from cln.domain.errors import Refusal
from cln.licensing.models import ActivationKey, Entitlement, Server

LICENSING = "licensing"
"""The actor of the audit where no person acted: an agent or a due date did."""


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
    key = (
        ActivationKey.objects.select_related("license_type__product")
        .filter(account=account_id, public_id=public_id, removed_at=None)
        .first()
    )
    if key is None:
        raise KeyNotFound("There is no such activation key.", "Choose one from your list of keys.")
    return key


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


def lock_pool(*, account_id: int, license_type_id: int) -> Pool:
    """Lock every live key and the entitlement of a license type; needs a transaction."""
    keys = (
        ActivationKey.objects.select_for_update(no_key=True, of=("self",))
        .select_related("license_type__product")
        .filter(account=account_id, license_type=license_type_id, removed_at=None)
        .order_by("pk")
    )
    return Pool(
        keys={key.pk: key for key in keys},
        entitlement=Entitlement.objects.select_for_update(no_key=True)
        .filter(account=account_id, license_type=license_type_id)
        .first(),
    )


def holds_a_license(now: datetime) -> Q:
    """Entitlements of some quantity that have not ended; a suspended one is still held."""
    return (Q(quantity=None) | Q(quantity__gt=0)) & (Q(valid_until=None) | Q(valid_until__gt=now))


def active_servers(*, account_id: int) -> QuerySet[Server]:
    """The servers of an account that are registered now."""
    return Server.objects.filter(account=account_id, status="active")
