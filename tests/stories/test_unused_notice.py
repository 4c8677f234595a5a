"""The weekly notice of licenses that no server uses (pain 15)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cln.accounts.models import Account
from cln.flows.tasks import tell_of_unused
from cln.licensing.models import ActivationKey
from cln.notifications.models import Message, ReportSubscription
from cln.notifications.queries import written
from tests.customers import START, a_customer, buys, clock_at
from tests.licensing import registered

pytestmark = pytest.mark.django_db(transaction=True)


def mails() -> list[str]:
    rows = Message.objects.filter(template="unused_licenses").order_by("pk")
    return [written(row)[1] for row in rows]


def morning(days: int) -> list[str]:
    """The mails there are after the task of that day has run."""
    clock_at(START + timedelta(days=days))
    tell_of_unused(timestamp=0)
    return mails()


@pytest.fixture
def acme() -> Account:
    """Three KernelCare licenses, one of them in use."""
    clock_at(START)
    account = a_customer()
    buys(account, 3, "kernelcare")
    registered(ActivationKey.objects.get(), "web1", now=START)
    return account


def test_unused_licenses_are_told_once_a_week_with_their_price(acme: Account) -> None:
    assert morning(6) == []

    [mail] = morning(7)

    assert "KernelCare: 2 of 3, $4.90 a month" in mail
    assert "/console/licenses/kernelcare/remove-unused" in mail
    assert Message.objects.get(template="unused_licenses").to == "acme@example.com"
    assert [len(morning(day)) for day in (8, 13, 14)] == [1, 1, 2]


def test_where_all_are_used_or_reports_are_off_nobody_is_told(acme: Account) -> None:
    product = ActivationKey.objects.get().license_type.product
    report = ReportSubscription.objects.create(account=acme, product=product, active=False)
    assert morning(8) == []

    report.active = True
    report.emails = ["ops@acme.example"]
    report.save()
    assert len(morning(15)) == 1
    assert Message.objects.get(template="unused_licenses").to == "ops@acme.example"

    for name, address in (("web2", "192.0.2.2"), ("web3", "192.0.2.3")):
        registered(ActivationKey.objects.get(), name, address, now=START)
    assert len(morning(22)) == 1
