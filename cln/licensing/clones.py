"""One secret on two machines: noticed at check-in, decided by the owner (security §1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from django.db import transaction

from cln import vault
from cln.accounts.audit import record
from cln.domain.clones import BOTH_WORK, Machine, Side, Sighting, remember, side_of, sight
from cln.domain.errors import Refusal
from cln.licensing.access import get_key, get_server
from cln.licensing.door import Hints
from cln.licensing.leases import SeenServer
from cln.licensing.models import CloneCase, MachineTrace, Server
from cln.licensing.moves import BoundToAddress
from cln.licensing.registration import Registration, cleaned, register
from cln.licensing.rows import CloneRow

ACCEPTED = "accepted"


class CloneRefused(Refusal):
    """This machine is a copy of another one, and may not use that one's registration."""

    code: ClassVar[str] = "clone_refused"


class NoCloneCase(Refusal):
    """Nothing is to be decided about this server."""

    code: ClassVar[str] = "no_clone_case"


@dataclass(frozen=True, slots=True)
class Handover:
    """An identity of its own for a machine that was a copy."""

    server_id: str
    secret: str


def note_machine(
    server: SeenServer, *, boot: str, fingerprint: str, address: str, now: datetime
) -> Handover | None:
    """Note which boot presents the secret of a running server; opens a case at the second.

    Writes only where something has changed. Returns the identity that an accepted copy is to use.
    Refuses `clone_refused`.
    """
    if server.has_clone_case:
        for case in CloneCase.objects.filter(server=server.pk).order_by("-pk"):
            side = _side(case, boot=boot, fingerprint=fingerprint)
            if not case.decision:
                _in_dispute(case, side or Side.ESTABLISHED, boot=boot, now=now)
                return None
            if side is Side.NEWCOMER and case.decision == ACCEPTED:
                return _handed_over(case)
            if side is not None and case.decision not in (ACCEPTED, side):
                raise _refused()
    sighting = sight(boot, current=server.boot, former=server.former_boots or ())
    if sighting is Sighting.CLONE:
        _open_case(server, boot=boot, fingerprint=fingerprint, address=address, now=now)
    elif sighting is Sighting.RESTARTED:
        MachineTrace.objects.update_or_create(
            server_id=server.pk,
            defaults={
                "boot": boot,
                "fingerprint": fingerprint,
                "former_boots": remember(server.boot, server.former_boots or ()),
            },
        )
    return None


def accept_clone(*, account_id: int, server: str, actor: str, now: datetime) -> Registration:
    """Both machines are right: the copy gets a registration and a seat of its own, and fetches
    its identity with its next check-in.

    Refusals: `unknown_server`, `no_clone_case`, `bound_to_address`, and of `register_server`
    those about key and seats.
    """
    with transaction.atomic():
        row, case = _locked_case(account_id=account_id, server=server)
        if row.key is None:
            raise BoundToAddress(
                "The server lives by the IP license of its address; a copy cannot.",
                "Keep one of the two; add an IP license for the address of the other.",
            )
        done = register(
            get_key(account_id=account_id, public_id=row.key.public_id),
            str(case.newcomer_address or row.address),
            cleaned(Hints(hostname=row.hostname, os_version=row.os_version, is_copy=True)),
            now=now,
        )
        case.successor, case.cipher = done.server, vault.seal(done.secret)
        _decide(case, ACCEPTED, actor=actor, now=now)
        _start_trace(case, Side.ESTABLISHED, server=row)
    return done


def keep_one(*, account_id: int, server: str, keep: Side, actor: str, now: datetime) -> None:
    """One machine is right: the other one is refused from its next check-in on.

    Refusals: `unknown_server`, `no_clone_case`.
    """
    with transaction.atomic():
        row, case = _locked_case(account_id=account_id, server=server)
        _decide(case, keep, actor=actor, now=now)
        _start_trace(case, keep, server=row)


def clone_cases_of(account_id: int, *, server: str = "") -> tuple[CloneRow, ...]:
    """What the owner has to decide, the oldest first; about one server where given."""
    cases = CloneCase.objects.filter(server__account=account_id, decision="")
    if server:
        cases = cases.filter(server__public_id=server)
    return tuple(map(_row, cases.select_related("server__license_type").order_by("found_at")))


