"""Activation keys: created for what the account has, found by a keyed hash, shown on request."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar, Final

from django.db import transaction

from cln import vault
from cln.accounts.audit import record
from cln.catalog.models import LicenseType
from cln.catalog.queries import get_license_type
from cln.database.prepared import fetch_tuples
from cln.domain.addresses import check_cidrs
from cln.domain.errors import Refusal
from cln.domain.words import counted
from cln.ids import KEY_SHAPE, key_text, public_id
from cln.licensing import included, partners, removal
from cln.licensing.access import (
    KEYS,
    Pool,
    get_key,
    holds_a_license,
    key_of_row,
    lock_pool,
    lock_server_account,
)
from cln.licensing.events import key_event
from cln.licensing.models import ActivationKey, Entitlement, Server
from cln.notifications.events import EventType

NOTE_LENGTH = 100
LIMIT_MAX = 100_000
PURPOSE = "activation-key"


class NoLicense(Refusal):
    """The account has no license of this type."""

    code: ClassVar[str] = "no_license"


class NoKeysForType(Refusal):
    """This license type is bound to addresses and has no keys."""

    code: ClassVar[str] = "license_type_without_keys"


class DefaultKeyStays(Refusal):
    """A customer's default key cannot be removed (K-2)."""

    code: ClassVar[str] = "default_key_stays"


class KeyLimitBelowUsed(Refusal):
    """More servers use the key than the new limit allows."""

    code: ClassVar[str] = "key_limit_below_used"


class BadKeyLimit(Refusal):
    """The limit is not a whole number."""

    code: ClassVar[str] = "bad_key_limit"


class NoteTooLong(Refusal):
    """The note is longer than 100 characters (K-7)."""

    code: ClassVar[str] = "note_too_long"


def create_key(
    *,
    account_id: int,
    license_type: str,
    limit: int = 0,
    note: str = "",
    cidrs: Iterable[str] = (),
    server_account: int | None = None,
    actor: str,
    now: datetime,
) -> ActivationKey:
    """Create a key that registers up to `limit` servers (0 = unlimited) from `cidrs` (none = any).

    `server_account` makes it a token of that one; it is never the default key. A reseller needs to
    have bought nothing: its servers are billed by their days (R8). Refuses `unknown_license_type`,
    `license_type_without_keys`, `no_license` (K-1), `bad_key_limit`, `note_too_long`, `bad_range`,
    `unknown_server_account`; resellers also `account_blocked`, `price_unknown`.
    """
    row = get_license_type(license_type)
    if not row.has_keys:
        raise NoKeysForType(
            f"{row.name} is licensed by IP address and has no keys.", "Add an IP license instead."
        )
    limit, note, ranges = _checked_limit(limit), _checked_note(note), check_cidrs(cidrs)
    with transaction.atomic():
        partners.ensure_right(account_id=account_id, license_type=row, now=now)
        pool = lock_pool(account_id=account_id, license_type_id=row.pk)
        _check_right(account_id=account_id, license_type=row, now=now)
        if server_account is not None:
            lock_server_account(account_id=account_id, number=server_account)
        has_default = any(other.is_default for other in pool.keys.values())
        key = _insert(
            account_id=account_id,
            license_type=row,
            now=now,
            limit=limit,
            note=note,
            cidrs=list(ranges),
            server_account_id=server_account,
            is_default=server_account is None and not has_default,
        )
        _record(
            key, "key_created", actor=actor, now=now, limit=limit, note=note, cidrs=_told(ranges)
        )
    return key


def create_default(*, account_id: int, license_type: LicenseType, now: datetime) -> ActivationKey:
    """Create the default key of a first purchase or trial (K-2). Joins; the pool is locked."""
    return _insert(account_id=account_id, license_type=license_type, now=now, is_default=True)


def update_key(
    *,
    account_id: int,
    key: str,
    limit: int | None = None,
    note: str | None = None,
    cidrs: Iterable[str] | None = None,
    actor: str,
    now: datetime,
) -> ActivationKey:
    """Change what is given of the key with the public id `key`; None leaves a value as it is.

    Servers that are registered stay so, also outside new `cidrs`. Refuses `unknown_key`,
    `bad_key_limit`, `key_limit_below_used`, `note_too_long`, `bad_range`.
    """
    changes: dict[str, object] = {}
    if limit is not None:
        changes["limit"] = _checked_limit(limit)
    if note is not None:
        changes["note"] = _checked_note(note)
    if cidrs is not None:
        changes["cidrs"] = list(check_cidrs(cidrs))
    with transaction.atomic():
        _, row = _locked(account_id=account_id, key=key)
        if limit is not None and 0 < limit < row.used:
            raise KeyLimitBelowUsed(
                f"{counted(row.used, 'server uses', 'servers use')} this key, "
                f"so its limit cannot be {limit}.",
                "Remove servers from the key first, or choose a higher limit.",
                used=row.used,
            )
        changed = {
            name: [_told(getattr(row, name)), _told(value)]
            for name, value in changes.items()
            if getattr(row, name) != value
        }
        for name, value in changes.items():
            setattr(row, name, value)
        row.save(update_fields=list(changes))
        _record(row, "key_changed", actor=actor, now=now, **changed)
        key_event(EventType.KEY_CHANGED, row, now=now)
    return row


