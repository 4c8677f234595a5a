"""A reseller's running month, as the database counts it, is what the billing run would bill (Q12).

The pages read sums; the bill reads every license. Whatever happened meanwhile, they agree.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.core.exceptions import MultipleObjectsReturned, ObjectDoesNotExist

from cln.accounts.models import Account
from cln.catalog.queries import rules
from cln.domain.calendar import Period
from cln.domain.errors import Refusal
from cln.flows import usage_run, usage_so_far
from cln.flows.usage_so_far import month_so_far
from cln.licensing.models import Server
from cln.licensing.servers import undo_reinstall
from tests.partners import Reseller, becomes
from tests.world import World

ADDRESSES = [f"203.0.113.{number}" for number in (1, 2, 3, 10, 20)]
TYPES = ("KernelCare", "Imunify360-30", "Imunify360-1")
HOSTS = ("web1", "web2", "web3", "web4")
DAYS = ("2025-12-21", "2025-12-29", "2026-01-02", "2026-01-09", "2026-01-10", "2026-01-31")


@pytest.fixture
def shop(world: World) -> World:
    """The last days of 2025, with tiers, so that the number of licenses matters."""
    world.otto.prices("KernelCare", {1: "10.00", 3: "8.00"})
    world.otto.prices("Imunify360-30", {1: "31.00", 2: "29.99"})
    world.otto.prices("Imunify360-1", {1: "15.50"})
    return world.on("2025-12-20")


def test_the_running_month_is_counted_as_it_would_be_billed(
    shop: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R2, R8, Q12: a reseller is busy over two turns of a month; on pages of four licenses."""
    monkeypatch.setattr(usage_so_far, "PER_PAGE", 4)
    zenith = _a_former_customer(shop)
    dice, done, emailed = random.Random("zenith"), 0, 0

    for day in DAYS:
        shop.on(day)
        done += sum(_something_happens(zenith, dice) for _ in range(10))
        counted = _as_counted(zenith)
        assert counted == _as_billed(zenith), day
        emailed += bool(counted[-1])

    assert (done > 20, emailed > 0) == (True, True)
    shop.otto.sets(usage_rating="full_month")
    assert _as_counted(zenith) == _as_billed(zenith)


