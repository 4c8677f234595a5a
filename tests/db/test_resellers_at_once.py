"""Resellers and refunds: two at once, and `kill -9` at every point (R1, R2, R4, P10, §8)."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from django.db import connection, transaction

from cln.accounts.models import Account, DepositOrder, Login
from cln.billing.models import CreditNote, Invoice
from cln.billing.queries import balance_cents
from cln.domain.autopay import AutopayMode, AutopayRule
from cln.domain.errors import Refusal
from cln.enums import AccountKind
from cln.flows import autopay, conversion, timeline, usage_run
from cln.flows.books import check_books
from cln.licensing import partners, removal
from cln.licensing.keys import create_key, reveal
from cln.licensing.models import ActivationKey
from cln.licensing.services import Hints, register_server
from cln.payments.models import PaymentAttempt, Refund, SandboxCharge, SandboxRefund
from cln.payments.services import RESOLVE_AFTER
from tests.at_once import at_once
from tests.customers import KILLED, START, a_customer, buys, finish, one_verb
from tests.reselling import becomes_reseller, holds_ip, refunds_first, registers
from tests.shop import open_shop

# START is in January; two months are due by then, and a third nearly.
THREE_MONTHS_LATER = datetime(2026, 4, 30, 6, 0, tzinfo=UTC)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def clean_books() -> Iterator[None]:
    """Whatever happened, the books are clean afterwards (P12)."""
    yield
    assert check_books() == ()


def a_reseller(cents: int = 500_00, rule: AutopayRule | None = None) -> int:
    """Holds two licenses by IP since START."""
    open_shop()
    done = registers("zenith", cents=cents, now=START, **({"rule": rule} if rule else {}))
    assert done.account_id is not None
    for address in ("203.0.113.1", "203.0.113.2"):
        holds_ip(done.account_id, address, now=START)
    return done.account_id


@pytest.mark.parametrize("turn", range(3))
def test_two_workers_bill_each_month_once(turn: int) -> None:
    """R2, M5."""
    account_id = a_reseller()

    at_once(
        lambda: usage_run.run_due(now=THREE_MONTHS_LATER),
        lambda: usage_run.run_due(now=THREE_MONTHS_LATER),
    )

    months = Invoice.objects.filter(account=account_id).values_list("usage_month", flat=True)
    assert Counter(months) == {START.date().replace(month=n, day=1): 1 for n in (1, 2, 3)}


def test_a_right_is_not_left_behind_where_its_server_goes_meanwhile_q14_r8() -> None:
    """The server unregisters after its conversion was checked and before it happens."""
    account_id = a_reseller()
    key = create_key(account_id=account_id, license_type="imunify360_1", actor="test", now=START)
    server = register_server(
        key_text=reveal(key), address="203.0.113.9", hints=Hints(hostname="web1"), now=START
    ).server.public_id
    held = partners.unlimited_types(account_id)
    removed, somebody_waits = threading.Event(), threading.Event()

    def unregister() -> None:
        with transaction.atomic():
            removal.remove_server(account_id=account_id, server=server, why="test", now=START)
            removed.set()
            somebody_waits.wait(10)

    def convert() -> None:
        removed.wait(10)
        conversion.convert_server(
            account_id=account_id,
            server=server,
            license_type="imunify360_30",
            cancel_old=False,
            actor="test",
            request_key="convert",
            now=START,
        )

    def watch() -> None:
        removed.wait(10)
        wait_for_a_lock()
        somebody_waits.set()

    _, refused, _ = at_once(unregister, convert, watch)

    assert isinstance(refused, removal.ServerGone)
    assert partners.unlimited_types(account_id) == held
    assert not ActivationKey.objects.filter(license_type__code="imunify360_30").exists()


def wait_for_a_lock() -> None:
    """Return once another connection to this database waits for a row; ten seconds at most."""
    with connection.cursor() as cursor:
        for _ in range(1000):
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity, pg_sleep(0.01) "
                "WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if cursor.fetchone() != (0,):
                return
    raise AssertionError("nobody waits")


@pytest.mark.parametrize("turn", range(3))
def test_two_workers_top_up_once(turn: int) -> None:
    """R4, P3."""
    account_id = a_reseller(1_00, AutopayRule(AutopayMode.REPAY))
    usage_run.run_due(now=THREE_MONTHS_LATER)
    debt = -balance_cents(account_id)
    assert debt > 0

    at_once(
        lambda: autopay.run_due(now=THREE_MONTHS_LATER),
        lambda: autopay.run_due(now=THREE_MONTHS_LATER),
    )

    assert SandboxCharge.objects.count() == 2, "the deposit and one top-up"
    assert balance_cents(account_id) == max(2_000, debt) - debt


@pytest.mark.parametrize("turn", range(3))
def test_two_applications_of_one_person_are_one(turn: int) -> None:
    """R1, P3: one account, one charge, whoever comes first."""
    open_shop()

    answers = at_once(
        lambda: registers("zenith", now=START), lambda: registers("zenith", now=START)
    )

    refused = [answer for answer in answers if isinstance(answer, Refusal)]
    assert len(refused) == 1
    assert Account.objects.count() == Login.objects.count() == SandboxCharge.objects.count() == 1


@pytest.mark.parametrize("turn", range(3))
def test_two_refunds_at_once_never_exceed_the_invoice(turn: int) -> None:
    """P10: 20.00 of 24.00 twice; one is refused."""
    account = a_customer()
    buys(account, 2)
    total = Invoice.objects.get().total_cents

    answers = at_once(
        lambda: refunds_first(account, total - 100, now=START),
        lambda: refunds_first(account, total - 100, now=START),
    )

    assert sum(isinstance(answer, Refusal) for answer in answers) == 1
    assert [row.amount_cents for row in SandboxRefund.objects.all()] == [total - 100]


POINTS = ("before_gateway", "after_gateway", "before_commit", "after_commit")


@pytest.mark.parametrize("point", POINTS)
def test_a_registration_whose_process_dies_is_finished_or_never_was(point: str) -> None:
    """R1, P3: charged and opened once, or not charged and nothing is there."""
    open_shop()

    finish(one_verb("register", START, CLN_FAULT_POINT=point), code=KILLED)
    timeline.run_until(START + RESOLVE_AFTER, since=START)

    is_charged = point != "before_gateway"
    assert SandboxCharge.objects.count() == is_charged
    assert Account.objects.count() == Login.objects.count() == is_charged
    assert PaymentAttempt.objects.count() == is_charged
    assert DepositOrder.objects.get().state == ("succeeded" if is_charged else "abandoned")
    if is_charged:
        assert balance_cents(Account.objects.get().pk) == 500_00


@pytest.mark.parametrize("point", POINTS)
def test_a_conversion_whose_process_dies_is_finished_or_never_was(point: str) -> None:
    """R1, P3."""
    account = a_customer()

    finish(one_verb("convert", START, account, CLN_FAULT_POINT=point), code=KILLED)
    timeline.run_until(START + RESOLVE_AFTER, since=START)

    account.refresh_from_db()
    is_charged = point != "before_gateway"
    assert SandboxCharge.objects.count() == is_charged
    assert account.kind == (AccountKind.RESELLER if is_charged else AccountKind.CUSTOMER)
    assert balance_cents(account.pk) == (100_00 if is_charged else 0)
    if not is_charged:
        assert becomes_reseller(account, now=START + RESOLVE_AFTER).state == "succeeded"


@pytest.mark.parametrize("point", POINTS)
def test_a_refund_whose_process_dies_is_given_back_once_or_is_balance(point: str) -> None:
    """P10, P3."""
    account = a_customer()
    buys(account, 2)

    finish(one_verb("refund", START, account, CLN_FAULT_POINT=point), code=KILLED)
    timeline.run_until(START + RESOLVE_AFTER, since=START)

    is_given = point != "before_gateway"
    assert CreditNote.objects.count() == 1
    assert Refund.objects.get().state == ("succeeded" if is_given else "abandoned")
    assert SandboxRefund.objects.count() == is_given
    assert balance_cents(account.pk) == (0 if is_given else 10_00)