def cases_to_ask(*, limit: int = 100) -> list[tuple[int, int, CloneRow]]:
    """Open cases whose owner was not asked yet: (case, account, what the mail says)."""
    cases = CloneCase.objects.filter(asked_at=None, decision="")
    cases = cases.select_related("server__license_type").order_by("found_at")[:limit]
    return [(case.pk, case.server.account_id, _row(case)) for case in cases]


def mark_asked(case_id: int, *, now: datetime) -> bool:
    """Joins: note that the owner is being asked; False where somebody else has."""
    return bool(CloneCase.objects.filter(pk=case_id, asked_at=None).update(asked_at=now))


def _side(case: CloneCase, *, boot: str, fingerprint: str) -> Side | None:
    return side_of(
        boot=boot,
        fingerprint=fingerprint,
        established=Machine(
            boots=tuple(case.established_boots), fingerprint=case.established_fingerprint
        ),
        newcomer=Machine(boots=tuple(case.newcomer_boots), fingerprint=case.newcomer_fingerprint),
    )


def _in_dispute(case: CloneCase, side: Side, *, boot: str, now: datetime) -> None:
    """Both work until the owner must have decided; then the newcomer waits."""
    if side is Side.NEWCOMER and now > case.decide_by:
        raise CloneRefused(
            "Two machines use one registration, and this is the newer one.",
            "Decide in the console which is right, or give this machine a license of its own: "
            "cln-agent register --key KEY --copy",
        )
    field = f"{side}_boots"
    boots = getattr(case, field)
    if boot and boot not in boots:
        CloneCase.objects.filter(pk=case.pk).update(**{field: remember(boot, boots)})


def _handed_over(case: CloneCase) -> Handover:
    successor = case.successor
    assert successor is not None, "an accepted case has a successor"
    if case.cipher is None or successor.last_check_in_at is not None:
        CloneCase.objects.filter(pk=case.pk).update(cipher=None)
        raise _refused()
    return Handover(successor.public_id, vault.unseal(case.cipher))


def _refused() -> CloneRefused:
    return CloneRefused(
        "This machine is a copy of another one and may not use its registration.",
        "Give it a license of its own: cln-agent register --key KEY --copy",
    )


def _open_case(
    server: SeenServer, *, boot: str, fingerprint: str, address: str, now: datetime
) -> None:
    """The boot that came back is the older machine; two check-ins at once open one case."""
    CloneCase.objects.get_or_create(
        server_id=server.pk,
        decision="",
        defaults={
            "established_boots": [boot],
            "established_fingerprint": fingerprint,
            "established_address": address,
            "newcomer_boots": [server.boot],
            "newcomer_fingerprint": server.fingerprint,
            "newcomer_address": server.address,
            "found_at": now,
            "decide_by": now + BOTH_WORK,
        },
    )


def _locked_case(*, account_id: int, server: str) -> tuple[Server, CloneCase]:
    row = get_server(account_id=account_id, public_id=server)
    case = CloneCase.objects.select_for_update().filter(server=row, decision="").first()
    if case is None:
        raise NoCloneCase("Nothing is to be decided about this server.")
    return row, case


def _decide(case: CloneCase, decision: str, *, actor: str, now: datetime) -> None:
    case.decision, case.decided_at = decision, now
    case.save()
    record(
        account_id=case.server.account_id,
        actor=actor,
        verb="clone_decided",
        subject=case.server.public_id,
        details={"decision": decision},
        now=now,
    )


def _start_trace(case: CloneCase, side: Side, *, server: Server) -> None:
    """Only the kept machine's boots count from now on."""
    boots = getattr(case, f"{side}_boots")
    MachineTrace.objects.update_or_create(
        server=server,
        defaults={
            "boot": boots[0],
            "former_boots": [],
            "fingerprint": getattr(case, f"{side}_fingerprint"),
        },
    )


def _row(case: CloneCase) -> CloneRow:
    return CloneRow(
        server_id=case.server.public_id,
        hostname=case.server.hostname,
        license_type_name=case.server.license_type.name,
        established_address=case.established_address or "",
        newcomer_address=case.newcomer_address or "",
        found_at=case.found_at,
        decide_by=case.decide_by,
    )
