"""Signed leases: what a server may rely on while it cannot reach us (security §2).

A lease is a few facts in one line of JSON, signed as the bytes that are sent. It is made anew at
each refresh and stored nowhere: a client that still holds the current one says so by its tag.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

ALGORITHM = "Ed25519"
"""The only one; a verifier must not take it from the lease."""
LEASE_CONTEXT = b"cln-lease-v1\n"
INCIDENT_CONTEXT = b"cln-incident-v1\n"
"""What stands before the signed bytes, so that no signature is good for another purpose."""

REFRESH = timedelta(hours=4)
LASTS = timedelta(days=14)
GRACE = timedelta(days=14)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TAG = re.compile(r'"([0-9]{1,12})-([0-9a-f]{32})"', re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseFacts:
    """What a lease says of a running license. `right_until` is the last day of the right, None
    without end; `stretch` is what an incident of ours adds.
    """

    server_id: str
    fingerprint: str
    license_type: str
    features: tuple[str, ...] = ()
    right_until: date | None = None
    stretch: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Instants are whole seconds since 1970 (UTC); `seq` only ever grows, in milliseconds."""

    server_id: str
    fingerprint: str
    license_type: str
    features: tuple[str, ...]
    iat: int
    refresh_after: int
    exp: int
    grace_until: int
    seq: int
    kid: str
    alg: str = ALGORITHM


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """An outage of ours: leases that had not run out at `starts_at` hold until `until` at least."""

    starts_at: int
    until: int
    kid: str
    alg: str = ALGORITHM


def decide_lease(facts: LeaseFacts, *, kid: str, now: datetime) -> Lease:
    """The lease of a running license from now on: 4 h, 14 d and 14 d of grace, and an incident's
    stretch on top; never beyond the last day of the right.
    """
    expires = now + LASTS + facts.stretch
    return Lease(
        server_id=facts.server_id,
        fingerprint=facts.fingerprint,
        license_type=facts.license_type,
        features=facts.features,
        iat=_seconds(now),
        refresh_after=_capped(now + REFRESH, facts),
        exp=_capped(expires, facts),
        grace_until=_capped(expires + GRACE, facts),
        seq=(now - _EPOCH) // timedelta(milliseconds=1),
        kid=kid,
    )


def decide_incident(*, starts_at: datetime, stretch: timedelta, kid: str) -> Incident:
    """What a server that cannot reach us may be handed: it stretches the lease it has."""
    return Incident(starts_at=_seconds(starts_at), until=_seconds(starts_at + stretch), kid=kid)


def tag_of(facts: LeaseFacts, lease: Lease) -> str:
    """The entity tag of a lease: when it was made, and a hash of what it says."""
    return f'"{lease.iat}-{_digest(facts, lease.kid)}"'


def is_current(tag: str, facts: LeaseFacts, *, kid: str, now: datetime) -> bool:
    """Whether the lease with this tag still says the truth and needs no refresh yet.

    Who makes a tag up gets no lease, and harms nobody else.
    """
    parts = _TAG.fullmatch(tag)
    if parts is None or parts[2] != _digest(facts, kid):
        return False
    made = int(parts[1])
    seconds = now.timestamp()
    return made <= seconds < made + REFRESH.total_seconds() and seconds < _right_ends(facts)


def longest_life(stretch: timedelta) -> timedelta:
    """How long after its making the last word of a lease may be asked for."""
    return LASTS + GRACE + stretch


def next_check_in(server_id: str, *, now: datetime, period: timedelta = REFRESH) -> datetime:
    """The server's own slot, by hash: half a period ahead at least, one and a half at most.

    All servers together are spread evenly, so the spike on the hour never forms.
    """
    seconds = int(period.total_seconds())
    slot = int.from_bytes(hashlib.sha256(server_id.encode()).digest()[:8]) % seconds
    earliest = _seconds(now) + seconds // 2
    return datetime.fromtimestamp(earliest + (slot - earliest) % seconds, UTC)


def signed_bytes(document: Lease | Incident) -> bytes:
    """The exact bytes that are signed, behind their context, and sent."""
    # Not `asdict`: it copies each value deeply, which costs more than the signature.
    content = {name: getattr(document, name) for name in document.__slots__}
    return json.dumps(content, separators=(",", ":"), sort_keys=True).encode("ascii")


def key_document(*, kid: str, public_hex: str, signs: bool) -> Mapping[str, object]:
    """A public key as it is published."""
    return {"kid": kid, "alg": ALGORITHM, "public": public_hex, "signs": signs}


def _digest(facts: LeaseFacts, kid: str) -> str:
    content = "\n".join([*(repr(getattr(facts, name)) for name in facts.__slots__), kid])
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def _capped(instant: datetime, facts: LeaseFacts) -> int:
    return min(_seconds(instant), int(min(_right_ends(facts), 2**53)))


def _right_ends(facts: LeaseFacts) -> float:
    """The first instant of the day after the last day of the right."""
    if facts.right_until is None:
        return float("inf")
    return datetime.combine(facts.right_until + timedelta(days=1), time.min, UTC).timestamp()


def _seconds(instant: datetime) -> int:
    return int(instant.timestamp())
