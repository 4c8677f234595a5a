"""Days, month ends, clocks and workers that were away (M1, M2, M4, M5; E5, E15)."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from cln import clock
from cln.flows.time_travel import travel_to
from tests.world import World, instant


def test_a_monthly_anchor_on_the_31st_is_clamped_and_never_drifts_m2_e5(world: World) -> None:
    """E5: from 2024-01-31 to 02-29, 03-31, 04-30, 05-31."""
    acme = world.on("2024-01-31").customer("acme")
    acme.buys("KernelCare")

    world.on("2024-06-01")

    assert [invoice[:10] for invoice in acme.invoices] == [
        "2024-01-31",
        "2024-02-29",
        "2024-03-31",
        "2024-04-30",
        "2024-05-31",
    ]
    assert acme.lines == ["recurring 1 × 3.95 2024-05-31..2024-06-30 3.95"]


def test_a_period_is_half_open_so_its_last_day_belongs_to_the_next_one_m1(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("KernelCare", servers=2)

    world.on("2026-03-31T23:59:59")
    acme.adds_servers("KernelCare", 1)
    world.on("2026-04-01")
    acme.adds_servers("KernelCare", 1)
    world.on("2026-05-01")

    assert acme.invoices[1] == "2026-04-01 KernelCare 8.95 paid"  # 3 × 2.95 and a day of 2.95
    assert acme.lines == [
        "proration 1 × 2.95 2026-04-01..2026-05-01 2.95",
        "recurring 4 × 2.95 2026-05-01..2026-06-01 11.80",
    ]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Pacific/Kiritimati"])
def test_days_are_utc_days_whatever_the_clocks_of_people_do_m1(world: World, zone: str) -> None:
    """The nights in which Berlin and New York change their clocks have no effect on any date."""
    world.otto.prices("KernelCare", {1: "31.00"})
    with timezone.override(ZoneInfo(zone)):
        acme = world.on("2026-03-08").customer("acme")
        acme.buys("KernelCare")
        world.on("2026-03-29T00:30:00+02:00")  # 28 March, 22:30 UTC
        acme.adds_servers("KernelCare", 1)
        world.on("2026-03-29T00:30:00")
        acme.adds_servers("KernelCare", 1)
        world.on("2026-04-08")

    assert acme.lines == [
        "proration 1 × 31.00 2026-03-28..2026-04-08 11.00",
        "proration 1 × 31.00 2026-03-29..2026-04-08 10.00",
        "recurring 3 × 31.00 2026-04-08..2026-05-08 93.00",
    ]


def test_a_worker_that_was_down_for_40_days_bills_period_by_period_m5(world: World) -> None:
    acme = world.on("2026-01-31").customer("acme")
    acme.buys("KernelCare", servers=5)
    world.on("2026-02-20")
    acme.adds_servers("KernelCare", 1)

    world.wakes_up_on("2026-04-01")

    assert acme.invoices == [
        "2026-01-31 KernelCare 14.75 paid",
        "2026-04-01 KernelCare 18.54 paid",
        "2026-04-01 KernelCare 17.70 paid",
    ]
    assert acme.lines == ["recurring 6 × 2.95 2026-03-31..2026-04-30 17.70"]
    world.on("2026-04-30")
    assert acme.invoices[3:] == ["2026-04-30 KernelCare 17.70 paid"]


def test_a_change_after_an_outage_lands_in_the_period_it_was_made_in_m5(world: World) -> None:
    """Nobody bills before the customer's own click does: the verb catches up first."""
    acme = world.on("2026-01-31").customer("acme")
    acme.buys("KernelCare", servers=5)

    world.now = instant("2026-04-10")  # no worker has run since January
    acme.buys("KernelCare", servers=3)

    assert [invoice.split()[0] for invoice in acme.invoices] == [
        "2026-01-31",
        "2026-04-10",
        "2026-04-10",
    ]
    assert acme.accrued() == ["2026-04-30 5.90 of 29.50"]


def test_a_clock_set_backwards_is_refused_and_nothing_happens(world: World) -> None:
    clock.move_to(instant("2026-03-01"))
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("KernelCare")
    travel_to(instant("2026-05-02"))

    with pytest.raises(clock.ClockError, match="does not go back"):
        travel_to(instant("2026-04-01"))

    assert clock.now() >= instant("2026-05-02")
    assert [invoice[:10] for invoice in acme.invoices] == ["2026-03-01", "2026-04-01", "2026-05-01"]


def test_a_moved_clock_lives_through_a_month_instead_of_jumping_over_it_m5(world: World) -> None:
    clock.move_to(instant("2026-03-01"))
    acme = world.on("2026-03-01").customer("acme", card="declines")
    acme.buys("KernelCare")

    travel_to(instant("2026-03-20"))

    assert acme.charges == [f"2026-03-0{day} 3.95 declined" for day in (1, 4, 8)]
    assert acme.invoices == ["2026-03-01 KernelCare 3.95 void"]


def test_tax_is_taken_once_on_the_sum_of_the_rounded_lines_m4_e15(world: World) -> None:
    """E15: 68.33 + 68.33 + 57.50 + 85.00 and 20 % of it is 334.99."""
    world.otto.taxes("GB", percent=20)
    world.otto.prices("KernelCare", {1: "102.50"})
    world.otto.prices("KernelCare", {1: "115.00"}, effective="2026-04-16")
    world.otto.prices("KernelCare", {1: "21.25"}, effective="2026-05-01")
    acme = world.on("2026-04-01").customer("acme", country="GB")
    acme.buys("KernelCare")
    assert acme.invoices == ["2026-04-01 KernelCare 123.00 paid"]
    for day in ("2026-04-11", "2026-04-11", "2026-04-16"):
        world.on(day)
        acme.adds_servers("KernelCare", 1)

    world.on("2026-05-01")

    assert acme.lines == [
        "proration 1 × 102.50 2026-04-11..2026-05-01 68.33",
        "proration 1 × 102.50 2026-04-11..2026-05-01 68.33",
        "proration 1 × 115.00 2026-04-16..2026-05-01 57.50",
        "recurring 4 × 21.25 2026-05-01..2026-06-01 85.00",
        "tax 1 × 55.83 2026-05-01..2026-06-01 55.83",
    ]
    assert acme.invoices[-1] == "2026-05-01 KernelCare 334.99 paid"
