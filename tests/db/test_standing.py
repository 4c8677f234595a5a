"""Lists name exactly the silent servers, whatever put an alert off (ADR 131)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cln.accounts.models import Account
from cln.domain.silence import Standing
from cln.flows import alerts
from cln.licensing import groups, queries, removal, restoring, silent_servers, watch, watch_rules
from cln.licensing.models import ServerGroup
from cln.licensing.services import Hints, Registration, Report, check_in, register_server, reveal
from tests.licensing import ADDRESS, NOW, an_account, bought, registered

HOUR = timedelta(hours=1)
GROUP = "Rack 4"


class Fleet:
    """Three servers of an account and all that moves an alert, at a time of its own."""

    def __init__(self, account: Account) -> None:
        self.account, self.now = account, NOW
        self.key = bought(account, "cloudlinux", 3)
        self.servers = [registered(self.key, f"web{at}", f"192.0.2.{at}") for at in range(1, 4)]
        self.who = {"account_id": account.pk, "actor": "anna"}
        groups.create_group(name=GROUP, now=self.now, **self.who)

    def is_scanned(self, _: int) -> None:
        alerts.scan(now=self.now)

    def is_heard(self, at: int) -> None:
        secret = self.servers[at].secret
        check_in(secret=secret, address=ADDRESS, report=Report(), now=self.now)

    def are_all_heard(self, _: int) -> None:
        for at in range(3):
            self.is_heard(at)

    def registers_again(self, at: int) -> None:
        hints = Hints(hostname=f"web{at + 1}", secret=self.servers[at].secret)
        text = reveal(self.key)
        register_server(key_text=text, address=f"192.0.2.{at + 1}", hints=hints, now=self.now)

    def is_put_back(self, at: int) -> None:
        server = self._id(at)
        why = f"{removal.BY_A_PERSON}anna"
        removal.remove_server(server=server, why=why, now=self.now, **self.who)
        restoring.put_back(server=server, now=self.now, **self.who)

    def has_a_window(self, at: int) -> None:
        ends_at = self.now + (at * 20 + 1) * HOUR
        watch_rules.add_window(
            group=GROUP, starts_at=self.now, ends_at=ends_at, now=self.now, **self.who
        )

    def joins(self, at: int) -> None:
        groups.add_to_group(name=GROUP, servers=[self._id(at)], now=self.now, **self.who)

    def leaves(self, at: int) -> None:
        groups.take_out_of_group(name=GROUP, servers=[self._id(at)], now=self.now, **self.who)

    def gets_patience(self, at: int) -> None:
        grace = [None, timedelta(), 48 * HOUR][at]
        watch_rules.set_grace(group=GROUP, grace=grace, now=self.now, **self.who)

    def loses_its_group(self, _: int) -> None:
        found = ServerGroup.objects.get(account=self.account, name=GROUP)
        groups.remove_group(group=found.pk, now=self.now, **self.who)
        groups.create_group(name=GROUP, now=self.now, **self.who)

    def is_expected(self, at: int) -> None:
        server, period = self._id(at), [None, HOUR, 72 * HOUR][self.now.hour % 3]
        watch_rules.set_period(server=server, period=period, now=self.now, **self.who)

    def is_held(self, _: int) -> None:
        silent_servers.hold_alerts(now=self.now)

    def misses_us(self, at: int) -> None:
        began_at = self.now - (at * 5 + 1) * HOUR
        watch.note_outage(began_at=began_at, ended_at=self.now, why="CLN was down")

    def _id(self, at: int) -> str:
        server: Registration = self.servers[at]
        return server.server.public_id

    def silent_by_rows(self) -> set[str]:
        """Those that say so themselves."""
        rows = queries.servers_of(self.account.pk)
        return {row.hostname for row in rows if row.standing_at(self.now) is Standing.SILENT}

    def silent_by_list(self) -> set[str]:
        filters = queries.ServerFilter(standing=Standing.SILENT, at=self.now)
        return {row.hostname for row in queries.servers_of(self.account.pk, filters)}


STEPS: list[Callable[[Fleet, int], None]] = [
    step
    for name, step in vars(Fleet).items()
    if callable(step) and not name.startswith(("_", "silent_by"))
]
OFTEN = [Fleet.is_scanned, Fleet.is_scanned, Fleet.are_all_heard, Fleet.are_all_heard]
STEP = st.tuples(
    st.sampled_from([0, 2, 26, 26]), st.sampled_from([*OFTEN, *STEPS]), st.integers(0, 2)
)


# Within the hour of a digest; in a window; without a group's patience.
LATER = [(0.5, Fleet.is_heard, 0), (24.5, Fleet.is_scanned, 0), (0.75, Fleet.is_scanned, 0)]
EXCUSED = [(0, Fleet.joins, 0), (20, Fleet.has_a_window, 2), (6, Fleet.is_scanned, 0)]
PATIENT = [(0, Fleet.joins, 0), (0, Fleet.gets_patience, 2), (26, Fleet.is_scanned, 0)]


@pytest.mark.django_db
@settings(max_examples=30)
@example(LATER)
@example(EXCUSED)
@example([*PATIENT, (4, Fleet.loses_its_group, 0)])
@example([*PATIENT, (4, Fleet.leaves, 0)])
@given(st.lists(STEP, min_size=5, max_size=20))
def test_a_list_of_silent_servers_is_what_its_rows_say(
    steps: list[tuple[float, Callable[[Fleet, int], None], int]],
) -> None:
    around = transaction.atomic()
    around._from_testcase = True  # a scan asks for durable transactions
    with around:
        fleet = Fleet(an_account())
        for hours, step, at in steps:
            fleet.now += hours * HOUR
            step(fleet, at)

            by_rows = fleet.silent_by_rows()
            assert fleet.silent_by_list() == by_rows, step.__name__
            assert queries.count_silent(fleet.account.pk, now=fleet.now) == len(by_rows)
        transaction.set_rollback(True)
