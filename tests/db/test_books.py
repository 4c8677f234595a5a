"""The books are derived again from the first event: clean after a full life, and nothing false
passes (P12). Falsehoods are written with the triggers off, as a careless hand in psql would.
"""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from pytest_django import Settings

from cln.accounts.models import Account
from cln.billing.models import Invoice
from cln.flows import collection, conversion, editions, subscriptions, timeline, trials
from cln.flows.books import check_books, nightly
from cln.licensing.models import ActivationKey, Entitlement, Server
from cln.licensing.services import Hints, Registration, register_server, reveal
from cln.notifications.models import Message
from cln.notifications.queries import written
from cln.payments import services as payments
from cln.payments.gateways.sandbox import Script, script_account
from tests.customers import START, a_customer, buys, on_sale, pays_now
from tests.db.falsehoods import FALSEHOODS, anonymous, falsify
from tests.planned_books import books_are_clean

pytestmark = pytest.mark.django_db


def days(count: int) -> timedelta:
    return timedelta(days=count)


def registered(account: Account, hostname: str, code: str = "cloudlinux") -> Registration:
    """A server registered with the account's default key."""
    key = ActivationKey.objects.get(account=account, license_type__code=code, is_default=True)
    return register_server(
        key_text=reveal(key), address="192.0.2.10", hints=Hints(hostname=hostname), now=START
    )


def a_month_of_acme() -> Account:
    """Two licenses bought, three added on 10 February, two servers, renewed on 28 February."""
    acme = a_customer()
    on_sale("cloudlinux_pro", 1800)
    buys(acme, 2)
    registered(acme, "web1")
    registered(acme, "web2")
    timeline.run_until(START + days(10), since=START)
    buys(acme, 3, now=START + days(10))
    timeline.run_until(START + days(30), since=START + days(10))
    assert Invoice.objects.count() == 2
    return acme


# -- clean ---------------------------------------------------------------------------------------


def test_an_empty_installation_has_clean_books() -> None:
    assert check_books() == ()


def test_the_books_are_clean_after_a_full_life_of_a_customer() -> None:
    acme = a_month_of_acme()
    now = START + days(30)
    subscriptions.remove_unused(
        account_id=acme.pk, license_type="cloudlinux", keep=3, actor="test", now=now
    )
    trials.start_trial(account_id=acme.pk, license_type="imunify360_30", actor="test", now=now)
    buys(acme, 2, "kernelcare", now=now)
    assert check_books() == ()

    web1 = Server.objects.get(hostname="web1").public_id
    conversion.convert_server(
        account_id=acme.pk,
        server=web1,
        license_type="cloudlinux_pro",
        cancel_old=True,
        actor="test",
        request_key="convert",
        now=now,
    )
    assert check_books() == ()

    timeline.run_until(now + days(40), since=now)
    assert check_books() == ()

    subscriptions.unsubscribe(
        account_id=acme.pk,
        license_type="cloudlinux",
        when="now",
        actor="test",
        now=now + days(40),
    )
    timeline.run_until(now + days(60), since=now + days(40))
    assert check_books() == ()


def test_the_books_are_clean_after_an_edition_changes() -> None:
    acme = a_month_of_acme()
    now = START + days(40)

    editions.set_edition(account_id=acme.pk, edition="pro", actor="test", now=now)
    timeline.run_until(now + days(30), since=now)

    assert Invoice.objects.filter(license_type__code="cloudlinux_pro").count() == 1
    assert check_books() == ()


def test_the_books_are_clean_at_every_step_of_a_debt_and_after_it_is_paid() -> None:
    """P7, P8: past due, blocked, suspended, ended, paid; then he buys again."""
    slow = a_month_of_acme()
    script_account(account_id=slow.pk, outcome=Script.DECLINE)
    now, states = START + days(30), []
    for _ in range(16):
        timeline.run_until(now + days(10), since=now)
        now += days(10)
        assert check_books() == ()
        slow.refresh_from_db()
        states.append(slow.dunning_state)
    assert list(dict.fromkeys(states)) == ["current", "past_due", "blocked", "suspended", "ended"]

    script_account(account_id=slow.pk, outcome=Script.OK)
    pays_now(slow, now=now)
    assert check_books() == ()
    slow.refresh_from_db()
    assert slow.dunning_state == "current"

    buys(slow, 1, now=now)
    assert check_books() == ()
    assert Entitlement.objects.get(account=slow).suspended_at is None


def test_the_books_are_clean_after_an_unpaid_order_is_void() -> None:
    poor = a_customer("Poor", script=Script.DECLINE)
    buys(poor, 2)
    assert check_books() == ()

    timeline.run_until(START + days(8), since=START)

    assert Invoice.objects.get().status == "void"
    assert check_books() == ()


