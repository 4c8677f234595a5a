"""What a reseller held in a month, license by license: the facts of its bill (R2, R8)."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce, TruncDate

from cln.database.rows import among
from cln.domain.calendar import Period
from cln.domain.usage import Holding
from cln.enums import ServerStatus
from cln.licensing.emailing import EmailSwitches
from cln.licensing.models import IpLicense, SeatSpan, Server, Trial


@dataclass(frozen=True, slots=True)
class Held:
    """The holdings of one license type (its row id), those of them with Imunify Email (S2), and
    what people call each subject.
    """

    license_type_id: int
    holdings: tuple[Holding, ...]
    emailing: tuple[Holding, ...]
    names: Mapping[str, str]


class Registration(NamedTuple):
    """What a bill asks of a server's row; a reseller has many, and a model of each takes its time.

    `first_on`: since which day it is what it is now, as `seats.first_day` says.
    """

    pk: int
    license_type_id: int
    supersedes_id: int | None
    key_id: int | None
    status: str
    takes_seat: bool
    first_on: date
    removed_on: date | None
    hostname: str
    address: str


class Span(NamedTuple):
    """Days on which a server took a seat of another license type than now, or took one at all."""

    server_id: int
    license_type_id: int
    from_on: date
    until_on: date


def held_in(*, account_id: int, month: Period, prepaid: Mapping[int, date]) -> tuple[Held, ...]:
    """Everything the account held on a day of the month, by license type.

    `prepaid` says until which day servers of a license type were paid for by a subscription (of
    before the conversion); the days of a trial are free. Two registrations of one machine, the
    second in the seat of the first, are one subject.
    """
    free_until, emailing = free_days(account_id, prepaid), EmailSwitches(account_id).where()
    found: defaultdict[int, list[Holding]] = defaultdict(list)
    with_email: defaultdict[int, list[Holding]] = defaultdict(list)
    names: dict[str, str] = {}
    for address in _addresses(account_id, month):
        subject = f"ip:{address.address}"
        names[subject] = address.address
        holding = Holding(subject, address.added_on, address.removed_on)
        found[address.license_type_id].append(holding)
        if emailing.of_ip_license(address.pk):
            with_email[address.license_type_id].append(holding)
    servers = _servers(account_id, month)
    spans = spans_of(servers)
    for server in servers.values():
        subject = server_subject(server, servers)
        names[subject] = server_name(server.hostname, server.address)
        for license_type_id, holding in server_holdings(
            server, spans[server.pk], subject, free_until
        ):
            found[license_type_id].append(holding)
            if emailing.of_server(server):
                with_email[license_type_id].append(holding)
    return tuple(
        Held(
            pk,
            tuple(found[pk]),
            tuple(with_email[pk] if pk in emailing.license_types else ()),
            names,
        )
        for pk in sorted(found)
    )


def _addresses(account_id: int, month: Period) -> list[IpLicense]:
    rows = IpLicense.objects.filter(account=account_id, added_on__lt=month.end)
    touching = rows.filter(Q(removed_on=None) | Q(removed_on__gt=month.start))
    return list(touching.order_by("added_on", "id"))


def _servers(account_id: int, month: Period) -> dict[int, Registration]:
    """Every registration that lasted into the month, by id, oldest first."""
    rows = Server.objects.filter(account=account_id, registered_at__date__lt=month.end)
    touching = rows.filter(Q(removed_at=None) | Q(removed_at__date__gt=month.start))
    return {row.pk: row for row in registrations(touching.order_by("id"))}


def registrations(rows: QuerySet[Server]) -> Iterator[Registration]:
    """These rows, as far as bills ask them."""
    first_on = Coalesce("seat_since", TruncDate("registered_at", tzinfo=UTC))
    days = rows.annotate(first_on=first_on, removed_on=TruncDate("removed_at", tzinfo=UTC))
    return map(Registration._make, days.values_list(*("pk", *Registration._fields[1:])))


def spans_of(servers: Iterable[int]) -> defaultdict[int, list[Span]]:
    """What is written down of earlier seats, by the row id of the server."""
    found: defaultdict[int, list[Span]] = defaultdict(list)
    rows = SeatSpan.objects.filter(server__in=among(servers)).values_list(*Span._fields)
    for row in map(Span._make, rows):
        found[row.server_id].append(row)
    return found


def server_holdings(
    server: Registration, spans: Sequence[Span], subject: str, free_until: Mapping[int, date]
) -> Iterator[tuple[int, Holding]]:
    """The stretches of a server that are billed, each with its license type (row id)."""
    for license_type_id, holding in _stretches(server, spans, subject):
        paid_from = max(holding.held_from, free_until.get(license_type_id, holding.held_from))
        if holding.held_until is None or paid_from < holding.held_until:
            yield license_type_id, Holding(subject, paid_from, holding.held_until)


def _stretches(
    server: Registration, spans: Sequence[Span], subject: str
) -> list[tuple[int, Holding]]:
    found = [
        (span.license_type_id, Holding(subject, span.from_on, span.until_on)) for span in spans
    ]
    if server.takes_seat:
        until = None if server.status == ServerStatus.ACTIVE else _last_day(server)
        found.append((server.license_type_id, Holding(subject, server.first_on, until)))
    return found


def _last_day(server: Registration) -> date:
    assert server.removed_on is not None, "a constraint says so"
    return server.removed_on


def server_subject(server: Registration, known: Mapping[int, Registration]) -> str:
    """By the oldest registration whose seat this one has inherited."""
    while server.supersedes_id is not None and server.supersedes_id in known:
        server = known[server.supersedes_id]
    return subject_of(server.pk)


def subject_of(server_id: int) -> str:
    """The subject of a registration that has inherited no seat."""
    return f"server:{server_id:012}"


def server_name(hostname: str, address: object) -> str:
    """What people call a server."""
    return f"{hostname} ({address})" if hostname else str(address)


def free_days(account_id: int, prepaid: Mapping[int, date]) -> dict[int, date]:
    """Until which day servers cost nothing, by license type (row id): trials, and `prepaid`."""
    trials: dict[int, Any] = {}
    for trial in Trial.objects.filter(account=account_id):
        over = trial.converted_at or trial.ended_at or trial.ends_at
        trials[trial.license_type_id] = over.date()
    return {
        pk: max(day for day in (trials.get(pk), prepaid.get(pk)) if day is not None)
        for pk in {*trials, *prepaid}
    }
