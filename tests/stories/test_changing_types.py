"""Another edition, another type for a server, what comes with another (Q13, Q14; S1, S3)."""

from __future__ import annotations

import pytest

from cln.accounts.models import AuditEntry
from tests.partners import refunds_to
from tests.world import Customer, World, instant


def _with_pro_on_sale(world: World, on: str = "2026-04-01") -> Customer:
    world.otto.prices("CloudLinux OS", {1: "14.00"})
    world.otto.prices("CloudLinux OS Pro", {1: "20.00"})
    acme = world.on(on).customer("acme")
    acme.buys("CloudLinux OS", servers=3)
    return acme


def test_an_upgrade_converts_all_licenses_and_charges_the_difference_of_the_rest_q13(
    world: World,
) -> None:
    acme = _with_pro_on_sale(world)
    acme.registers("web1.example", "CloudLinux OS")

    world.on("2026-04-16")
    acme.changes_edition("pro")

    told = AuditEntry.objects.get(verb="set_edition").details
    assert told == {"type": ["cloudlinux", "cloudlinux_pro"]}
    assert (acme.holds("CloudLinux OS"), acme.holds("CloudLinux OS Pro")) == (0, 3)
    assert acme.checks_in("web1.example") == "active"
    assert acme.accrued() == ["2026-05-01 9.00 of 69.00"]
    world.on("2026-05-01")
    assert acme.invoices == [
        "2026-04-01 CloudLinux OS 42.00 paid",
        "2026-05-01 CloudLinux OS Pro 69.00 paid",
    ]


def test_the_way_back_gives_no_credit_and_no_negative_line_q13(world: World) -> None:
    acme = _with_pro_on_sale(world)
    world.on("2026-04-16")
    acme.changes_edition("pro")

    world.on("2026-04-21")
    acme.changes_edition("shared")
    world.on("2026-05-01")

    assert acme.lines == [
        "proration 3 × 6.00 2026-04-16..2026-05-01 9.00",
        "recurring 3 × 14.00 2026-05-01..2026-06-01 42.00",
    ]
    assert acme.credit == "0.00"


def test_up_again_in_the_same_period_is_not_charged_twice_q13(world: World) -> None:
    acme = _with_pro_on_sale(world)
    for day, edition in (("16", "pro"), ("18", "shared"), ("20", "pro")):
        world.on(f"2026-04-{day}")
        acme.changes_edition(edition)

    world.on("2026-05-01")

    assert acme.lines == [
        "proration 3 × 6.00 2026-04-16..2026-05-01 9.00",
        "recurring 3 × 20.00 2026-05-01..2026-06-01 60.00",
    ]


def test_an_edition_that_is_held_unknown_or_not_bought_is_refused_q13(world: World) -> None:
    acme = _with_pro_on_sale(world)
    mallory = world.customer("mallory")

    with world.refuses("same_edition"):
        acme.changes_edition("shared")
    with world.refuses("unknown_edition"):
        acme.changes_edition("gold")
    with world.refuses("not_subscribed"):
        mallory.changes_edition("pro")


def test_a_yearly_upgrade_is_swept_with_the_switch_on_q11_q13(world: World) -> None:
    world.otto.prices("CloudLinux OS", {1: "140.00"}, yearly=True)
    world.otto.prices("CloudLinux OS Pro", {1: "200.00"}, yearly=True)
    world.otto.sets(yearly_proration_sweep=True)
    acme = world.on("2026-11-22").customer("acme")
    acme.buys("CloudLinux OS", monthly=False)

    world.on("2027-03-01")
    acme.changes_edition("pro")

    assert acme.accrued() == ["2027-03-22 43.73 of 43.73"]  # 266 of 365 days of 60.00
    world.on("2027-03-22")
    assert acme.invoices[-1] == "2027-03-22 CloudLinux OS Pro 43.73 paid"


def test_a_converted_server_gets_a_first_purchase_where_there_is_none_q14(world: World) -> None:
    acme = world.on("2026-04-01").customer("acme")
    acme.buys("Imunify360-1")
    acme.registers("web1.example", "Imunify360-1")

    world.on("2026-04-11")
    done = acme.converts("web1.example", to="Imunify360-30")

    assert acme.invoices[1:] == ["2026-04-11 Imunify360-30 25.00 paid"]
    assert (done.credit_cents, acme.holds("Imunify360-1")) == (0, 1)
    assert acme.may_run("Imunify360-1") == (0, 1)
    assert acme.may_run("Imunify360-30") == (1, 1)
    assert acme.checks_in("web1.example") == "active"


