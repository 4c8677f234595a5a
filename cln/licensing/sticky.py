"""The sticky tag of a KernelCare key: its servers get only patches released before a day (T-1)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import ClassVar, Final

from django.db import transaction

from cln.accounts.audit import record
from cln.domain.errors import Refusal
from cln.licensing.access import get_key
from cln.licensing.keys import update_key
from cln.licensing.models import ActivationKey
from cln.licensing.servers import find_server

PRODUCT: Final = "kernelcare"
FIRST_DAY: Final = date(2018, 5, 28)


class BadStickyTag(Refusal):
    """A sticky tag is a day from 2018-05-28 up to yesterday, of a KernelCare key."""

    code: ClassVar[str] = "bad_sticky_tag"


def set_sticky(
    *, account_id: int, key: str, sticky_on: date | None, actor: str, now: datetime
) -> None:
    """Give a key (by public id) a sticky tag, or with None take it away.

    Refusals: `unknown_key`, `bad_sticky_tag`.
    """
    with transaction.atomic():
        row = get_key(account_id=account_id, public_id=key)
        last = now.date() - timedelta(days=1)
        if row.license_type.product.code != PRODUCT:
            raise BadStickyTag("Only keys of KernelCare have a sticky tag.")
        if sticky_on is not None and not FIRST_DAY <= sticky_on <= last:
            raise BadStickyTag(f"A sticky tag is a day from {FIRST_DAY} up to {last}.")
        was = row.sticky_on
        ActivationKey.objects.filter(pk=row.pk).update(sticky_on=sticky_on)
        record(
            account_id=account_id,
            actor=actor,
            verb="key_sticky_set",
            subject=f"{row.public_id} …{row.last4}",
            details={"day": [str(was or ""), str(sticky_on or "")]},
            now=now,
        )


def update_key_and_sticky(
    *,
    account_id: int,
    key: str,
    limit: int | None = None,
    note: str | None = None,
    cidrs: Iterable[str] | None = None,
    sticky_on: date | None,
    actor: str,
    now: datetime,
) -> ActivationKey:
    """`set_sticky` and `update_key` together, or neither. Refusals: those of both."""
    with transaction.atomic():
        set_sticky(account_id=account_id, key=key, sticky_on=sticky_on, actor=actor, now=now)
        return update_key(
            account_id=account_id,
            key=key,
            limit=limit,
            note=note,
            cidrs=cidrs,
            actor=actor,
            now=now,
        )


def sticky_of(*, secret: str, now: datetime) -> date | None:
    """The sticky tag of the key that a server registered with, by what the server presents.

    Refusals: `unknown_server`, `server_removed`.
    """
    server = find_server(secret=secret, now=now)
    return None if server.key is None else server.key.sticky_on