def make_default(*, account_id: int, key: str, actor: str, now: datetime) -> ActivationKey:
    """Make another key of the same license type the default one. Refuses `unknown_key`."""
    with transaction.atomic():
        pool, row = _locked(account_id=account_id, key=key)
        ActivationKey.objects.filter(pk__in=list(pool.keys), is_default=True).update(
            is_default=False
        )
        row.is_default = True
        row.save(update_fields=["is_default"])
        _record(row, "key_made_default", actor=actor, now=now)
        key_event(EventType.KEY_CHANGED, row, now=now)
    return row


def remove_key(*, account_id: int, key: str, actor: str, now: datetime) -> int:
    """Remove a key and the registrations of its servers (K-6); how many servers.

    A reseller made every key itself, for somebody: its default key goes like any other, and the
    oldest that is left takes its place. Refuses `unknown_key`, `default_key_stays` (K-2).
    """
    with transaction.atomic():
        pool, row = _locked(account_id=account_id, key=key)
        if row.is_default and not partners.is_reseller(account_id):
            raise DefaultKeyStays(
                "The default key cannot be removed.",
                "Make another key the default first.",
            )
        servers = Server.objects.filter(key=row.pk, status="active").select_related(
            "license_type__product"
        )
        removed = removal.remove(servers, pool=pool, why="Its activation key was removed", now=now)
        row.refresh_from_db(fields=["used"])
        row.removed_at = now
        row.save(update_fields=["removed_at"])
        if row.is_default:
            _pass_on_the_default(pool, gone=row.pk, now=now)
        _record(row, "key_removed", actor=actor, now=now, servers=removed)
        key_event(EventType.KEY_REMOVED, row, now=now)
    return removed


def find_key(text: str) -> ActivationKey | None:
    """The live key of this text; blanks around it are ignored, letters' case is not (P-47)."""
    text = text.strip()
    if KEY_SHAPE.fullmatch(text) is None:
        return None
    found = fetch_tuples(_FIND, [vault.lookup_hash(PURPOSE, text)])
    return key_of_row(found[0]) if found else None


_FIND: Final = f"{KEYS} WHERE k.lookup_hash = %s AND k.removed_at IS NULL"


def reveal(key: ActivationKey) -> str:
    """The text of the key, for the page of its owner."""
    return vault.unseal(key.cipher)


def no_license(license_type: LicenseType) -> NoLicense:
    """The one wording of this refusal."""
    return NoLicense(f"You have no {license_type.name} license.", "Buy one or start a trial.")


def _insert(
    *, account_id: int, license_type: LicenseType, now: datetime, **values: object
) -> ActivationKey:
    text = key_text(license_type.key_prefix)
    key = ActivationKey.objects.create(
        public_id=public_id("key"),
        account_id=account_id,
        license_type=license_type,
        lookup_hash=vault.lookup_hash(PURPOSE, text),
        cipher=vault.seal(text),
        last4=text[-4:],
        created_at=now,
        **values,
    )
    key_event(EventType.KEY_CREATED, key, now=now)
    return key


def _check_right(*, account_id: int, license_type: LicenseType, now: datetime) -> None:
    held = Entitlement.objects.filter(
        holds_a_license(now), account=account_id, license_type=license_type
    )
    if not held.exists() and not included.may_have_keys(
        account_id=account_id, product=license_type.product.code, now=now
    ):
        raise no_license(license_type)


def _pass_on_the_default(pool: Pool, *, gone: int, now: datetime) -> None:
    heirs = (pk for pk, key in pool.keys.items() if key.server_account_id is None)
    oldest = min((pk for pk in heirs if pk != gone), default=None)
    if oldest is not None:
        heir = pool.keys[oldest]
        heir.is_default = True
        heir.save(update_fields=["is_default"])
        key_event(EventType.KEY_CHANGED, heir, now=now)


def _locked(*, account_id: int, key: str) -> tuple[Pool, ActivationKey]:
    row = get_key(account_id=account_id, public_id=key)
    pool = lock_pool(account_id=account_id, license_type_id=row.license_type_id)
    # Removed between the two statements: the same answer as if it had never been.
    return pool, pool.keys.get(row.pk) or get_key(account_id=account_id, public_id=key)


def _checked_limit(limit: object) -> int:
    if type(limit) is not int or not 0 <= limit <= LIMIT_MAX:
        raise BadKeyLimit(
            f"The limit must be a whole number from 0 (unlimited) to {LIMIT_MAX:,}.",
            given=str(limit)[:40],
        )
    return limit


def _checked_note(note: str) -> str:
    text = "".join(letter if letter.isprintable() else " " for letter in note).strip()
    if len(text) > NOTE_LENGTH:
        raise NoteTooLong(
            f"The note has {len(text)} characters; {NOTE_LENGTH} is the most.", "Shorten it."
        )
    return text


def _told(value: object) -> object:
    """A value as the audit log keeps it: a list of two there means before and after."""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value


def _record(key: ActivationKey, verb: str, *, actor: str, now: datetime, **details: object) -> None:
    record(
        account_id=key.account_id,
        actor=actor,
        verb=verb,
        subject=f"{key.public_id} …{key.last4}",
        details=details,
        now=now,
    )
