"""The sandbox clock."""

from datetime import UTC, datetime, timedelta

import pytest
import pytest_django
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction

from cln import clock
from cln.clock.models import SandboxClock

pytestmark = pytest.mark.django_db
EARLY = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_the_clock_shows_the_system_time_when_it_was_never_moved() -> None:
    before = clock.system_now()

    shown = clock.now()

    assert before <= shown <= clock.system_now()


def test_a_clock_never_moved_may_begin_in_the_past_and_runs_on() -> None:
    clock.move_to(EARLY)

    assert EARLY <= clock.now() < EARLY + timedelta(minutes=1)


def test_the_clock_refuses_to_go_back_and_stays_where_it_was() -> None:
    clock.move_to(EARLY)

    with pytest.raises(clock.ClockError, match="does not go back to 2026-01-31 11:59:59 UTC"):
        clock.move_to(EARLY - timedelta(seconds=1))

    assert EARLY <= clock.now() < EARLY + timedelta(minutes=1)


def test_the_clock_moves_forward() -> None:
    clock.move_to(EARLY)

    clock.move_to(EARLY + timedelta(days=31))

    assert timedelta(days=31) <= clock.now() - EARLY < timedelta(days=31, minutes=1)


def test_production_shows_the_system_time_and_refuses_to_move(
    settings: pytest_django.Settings,
) -> None:
    clock.move_to(EARLY)
    settings.CLN_MODE = "production"

    with pytest.raises(clock.ClockError, match="sandbox mode only"):
        clock.move_to(EARLY + timedelta(days=1))

    assert abs(clock.now() - clock.system_now()) < timedelta(minutes=1)


def test_the_table_holds_one_clock_only() -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        SandboxClock.objects.create(id=2, offset=timedelta())

    assert SandboxClock.objects.count() == 0


@pytest.mark.parametrize("word", ["31", "d", "-3d", "3y", "1.5d", "", "999999d"])
def test_a_span_of_time_that_is_none_is_refused(word: str) -> None:
    with pytest.raises(CommandError, match=r"is no span of time; write 12h, 31d or 2w\."):
        call_command("clock", "advance", "--", word)

    assert SandboxClock.objects.count() == 0


@pytest.mark.parametrize("word", ["2026-02-30", "tomorrow", ""])
def test_an_instant_that_is_none_is_refused(word: str) -> None:
    with pytest.raises(CommandError, match=r"is no instant; write 2026-02-28 or"):
        call_command("clock", "set", "--", word)

    assert SandboxClock.objects.count() == 0