def test_a_free_license_of_the_new_type_is_used_first_q14(world: World) -> None:
    acme = world.on("2026-04-01").customer("acme")
    acme.buys("Imunify360-1")
    acme.buys("Imunify360-30")
    acme.registers("web1.example", "Imunify360-1")

    done = acme.converts("web1.example", to="Imunify360-30")

    assert done.bought is None
    assert (len(acme.invoices), acme.may_run("Imunify360-30")) == (2, (1, 1))


def test_without_a_free_license_a_unit_is_added_and_prorated_q4_q14(world: World) -> None:
    acme = world.on("2026-04-01").customer("acme")
    acme.buys("Imunify360-1")
    acme.buys("Imunify360-30")
    acme.registers("web1.example", "Imunify360-1")
    acme.registers("web2.example", "Imunify360-30")

    world.on("2026-04-16")
    acme.converts("web1.example", to="Imunify360-30")

    assert acme.may_run("Imunify360-30") == (2, 2)
    assert acme.accrued() == ["2026-05-01 0.00 of 12.00", "2026-05-01 12.50 of 62.50"]


def test_the_cancelled_old_unit_becomes_credit_for_the_rest_of_what_was_paid_q14(
    world: World,
) -> None:
    acme = world.on("2026-04-01").customer("acme")
    acme.buys("Imunify360-1")
    acme.registers("web1.example", "Imunify360-1")

    world.on("2026-04-16")
    done = acme.converts("web1.example", to="Imunify360-30", cancel_old=True)

    assert (done.credit_cents, acme.credit) == (600, "6.00")
    assert acme.holds("Imunify360-1") == 0
    world.on("2026-05-16")
    assert acme.invoices == [
        "2026-04-01 Imunify360-1 12.00 paid",
        "2026-04-16 Imunify360-30 25.00 paid",
        "2026-05-16 Imunify360-30 25.00 paid",
    ]
    assert acme.charges[-1] == "2026-05-16 19.00 succeeded"
    assert acme.credit == "0.00"


def test_what_was_refunded_of_the_old_unit_is_not_credited_again_q14_p10(world: World) -> None:
    """Never more than was paid: of 12.00, 2.50 are back already, so 9.50 at most are credit."""
    acme = world.on("2026-04-01").customer("acme")
    acme.buys("Imunify360-1")
    acme.registers("web1.example", "Imunify360-1")
    refunds_to(world, acme, 1, "2.50", remove_licenses=False)

    world.on("2026-04-03")
    done = acme.converts("web1.example", to="Imunify360-30", cancel_old=True)

    assert (done.credit_cents, acme.credit) == (950, "9.50")