def test_the_books_are_clean_after_an_order_that_credit_had_part_paid_is_void() -> None:
    """Q3: what had been allocated becomes balance again."""
    poor = a_month_of_acme()
    credit = conversion_credit(poor)
    script_account(account_id=poor.pk, outcome=Script.DECLINE)
    buys(poor, 5, "imunify360_30", now=START + days(31))
    order = Invoice.objects.get(license_type__code="imunify360_30")
    assert order.paid_cents == credit > 0

    timeline.run_until(START + days(40), since=START + days(31))

    order.refresh_from_db()
    assert (order.status, order.paid_cents) == ("void", 0)
    assert check_books() == ()


def conversion_credit(account: Account) -> int:
    """Credit of a freed license, in cents (Q14): more than nothing, less than an order."""
    buys(account, 1, "kernelcare", now=START + days(30))
    buys(account, 1, "cloudlinux_pro", now=START + days(30))
    converted = conversion.convert_server(
        account_id=account.pk,
        server=Server.objects.get(hostname="web1").public_id,
        license_type="cloudlinux_pro",
        cancel_old=True,
        actor="test",
        request_key="convert",
        now=START + days(31),
    )
    return converted.credit_cents


def test_a_charge_in_flight_is_no_difference() -> None:
    """P3: the gateway has the money, the answer was lost, the resolver will hear of it."""
    buys(a_customer(script=Script.TIMEOUT_CHARGED), 2)
    assert check_books() == ()

    collection.resolve_due(now=START + payments.RESOLVE_AFTER)

    assert Invoice.objects.get().status == "paid"
    assert check_books() == ()


# -- false ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("falsehood", FALSEHOODS)
def test_a_falsehood_in_the_books_is_found_and_named(falsehood: str) -> None:
    acme = a_month_of_acme()
    assert check_books() == ()
    statement, expected = FALSEHOODS[falsehood]

    falsify(statement)

    found = sorted(
        (anonymous(one.what), anonymous(one.expected), anonymous(one.found))
        for one in check_books()
    )
    assert found == expected
    assert {one.account for one in check_books()} <= {acme.public_id, ""}
    with pytest.raises(AssertionError):
        books_are_clean()


def test_books_of_one_account_are_checked_alone() -> None:
    acme, other = a_month_of_acme(), a_customer("Other")
    buys(other, 1)
    falsify(f"UPDATE licensing_entitlement SET used = 1 WHERE account_id = {other.pk}")

    assert check_books(account_id=acme.pk) == ()
    [difference] = check_books(account_id=other.pk)
    assert str(difference) == (
        f"{other.public_id}: used licenses of cloudlinux: expected 0, found 1"
    )
    assert check_books() == (difference,)


# -- told ----------------------------------------------------------------------------------------


def test_the_command_says_that_the_books_are_clean_and_exits_0() -> None:
    buys(a_customer(), 1)
    out = StringIO()

    call_command("check_books", stdout=out)

    assert out.getvalue() == "The books are clean.\n"


def test_the_command_shows_a_table_of_differences_and_fails() -> None:
    account = a_customer()
    buys(account, 1)
    falsify("UPDATE licensing_entitlement SET used = 1")
    out = StringIO()

    with pytest.raises(CommandError, match="The books differ in 1 places"):
        call_command("check_books", "--account", account.public_id, stdout=out)

    assert out.getvalue().splitlines() == [
        f"account{' ' * 19}what{' ' * 25}expected  found",
        f"{account.public_id}  used licenses of cloudlinux  0         1",
    ]


def test_the_command_refuses_an_account_that_is_not_there() -> None:
    with pytest.raises(CommandError, match="There is no account 'acc_nobody'"):
        call_command("check_books", "--account", "acc_nobody")


def test_the_nightly_check_mails_the_operator_once_a_day_what_differs(
    settings: Settings,
) -> None:
    settings.CLN_OPERATOR_EMAIL = "operator@example.com"
    account = a_customer()
    buys(account, 1)
    falsify("UPDATE licensing_entitlement SET used = 1")

    for _ in range(2):
        [difference] = nightly(now=START)

    mail = Message.objects.get(template="books_differ")
    subject, body = written(mail)
    assert (mail.to, subject) == ("operator@example.com", "The books differ in 1 place")
    assert f"- {difference}" in body


def test_the_nightly_check_is_silent_when_the_books_are_clean(settings: Settings) -> None:
    settings.CLN_OPERATOR_EMAIL = "operator@example.com"
    buys(a_customer(), 1)

    assert nightly(now=START) == ()
    assert not Message.objects.filter(template="books_differ").exists()
