"""Yearly plans: the same rules, and the monthly sweep of what is pending (Q11; E10, E11)."""

from __future__ import annotations

from tests.world import World


def test_servers_added_to_a_yearly_plan_wait_for_the_renewal_q11_e10(world: World) -> None:
    """E10: 140.00 a year, 5 more on 2027-03-01 of 2026-11-22..2027-11-22: 510.14."""
    world.otto.prices("KernelCare", {1: "140.00"}, yearly=True)
    acme = world.on("2026-11-22").customer("acme")
    acme.buys("KernelCare", monthly=False)

    world.on("2027-03-01")
    acme.adds_servers("KernelCare", 5)

    assert acme.accrued() == ["2027-11-22 510.14 of 1350.14"]
    world.on("2027-11-22")
    assert acme.invoices == [
        "2026-11-22 KernelCare 140.00 paid",
        "2027-11-22 KernelCare 1350.14 paid",
    ]


def test_a_yearly_plan_of_the_leap_day_returns_to_it_m2_q11_e11(world: World) -> None:
    """E11: 120.00 a year from 2028-02-29, 1 more on 2028-08-29: 60.16; 28 Feb, then 29 again."""
    world.otto.prices("KernelCare", {1: "120.00"}, yearly=True)
    acme = world.on("2028-02-29").customer("acme")
    acme.buys("KernelCare", monthly=False)

    world.on("2028-08-29")
    acme.adds_servers("KernelCare", 1)
    world.on("2029-02-28")

    assert acme.lines == [
        "proration 1 × 120.00 2028-08-29..2029-02-28 60.16",
        "recurring 2 × 120.00 2029-02-28..2030-02-28 240.00",
    ]
    world.on("2032-03-01")
    assert [invoice[:10] for invoice in acme.invoices] == [
        "2028-02-29",
        "2029-02-28",
        "2030-02-28",
        "2031-02-28",
        "2032-02-29",
    ]


def test_without_a_yearly_list_a_year_costs_ten_months_of_the_same_tier_q1_q11(
    world: World,
) -> None:
    acme = world.on("2026-03-01").customer("acme")

    acme.buys("CloudLinux OS", servers=2, monthly=False)

    assert acme.lines == ["recurring 2 × 120.00 2026-03-01..2027-03-01 240.00"]


def test_the_sweep_invoices_pending_units_monthly_and_never_again_q11(world: World) -> None:
    world.otto.prices("KernelCare", {1: "140.00"}, yearly=True)
    world.otto.sets(yearly_proration_sweep=True)
    acme = world.on("2026-11-22").customer("acme")
    acme.buys("KernelCare", monthly=False)
    world.on("2027-03-01")
    acme.adds_servers("KernelCare", 5)

    world.on("2027-03-22")

    assert acme.invoices[-1] == "2027-03-22 KernelCare 510.14 paid"
    assert acme.lines == ["proration 5 × 140.00 2027-03-01..2027-11-22 510.14"]
    world.on("2027-11-22")
    assert acme.invoices[2:] == ["2027-11-22 KernelCare 840.00 paid"]


def test_what_is_accrued_is_promised_for_the_day_of_the_sweep_q11_q12(world: World) -> None:
    """ "Accrued so far, on your next invoice of DATE" must name the sweep, not the renewal."""
    world.otto.prices("KernelCare", {1: "140.00"}, yearly=True)
    world.otto.sets(yearly_proration_sweep=True)
    acme = world.on("2026-11-22").customer("acme")
    acme.buys("KernelCare", monthly=False)
    world.on("2027-03-01")

    acme.adds_servers("KernelCare", 5)

    assert acme.accrued() == ["2027-03-22 510.14 of 510.14"]


def test_swept_units_are_paid_so_removing_them_credits_nothing_and_refills_free_q8_q11(
    world: World,
) -> None:
    world.otto.prices("KernelCare", {1: "140.00"}, yearly=True)
    world.otto.sets(yearly_proration_sweep=True)
    acme = world.on("2026-11-22").customer("acme")
    acme.buys("KernelCare", monthly=False)
    world.on("2027-03-01")
    acme.adds_servers("KernelCare", 5)
    world.on("2027-04-01")

    acme.removes_unused("KernelCare", keep=1)
    world.on("2027-05-01")
    acme.adds_servers("KernelCare", 5)
    world.on("2027-11-22")

    assert acme.invoices[1:] == [
        "2027-03-22 KernelCare 510.14 paid",
        "2027-11-22 KernelCare 840.00 paid",
    ]
    assert acme.credit == "0.00"


def test_units_removed_before_the_sweep_are_swept_for_their_days_only_q7_q11(
    world: World,
) -> None:
    world.otto.prices("KernelCare", {1: "140.00"}, yearly=True)
    world.otto.sets(yearly_proration_sweep=True)
    acme = world.on("2026-11-22").customer("acme")
    acme.buys("KernelCare", monthly=False)
    world.on("2027-03-01")
    acme.adds_servers("KernelCare", 5)

    world.on("2027-03-11")
    acme.removes_unused("KernelCare", keep=1)
    world.on("2027-03-22")

    assert acme.lines == ["proration 5 × 140.00 2027-03-01..2027-03-11 19.18"]


def test_sweeps_and_the_end_inside_a_taxed_year_are_taxed_too_q11_m4(world: World) -> None:
    world.otto.taxes("GB", percent=20)
    world.otto.prices("KernelCare", {1: "365.00"}, yearly=True)
    world.otto.sets(yearly_proration_sweep=True, proration_survives_removal=True)
    acme = world.on("2026-01-31").customer("acme", country="GB")
    acme.buys("KernelCare", monthly=False)
    world.on("2026-02-10")
    acme.adds_servers("KernelCare", 1)
    world.on("2026-03-01")
    acme.adds_servers("KernelCare", 1)

    world.on("2026-03-31")
    acme.adds_servers("KernelCare", 1)
    acme.unsubscribes("KernelCare", now=True)

    assert acme.invoices == [
        "2026-01-31 KernelCare 438.00 paid",
        "2026-02-28 KernelCare 426.00 paid",
        "2026-03-31 KernelCare 403.20 paid",
        "2026-03-31 KernelCare 367.20 paid",
    ]


def test_a_cancellation_and_its_taking_back_leave_the_sweep_planned_q10_q11(
    world: World,
) -> None:
    world.otto.prices("KernelCare", {1: "140.00"}, yearly=True)
    world.otto.sets(yearly_proration_sweep=True)
    acme = world.on("2026-11-22").customer("acme")
    acme.buys("KernelCare", monthly=False)
    world.on("2027-03-01")
    acme.adds_servers("KernelCare", 5)

    acme.unsubscribes("KernelCare")
    assert acme.accrued() == ["2027-03-22 510.14 of 510.14"]
    acme.resumes("KernelCare")
    acme.unsubscribes("KernelCare")
    world.on("2027-03-22")

    assert acme.invoices[1:] == ["2027-03-22 KernelCare 510.14 paid"]
    world.on("2027-11-22")
    assert len(acme.invoices) == 2
