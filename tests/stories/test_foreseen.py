"""What is shown before it happens equals what happens, to the cent (Q12)."""

from __future__ import annotations

from cln.billing.models import Invoice
from cln.flows.consequences import (
    Changed,
    CutPreview,
    EndPreview,
    preview_remove_unused,
    preview_unsubscribe,
)
from cln.flows.conversion_preview import preview_conversion
from cln.flows.editions import EditionPreview, preview_edition
from cln.flows.upcoming import upcoming_year
from cln.licensing.models import Server
from tests.cast import PRODUCTS, Customer
from tests.world import World, instant


def cut(customer: Customer, product: str, keep: int | None = None) -> CutPreview:
    return preview_remove_unused(
        account_id=customer.account_id,
        license_type=PRODUCTS[product],
        keep=keep,
        now=customer.world.now,
    )


def end(customer: Customer, product: str, when: str) -> EndPreview:
    return preview_unsubscribe(
        account_id=customer.account_id,
        license_type=PRODUCTS[product],
        when=when,
        now=customer.world.now,
    )


def issued_since(customer: Customer, number: int) -> list[tuple[str, str, int]]:
    """Day, license type and total of the invoices after the first `number`, as they were issued."""
    rows = Invoice.objects.filter(account=customer.account_id).order_by("id")[number:]
    return sorted((str(row.issued_on), row.license_type.code, row.total_cents) for row in rows)


def test_the_next_twelve_months_are_what_will_be_issued_q12(world: World) -> None:
    """Q12, Q11, Q1, M4: sweeps, a new price list and the tax are foreseen on their days."""
    world.otto.sets(yearly_proration_sweep=True)
    world.otto.taxes("DE", 19)
    acme = world.on("2026-01-31").customer("acme", country="DE")
    acme.buys("KernelCare", servers=5, monthly=True)
    acme.buys("CloudLinux OS", servers=10, monthly=False)
    acme.buys("Imunify360-30", servers=3, monthly=True)
    world.otto.prices("KernelCare", {1: "4.44"}, effective="2026-09-01")
    world.on("2026-02-10")
    acme.adds_servers("KernelCare", 2)
    acme.adds_servers("CloudLinux OS", 4)
    acme.unsubscribes("Imunify360-30")
    acme.registers("old.example", "CloudLinux OS", os_version="6.10")

    year = upcoming_year(account_id=acme.account_id, now=world.now)
    world.on("2027-02-10")

    promised = sorted((str(one.on), one.license_type, one.total_cents) for one in year)
    assert promised == issued_since(acme, 3)
    months = [one for one in year if one.license_type == "kernelcare"]
    assert len(months) == 12
    # 7 × 2.95 and from September on 7 × 4.44, with 19 %; the first carries the two added ones.
    assert [one.total_cents for one in months] == [29_08, *[24_57] * 6, *[36_99] * 5]
    assert [str(one.on) for one in year if one.license_type == "cloudlinux"] == [
        "2026-02-28",
        "2027-01-31",
    ]
    assert "imunify360_30" not in {one.license_type for one in year}


def test_the_next_twelve_months_begin_where_a_late_worker_will_q12_m5(world: World) -> None:
    acme = world.on("2026-01-31").customer("acme")
    acme.buys("KernelCare", servers=5)
    world.now = world.now.replace(month=3, day=15)

    year = upcoming_year(account_id=acme.account_id, now=world.now)

    assert [str(one.on) for one in year[:2]] == ["2026-02-28", "2026-03-31"]
    assert len(year) == 13


def test_what_remove_unused_would_change_is_what_it_changes_q6_q12(world: World) -> None:
    """Q6, Q7, Q1: what shares the tier is looked at, and stays as it is here."""
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("Imunify360-30", servers=4)
    acme.buys("Imunify360-1", servers=4)
    acme.registers("shop.example", "Imunify360-30")
    world.on("2026-03-11")
    acme.adds_servers("Imunify360-30", 2)
    world.on("2026-03-21")

    keeps_five, keeps_one = cut(acme, "Imunify360-30", keep=5), cut(acme, "Imunify360-30")
    with world.refuses("keep_below_used"):
        cut(acme, "Imunify360-30", keep=0)
    removed = acme.removes_unused("Imunify360-30")

    assert (keeps_five.units, keeps_five.left) == (1, 5)
    assert (keeps_one.units, keeps_one.left) == (removed.units, removed.left) == (5, 1)
    # Ten together cost 10.00 and 5.00 each; five together still do: the tier begins with five.
    assert changes(keeps_one.changed) == [("imunify360_30", "73.55", "16.45")]
    assert keeps_one.changed[0].falls_by_cents == 57_10
    world.on("2026-04-01")
    assert issued_since(acme, 2) == [
        ("2026-04-01", "imunify360_1", 20_00),
        ("2026-04-01", "imunify360_30", 16_45),
    ]


