"""Whatever a customer does, in any order, the promises of the world hold at every step (M5, P12).

Each life is a walk of its own seed through the verbs of the cast. A refusal is an answer like any
other; an error, a second bill, a broken promise (Q12) or a difference in the books is a failure,
and the printed diary says how it came to it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from random import Random

import pytest

from cln.domain.errors import Refusal
from tests.cast import CARDS, Customer
from tests.world import World

LIVES = 300 if os.environ.get("HYPOTHESIS_PROFILE") == "deep" else 2
STEPS = 30
SOLD = ("KernelCare", "CloudLinux OS", "Imunify360-1", "Imunify360-30")


@pytest.mark.parametrize("seed", range(LIVES))
def test_any_life_of_a_customer_leaves_clean_books_m5(world: World, seed: int) -> None:
    """Nothing is billed twice, every preview comes true, every refusal changes nothing."""
    chance = Random(seed)
    acme = _somebody(world, chance)
    diary: list[str] = []
    hosts: list[str] = []

    for _ in range(STEPS):
        deed = chance.choice(DEEDS)
        try:
            diary.append(f"{world.now} {deed.__name__}")
            deed(acme, hosts, chance)
        except Refusal as refusal:
            diary[-1] += f": {refusal.code}"
            world.nothing_more_is_due()
        print(diary[-1])  # noqa: T201  pytest shows it where the life goes wrong
        days, hours = chance.choice([0, 0, 1, 3, 7, 20, 35]), chance.choice([0, 0, 5])
        world.on((world.now + timedelta(days=days, hours=hours)).isoformat())

    assert len(diary) == STEPS


def _somebody(world: World, chance: Random) -> Customer:
    """A customer of some day, country and operator."""
    world.otto.prices("CloudLinux OS Pro", {1: "20.00", 5: "15.00"})
    world.otto.taxes("GB", percent=20)
    world.otto.sets(
        proration_survives_removal=chance.random() < 0.3,
        yearly_proration_sweep=chance.random() < 0.5,
    )
    world.on(f"2026-01-{chance.choice([1, 15, 29, 30, 31]):02}")
    return world.customer("acme", country=chance.choice(["", "GB"]))


def _buy(acme: Customer, hosts: list[str], chance: Random) -> None:
    servers, monthly = chance.choice([1, 1, 2, 4, 6]), chance.choice([None, None, True, False])
    acme.buys(chance.choice(SOLD), servers, monthly=monthly)


def _remove_unused(acme: Customer, hosts: list[str], chance: Random) -> None:
    acme.removes_unused(chance.choice(SOLD), keep=chance.choice([None, 0, 1, 3]))


def _unsubscribe(acme: Customer, hosts: list[str], chance: Random) -> None:
    acme.unsubscribes(chance.choice(SOLD), now=chance.random() < 0.4)


def _resume(acme: Customer, hosts: list[str], chance: Random) -> None:
    acme.resumes(chance.choice(SOLD))


def _try(acme: Customer, hosts: list[str], chance: Random) -> None:
    acme.starts_trial(chance.choice(SOLD))


def _register(acme: Customer, hosts: list[str], chance: Random) -> None:
    product = chance.choice(SOLD)
    if acme.key(product) is not None:
        number = chance.randint(1, 9)  # also one that runs already
        acme.registers(
            f"web{number}.example",
            product,
            ip=f"203.0.113.{number}",
            os_version=chance.choice(["", "6.10", "8.9"]),
        )
        hosts.append(f"web{number}.example")


def _remove_server(acme: Customer, hosts: list[str], chance: Random) -> None:
    if hosts:
        acme.removes_server(chance.choice(hosts), cancel_license=chance.random() < 0.5)


def _convert(acme: Customer, hosts: list[str], chance: Random) -> None:
    if hosts:
        to = chance.choice(["Imunify360-1", "Imunify360-30"])
        acme.converts(chance.choice(hosts), to=to, cancel_old=chance.random() < 0.6)


def _change_edition(acme: Customer, hosts: list[str], chance: Random) -> None:
    acme.changes_edition(chance.choice(["pro", "shared"]))


def _bank_changes_its_mind(acme: Customer, hosts: list[str], chance: Random) -> None:
    acme.card(chance.choice(["works", "works", *CARDS]))


def _replace_method(acme: Customer, hosts: list[str], chance: Random) -> None:
    acme.replaces_method("works")


def _pay_now(acme: Customer, hosts: list[str], chance: Random) -> None:
    acme.pays_now()


def _pay_at_hosted_page(acme: Customer, hosts: list[str], chance: Random) -> None:
    if acme.owes != "0.00":
        amount = chance.choice([None, "1.00", "50.00"])
        acme.pays_at_hosted_page(acme.opens_hosted_page(amount))


Deed = Callable[[Customer, list[str], Random], None]
DEEDS: tuple[Deed, ...] = (
    _buy,
    _buy,
    _buy,
    _register,
    _register,
    _remove_unused,
    _unsubscribe,
    _resume,
    _try,
    _remove_server,
    _convert,
    _change_edition,
    _bank_changes_its_mind,
    _replace_method,
    _pay_now,
    _pay_at_hosted_page,
)
