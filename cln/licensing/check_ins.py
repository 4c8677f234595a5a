"""Check-ins: many at once in one statement, and what the license of each server is worth.

A check-in changes no indexed column of a healthy server, so PostgreSQL writes the new version of
the row into the same page and touches no index (HOT): the cost does not grow with the number of
servers. The due column `alert_after` is left behind on purpose; the scanner of alerts moves it on.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final

from cln import ids
from cln.database.prepared import fetch_all
from cln.domain.addresses import canonical_address
from cln.domain.errors import Refusal
from cln.domain.silence import PERIOD
from cln.enums import EntitlementKind, ServerStatus
from cln.licensing import included
from cln.licensing.access import UnknownServer
from cln.licensing.partners import LICENSED
from cln.licensing.registration import plain_text, secret_hash
from cln.licensing.removal import ServerGone

TALLY_MINUTES: Final = 5


class LicenseState(StrEnum):
    """What the server's license is worth at this moment."""

    ACTIVE = "active"
    TRIAL = "trial"
    SUSPENDED = "suspended"
    ENDED = "ended"
    TRIAL_ENDED = "trial_ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a server says at check-in; empty = unchanged."""

    hostname: str = ""
    os_version: str = ""
    kernel: str = ""
    users: int | None = None


@dataclass(frozen=True, slots=True)
class CheckIn:
    """The answer to a check-in. `valid_until` is the day the right ends, None is without end."""

    public_id: str
    license_type: str
    state: LicenseState
    valid_until: date | None


@dataclass(frozen=True, slots=True)
class Contact:
    """A check-in that waits to be written: the hash of the secret that was shown, and the rest."""

    secret_hash: bytes
    address: str
    report: Report


# What a check-in may tell of a server, and its column's type; empty and null change nothing.
_TOLD: Final = {
    "address": "inet",
    "hostname": "text",
    "os_version": "text",
    "kernel": "text",
    "users": "integer",
}
_NEW: Final = ", ".join(f"new_{name}" for name in _TOLD)
_CHANGES: Final = ", ".join(f"{name} = COALESCE(new_{name}, s.{name})" for name in _TOLD)
_FOUND: Final = """
    SELECT s.id, s.secret_hash, s.public_id, s.account_id, s.license_type_id, s.status,
        s.takes_seat, s.removed_why, s.by_address"""
_WORTH: Final = """
SELECT found.secret_hash, found.public_id, found.status, found.removed_why, found.takes_seat,
    found.by_address,
    license_type.code AS license_type, held.kind, held.valid_until,
    EXISTS (
        SELECT FROM licensing_entitlement e
        WHERE e.account_id = found.account_id AND e.suspended_at IS NOT NULL
    ) AS is_suspended,
    CASE WHEN found.by_address THEN EXISTS (
        SELECT FROM licensing_iplicense i JOIN accounts_account a ON a.id = i.account_id
        WHERE i.account_id = found.account_id AND i.license_type_id = found.license_type_id
            AND i.address = found.now_at AND i.removed_at IS NULL
            AND a.dunning_state = ANY(%(licensed)s)
    ) WHEN found.takes_seat THEN
        held.id IS NOT NULL AND (held.quantity IS NULL OR held.quantity > 0)
        AND (held.valid_until IS NULL OR held.valid_until > %(now)s)
    ELSE EXISTS (
        SELECT FROM licensing_entitlement e
        JOIN catalog_licensetype t ON t.id = e.license_type_id
        JOIN catalog_product p ON p.id = t.product_id
        WHERE e.account_id = found.account_id AND p.code = %(included_with)s AND e.kind = %(paid)s
            AND (e.quantity IS NULL OR e.quantity > 0)
            AND (e.valid_until IS NULL OR e.valid_until > %(now)s)
    ) END AS is_licensed
FROM found
JOIN catalog_licensetype license_type ON license_type.id = found.license_type_id
LEFT JOIN licensing_entitlement held
    ON held.account_id = found.account_id AND held.license_type_id = found.license_type_id"""
_READ: Final = f"""
WITH found AS ({_FOUND}, s.address AS now_at FROM licensing_server s WHERE s.id = %(id)s){_WORTH}"""
# Rows are locked in the order of their ids: two processes with the same servers never deadlock.
# The status is the locked one: a removal that has just won is not undone by a heartbeat.
_WRITE: Final = f"""
WITH asked AS (
    SELECT * FROM unnest(
        %(secret_hash)s::bytea[], {", ".join(f"%({name})s::{of}[]" for name, of in _TOLD.items())}
    ) AS asked(secret_hash, {_NEW})
), found AS ({_FOUND}, {_NEW}, COALESCE(new_address, s.address) AS now_at
    FROM asked JOIN licensing_server s ON s.secret_hash = asked.secret_hash
    ORDER BY s.id FOR NO KEY UPDATE OF s
), seen AS (
    UPDATE licensing_server s SET last_check_in_at = %(now)s, {_CHANGES},
        alert_after = CASE WHEN s.alerted_at IS NULL THEN s.alert_after
            ELSE %(now)s + COALESCE(s.period, %(period)s) END,
        recovery_after = CASE WHEN s.alerts_sent > 0 THEN %(now)s ELSE s.recovery_after END,
        alerted_at = NULL,
        alerts_sent = 0
    FROM found WHERE s.id = found.id AND found.status = %(active)s
    RETURNING s.id
), licenses_seen AS (
    UPDATE licensing_iplicense i SET last_check_in_at = %(now)s
    FROM found
    WHERE found.by_address AND found.status = %(active)s AND i.account_id = found.account_id
        AND i.license_type_id = found.license_type_id AND i.address = found.now_at
        AND i.removed_at IS NULL
), tally AS (
    INSERT INTO licensing_checkintally (at, writer, count)
    SELECT %(bucket)s, %(writer)s, count(*) FROM seen HAVING count(*) > 0
    ON CONFLICT (at, writer) DO UPDATE SET count = licensing_checkintally.count + EXCLUDED.count
){_WORTH}"""