def test_what_an_end_would_cost_and_spare_is_what_it_does_q10_q12(world: World) -> None:
    """Q10, Q7: at the end or now, with the pending days, and what another one then costs."""
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("Imunify360-30", servers=4)
    acme.buys("Imunify360-1", servers=4)
    world.on("2026-03-11")
    acme.adds_servers("Imunify360-30", 2)
    world.on("2026-03-21")

    later, at_once = end(acme, "Imunify360-30", "period_end"), end(acme, "Imunify360-30", "now")
    with world.refuses("bad_when"):
        end(acme, "Imunify360-30", "yesterday")
    acme.unsubscribes("Imunify360-30", now=True)

    assert [str(one.ends_on) for one in (later, at_once)] == ["2026-04-01", "2026-03-21"]
    # 2 × 10.00 × 21/31 and × 10/31 days.
    assert [one.last and one.last.total_cents for one in (later, at_once)] == [13_55, 6_45]
    assert {one.instead and one.instead.total_cents for one in (later, at_once)} == {73_55}
    assert changes(at_once.others) == [("imunify360_1", "20.00", "48.00")]
    assert changes(later.others) == changes(at_once.others)
    world.on("2026-04-01")
    assert issued_since(acme, 2) == [
        ("2026-03-21", "imunify360_30", 6_45),
        ("2026-04-01", "imunify360_1", 48_00),
    ]


def test_an_end_without_anything_pending_has_no_last_invoice_q10(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("KernelCare", servers=2)

    foreseen = end(acme, "KernelCare", "period_end")
    acme.unsubscribes("KernelCare")

    assert (foreseen.last, foreseen.others) == (None, ())
    assert foreseen.instead is not None
    with world.refuses("already_ending"):
        end(acme, "KernelCare", "period_end")
    world.on("2026-04-01")
    assert issued_since(acme, 1) == []


def changes(changed: tuple[Changed, ...]) -> list[tuple[str, str, str]]:
    """License type, and the next invoice's total before and after."""
    return [
        (one.license_type, *(f"{up.total_cents / 100:.2f}" if up else "" for up in pair))
        for one in changed
        for pair in [(one.before, one.after)]
    ]


def converts_to(customer: Customer, hostname: str, to: str) -> tuple[int | None, int | None]:
    """What changing the type would take now, and give back: cents."""
    shown = preview_conversion(
        account_id=customer.account_id,
        server=Server.objects.get(hostname=hostname).public_id,
        now=customer.world.now,
    )
    [option] = [one for one in shown.options if one.license_type == PRODUCTS[to]]
    return option.added and option.added.due_now_cents, shown.credit_cents


def test_what_another_type_would_take_and_give_back_is_what_it_does_q12_q14(world: World) -> None:
    acme = world.on("2026-04-01").customer("acme")
    acme.buys("Imunify360-1")
    acme.registers("web1.example", "Imunify360-1")
    world.on("2026-04-16")

    shown = converts_to(acme, "web1.example", "Imunify360-30")
    done = acme.converts("web1.example", to="Imunify360-30", cancel_old=True)

    assert shown == (25_00, done.credit_cents) == (25_00, 6_00)
    assert acme.charges[1:] == ["2026-04-16 25.00 succeeded"]


def test_another_type_is_foreseen_where_the_worker_is_days_late_q12_q14_m5(world: World) -> None:
    """The period that began meanwhile is not paid, so nothing of it comes back."""
    acme = world.on("2026-04-01").customer("acme")
    acme.buys("Imunify360-1")
    acme.registers("web1.example", "Imunify360-1")
    world.now = instant("2026-05-03T09:00")

    shown = converts_to(acme, "web1.example", "Imunify360-30")
    done = acme.converts("web1.example", to="Imunify360-30", cancel_old=True)

    assert shown == (25_00, done.credit_cents) == (25_00, 0)


def test_credit_that_pays_part_of_a_late_renewal_is_foreseen_with_another_type_q12_q14_m5(
    world: World,
) -> None:
    """Of 6.00 the renewal of KernelCare takes 3.95, and that of the old type gets 2.05: so much of
    it has been paid, and comes back.
    """
    acme = world.on("2026-04-01").customer("acme")
    acme.buys("KernelCare")
    acme.buys("Imunify360-1", servers=2)
    acme.registers("web1.example", "Imunify360-1")
    acme.registers("web2.example", "Imunify360-1")
    world.on("2026-04-16")
    acme.converts("web1.example", to="Imunify360-30", cancel_old=True)
    assert acme.credit == "6.00"
    world.now = instant("2026-05-03T09:00")

    shown = converts_to(acme, "web2.example", "Imunify360-30")
    done = acme.converts("web2.example", to="Imunify360-30", cancel_old=True)

    assert shown == (0, done.credit_cents) == (0, 2_05)


def test_what_an_edition_would_cost_is_what_it_costs_q12_q13_m5(world: World) -> None:
    """Half a period of three; and a whole one where the worker has not billed it yet."""
    world.otto.prices("CloudLinux OS", {1: "14.00"})
    world.otto.prices("CloudLinux OS Pro", {1: "20.00"})
    acme = world.on("2026-04-01").customer("acme")
    acme.buys("CloudLinux OS", servers=3)

    world.on("2026-04-16")
    half = preview_edition(account_id=acme.account_id, edition="pro", now=world.now)
    world.now = instant("2026-05-01T09:00")
    whole = preview_edition(account_id=acme.account_id, edition="pro", now=world.now)
    acme.changes_edition("pro")

    assert half == EditionPreview("cloudlinux_pro", 9_00, 20_00, 3)
    assert whole == EditionPreview("cloudlinux_pro", 18_00, 20_00, 3)
    assert acme.accrued() == ["2026-06-01 18.00 of 78.00"]
