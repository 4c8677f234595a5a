"""Servers and licenses that change their license type without a new registration (Q13, Q14)."""

from datetime import datetime
from typing import ClassVar

from django.db.models import F

from cln.accounts.audit import record
from cln.catalog.models import LicenseType
from cln.domain.errors import Refusal
from cln.domain.licensing import KeyLimitReached
from cln.domain.words import counted
from cln.enums import ServerStatus
from cln.licensing.access import KeyNotFound, Pool, lock_pool
from cln.licensing.keys import NoLicense
from cln.licensing.models import ActivationKey, Entitlement, Server
from cln.licensing.removal import ServerGone
from cln.licensing.seats import begin_anew


class WrongProduct(Refusal):
    """A server stays within its product."""

    code: ClassVar[str] = "wrong_product"


class SameLicenseType(Refusal):
    """The server has that license type already."""

    code: ClassVar[str] = "same_license_type"


class TooManyUsers(Refusal):
    """The server has more users than the license type allows (facts U-32)."""

    code: ClassVar[str] = "too_many_users"


class NoFreeSeat(Refusal):
    """All licenses of the new type are in use."""

    code: ClassVar[str] = "no_free_seat"


class BoundToAddress(Refusal):
    """The server has no key: the IP license at its address is its right."""

    code: ClassVar[str] = "bound_to_address"


def check_move(
    *, server: Server, license_type: LicenseType, key: ActivationKey | None = None
) -> None:
    """Whether a server may have another license type at all; `key` None = its default key.

    Refusals: those of `check_fits`, `key_limit_reached` (the key is full).
    """
    check_fits(server=server, license_type=license_type)
    keys = ActivationKey.objects.filter(
        account_id=server.account_id, license_type=license_type, is_default=True, removed_at=None
    )
    check_room(key or keys.first())


def check_fits(*, server: Server, license_type: LicenseType) -> None:
    """Whether a server may have another license type, as far as both of them say.

    Refusals: `server_removed`, `bound_to_address`, `wrong_product`, `same_license_type`,
    `too_many_users`.
    """
    if server.by_address:
        raise BoundToAddress(
            f"The server lives by the IP license of {server.address}.", "Convert that license."
        )
    if server.status != ServerStatus.ACTIVE:
        raise ServerGone("This server has been removed before.", "Register it again to use it.")
    if server.license_type_id == license_type.pk:
        raise SameLicenseType(f"The server has {license_type.name} already.")
    if server.license_type.product_id != license_type.product_id:
        raise WrongProduct(
            f"A {server.license_type.product.name} server cannot become {license_type.name}.",
            f"Register it with a key of {license_type.product.name} instead.",
        )
    users, limit = server.users, license_type.user_limit
    if users is not None and limit is not None and users > limit:
        raise TooManyUsers(
            f"The server has {users} users; {license_type.name} allows {limit}.",
            "Choose a license type for more users.",
        )


def has_free_seat(*, account_id: int, license_type: LicenseType, now: datetime) -> bool:
    """Whether one more server could run under the license type, without locking anything."""
    row = Entitlement.objects.filter(account_id=account_id, license_type=license_type).first()
    return row is not None and _has_room(row, now)


def types_with_room(*, account_id: int, now: datetime) -> frozenset[int]:
    """The license types (row ids) for which `has_free_seat` is true."""
    rows = Entitlement.objects.filter(account_id=account_id)
    return frozenset(row.license_type_id for row in rows if _has_room(row, now))


def default_keys(account_id: int) -> dict[int, ActivationKey]:
    """The default keys of an account, by license type (row id)."""
    rows = ActivationKey.objects.filter(account=account_id, is_default=True, removed_at=None)
    return {row.license_type_id: row for row in rows}


def _has_room(row: Entitlement, now: datetime) -> bool:
    if row.valid_until is not None and row.valid_until <= now:
        return False
    return row.quantity is None or row.used < row.quantity


def move_server(
    *,
    account_id: int,
    server: Server,
    license_type: LicenseType,
    key: ActivationKey | None = None,
    actor: str,
    now: datetime,
) -> None:
    """Joins: give a running server another license type of its product, and `key` or else that
    type's default key; its secret and its history stay, so nothing is registered anew.

    Refusals: those of `check_move`, `no_license`, `no_free_seat`, `unknown_key`.
    """
    pools = {
        pk: lock_pool(account_id=account_id, license_type_id=pk)
        for pk in sorted((server.license_type_id, license_type.pk))
    }
    server.refresh_from_db()
    key = None if key is None else _still_live(pools[license_type.pk], key)
    check_move(server=server, license_type=license_type, key=key)
    old_name, target = server.license_type.name, pools[license_type.pk]
    take_seat(target, license_type)
    _leave_seat(server, pools[server.license_type_id])
    begin_anew([server], now=now)
    server.license_type = license_type
    server.key = key or next((each for each in target.keys.values() if each.is_default), None)
    if server.key is not None:
        ActivationKey.objects.filter(pk=server.key.pk).update(used=F("used") + 1)
    server.takes_seat = True
    server.save(update_fields=["license_type", "key", "takes_seat"])
    record(
        account_id=account_id,
        actor=actor,
        verb="server_converted",
        subject=server.public_id,
        details={"license_type": [old_name, license_type.name]},
        now=now,
    )


