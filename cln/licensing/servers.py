"""What a registered server does afterwards: check in, leave, come back from a wrong reinstall."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import ClassVar

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet, Subquery

from cln import ids
from cln.accounts.audit import record
from cln.domain.addresses import canonical_address
from cln.domain.errors import Refusal
from cln.enums import EntitlementKind, ServerStatus
from cln.licensing import address_rights, included, removal
from cln.licensing.access import UnknownServer, get_server, holds_a_license, lock_pool
from cln.licensing.models import Entitlement, Server
from cln.licensing.registration import SILENCE_ALLOWED, plain_text, secret_hash
from cln.licensing.seats import begin_anew

UNDO_HOURS = 72


class NotAReinstall(Refusal):
    """The server did not replace another one."""

    code: ClassVar[str] = "not_a_reinstall"


class UndoTooLate(Refusal):
    """A reinstall can be undone for 72 hours."""

    code: ClassVar[str] = "undo_too_late"


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


def check_in(*, secret: str, address: str, report: Report, now: datetime) -> CheckIn:
    """Note that a server lives, and tell it what its license is worth: one read, one write.

    Refuses `unknown_server`, `server_removed` (removed or replaced), `bad_address`.
    """
    return _checked_in(_found(secret, now=now), address=address, report=report, now=now)


def check_in_proven(*, server_id: int, address: str, report: Report, now: datetime) -> CheckIn:
    """The same for a server (by primary key) that has proven itself in another way.

    Refuses `server_removed`, `bad_address`.
    """
    server = _with_right(now).get(pk=server_id)
    return _checked_in(server, address=address, report=report, now=now)


def license_of(*, server_id: int, now: datetime) -> CheckIn:
    """What the license of a server (by primary key) is worth, without a check-in."""
    return _state(_with_right(now).get(pk=server_id))


def find_server(*, secret: str, now: datetime) -> Server:
    """The running server that presents its secret. Refuses `unknown_server`, `server_removed`."""
    return _found(secret, now=now)


def unregister(*, secret: str, now: datetime) -> Server:
    """Remove the server that presents its secret. Refuses `unknown_server`, `server_removed`."""
    server = _found(secret, now=now)
    with transaction.atomic():
        return removal.remove_server(
            account_id=server.account_id,
            server=server.public_id,
            why="Unregistered on the server",
            now=now,
        )


def undo_until(server: Server) -> datetime | None:
    """As long a running server's seat can go back to the registration it replaced."""
    if server.supersedes_id is None or server.status != ServerStatus.ACTIVE:
        return None
    return server.registered_at + timedelta(hours=UNDO_HOURS)


def undo_reinstall(*, account_id: int, server: str, actor: str, now: datetime) -> Server:
    """Take back a wrong "same machine": the replaced registration returns to its seat.

    `server` is the public id of the registration that took over; it is removed and may register
    anew. Refuses `unknown_server`, `server_removed`, `not_a_reinstall`, `undo_too_late` (72 h).
    """
    with transaction.atomic():
        new = get_server(account_id=account_id, public_id=server)
        lock_pool(account_id=account_id, license_type_id=new.license_type_id)
        new = get_server(account_id=account_id, public_id=server)
        if new.supersedes_id is None:
            raise NotAReinstall("This server did not replace another one.")
        if new.status != ServerStatus.ACTIVE:
            raise removal.ServerGone("This server has been removed before.")
        if now > new.registered_at + timedelta(hours=UNDO_HOURS):
            raise UndoTooLate(
                f"A reinstall can be undone for {UNDO_HOURS} hours.",
                "Register the other machine again.",
            )
        Server.objects.filter(pk=new.pk).update(
            status=ServerStatus.REMOVED,
            removed_at=now,
            removed_why="The reinstall was undone",
            alert_after=None,
        )
        replaced = Server.objects.get(pk=new.supersedes_id)
        assert replaced.removed_at is not None, "a replaced registration knows since when"
        begin_anew([replaced], until=replaced.removed_at.date(), now=now)
        # The seat goes back as it is, counters untouched: exactly one of the two held it.
        Server.objects.filter(pk=new.supersedes_id).update(
            status=ServerStatus.ACTIVE,
            removed_at=None,
            removed_why="",
            takes_seat=new.takes_seat,
            key=new.key,
            license_type=new.license_type,
            alert_after=now + SILENCE_ALLOWED,
        )
        old = Server.objects.select_related("license_type__product").get(pk=new.supersedes_id)
        record(
            account_id=account_id,
            actor=actor,
            verb="reinstall_undone",
            subject=old.public_id,
            details={"instead_of": new.public_id},
            now=now,
        )
        if old.license_type.product.code == included.INCLUDED_WITH:
            included.settle(account_id=account_id, machines=[new, old], now=now)
    return old


