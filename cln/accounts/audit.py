"""The audit log: one verb writes, a trigger refuses everything else."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from django.db.models import QuerySet

from cln.accounts.models import AuditEntry


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from, and the token that opened its door; see `AuditEntry.token`."""

    address: str | None = None
    token: str = ""


NOWHERE: Final = Origin()
_ORIGIN: ContextVar[Origin] = ContextVar("audit_origin", default=NOWHERE)


@contextmanager
def coming_from(address: str) -> Iterator[None]:
    """All that is recorded inside came from this address; the web layer says so, once per request.

    A worker or a command comes from nowhere. It is the one thing no verb is told: none decides
    anything by it (ADR 77).
    """
    before = _ORIGIN.set(Origin(address or None))
    try:
        yield
    finally:
        _ORIGIN.reset(before)


def opened_by(token: str) -> None:
    """What is recorded in the rest of this request was done with this token (ADR 133).

    `token` is shown, so it is prefix and last 4. A door says it when it knows its caller, inside
    `coming_from`, whose end forgets it.
    """
    _ORIGIN.set(replace(_ORIGIN.get(), token=token))


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
    origin = _ORIGIN.get()
    AuditEntry.objects.create(
        account_id=account_id,
        at=now,
        actor=actor,
        address=address or origin.address,
        token=origin.token,
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
    token: str
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
        AuditRow(
            row.pk, row.at, row.actor, row.address, row.token, row.verb, row.subject, row.details
        )
        for row in rows.order_by("-pk")[:limit]
    )
