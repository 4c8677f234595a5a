"""Leases of running servers: one read gathers what they say, nothing is written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from cln.domain.leases import (
    LEASE_CONTEXT,
    LeaseFacts,
    decide_lease,
    is_current,
    tag_of,
)
from cln.licensing.lease_keys import sign, signing_key
from cln.licensing.prepared import fetch_all
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


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenServer:
    """A server with everything that a check-in of our agent needs besides."""

    id: int
    secret_hash: bytes
    public_id: str
    status: str
    product: str
    boot: str | None  # None = no trace of its machine
    has_clone_case: bool
    switched: str
    kid: str | None
    cipher: bytes | None
    stretch_days: int | None


_SEEN: Final = """
SELECT s.id, s.secret_hash, s.public_id, s.status, product.code AS product, trace.boot,
    EXISTS (SELECT FROM licensing_clonecase c WHERE c.server_id = s.id) AS has_clone_case,
    COALESCE((
        SELECT json_agg(json_build_object(
            'feature', f.feature, 'enabled', f.enabled, 'key', f.key_id, 'server', f.server_id
        ))
        FROM licensing_featuresetting f
        WHERE f.account_id = s.account_id AND (f.server_id = s.id OR (
            f.server_id IS NULL AND (f.key_id IS NULL OR f.key_id = s.key_id)
        ))
    )::text, '[]') AS switched,
    signs.kid, signs.cipher, incident.stretch_days
FROM licensing_server s
JOIN catalog_licensetype license_type ON license_type.id = s.license_type_id
JOIN catalog_product product ON product.id = license_type.product_id
LEFT JOIN licensing_machinetrace trace ON trace.server_id = s.id
LEFT JOIN licensing_leasekey signs ON signs.signs
LEFT JOIN licensing_leaseincident incident ON incident.ended_at IS NULL
"""


def seen_by_secrets(hashes: Sequence[bytes]) -> dict[bytes, SeenServer]:
    """The servers with these secrets, by them; running or not, in one question."""
    rows = fetch_all(f"{_SEEN} WHERE s.secret_hash = ANY(%(hashes)s)", {"hashes": [*hashes]})
    return {row["secret_hash"]: SeenServer(**row) for row in rows}


def seen_server(server_id: int) -> SeenServer:
    """One server, by primary key."""
    [row] = fetch_all(f"{_SEEN} WHERE s.id = %(id)s", {"id": server_id})
    return SeenServer(**row)


def lease_of(
    server: SeenServer, worth: CheckIn, *, fingerprint: str, tag: str, now: datetime
) -> LeaseAnswer:
    """The lease of a server as its license is worth now.

    Bound to `fingerprint`, what the machine says it is. `tag`: of the lease the caller holds.
    """
    if worth.state not in RUNNING:
        return NO_LEASE
    facts = _facts(server, worth, fingerprint, worth.valid_until)
    kid, cipher = server.kid, server.cipher
    if kid is None or cipher is None:
        first = signing_key(now=now)
        kid, cipher = first.kid, bytes(first.cipher)
    if is_current(tag, facts, kid=kid, now=now):
        return LeaseAnswer("", tag)
    lease = decide_lease(facts, kid=kid, now=now)
    text = sign(cipher, context=LEASE_CONTEXT, document=lease)
    return LeaseAnswer(text, tag_of(facts, lease))


def features_of(server: SeenServer) -> tuple[str, ...]:
    """The features that are on: the account's word, else the key's, else the server's (F-2)."""
    rows = sorted(
        json.loads(server.switched),
        key=lambda row: (row["server"] is not None, row["key"] is not None),
    )
    decided: dict[str, bool] = {}
    for row in rows:
        decided.setdefault(row["feature"], row["enabled"])
    return tuple(
        sorted(
            name
            for name, on in decided.items()
            if on and FEATURE_PRODUCT.get(name, server.product) == server.product
        )
    )


def _facts(server: SeenServer, worth: CheckIn, fingerprint: str, until: date | None) -> LeaseFacts:
    return LeaseFacts(
        server_id=server.public_id,
        fingerprint=fingerprint,
        license_type=worth.license_type,
        features=features_of(server),
        right_until=until,
        stretch=timedelta(days=server.stretch_days or 0),
    )
