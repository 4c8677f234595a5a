"""Leases of running servers: one read gathers what they say, nothing is written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import JSONObject

from cln.domain.leases import (
    LEASE_CONTEXT,
    LeaseFacts,
    decide_lease,
    is_current,
    tag_of,
)
from cln.licensing.lease_keys import sign, signing_key
from cln.licensing.models import CloneCase, FeatureSetting, LeaseIncident, LeaseKey, Server
from cln.licensing.servers import CheckIn, LicenseState
from cln.licensing.surcharges import FEATURE_PRODUCT

RUNNING = (LicenseState.ACTIVE, LicenseState.TRIAL)


@dataclass(frozen=True, slots=True)
class LeaseAnswer:
    """A lease and its tag. `text` is empty where the caller holds the current one; both are
    empty where the license does not run.
    """

    text: str
    tag: str


NO_LEASE = LeaseAnswer("", "")


def seen_by_agents() -> QuerySet[Server]:
    """Servers with everything that a check-in of our agent needs besides, in one query."""
    signs = LeaseKey.objects.filter(signs=True)
    incident = LeaseIncident.objects.filter(ended_at=None)
    switched = FeatureSetting.objects.filter(
        Q(server=OuterRef("pk")) | Q(server=None, key=OuterRef("key")) | Q(server=None, key=None),
        account=OuterRef("account"),
    ).values(
        row=JSONObject(feature=F("feature"), enabled=F("enabled"), key=F("key"), server=F("server"))
    )
    return Server.objects.select_related("trace", "license_type__product").annotate(
        lease_kid=Subquery(signs.values("kid")[:1]),
        lease_cipher=Subquery(signs.values("cipher")[:1]),
        stretch_days=Subquery(incident.values("stretch_days")[:1]),
        switched=ArraySubquery(switched),
        has_clone_case=Exists(CloneCase.objects.filter(server=OuterRef("pk"))),
    )


def lease_of(
    server: Server, worth: CheckIn, *, fingerprint: str, tag: str, now: datetime
) -> LeaseAnswer:
    """The lease of a server that `seen_by_agents` found, as its license is worth now.

    Bound to `fingerprint`, what the machine says it is. `tag`: of the lease the caller holds.
    """
    if worth.state not in RUNNING:
        return NO_LEASE
    seen: dict[str, Any] = server.__dict__
    facts = _facts(server, worth, fingerprint, worth.valid_until)
    kid, cipher = seen["lease_kid"], seen["lease_cipher"]
    if kid is None:
        first = signing_key(now=now)
        kid, cipher = first.kid, first.cipher
    if is_current(tag, facts, kid=kid, now=now):
        return LeaseAnswer("", tag)
    lease = decide_lease(facts, kid=kid, now=now)
    text = sign(bytes(cipher), context=LEASE_CONTEXT, document=lease)
    return LeaseAnswer(text, tag_of(facts, lease))


def features_of(server: Server) -> tuple[str, ...]:
    """The features that are on: the account's word, else the key's, else the server's (F-2)."""
    rows = sorted(
        server.__dict__["switched"],
        key=lambda row: (row["server"] is not None, row["key"] is not None),
    )
    decided: dict[str, bool] = {}
    for row in rows:
        decided.setdefault(row["feature"], row["enabled"])
    product = server.license_type.product.code
    return tuple(
        sorted(
            name
            for name, on in decided.items()
            if on and FEATURE_PRODUCT.get(name, product) == product
        )
    )


def _facts(server: Server, worth: CheckIn, fingerprint: str, until: date | None) -> LeaseFacts:
    return LeaseFacts(
        server_id=server.public_id,
        fingerprint=fingerprint,
        license_type=worth.license_type,
        features=features_of(server),
        right_until=until,
        stretch=timedelta(days=server.__dict__["stretch_days"] or 0),
    )
