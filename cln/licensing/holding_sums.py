"""What a reseller holds in the running month, counted by the database: for pages, where a bill
reads license by license (`holdings`).

Nearly all licenses are held from one day on, without a gap; those only need counting. Addresses
that were given back this month and servers that were removed are counted by their days, too.
Servers that were reinstalled or converted are *mixed*, and read one by one: what they are billed
as follows from one another.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Final, NamedTuple

from django.db import connection
from django.db.models import Exists, OuterRef, Q

from cln.database.rows import among
from cln.domain.calendar import Period
from cln.domain.usage import Holding, days_of
from cln.enums import ServerStatus
from cln.licensing import holding_statements as statements
from cln.licensing import holdings
from cln.licensing.emailing import Emailing
from cln.licensing.holdings import Registration
from cln.licensing.models import SeatSpan, Server

_DAY: Final = timedelta(days=1)
_STEPS_MOST: Final = 1_000
_READ_ONCE: Final = ("_mixed_servers", "_spans", "_free_until")


@dataclass(frozen=True, slots=True)
class Subject:
    """A license of a month: what it is, what people call it, its days."""

    subject: str
    name: str
    days: int


class _Alike(NamedTuple):
    """How many licenses of a type have the same days: `earlier` ones of the month, and those since
    `held_from` (None: not held again), for servers that are removed until `removed_on`.

    `licenses` is below 0 for what stands in another count, too, and is taken out of that.
    """

    is_server: bool
    license_type_id: int
    held_from: date | None
    removed_on: date | None
    earlier: int
    licenses: int


@dataclass(frozen=True)
class Running:
    """What an account holds in a month that has not ended; one instance reads each thing once.

    `emailing`: only what of it has Imunify Email, see `emailing_days`.
    """

    account_id: int
    month: Period
    prepaid: Mapping[int, date]
    emailing: Emailing | None = None

    def days(self, *, until: date | None = None) -> dict[int, Counter[int]]:
        """By license type (row id): how many licenses are held for how many days of the month, if
        all are given back on a day; not one on which some were already.
        """
        found: dict[int, Counter[int]] = defaultdict(Counter)
        for one in self._plain:
            days = one.earlier + self._days(one.held_from, one.removed_on or until)
            found[one.license_type_id][days] += one.licenses
        for license_type_id, mixed in self._mixed_days(until).items():
            found[license_type_id].update(mixed.values())
        for counted in found.values():
            # Paid for until later: not held yet, as far as this month's bill is concerned.
            del counted[0]
        return {pk: +counted for pk, counted in sorted(found.items()) if +counted}

    def emailing_days(
        self, emailing: Emailing, *, until: date | None = None
    ) -> Mapping[int, Counter[int]]:
        """The same of what has Imunify Email (S2)."""
        if emailing.is_nowhere:
            return {}
        if emailing.everywhere:
            days = self.days(until=until)
            return {pk: found for pk, found in days.items() if pk in emailing.license_types}
        if emailing not in self._parts:
            some = self._parts[emailing] = replace(self, emailing=emailing)
            for name in _READ_ONCE:
                some.__dict__[name] = getattr(self, name)
        return self._parts[emailing].days(until=until)

    @cached_property
    def _parts(self) -> dict[Emailing, Running]:
        """What has Imunify Email, by where that is enabled: asked for so far and for the end."""
        return {}

    def first(self, license_type_id: int, count: int, *, until: date) -> tuple[Subject, ...]:
        """The first licenses of a type in the order of their subjects, with their days."""
        rows = self._first_addresses(license_type_id, count, until)
        if len(rows) < count:
            mixed = self._mixed_days(until).get(license_type_id, {})
            rows += [Subject(one, self._names[one], days) for one, days in mixed.items()]
            rows += self._plain_servers(license_type_id, count, until)
        return tuple(sorted(rows, key=lambda row: row.subject)[:count])

    def _days(self, held_from: date | None, until: date | None) -> int:
        if held_from is None:
            return 0
        end = min(until or self.month.end, self.month.end)
        return max(0, (end - max(held_from, self.month.start)).days)

    def _mixed_days(self, until: date | None) -> Mapping[int, Mapping[str, int]]:
        """By license type: on how many days each of the mixed ones is held, if until then."""
        if until not in self._known_days:
            held = self.month
            if until is not None and until < held.end:
                held = Period(held.start, max(held.start, until))
            self._known_days[until] = {
                license_type_id: {
                    subject: days
                    for subject, stretches in mixed.items()
                    if (days := days_of(stretches, held))
                }
                for license_type_id, mixed in self._mixed.items()
            }
        return self._known_days[until]

    @cached_property
    def _known_days(self) -> dict[date | None, Mapping[int, Mapping[str, int]]]:
        return {}

    @property
    def _values(self) -> dict[str, int | date | list[int]]:
        only = self.emailing
        return {
            "account": self.account_id,
            "start": self.month.start,
            "end": self.month.end,
            "types": sorted(only.license_types) if only else [],
            "keys": sorted(only.keys) if only else [],
            "decided": sorted(only.decided) if only else [],
            "servers": sorted(only.servers) if only else [],
            "ip_licenses": sorted(only.ip_licenses) if only else [],
        }

    def _counts_server(self, server: Registration, license_type_id: int) -> bool:
        only = self.emailing
        return only is None or (license_type_id in only.license_types and only.of_server(server))

    @cached_property
    def _plain(self) -> list[_Alike]:
        """What is not mixed, counted in one statement."""
        which, which_servers = ("", "") if self.emailing is None else statements.EMAILING
        query = statements.COUNTED.format(which=which, which_servers=which_servers)
        with connection.cursor() as cursor:
            cursor.execute(query, self._values)
            rows = [_Alike(*row) for row in cursor.fetchall()]
        rows += [
            _Alike(True, server.license_type_id, server.first_on, None, 0, -1)
            for server in self._mixed_servers.values()
            if self._counts_server(server, server.license_type_id)
            and server.takes_seat
            and server.status == ServerStatus.ACTIVE
        ]
        return [self._unless_paid(row) if row.is_server else row for row in rows]

    def _unless_paid(self, row: _Alike) -> _Alike:
        assert row.held_from is not None, "a server is held since a day"
        return row._replace(held_from=self._paid_from(row.license_type_id, row.held_from))

    def _paid_from(self, license_type_id: int, held_from: date) -> date:
        return max(held_from, self._free_until.get(license_type_id, held_from))

    @cached_property
    def _free_until(self) -> dict[int, date]:
        return holdings.free_days(self.account_id, self.prepaid)

    @cached_property
    def _mixed(self) -> defaultdict[int, dict[str, list[Holding]]]:
        """The stretches of the mixed servers, by license type and subject."""
        found: defaultdict[int, dict[str, list[Holding]]] = defaultdict(dict)
        for server in self._mixed_servers.values():
            subject = holdings.server_subject(server, self._mixed_servers)
            spans = self._spans[server.pk]
            stretches = holdings.server_holdings(server, spans, subject, self._free_until)
            for license_type_id, one in stretches:
                if self._counts_server(server, license_type_id):
                    found[license_type_id].setdefault(subject, []).append(one)
        return found

    @cached_property
    def _spans(self) -> defaultdict[int, list[holdings.Span]]:
        return holdings.spans_of(self._mixed_servers)

    @cached_property
    def _names(self) -> dict[str, str]:
        names = {}
        for server in self._mixed_servers.values():
            subject = holdings.server_subject(server, self._mixed_servers)
            names[subject] = holdings.server_name(server.hostname, server.address)
        return names

    @cached_property
    def _mixed_servers(self) -> dict[int, Registration]:
        """Registrations that changed their seat this month, and those that ended in it and replaced
        another or were replaced, with all of these; oldest first, as names are those of the newest.
        """
        after = datetime.combine(self.month.start + _DAY, time(), tzinfo=UTC)
        replaced = Q(Exists(Server.objects.filter(supersedes=OuterRef("pk"))))
        is_linked = Q(supersedes__isnull=False) | replaced
        ended = ~Q(status=ServerStatus.ACTIVE) & Q(removed_at__gte=after) & is_linked
        changed = Q(pk__in=SeatSpan.objects.filter(until_on__gt=self.month.start).values("server"))
        found: dict[int, Registration] = {}
        waiting = {row.pk: row for which in (ended, changed) for row in self._touching(which)}
        for _ in range(_STEPS_MOST):
            if not waiting:
                break
            found |= waiting
            waiting = {row.pk: row for row in self._linked(waiting.values()) if row.pk not in found}
        return dict(sorted(found.items()))

    def _touching(self, which: Q) -> Iterator[Registration]:
        begun = datetime.combine(self.month.end, time(), tzinfo=UTC)
        after = datetime.combine(self.month.start + _DAY, time(), tzinfo=UTC)
        rows = Server.objects.filter(which, account=self.account_id, registered_at__lt=begun)
        touching = rows.filter(Q(removed_at=None) | Q(removed_at__gte=after))
        return holdings.registrations(touching)

    def _linked(self, servers: Iterable[Registration]) -> Iterator[Registration]:
        ids = {row.pk for row in servers}
        replaced = {row.supersedes_id for row in servers if row.supersedes_id is not None}
        return self._touching(Q(supersedes__in=among(ids)) | Q(pk__in=among(replaced)))

    def _first_addresses(self, license_type_id: int, count: int, until: date) -> list[Subject]:
        """In the order of their names: what an address is held for follows from both lists, and
        who is among the first of all is among the first of one of them.
        """
        values = self._values | {"type": license_type_id, "count": count}
        found: dict[str, int] = {}
        with connection.cursor() as cursor:
            cursor.execute(statements.FIRST_ADDRESSES, values)
            for address, added_on in cursor.fetchall():
                found[address] = self._days(added_on, until)
            cursor.execute(statements.FIRST_GIVEN_BACK, values)
            for address, held_from, earlier in cursor.fetchall():
                found[address] = earlier + self._days(held_from, until)
        first = sorted(found.items())[:count]
        return [Subject(f"ip:{address}", address, days) for address, days in first]

    def _plain_servers(self, license_type_id: int, count: int, until: date) -> Iterator[Subject]:
        """The first of those that are held, and of those removed; but not the mixed ones."""
        values = self._values | {
            "type": license_type_id,
            "count": count + len(self._mixed_servers),
            "paid": self._free_until.get(license_type_id),
        }
        with connection.cursor() as cursor:
            for statement in (statements.FIRST_SERVERS, statements.FIRST_REMOVED):
                cursor.execute(statement, values)
                for pk, hostname, address, since, removed_on in cursor.fetchall():
                    first = self._paid_from(license_type_id, since)
                    days = self._days(first, until if removed_on is None else removed_on)
                    if days and pk not in self._mixed_servers:
                        name = holdings.server_name(hostname, address)
                        yield Subject(holdings.subject_of(pk), name, days)