def change_key(
    *, account_id: int, server: Server, key: ActivationKey, actor: str, now: datetime
) -> None:
    """Joins: let a running server use another key of its own license type; the seat stays its own.

    Refusals: `server_removed`, `unknown_key`, `key_limit_reached`.
    """
    pool = lock_pool(account_id=account_id, license_type_id=server.license_type_id)
    server.refresh_from_db()
    if server.status != ServerStatus.ACTIVE:
        raise ServerGone("This server has been removed before.", "Register it again to use it.")
    key = _still_live(pool, key)
    if server.key_id == key.pk:
        return
    seat = 1 if server.takes_seat else 0
    if seat:
        check_room(key)
    old = None if server.key_id is None else pool.keys.get(server.key_id)
    if old is not None:
        ActivationKey.objects.filter(pk=old.pk).update(used=F("used") - seat)
    ActivationKey.objects.filter(pk=key.pk).update(used=F("used") + seat)
    Server.objects.filter(pk=server.pk).update(key=key)
    record(
        account_id=account_id,
        actor=actor,
        verb="server_changed_key",
        subject=server.public_id,
        details={"key": ["" if old is None else old.public_id, key.public_id]},
        now=now,
    )


def change_edition(
    *, account_id: int, old: LicenseType, new: LicenseType, actor: str, now: datetime
) -> None:
    """Joins: turn all licenses, keys and servers of one license type into another's (Q13)."""
    for pk in sorted((old.pk, new.pk)):
        lock_pool(account_id=account_id, license_type_id=pk)
    # What an earlier edition left behind is empty; it makes room for what comes back.
    Entitlement.objects.filter(account_id=account_id, license_type=new, used=0).delete()
    ActivationKey.objects.filter(account_id=account_id, license_type=new, is_default=True).update(
        is_default=False
    )
    Entitlement.objects.filter(account_id=account_id, license_type=old).update(license_type=new)
    ActivationKey.objects.filter(account_id=account_id, license_type=old).update(license_type=new)
    moving = Server.objects.filter(
        account_id=account_id, license_type=old, status=ServerStatus.ACTIVE
    )
    begin_anew(moving, now=now)
    servers = moving.update(license_type=new)
    record(
        account_id=account_id,
        actor=actor,
        verb="edition_changed",
        subject=new.code,
        details={"servers": servers},
        now=now,
    )


def _still_live(pool: Pool, key: ActivationKey) -> ActivationKey:
    """The key as it is under the lock. Refuses `unknown_key` where it has left the pool."""
    if key.pk not in pool.keys:
        raise KeyNotFound("There is no such activation key.", "Choose one from your list of keys.")
    return pool.keys[key.pk]


def check_room(key: ActivationKey | None) -> None:
    """Refuses `key_limit_reached` where the key registers no further server."""
    if key is None or not 0 < key.limit <= key.used:
        return
    which = f"Your {'default ' if key.is_default else ''}key of {key.license_type.name}"
    raise KeyLimitReached(
        f"{which} is limited to {counted(key.limit, 'server')}.",
        "Raise the limit of the key, then convert the server.",
    )


def take_seat(pool: Pool, license_type: LicenseType) -> None:
    """Joins: count one more seat of a locked pool. Refuses `no_license`, `no_free_seat`."""
    row = pool.entitlement
    if row is None:
        raise NoLicense(f"You have no {license_type.name} license.", "Buy one first.")
    if row.quantity is not None and row.used >= row.quantity:
        raise NoFreeSeat(
            f"{counted(row.quantity, 'license', 'licenses')} of {license_type.name}, all in use.",
            "Add a license first.",
        )
    Entitlement.objects.filter(pk=row.pk).update(used=F("used") + 1)


def _leave_seat(server: Server, pool: Pool) -> None:
    if not server.takes_seat:
        return
    if server.key_id is not None:
        ActivationKey.objects.filter(pk=server.key_id).update(used=F("used") - 1)
    if pool.entitlement is not None:
        Entitlement.objects.filter(pk=pool.entitlement.pk).update(used=F("used") - 1)
