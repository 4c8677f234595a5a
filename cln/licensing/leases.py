"""Leases of running servers: one read gathers what they say, nothing is written.

The read is SQL by hand: every check-in makes it, and to build it anew each time took four times as
long as to answer it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cln.database.prepared import fetch_tuples
from cln.domain.leases import (
    LEASE_CONTEXT,
    LeaseFacts,
    decide_lease,
    is_current,
    tag_of,
)
from cln.enums import AccountKind, ServerStatus
from cln.licensing.feature_list import of_product, usually_on
from cln.licensing.lease_keys import sign, signing_key
from cln.licensing.servers import CheckIn, LicenseState

RUNNING = (LicenseState.ACTIVE, LicenseState.TRIAL)
_SEEN = """
    SELECT s.secret_hash, s.id, s.public_id, s.status, host(s.address), p.code,
        s.users, l.user_limit, l.name, l.code, c.kind, s.by_address,
        t.server_id IS NOT NULL, coalesce(t.boot, ''), t.former_boots, coalesce(t.fingerprint, ''),
        k.kid, k.cipher, i.stretch_days,
        EXISTS (SELECT FROM licensing_clonecase c WHERE c.server_id = s.id),
        (SELECT json_agg(json_build_array(f.feature, f.enabled,
                coalesce(f.server_id, f.ip_license_id) IS NOT NULL, f.key_id IS NOT NULL))
            FROM licensing_featuresetting f WHERE f.account_id = s.account_id
            AND (f.server_id = s.id OR f.ip_license_id = a.id
                OR f.server_id IS NULL AND f.ip_license_id IS NULL
                    AND (f.key_id = s.key_id OR f.key_id IS NULL)))
    FROM licensing_server s
    JOIN catalog_licensetype l ON l.id = s.license_type_id
    JOIN catalog_product p ON p.id = l.product_id
    JOIN accounts_account c ON c.id = s.account_id
    LEFT JOIN licensing_machinetrace t ON t.server_id = s.id
    LEFT JOIN licensing_leasekey k ON k.signs
    LEFT JOIN licensing_leaseincident i ON i.ended_at IS NULL
    LEFT JOIN licensing_iplicense a ON s.by_address AND a.address = s.address
        AND a.license_type_id = s.license_type_id AND a.removed_at IS NULL
    WHERE """


@dataclass(frozen=True, slots=True)
class LeaseAnswer:
    """A lease and its tag. `text` is empty where the caller holds the current one; both are
    empty where the license does not run.
    """

    text: str
    tag: str


NO_LEASE = LeaseAnswer("", "")


@dataclass(frozen=True, slots=True)
class SeenServer:
    """A server with everything that a check-in of our agent needs besides its license.

    `boot`, `former_boots` and `fingerprint` are those of its trace; `kid` is None before the
    first lease of all; `switched` are feature, enabled, and whether set on the server, on a key.
    """

    pk: int
    public_id: str
    status: str
    address: str
    product: str
    users: int | None
    user_limit: int | None
    license_name: str
    license_type: str
    account_kind: str
    by_address: bool
    has_trace: bool
    boot: str
    former_boots: Sequence[str] | None
    fingerprint: str
    kid: str | None
    cipher: bytes | None
    stretch_days: int | None
    has_clone_case: bool
    switched: Sequence[tuple[str, bool, bool, bool]] | None

    @property
    def is_running(self) -> bool:
        """Whether it is registered now."""
        return self.status == ServerStatus.ACTIVE


def seen_by_secrets(hashes: Sequence[bytes]) -> dict[bytes, SeenServer]:
    """The servers that keyed hashes of their secrets find, by these."""
    return {bytes(shown): seen for shown, seen in _seen("s.secret_hash = ANY(%s)", [*hashes])}


def seen_by_id(server_id: int) -> SeenServer:
    """The server with this primary key."""
    [(_, found)] = _seen("s.id = %s", server_id)
    return found


def _seen(condition: str, value: list[bytes] | int) -> list[tuple[bytes, SeenServer]]:
    # psycopg decodes json: the last column is a list of lists, or None.
    return [(row[0], SeenServer(*row[1:])) for row in fetch_tuples(_SEEN + condition, [value])]


def lease_of(
    server: SeenServer, worth: CheckIn, *, fingerprint: str, tag: str, now: datetime
) -> LeaseAnswer:
    """The lease of a server, as its license is worth now.

    Bound to `fingerprint`, what the machine says it is. `tag`: of the lease the caller holds.
    """
    if worth.state not in RUNNING:
        return NO_LEASE
    facts = LeaseFacts(
        server_id=server.public_id,
        fingerprint=fingerprint,
        license_type=worth.license_type,
        features=features_of(server),
        right_until=worth.valid_until,
        stretch=timedelta(days=server.stretch_days or 0),
    )
    kid, cipher = server.kid, server.cipher
    if kid is None or cipher is None:
        first = signing_key(now=now)
        kid, cipher = first.kid, bytes(first.cipher)
    if is_current(tag, facts, kid=kid, now=now):
        return LeaseAnswer("", tag)
    lease = decide_lease(facts, kid=kid, now=now)
    text = sign(bytes(cipher), context=LEASE_CONTEXT, document=lease)
    return LeaseAnswer(text, tag_of(facts, lease))


def features_of(server: SeenServer) -> tuple[str, ...]:
    """The features that are on: the account's word, else the key's, else the server's (F-2), else
    what is usual with the license type (F-5).
    """
    decided: dict[str, bool] = {}
    for feature, enabled, _, _ in sorted(server.switched or (), key=lambda row: tuple(row[2:])):
        decided.setdefault(feature, enabled)
    is_reseller = server.account_kind == AccountKind.RESELLER
    for feature in usually_on(server.license_type, is_reseller=is_reseller):
        decided.setdefault(feature, True)
    return tuple(
        sorted(name for name, on in decided.items() if on and of_product(name, server.product))
    )
