"""The audit log: one verb writes, a trigger refuses everything else."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from cln.accounts.models import AuditEntry

_ADDRESS: ContextVar[str | None] = ContextVar("audit_address", default=None)


@contextmanager
def coming_from(address: str) -> Iterator[None]:
    """All that is recorded inside came from this address; the web layer says so, once per request.

    A worker or a command comes from nowhere. It is the one thing no verb is told: none decides
    anything by it (ADR 77).
    """
    token = _ADDRESS.set(address or None)
    try:
        yield
    finally:
        _ADDRESS.reset(token)


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

    `address`: where the request came from, if it is not the one of `coming_from`.
    `details` must be JSON and must not hold secrets: prefix and last 4 of a key at most.
    """
    AuditEntry.objects.create(
        account_id=account_id,
        at=now,
        actor=actor,
        address=address or _ADDRESS.get(),
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
    return _shown(rows, limit)


def entries_about(account_id: int, subject: str, *, limit: int) -> tuple[AuditRow, ...]:
    """What was done to one thing, by the subject its verbs record; the newest first."""
    return _shown(AuditEntry.objects.filter(account=account_id, subject=subject), limit)


def _shown(rows: QuerySet[AuditEntry], limit: int) -> tuple[AuditRow, ...]:
    return tuple(
        AuditRow(row.pk, row.at, row.actor, row.address, row.verb, row.subject, row.details)
        for row in rows.order_by("-pk")[:limit]
    )
