"""Long lists of activation keys: pages of them, and the removal of many."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import Q, QuerySet

from cln import vault
from cln.catalog.queries import ids_of_product
from cln.database.prepared import fetch_tuples
from cln.ids import KEY_SHAPE
from cln.licensing.access import KEYS, key_of_row
from cln.licensing.features import on_keys
from cln.licensing.keys import PURPOSE, remove_key
from cln.licensing.models import ActivationKey
from cln.licensing.partners import is_reseller
from cln.licensing.rows import KeyRow, key_row
from cln.listing import count_up_to, ordered

KEY_SORTS: Final[Mapping[str, str]] = {
    "default": "is_default",
    "note": "note",
    "servers": "used",
    "last_used": "last_used_at",
    "created": "created_at",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFilter:
    """What a list of keys is narrowed to; empty values do not narrow. `limited` None = either."""

    product: str = ""
    license_type: str = ""
    limited: bool | None = None
    search: str = ""  # in the note; or the end, or the whole of a key
    ids: tuple[str, ...] | None = None  # exactly these, by public id


@dataclass(frozen=True, slots=True)
class RemovedKeys:
    """How many keys went, and how many servers lost their registration with them."""

    keys: int
    servers: int


def list_keys(
    account_id: int,
    filters: KeyFilter,
    *,
    sort: str = "default",
    descending: bool = True,
    limit: int,
    offset: int = 0,
) -> tuple[KeyRow, ...]:
    """A page of the live keys, the default ones first."""
    found = ordered(_keys(account_id, filters), KEY_SORTS, sort, descending=descending)
    # Which rows first, then what they hold: 10,000 wide rows are not sorted to show fifty.
    page = list(found.values_list("pk", flat=True)[offset : offset + limit])
    rows = {row[0]: row for row in fetch_tuples(_PAGE, (page,))}
    keys = [key_of_row(rows[pk]) for pk in page]
    on = on_keys(keys)
    return tuple(key_row(key, on[key.pk]) for key in keys)


_PAGE: Final = f"{KEYS} WHERE k.id = ANY(%s::bigint[])"


def count_keys(account_id: int, filters: KeyFilter) -> int:
    """How many keys `list_keys` finds, up to `listing.COUNT_MAX`."""
    return count_up_to(_keys(account_id, filters))


def remove_keys(
    *, account_id: int, keys: Collection[str], actor: str, now: datetime
) -> RemovedKeys:
    """Remove keys (by public id) and the registrations of their servers, all or nothing.

    A customer's default keys stay (K-2), and what is absent or foreign is left out: the answer
    says how many.
    """
    with transaction.atomic():
        rows = _keys(account_id, KeyFilter(ids=tuple(keys)))
        if not is_reseller(account_id):
            rows = rows.filter(is_default=False)
        ids = [row.public_id for row in rows.order_by("license_type_id", "pk")]
        servers = sum(
            remove_key(account_id=account_id, key=public_id, actor=actor, now=now)
            for public_id in ids
        )
    return RemovedKeys(len(ids), servers)


def _keys(account_id: int, filters: KeyFilter) -> QuerySet[ActivationKey]:
    found = ActivationKey.objects.filter(account=account_id, removed_at=None)
    if filters.product:
        found = found.filter(license_type__in=ids_of_product(filters.product))
    if filters.license_type:
        found = found.filter(license_type__code=filters.license_type)
    if filters.limited is not None:
        found = found.filter(limit__gt=0) if filters.limited else found.filter(limit=0)
    if filters.ids is not None:
        found = found.filter(public_id__in=filters.ids)
    text = filters.search.strip()
    if text:
        matches = Q(note__icontains=text) | Q(last4=text[-4:])
        if KEY_SHAPE.fullmatch(text) is not None:
            matches = Q(lookup_hash=vault.lookup_hash(PURPOSE, text)) | Q(note__icontains=text)
        found = found.filter(matches)
    return found