def contact_of(*, secret: str, address: str, report: Report) -> Contact:
    """What is to be written for a server that shows its secret.

    Refuses `unknown_server` where no server could have that secret, `bad_address`.
    """
    secret = secret.strip()
    if ids.SECRET_SHAPE.fullmatch(secret) is None:
        raise unknown()
    return Contact(secret_hash(secret), canonical_address(address), report)


def check_in(*, secret: str, address: str, report: Report, now: datetime) -> CheckIn:
    """Note that a server lives, and tell it what its license is worth.

    Refuses `unknown_server`, `server_removed` (removed or replaced), `bad_address`.
    """
    contact = contact_of(secret=secret, address=address, report=report)
    [answer] = check_in_many([contact], now=now)
    if isinstance(answer, Refusal):
        raise answer
    return answer


def check_in_many(contacts: Sequence[Contact], *, now: datetime) -> list[CheckIn | Refusal]:
    """Note that servers live, each named once; the answers or refusals in the same order.

    One statement, so one commit for all of them, in the caller's transaction or of its own.
    Refusals: `unknown_server`, `server_removed`.
    """
    if not contacts:
        return []
    told = [_told(contact) for contact in contacts]
    columns: dict[str, list[object]] = {name: [row[name] for row in told] for name in _TOLD}
    rows = fetch_all(
        _WRITE,
        columns
        | {
            "secret_hash": [contact.secret_hash for contact in contacts],
            "period": PERIOD,
            "active": str(ServerStatus.ACTIVE),
            "bucket": tally_bucket(now),
            "writer": os.getpid(),
            **_right_at(now),
        },
    )
    found = {row["secret_hash"]: row for row in rows}
    return [_answer(found.get(contact.secret_hash)) for contact in contacts]


def license_of(*, server_id: int, now: datetime) -> CheckIn:
    """What the license of a server (by primary key) is worth, without a check-in."""
    [row] = fetch_all(_READ, {"id": server_id, **_right_at(now)})
    return _worth(row)


def tally_bucket(now: datetime) -> datetime:
    """The beginning of the five minutes in which check-ins are counted together."""
    return now.replace(minute=now.minute // TALLY_MINUTES * TALLY_MINUTES, second=0, microsecond=0)


def gone(server_id: int, *, now: datetime) -> ServerGone:
    """The refusal of a server (by primary key) that is not registered any more, and why."""
    [row] = fetch_all(_READ, {"id": server_id, **_right_at(now)})
    return _gone(row)


def unknown() -> UnknownServer:
    """The refusal of a secret that is nobody's."""
    return UnknownServer("There is no such server.", "Register it with an activation key.")


def _right_at(now: datetime) -> dict[str, object]:
    return {
        "now": now,
        "included_with": included.INCLUDED_WITH,
        "paid": str(EntitlementKind.PAID),
        "licensed": [str(state) for state in LICENSED],
    }


def _told(contact: Contact) -> dict[str, object]:
    report = contact.report
    return {
        "address": contact.address,
        "hostname": plain_text(report.hostname, 253).rstrip(".").lower() or None,
        "os_version": plain_text(report.os_version, 40) or None,
        "kernel": plain_text(report.kernel, 120) or None,
        "users": report.users,
    }


def _answer(row: Mapping[str, Any] | None) -> CheckIn | Refusal:
    if row is None:
        return unknown()
    return _worth(row) if row["status"] == ServerStatus.ACTIVE else _gone(row)


def _worth(row: Mapping[str, Any]) -> CheckIn:
    if row["by_address"]:
        # Such a server lives by the IP license of its address alone.
        held = LicenseState.ACTIVE if row["is_licensed"] else LicenseState.ENDED
        return CheckIn(row["public_id"], row["license_type"], held, None)
    on_trial = row["takes_seat"] and row["kind"] == EntitlementKind.TRIAL
    until: datetime | None = row["valid_until"] if row["takes_seat"] else None
    if row["is_suspended"]:
        state = LicenseState.SUSPENDED
    elif not row["is_licensed"]:
        state = LicenseState.TRIAL_ENDED if on_trial else LicenseState.ENDED
    else:
        state = LicenseState.TRIAL if on_trial else LicenseState.ACTIVE
    return CheckIn(
        public_id=row["public_id"],
        license_type=row["license_type"],
        state=state,
        valid_until=None if until is None else until.date(),
    )


def _gone(row: Mapping[str, Any]) -> ServerGone:
    why = row["removed_why"] or "It was removed"
    return ServerGone(
        f"This server is not registered any more: {why}.",
        "Register it again with an activation key.",
        state=_worth(row).state,
    )