def test_what_was_given_back_and_taken_again_is_counted_by_its_days(
    shop: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R2, R8, S2: one of each kind, with Imunify Email and without, on pages of two licenses."""
    monkeypatch.setattr(usage_so_far, "PER_PAGE", 2)
    zenith = _a_former_customer(shop)
    for product, *addresses in (
        ("KernelCare", *ADDRESSES[:3]),
        ("Imunify360-30", "203.0.113.20", "203.0.113.21", "203.0.113.22"),
    ):
        zenith.holds_ip(product, *addresses)
    zenith.switches_email(False, product="Imunify360-30")
    for number, host in enumerate(HOSTS, start=1):
        zenith.registers(host, "Imunify360-30", ip=f"198.51.100.{number}")
    for found in ({"ip": "203.0.113.20"}, {"ip": "203.0.113.21"}, {"host": "web2"}):
        zenith.switches_email(True, **found)
    steps: dict[str, Callable[[], object]] = {
        "2026-01-02": lambda: _again(zenith, "KernelCare", "203.0.113.2"),
        "2026-01-03": lambda: zenith.gives_back("Imunify360-30", "203.0.113.20"),
        "2026-01-04": lambda: zenith.removes_server("web3"),
        "2026-01-06": lambda: zenith.holds_ip("Imunify360-30", "203.0.113.20"),
        "2026-01-07": lambda: zenith.gives_back("KernelCare", "203.0.113.2"),
        "2026-01-08": lambda: zenith.removes_server("web2"),
        "2026-01-09": lambda: zenith.registers("web1", "Imunify360-30", ip="198.51.100.1"),
        "2026-01-11": lambda: zenith.gives_back("Imunify360-30", "203.0.113.22"),
        "2026-01-12": lambda: _again(zenith, "Imunify360-30", "203.0.113.21"),
        "2026-01-13": lambda: zenith.holds_ip("KernelCare", "203.0.113.2"),
        "2026-01-14": lambda: zenith.removes_server("web1"),
        "2026-01-15": lambda: _for_no_day(zenith),
        "2026-01-21": lambda: zenith.converts("web4", "Imunify360-1"),
        "2026-01-22": lambda: zenith.registers("late", "Imunify360-1", ip="198.51.100.99"),
        "2026-01-24": lambda: zenith.removes_server("late"),
        "2026-01-25": lambda: zenith.removes_server("web4"),
    }

    for day, step in steps.items():
        shop.on(day)
        step()
        assert _as_counted(zenith) == _as_billed(zenith), day


def _again(zenith: Reseller, product: str, address: str) -> None:
    """Given back and taken again on one day, which counts once."""
    zenith.gives_back(product, address)
    zenith.holds_ip(product, address)


def _for_no_day(zenith: Reseller) -> None:
    """Addresses and servers that cost nothing, and come before others in the order of a statement:
    given back on the day they were taken, or removed while a subscription still paid.
    """
    for number in range(3):
        zenith.holds_ip("KernelCare", f"203.0.112.{number}")
        zenith.gives_back("KernelCare", f"203.0.112.{number}")
    for day in range(15, 20):
        hosts = {f"brief{day}{end}": f"198.51.100.{day}{end}" for end in (1, 2)}
        for host, ip in hosts.items():
            zenith.registers(host, "Imunify360-1", ip=ip)
        zenith.world.on(f"2026-01-{day + 1}")
        for host in hosts:
            zenith.removes_server(host)


def _a_former_customer(shop: World) -> Reseller:
    """Imunify360-1 is paid for a month; KernelCare is tried."""
    acme = shop.customer("acme")
    acme.buys("Imunify360-1", 2)
    acme.starts_trial("KernelCare")
    becomes(acme, "5000.00")
    zenith = Reseller(shop, "acme", acme.account_id)
    zenith.creates_key("Imunify360-30")
    zenith.switches_email(True, product="Imunify360-30")
    zenith.registers("web1", "Imunify360-30", ip="198.51.100.1")
    return zenith


def _something_happens(zenith: Reseller, dice: random.Random) -> bool:
    """One thing that a reseller may do, where it is possible at this moment."""
    address, product, host = dice.choice(ADDRESSES), dice.choice(TYPES), dice.choice(HOSTS)
    ip = f"198.51.100.{HOSTS.index(host) + 1}"
    things = (
        lambda: zenith.holds_ip(product, address),
        lambda: zenith.gives_back(product, address),
        lambda: zenith.converts_ip(address, product),
        lambda: zenith.registers(host, product, ip=ip),
        lambda: zenith.registers(host, product, ip=ip),
        lambda: zenith.removes_server(host),
        lambda: zenith.converts(host, to=product),
        lambda: _undo(zenith),
        *_switches(zenith, dice, address, product, host),
    )
    try:
        dice.choice(things)()
    except (Refusal, ObjectDoesNotExist, MultipleObjectsReturned):
        return False
    return True


def _switches(
    zenith: Reseller, dice: random.Random, address: str, product: str, host: str
) -> tuple[Callable[[], None], ...]:
    """Imunify Email on a level, which costs (S2); of the account it is mostly unset."""
    enabled = dice.choice((True, True, False, None))
    return (
        lambda: zenith.switches_email(enabled, ip=address),
        lambda: zenith.switches_email(enabled, host=host),
        lambda: zenith.switches_email(enabled, product=product),
        lambda: zenith.switches_email(enabled if dice.random() < 0.3 else None),
    )


def _undo(zenith: Reseller) -> None:
    newest = Server.objects.filter(account=zenith.account_id, supersedes__isnull=False).latest("pk")
    undo_reinstall(
        account_id=zenith.account_id,
        server=newest.public_id,
        actor="acme",
        now=zenith.world.now,
    )


def _as_counted(zenith: Reseller) -> tuple[object, ...]:
    """What the pages say: sums, the shares of all pages, and what the month is expected to be."""
    account_id, now = zenith.account_id, zenith.world.now
    month = month_so_far(account_id=account_id, now=now)
    rows, addons = [], []
    for one in month.types:
        shares, page = [], 1
        while page:
            [part] = month_so_far(
                account_id=account_id, license_type=one.license_type.code, page=page, now=now
            ).types
            shares += [(row.name, row.share) for row in part.shares]
            page = part.older
        line = one.line
        sums = (line.licenses, line.quantity, line.unit_cents, line.amount_cents)
        rows.append((one.license_type.code, sums, shares))
        addons += [one.addon] if one.addon else []
    account = Account.objects.get(pk=account_id)
    later = usage_so_far.expected_cents(account, month=_month_after(now), rules=rules())
    return rows, month.total_cents, month.expected_cents, later, addons


def _as_billed(zenith: Reseller) -> tuple[object, ...]:
    account, today = Account.objects.get(pk=zenith.account_id), zenith.world.now.date()
    month = usage_run.month_before(usage_run.first_of_next_month(today))
    billed = [
        usage_run.usage_of(account, month, rules=rules(), until=until)
        for until in (today + timedelta(days=1), usage_run.NEVER)
    ]
    rows = [
        (
            one.license_type.code,
            (one.line.licenses, one.line.quantity, one.line.unit_cents, one.line.amount_cents),
            [(one.names[share.subject], share) for share in one.line.shares],
        )
        for one in billed[0]
    ]
    total, expected = (sum(one.draft.net_cents for one in usages) for usages in billed)
    addons = [line for one in billed[0] for line in one.draft.lines[1:]]
    later = usage_run.usage_of(account, _month_after(zenith.world.now), rules=rules())
    return rows, total, expected, sum(one.draft.net_cents for one in later), addons


def _month_after(now: datetime) -> Period:
    """The month that has not begun."""
    ahead = usage_run.first_of_next_month(usage_run.first_of_next_month(now.date()))
    return usage_run.month_before(ahead)
