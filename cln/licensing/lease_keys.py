"""The keys that sign leases, and incidents that stretch them; operators turn both over."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import ClassVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import transaction
from django.db.models import Q

from cln import vault
from cln.accounts.audit import record
from cln.domain.errors import Refusal
from cln.domain.leases import (
    INCIDENT_CONTEXT,
    Incident,
    Lease,
    decide_incident,
    key_document,
    longest_life,
    signed_bytes,
)
from cln.licensing.models import LeaseIncident, LeaseKey

STRETCH_DAYS_MAX = 365
OPERATOR = "operator"


class LeaseKeysOverlap(Refusal):
    """Two keys are published already; a third would have to push one out."""

    code: ClassVar[str] = "lease_keys_overlap"


class IncidentOpen(Refusal):
    """An incident is declared already."""

    code: ClassVar[str] = "incident_open"


class NoIncident(Refusal):
    """No incident is declared."""

    code: ClassVar[str] = "no_incident"


class BadIncident(Refusal):
    """An incident needs a reason and a number of days."""

    code: ClassVar[str] = "bad_incident"


def signing_key(*, now: datetime) -> LeaseKey:
    """The key that signs; the first is made when it is first needed."""
    return LeaseKey.objects.filter(signs=True).first() or _first_key(now=now)


def published_keys(*, now: datetime) -> tuple[Mapping[str, object], ...]:
    """The public keys that verify leases which have not run out: one, or two that overlap."""
    signing_key(now=now)
    rows = LeaseKey.objects.filter(Q(signs=True) | Q(published_until__gt=now)).order_by("-pk")
    return tuple(
        key_document(kid=row.kid, public_hex=bytes(row.public).hex(), signs=row.signs)
        for row in rows
    )


def rotate_lease_key(*, withdraw_old: bool = False, now: datetime) -> LeaseKey:
    """Let a new key sign from now on; the old one is published until its last lease has run out.

    `withdraw_old` withdraws every other key at once: it leaked; agents drop it at their next
    check-in and get a new lease with it. Refuses `lease_keys_overlap`.
    """
    with transaction.atomic():
        old = LeaseKey.objects.select_for_update().get(pk=signing_key(now=now).pk)
        still_needed = LeaseKey.objects.filter(published_until__gt=now)
        if withdraw_old:
            still_needed.update(published_until=now)
        elif first := still_needed.order_by("-published_until").first():
            raise LeaseKeysOverlap(
                f"Two keys are published; leases of {first.kid} are good until "
                f"{first.published_until:%Y-%m-%d}.",
                "Wait until then; or withdraw the old keys if one has leaked.",
            )
        until = now if withdraw_old else now + longest_life(_longest_stretch())
        LeaseKey.objects.filter(pk=old.pk).update(signs=False, published_until=until)
        key = _new_key(now=now)
        record(
            account_id=None,
            actor=OPERATOR,
            verb="lease_key_rotated",
            subject=key.kid,
            details={"old": old.kid, "withdrawn": withdraw_old},
            now=now,
        )
    return key


def declare_incident(*, days: int, reason: str, now: datetime) -> LeaseIncident:
    """Stretch every lease by `days` (1 to 365): new ones by themselves, those that are out by a
    signed notice. Refuses `bad_incident`, `incident_open`.
    """
    if not 1 <= days <= STRETCH_DAYS_MAX or not reason.strip():
        raise BadIncident(
            f"An incident has a reason and stretches leases by 1 to {STRETCH_DAYS_MAX} days."
        )
    with transaction.atomic():
        incident, is_new = LeaseIncident.objects.get_or_create(
            ended_at=None,
            defaults={"starts_at": now, "stretch_days": days, "reason": reason.strip()[:200]},
        )
        if not is_new:
            raise IncidentOpen(
                f"An incident is open since {incident.starts_at:%Y-%m-%d %H:%M} UTC.", "End it."
            )
        details = {"days": days, "reason": incident.reason}
        record(
            account_id=None,
            actor=OPERATOR,
            verb="lease_incident_declared",
            details=details,
            now=now,
        )
    return incident


def end_incident(*, now: datetime) -> None:
    """New leases are of ordinary length again. Refuses `no_incident`."""
    with transaction.atomic():
        if not LeaseIncident.objects.filter(ended_at=None).update(ended_at=now):
            raise NoIncident("No incident is declared.")
        record(account_id=None, actor=OPERATOR, verb="lease_incident_ended", now=now)


def open_incident() -> LeaseIncident | None:
    """The incident that stretches leases now."""
    return LeaseIncident.objects.filter(ended_at=None).first()


def incident_notice(*, now: datetime) -> str | None:
    """The signed notice of the open incident, None in quiet times."""
    incident = open_incident()
    if incident is None:
        return None
    key = signing_key(now=now)
    notice = decide_incident(
        starts_at=incident.starts_at,
        stretch=timedelta(days=incident.stretch_days),
        kid=key.kid,
    )
    return sign(bytes(key.cipher), context=INCIDENT_CONTEXT, document=notice)


def sign(cipher: bytes, *, context: bytes, document: Lease | Incident) -> str:
    """`<bytes>.<signature>`, both in base64url: the signature is over context and bytes."""
    body = signed_bytes(document)
    return f"{_text(body)}.{_text(_private(cipher).sign(context + body))}"


def _longest_stretch() -> timedelta:
    """Of incidents whose leases may still be out; generous, so that no lease loses its key."""
    days = LeaseIncident.objects.order_by("-stretch_days").values_list("stretch_days", flat=True)
    return timedelta(days=days.first() or 0)


def _first_key(*, now: datetime) -> LeaseKey:
    """Two first leases at once agree on one key: the constraint lets one of them in."""
    fresh = _fresh(now=now)
    LeaseKey.objects.bulk_create([fresh], ignore_conflicts=True)
    return LeaseKey.objects.get(signs=True)


def _new_key(*, now: datetime) -> LeaseKey:
    key = _fresh(now=now)
    key.save(force_insert=True)
    return key


def _fresh(*, now: datetime) -> LeaseKey:
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    return LeaseKey(
        kid=f"k{hashlib.sha256(public).hexdigest()[:12]}",
        public=public,
        cipher=vault.seal(private.private_bytes_raw().hex()),
        created_at=now,
    )


@lru_cache(maxsize=4)
def _private(cipher: bytes) -> Ed25519PrivateKey:
    """Opened once per process: unsealing costs more than signing."""
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(vault.unseal(cipher)))


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