def _checked_in(server: Server, *, address: str, report: Report, now: datetime) -> CheckIn:
    changes: dict[str, object] = {
        "last_check_in_at": now,
        "alert_after": now + SILENCE_ALLOWED,
        "address": canonical_address(address),
    }
    told = {
        "hostname": plain_text(report.hostname, 253).rstrip(".").lower(),
        "os_version": plain_text(report.os_version, 40),
        "kernel": plain_text(report.kernel, 120),
    }
    changes |= {name: text for name, text in told.items() if text}
    if report.users is not None:
        changes["users"] = report.users
    # The status is asked again: a removal that has just won must not be undone by a heartbeat.
    running = Server.objects.filter(pk=server.pk, status=ServerStatus.ACTIVE)
    if not running.update(**changes):
        raise _gone(server)
    if server.by_address:
        server.address = str(changes["address"])
        address_rights.mark_seen(server, now=now)
    return _state(server)


def _found(secret: str, *, now: datetime) -> Server:
    secret = secret.strip()
    if ids.SECRET_SHAPE.fullmatch(secret) is None:
        raise _unknown()
    server = _with_right(now).filter(secret_hash=secret_hash(secret)).first()
    if server is None:
        raise _unknown()
    if server.status != ServerStatus.ACTIVE:
        raise _gone(server)
    return server


def _with_right(now: datetime) -> QuerySet[Server]:
    """Servers with what the account holds of their license type, in one query."""
    right = Entitlement.objects.filter(
        account=OuterRef("account"), license_type=OuterRef("license_type")
    )
    covering = Entitlement.objects.filter(
        holds_a_license(now),
        account=OuterRef("account"),
        license_type__product__code=included.INCLUDED_WITH,
        kind=EntitlementKind.PAID,
    )
    suspended = Entitlement.objects.filter(account=OuterRef("account"), suspended_at__isnull=False)
    return Server.objects.select_related("license_type").annotate(
        right_kind=Subquery(right.values("kind")[:1]),
        right_until=Subquery(right.values("valid_until")[:1]),
        holds_right=Exists(right.filter(holds_a_license(now))),
        holds_covering=Exists(covering),
        is_suspended=Exists(suspended),
    )


def _state(server: Server) -> CheckIn:
    seen = server.__dict__  # the annotations of `_with_right`
    if server.by_address:
        held = address_rights.holds(server)
        state = LicenseState.ACTIVE if held else LicenseState.ENDED
        return CheckIn(server.public_id, server.license_type.code, state, None)
    included_here = not server.takes_seat
    on_trial = not included_here and seen["right_kind"] == EntitlementKind.TRIAL
    until: datetime | None = None if included_here else seen["right_until"]
    if seen["is_suspended"]:
        state = LicenseState.SUSPENDED
    elif not seen["holds_covering" if included_here else "holds_right"]:
        state = LicenseState.TRIAL_ENDED if on_trial else LicenseState.ENDED
    else:
        state = LicenseState.TRIAL if on_trial else LicenseState.ACTIVE
    return CheckIn(
        public_id=server.public_id,
        license_type=server.license_type.code,
        state=state,
        valid_until=None if until is None else until.date(),
    )


def _unknown() -> UnknownServer:
    return UnknownServer("There is no such server.", "Register it with an activation key.")


def _gone(server: Server) -> removal.ServerGone:
    why = server.removed_why or "It was removed"
    return removal.ServerGone(
        f"This server is not registered any more: {why}.",
        "Register it again with an activation key.",
        state=_state(server).state,
    )
