"""The people who sign in for an account, and what was done in it: rows for screens."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from cln.accounts.audit import record
from cln.accounts.audit_words import saying
from cln.accounts.models import AuditEntry, Login, Passkey
from cln.listing import count_up_to, ordered

AUDIT_SORTS: Final[Mapping[str, str]] = {"at": "at"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonRow:
    """A login of an account. `state`: "active" or "invited" (no password chosen yet)."""

    id: int
    username: str
    email: str
    name: str
    role: str
    is_primary: bool
    state: str
    has_two_factor: bool
    last_login_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """Something that was done; `name`: what people call the subject, where that is an id."""

    at: datetime
    actor: str
    address: str
    token: str
    verb: str
    subject: str
    details: Mapping[str, object]
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """What the audit log is narrowed to; empty values do not narrow."""

    search: str = ""  # in whatever an entry says …
    verbs: Collection[str] = ()  # … or entries of these verbs, which are called so,
    codes: Collection[str] = ()  # … or with these codes, which are called so,
    subjects: Collection[str] = ()  # … or about these things, which are called so
    since: date | None = None
    until: date | None = None  # this day is still in


def people_of(account_id: int) -> tuple[PersonRow, ...]:
    """Everybody who can sign in for the account, the primary login first."""
    has_passkey = Exists(Passkey.objects.filter(login=OuterRef("pk")))
    rows = Login.objects.filter(account_id=account_id, is_active=True).select_related("two_factor")
    return tuple(
        PersonRow(
            id=login.pk,
            username=login.username,
            email=login.email,
            name=f"{login.first_name} {login.last_name}".strip(),
            role=login.role,
            is_primary=login.is_primary,
            state="invited" if _has_no_password(login) else "active",
            has_two_factor=hasattr(login, "two_factor") or login.has_passkey,
            last_login_at=login.last_login,
        )
        for login in rows.annotate(has_passkey=has_passkey).order_by("-is_primary", "username")
    )


def update_person(*, login: Login, first_name: str, last_name: str, now: datetime) -> None:
    """Change the name of the person behind a login, as they write it."""
    new = {"first_name": first_name.strip(), "last_name": last_name.strip()}
    changed = {k: [getattr(login, k), v] for k, v in new.items() if getattr(login, k) != v}
    if not changed:
        return
    with transaction.atomic():
        Login.objects.filter(pk=login.pk).update(**new)
        record(
            account_id=login.account_id,
            actor=login.username,
            verb="login.updated",
            subject=login.username,
            details=changed,
            now=now,
        )


def audit_of(
    account_id: int,
    filters: AuditFilter,
    *,
    sort: str = "at",
    descending: bool = True,
    limit: int,
    offset: int = 0,
) -> tuple[AuditRow, ...]:
    """A page of what was done in the account, newest first unless asked otherwise."""
    rows = ordered(_audit(account_id, filters), AUDIT_SORTS, sort, descending=descending)
    return tuple(
        AuditRow(
            at=row.at,
            actor=row.actor,
            address=row.address or "",
            token=row.token,
            verb=row.verb,
            subject=row.subject,
            details=row.details,
        )
        for row in rows[offset : offset + limit]
    )


def count_audit(account_id: int, filters: AuditFilter) -> int:
    """How many entries `audit_of` finds, up to `listing.COUNT_MAX`."""
    return count_up_to(_audit(account_id, filters))


def _audit(account_id: int, filters: AuditFilter) -> QuerySet[AuditEntry]:
    found = AuditEntry.objects.filter(account=account_id)
    if filters.since:
        found = found.filter(at__date__gte=filters.since)
    if filters.until:
        found = found.filter(at__date__lte=filters.until)
    if filters.search:
        called = saying(filters.search, verbs=filters.verbs, words=filters.codes)
        if filters.subjects:
            called |= Q(subject__in=filters.subjects)
        found = found.filter(called)
    return found


def _has_no_password(login: Login) -> bool:
    return login.password.startswith(UNUSABLE_PASSWORD_PREFIX)