def test_an_unpaid_old_unit_is_never_credited_q14(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("Imunify360-1")
    acme.buys("Imunify360-30")
    acme.registers("web1.example", "Imunify360-1")
    acme.card("declines")
    world.on("2026-04-16")

    done = acme.converts("web1.example", to="Imunify360-30", cancel_old=True)

    assert (done.credit_cents, acme.credit) == (0, "0.00")


def test_a_unit_that_was_added_in_the_period_just_stops_when_converted_q7_q14(
    world: World,
) -> None:
    acme = world.on("2026-04-01").customer("acme")
    acme.buys("Imunify360-30")
    acme.buys("Imunify360-1")
    acme.registers("web1.example", "Imunify360-1")
    world.on("2026-04-06")
    acme.adds_servers("Imunify360-1", 1)

    world.on("2026-04-16")
    done = acme.converts("web1.example", to="Imunify360-30", cancel_old=True)

    assert (done.credit_cents, acme.credit) == (0, "0.00")
    world.on("2026-05-01")
    assert [line for line in acme.all_lines if "proration" in line] == [
        "proration 1 × 12.00 2026-04-06..2026-04-16 4.00"
    ]


def test_a_conversion_that_cannot_be_paid_leaves_the_server_as_it_is_q14(world: World) -> None:
    acme = world.on("2026-04-01").customer("acme")
    acme.buys("Imunify360-1")
    acme.registers("web1.example", "Imunify360-1")
    acme.card("declines")

    with pytest.raises(Exception, match="The server keeps its license") as refused:
        acme.converts("web1.example", to="Imunify360-30", cancel_old=True)

    assert refused.value.code == "conversion_unpaid"
    assert acme.may_run("Imunify360-1") == (1, 1)
    world.on("2026-04-08")
    assert acme.invoices[-1] == "2026-04-01 Imunify360-30 25.00 void"


def test_a_trial_has_no_unit_to_cancel_and_nothing_is_bought_q14(world: World) -> None:
    acme = world.on("2026-04-01").customer("acme")
    acme.starts_trial("Imunify360-1")
    acme.registers("web1.example", "Imunify360-1")

    with world.refuses("not_subscribed"):
        acme.converts("web1.example", to="Imunify360-30", cancel_old=True)

    assert acme.invoices == []
    assert acme.may_run("Imunify360-1") == (1, 1)


def test_a_server_whose_license_ran_out_is_refused_and_nothing_bought_q14_m5(
    world: World,
) -> None:
    """The worker has not come by yet, and what it will end is over all the same."""
    acme = world.on("2026-04-01").customer("acme")
    acme.buys("Imunify360-1")
    acme.registers("web1.example", "Imunify360-1")
    acme.unsubscribes("Imunify360-1")
    world.now = instant("2026-05-01T09:00")

    with world.refuses("server_removed"):
        acme.converts("web1.example", to="Imunify360-30", cancel_old=True)

    assert acme.invoices == ["2026-04-01 Imunify360-1 12.00 paid"]


def test_a_server_does_not_change_into_another_product_q14(world: World) -> None:
    acme = world.on("2026-04-01").customer("acme")
    acme.buys("Imunify360-1")
    acme.registers("web1.example", "Imunify360-1")

    with world.refuses("wrong_product"):
        acme.converts("web1.example", to="KernelCare")
    with world.refuses("same_license_type"):
        acme.converts("web1.example", to="Imunify360-1")


def test_a_removed_server_is_not_converted_and_nothing_is_bought_for_it_q14(
    world: World,
) -> None:
    acme = world.on("2026-04-01").customer("acme")
    acme.buys("Imunify360-1")
    acme.registers("web1.example", "Imunify360-1")
    acme.removes_server("web1.example")

    with world.refuses("server_removed"):
        acme.converts("web1.example", to="Imunify360-30")


def test_a_full_default_key_takes_no_converted_server_and_nothing_is_bought_q14(
    world: World,
) -> None:
    acme = world.on("2026-04-01").customer("acme")
    acme.buys("Imunify360-1")
    acme.buys("Imunify360-30")
    acme.registers("web1.example", "Imunify360-1")
    acme.registers("web2.example", "Imunify360-30")
    acme.limits_key("Imunify360-30", to=1)

    with world.refuses("key_limit_reached"):
        acme.converts("web1.example", to="Imunify360-30", cancel_old=True)


def test_kernelcare_under_a_paid_imunify360_uses_no_license_s3(world: World) -> None:
    """Seed 000, question 4: KernelCare is included with Imunify360 at no additional cost."""
    acme = world.on("2026-04-01").customer("acme")
    acme.buys("KernelCare", servers=2)
    acme.registers("web1.example", "KernelCare", ip="203.0.113.5")
    assert acme.may_run("KernelCare") == (1, 2)

    acme.buys("Imunify360-1")
    acme.registers("web1.example", "Imunify360-1", ip="203.0.113.5")

    assert acme.may_run("KernelCare") == (0, 2)
    acme.removes_unused("KernelCare")
    world.on("2026-05-01")
    assert acme.invoices[2:] == ["2026-05-01 Imunify360-1 12.00 paid"]


def test_version_6_servers_add_an_els_line_to_each_renewal_s1(world: World) -> None:
    acme = world.on("2026-04-01").customer("acme")
    acme.buys("CloudLinux OS", servers=2)
    acme.registers("old1.example", "CloudLinux OS", os_version="6.10")
    acme.registers("new1.example", "CloudLinux OS", os_version="8.9")

    world.on("2026-05-01")

    assert acme.lines == [
        "recurring 2 × 12.00 2026-05-01..2026-06-01 24.00",
        "surcharge 1 × 12.00 2026-05-01..2026-06-01 3.60",
    ]
