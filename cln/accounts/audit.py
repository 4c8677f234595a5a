"""The audit log: one verb writes, a trigger refuses everything else."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cln.accounts.models import AuditEntry


def record(
    *,
    account_id: int | None,
    actor: str,
    verb: str,
    subject: str = "",
    details: Mapping[str, object] | None = None,
    address: str | None = None,
    now: datetime,
) -> None:
    """Append who (`actor`: a login, or a command's name) did what, in the caller's transaction.

    `details` must be JSON and must not hold secrets: prefix and last 4 of a key at most.
    """
    AuditEntry.objects.create(
        account_id=account_id,
        at=now,
        actor=actor,
        address=address,
        verb=verb,
        subject=subject[:120],
        details=dict(details or {}),
    )


@dataclass(frozen=True, slots=True)
class AuditRow:
    """An entry as its account reads it."""

    id: int
    at: datetime
    actor: str
    address: str | None
    verb: str
    subject: str
    details: Mapping[str, Any]


def entries_after(
    account_id: int, *, verb: str = "", after: int | None = None, limit: int
) -> tuple[AuditRow, ...]:
    """Entries of the account, the newest first, beginning after the one with the id `after`."""
    rows = AuditEntry.objects.filter(account=account_id)
    if verb:
        rows = rows.filter(verb=verb)
    if after is not None:
        rows = rows.filter(pk__lt=after)
    return tuple(
        AuditRow(row.pk, row.at, row.actor, row.address, row.verb, row.subject, row.details)
        for row in rows.order_by("-pk")[:limit]
    )
