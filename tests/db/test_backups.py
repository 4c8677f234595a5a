"""Backups and their provider: what is wanted is kept first, told until it is heard, and asked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import ClassVar

import pytest
from django.db import IntegrityError, transaction
from pytest_django import Settings

from cln.accounts.models import Account
from cln.backups.models import Backup, SandboxBackup
from cln.backups.providers import ProviderUnreachable, Room
from cln.flows import backups, timeline
from tests.backups import a_backup
from tests.customers import clock_at
from tests.licensing import NOW, an_account, bought, registered

pytestmark = pytest.mark.django_db

TEN_MINUTES, DAY = timedelta(minutes=10), timedelta(days=1)


class Distant:
    """A provider that answers only when it likes to, and keeps what it was told."""

    answers: ClassVar[bool] = False
    told: ClassVar[list[object]] = []

    def data_centers(self) -> Mapping[str, str]:
        return {"EU1": "Somewhere"}

    def keep(self, room: Room) -> int:
        if not self.answers:
            raise ProviderUnreachable
        self.told.append(room)
        return 7

    def drop(self, reference: str) -> None:
        if not self.answers:
            raise ProviderUnreachable
        self.told.append(reference)

    def management_url(self, reference: str) -> str:
        return ""


@pytest.fixture
def backup() -> Backup:
    account = an_account()
    server = registered(bought(account, "imunify360_30", 5), "web1", now=NOW).server
    return a_backup(account.pk, server.public_id)


def test_what_is_used_is_asked_once_a_day_as_the_clock_moves(backup: Backup) -> None:
    until = NOW + 3 * DAY + TEN_MINUTES

    timeline.run_until(until, since=NOW, move_clock=clock_at)

    backup.refresh_from_db()
    assert (backup.used_gb, backup.settle_at) == (3, NOW + 4 * DAY)


def test_a_provider_that_cannot_be_reached_is_told_again_until_it_hears(
    backup: Backup, settings: Settings
) -> None:
    settings.CLN_BACKUP_PROVIDER = f"{__name__}.Distant"
    who = {"account_id": backup.account_id, "public_id": backup.public_id, "actor": "ann"}
    Distant.answers, Distant.told = False, []

    row = backups.resize_backup(**who, delta_gb=10, now=NOW)

    assert row.size_gb == 60
    backup.refresh_from_db()
    assert (backup.size_gb, backup.used_gb, backup.settle_at) == (60, 0, NOW + TEN_MINUTES)
    Distant.answers = True
    backups.settle_due(now=NOW + timedelta(minutes=9))
    assert Distant.told == []
    backups.settle_due(now=NOW + TEN_MINUTES)
    assert Distant.told == [Room(backup.public_id, "EU1", 60)]
    backup.refresh_from_db()
    assert (backup.used_gb, backup.settle_at) == (7, NOW + TEN_MINUTES + DAY)

    Distant.answers = False
    backups.remove_backup(**who, now=NOW + DAY)
    backup.refresh_from_db()
    assert backup.settle_at == NOW + DAY + TEN_MINUTES
    Distant.answers = True
    for _ in range(2):
        backups.settle_due(now=NOW + 2 * DAY)
    assert Distant.told[1:] == [backup.public_id]
    backup.refresh_from_db()
    assert (backup.removed_at, backup.settle_at) == (NOW + DAY, None)


def test_a_server_has_one_backup_at_most_and_the_database_says_so(backup: Backup) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Backup.objects.create(
            public_id="bkp_x",
            account=Account.objects.get(),
            server=backup.server,
            data_center="EU1",
            size_gb=1,
            created_at=NOW,
        )
    assert not SandboxBackup.objects.exists()
