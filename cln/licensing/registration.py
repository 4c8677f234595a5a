"""Letting servers in: one machine, one seat, whatever runs at the same time (security §1).

The keys' rows are locked first, then the entitlement's; the facts are gathered under both locks
and `cln.domain.licensing` decides. Constraints of the tables are the last word.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from django.db import transaction

from cln import ids, vault
from cln.database.prepared import fetch_tuples, insert
from cln.domain.addresses import canonical_address
from cln.domain.errors import Refusal
from cln.domain.licensing import Granted, RegistrationFacts, UnknownKey, decide_registration
from cln.domain.machines import MatchStrength, usable_uuid
from cln.domain.silence import PERIOD
from cln.enums import ServerStatus
from cln.licensing import included, refusals, removal
from cln.licensing.access import lock_pool
from cln.licensing.door import Door, Hints
from cln.licensing.editions import check_edition
from cln.licensing.events import server_registered
from cln.licensing.feature_rows import copy_features
from cln.licensing.keys import find_key
from cln.licensing.models import ActivationKey, Server
from cln.licensing.seats import begin_anew

SECRET_PURPOSE = "server-secret"
WATCH_COLUMNS = (
    "last_check_in_at",
    "alert_after",
    "alerted_at",
    "alerts_sent",
    "recovery_after",
)
SECRET_IS_ID = "kernelcare"
"""The product whose agents know one thing only: the 16-character server id (P-46)."""
REPLACED = "Registered again by the same machine"
MOVED = "Moved to"


@dataclass(frozen=True, slots=True)
class Registration:
    """The registered server and its secret, which only this answer shows."""

    server: Server
    secret: str
    reinstalled: bool


def register_server(
    *, key_text: str, address: str, hints: Hints, product: str | None = None, now: datetime
) -> Registration:
    """Register a machine by activation key; the same machine keeps its server and its seat.

    Opens its own transaction. Refuses what `decide_registration` refuses: `unknown_key`,
    `account_blocked`, `bad_address`, `address_not_public`, `ip_not_in_range`, `license_expired`,
    `trial_expired`, `trial_ip_used`, `key_limit_reached`, `pool_exhausted`; and
    `edition_needs_newer_system`. A refusal is kept for the page of its key. A door of one `product`
    knows no other product's keys.
    """
    key = find_key(key_text)
    if key is None or product not in {None, key.license_type.product.code}:
        raise _unknown_key()
    hints = cleaned(hints)
    try:
        with transaction.atomic():
            return register(key, canonical_address(address), hints, now=now)
    except Refusal as refusal:
        refusals.remember(
            key=key, refusal=refusal, hostname=hints.hostname, address=address, now=now
        )
        raise


def secret_hash(secret: str) -> bytes:
    """What finds a server by the secret it presents."""
    return vault.lookup_hash(SECRET_PURPOSE, secret)


def watch_anew(server: Server, *, now: datetime) -> None:
    """A registered server was heard again: change the columns of the watch; the caller saves."""
    server.last_check_in_at, server.alert_after, server.alerted_at = now, now + PERIOD, None
    if server.alerts_sent:
        server.recovery_after, server.alerts_sent = now, 0


def plain_text(text: str, length: int) -> str:
    """One line of printable characters, at most `length`: what agents send is not trusted."""
    return "".join(letter for letter in text if letter.isprintable()).strip()[:length]


def register(
    key: ActivationKey,
    address: str,
    hints: Hints,
    *,
    now: datetime,
    moves: Server | None = None,
) -> Registration:
    """Joins: what `register_server` does with a key that was found and hints that are `cleaned`.

    `moves`: a running server of the key that hands its seat to this machine; refuses
    `server_removed` where it does not run any more, and otherwise what `register_server` refuses.
    """
    check_edition(key.license_type, os_version=hints.os_version)
    known = None if moves or hints.is_copy else _proven(key, hints.secret)
    used = {key.pk, known.key_id if known and known.key_id else key.pk}
    pool = lock_pool(account_id=key.account_id, license_type_id=key.license_type_id, keys=used)
    if key.pk not in pool.keys:
        raise _unknown_key()
    if moves is not None:
        _check_runs(moves, key)
    # Once more, under the lock: it may have been removed meanwhile.
    proven = known and _proven(key, hints.secret)
    if proven is not None and proven.key_id != key.pk and proven.takes_seat:
        # The machine changes keys: its old seat is free before the new key is asked.
        removal.free_seats([proven], pool=pool)
        pool = lock_pool(account_id=key.account_id, license_type_id=key.license_type_id, keys=used)
    door = Door(
        key=pool.keys[key.pk],
        pool=pool,
        address=address,
        hints=hints,
        proven=proven,
        now=now,
        moves=moves,
    )
    facts = door.facts()
    granted = decide_registration(facts)
    reinstalled = granted.strength is MatchStrength.REINSTALL
    if reinstalled:
        server, secret = _replace(door, granted, facts)
    elif proven is not None:
        server, secret = _keep(door, proven, granted), hints.secret
    else:
        server, secret = _insert(door, takes_seat=granted.takes_seat)
    _count(door, seats=1 if granted.takes_seat else 0)
    if server.license_type.product.code == included.INCLUDED_WITH:
        included.settle(account_id=server.account_id, machines=[server], now=now)
    if proven is None or reinstalled:
        server_registered(server, reinstalled=reinstalled, now=now)
    return Registration(server, secret, reinstalled)


def _check_runs(server: Server, key: ActivationKey) -> None:
    """Whether a server still runs under the key, now that its pool is locked."""
    server.refresh_from_db()
    if server.status != ServerStatus.ACTIVE or server.key_id != key.pk:
        raise removal.ServerGone("That server is not registered any more.")


def _replace(door: Door, granted: Granted, facts: RegistrationFacts) -> tuple[Server, str]:
    """Put a new registration into the seat of the one that the machine had before."""
    assert granted.server_id is not None, "a reinstall takes over a known server"
    old = Server.objects.get(pk=granted.server_id)
    Server.objects.filter(pk=old.pk).update(
        status=ServerStatus.SUPERSEDED,
        removed_at=door.now,
        removed_why=REPLACED if door.moves is None else f"{MOVED} {_spot(door)}"[:120],
        alert_after=None,
    )
    if facts.included_with is not None:
        removal.free_seats([old], pool=door.pool)
    return _insert(door, takes_seat=old.takes_seat and facts.included_with is None, supersedes=old)


def _insert(
    door: Door, *, takes_seat: bool, supersedes: Server | None = None
) -> tuple[Server, str]:
    license_type = door.key.license_type
    by_id = license_type.product.code == SECRET_IS_ID
    secret = ids.server_id() if by_id else ids.server_secret()
    server = Server(
        public_id=ids.public_id("srv"),
        account_id=door.key.account_id,
        license_type=license_type,
        key=door.key,
        secret_hash=secret_hash(secret),
        takes_seat=takes_seat,
        hostname=door.hints.hostname,
        address=door.address,
        machine_uuid=door.hints.machine_uuid,
        os_version=door.hints.os_version,
        group_id=None if supersedes is None else supersedes.group_id,
        registered_at=door.now,
        alert_after=door.now + PERIOD,
        supersedes=supersedes,
    )
    insert(server)
    if supersedes is not None:
        copy_features(supersedes, server)
    return server, secret


def _keep(door: Door, server: Server, granted: Granted) -> Server:
    """The machine proved which server it is: same server, same secret, whatever has changed."""
    server.key = door.key
    server.address = door.address
    watch_anew(server, now=door.now)
    server.hostname = door.hints.hostname or server.hostname
    server.machine_uuid = door.hints.machine_uuid or server.machine_uuid
    server.os_version = door.hints.os_version or server.os_version
    if granted.strength is MatchStrength.NEW and server.takes_seat != granted.takes_seat:
        begin_anew([server], now=door.now)
        server.takes_seat, server.seat_since = granted.takes_seat, door.now.date()
    server.save()
    return server


def _spot(door: Door) -> str:
    return f"{door.hints.hostname} ({door.address})" if door.hints.hostname else door.address


def _count(door: Door, *, seats: int) -> None:
    right = door.pool.entitlement
    counted = [seats, door.now, door.key.pk, seats, None if right is None else right.pk]
    fetch_tuples(_COUNT, counted)


_COUNT: Final = """
WITH key AS (
    UPDATE licensing_activationkey SET used = used + %s, last_used_at = %s WHERE id = %s
)
UPDATE licensing_entitlement SET used = used + %s WHERE id = %s RETURNING id"""


def _proven(key: ActivationKey, secret: str) -> Server | None:
    """The running server of the same account and license type whose secret was presented."""
    if ids.SECRET_SHAPE.fullmatch(secret) is None:
        return None
    return (
        Server.objects.select_related("license_type__product")
        .filter(
            secret_hash=secret_hash(secret),
            account=key.account_id,
            license_type=key.license_type_id,
            status=ServerStatus.ACTIVE,
        )
        .first()
    )


def cleaned(hints: Hints) -> Hints:
    """Hints as they are stored and compared."""
    return replace(
        hints,
        hostname=plain_text(hints.hostname, 253).rstrip(".").lower(),
        machine_uuid=usable_uuid(hints.machine_uuid) or "",
        os_version=plain_text(hints.os_version, 40),
        secret=hints.secret.strip(),
    )


def _unknown_key() -> UnknownKey:
    return UnknownKey("There is no such activation key.", "Copy the key from your console.")
