"""What people buy and add, and what it costs (Q1–Q5, Q8, Q9; E1–E4, E6, E8–E12)."""

from __future__ import annotations

import pytest

from tests.world import World


def test_a_first_purchase_is_one_paid_invoice_for_the_full_first_period_q3(world: World) -> None:
    acme = world.on("2026-01-31").customer("acme")

    bought = acme.buys("KernelCare", servers=5, monthly=True)

    assert acme.invoices == ["2026-01-31 KernelCare 14.75 paid"]
    assert acme.lines == ["recurring 5 × 2.95 2026-01-31..2026-02-28 14.75"]
    assert acme.may_run("KernelCare") == (0, 5)
    assert bought.payment is not None
    assert (bought.payment.state, acme.money_taken, acme.owes) == ("succeeded", "14.75", "0.00")


def test_servers_added_in_the_month_come_on_the_next_invoice_q4_q9_e6(world: World) -> None:
    """E6: 5 at 14.00 from 31 Jan; 3 more on 10 Feb cost 27.00 beside the renewal on 28 Feb."""
    world.otto.prices("KernelCare", {1: "14.00"})
    acme = world.on("2026-01-31").customer("acme")
    acme.buys("KernelCare", servers=5, monthly=True)

    world.on("2026-02-10")
    acme.adds_servers("KernelCare", 3)

    assert acme.may_run("KernelCare") == (0, 8)
    assert acme.accrued() == ["2026-02-28 27.00 of 139.00"]
    assert acme.money_taken == "70.00"
    world.on("2026-02-28")
    assert acme.lines == [
        "proration 3 × 14.00 2026-02-10..2026-02-28 27.00",
        "recurring 8 × 14.00 2026-02-28..2026-03-31 112.00",
    ]
    assert acme.invoices[-1] == "2026-02-28 KernelCare 139.00 paid"
