"""What the database refuses, whoever asks: each is tried in SQL, past all our code (§5).

The licensing tables have their own: test_defences_licensing.py.
"""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from cln.accounts.models import Account
from cln.billing import queries as billing
from cln.billing.models import Invoice
from cln.domain.errors import Refusal
from cln.flows import billing_run, conversion, subscriptions
from cln.licensing import queries as licensing
from cln.licensing import services
from cln.licensing.models import ActivationKey, Server
from cln.licensing.services import Hints, register_server, reveal
from cln.payments.models import Allocation, Payment
from tests.at_once import at_once
from tests.customers import START, a_customer, buys

pytestmark = pytest.mark.django_db

CREDIT_NOTE = """
    INSERT INTO billing_creditnote (id, public_id, account_id, invoice_id, number, issued_at,
        net_cents, tax_cents, total_cents, reason)
    SELECT 1, 'cn_1', account_id, id, 'CN-1', now(), 100, 0, 100, 'test' FROM billing_invoice;
"""
CREDIT_LINES = """
    INSERT INTO billing_creditnoteline (credit_note_id, invoice_line_id, amount_cents)
    SELECT 1, id, {cents} FROM billing_invoiceline;
"""
REFUND = """
    INSERT INTO payments_refund (public_id, payment_id, credit_note_id, amount_cents, state,
        created_at)
    SELECT '{name}', id, 1, {cents}, '{state}', now() FROM payments_payment;
"""


def copied(table: str, changes: dict[str, object]) -> str:
    """SQL that inserts a copy of the table's one row with some columns changed."""
    text = json.dumps({"id": 10_000} | changes).replace("'", "''")
    return (
        f"INSERT INTO {table} SELECT (jsonb_populate_record(NULL::{table},"
        f" to_jsonb(one) || '{text}')).* FROM {table} one;"
    )


def refusal_of(sql: str) -> str:
    """Run SQL that the database must refuse by the end; the constraint's name or the message."""
    with pytest.raises(IntegrityError) as refused:
        _commit(sql)
    diagnosis = refused.value.__cause__.diag  # type: ignore[union-attr]
    return str(diagnosis.constraint_name or diagnosis.message_primary)


def _commit(sql: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.fixture
def acme() -> Account:
    """A customer with one paid order of two licenses: one row in each table of money."""
    account = a_customer()
    buys(account, 2)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
    return account


TWICE = {
    "a second subscription of a license type (Q2)": (
        "billing_subscription",
        {},
        "subscription_one_per_license_type",
    ),
    "a period (M5)": (
        "billing_invoiceline",
        {"position": 9},
        "invoice_line_billed_once",
    ),
    "days of a period (M5)": (
        "billing_invoiceline",
        {"position": 9, "period": "[2026-02-27,2026-03-27)"},
        "invoice_line_billed_once",
    ),
    "a line's place": (
        "billing_invoiceline",
        {"source": "other"},
        "invoice_line_position",
    ),
    "an invoice number (P11)": (
        "billing_invoice",
        {"public_id": "inv_other"},
        "billing_invoice_number_key",
    ),
    "an active payment method (P1)": (
        "payments_paymentmethod",
        {"token": "other"},
        "payment_method_one_active",
    ),
    "a payment of an attempt (P3)": (
        "payments_payment",
        {"public_id": "pay_other", "gateway_reference": "other"},
        "payments_payment_attempt_id_key",
    ),
    "a request key": (
        "accounts_idempotentrequest",
        {"input_hash": "other"},
        "idempotency_key_unique",
    ),
}


@pytest.mark.parametrize("what", TWICE)
def test_the_database_refuses_twice(what: str, acme: Account) -> None:
    table, changes, constraint = TWICE[what]

    assert refusal_of(copied(table, changes)) == constraint


def test_the_database_refuses_a_yearly_beside_a_monthly_subscription_of_a_product(
    acme: Account,
) -> None:
    """Q2: the sibling is another license type of the same product."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM catalog_licensetype WHERE code = 'cloudlinux_pro'")
        [pro] = cursor.fetchone() or [None]
    sibling = {"license_type_id": pro, "interval": "year"}

    constraint = refusal_of(copied("billing_subscription", sibling))

    assert constraint == "subscription_one_interval_per_product"


@pytest.mark.parametrize("state", ["open", "unknown", "pending"])
def test_the_database_refuses_two_unfinished_attempts_for_an_invoice(
    state: str, acme: Account
) -> None:
    """P3."""
    one = {"id": 10**9 + 1, "public_id": "att_1", "state": "open"}
    other = {"id": 10**9 + 2, "public_id": "att_2", "state": state}
    table = "payments_paymentattempt"

    sql = copied(table, one) + copied(table, other).replace(";", " WHERE id < 1000000000;")

    assert refusal_of(sql) == "attempt_one_open_per_invoice"


def test_the_database_refuses_two_unfinished_top_ups_of_an_account(acme: Account) -> None:
    """P3, R4."""
    top_up = {"purpose": "top_up", "invoice_id": None, "state": "open"}
    table = "payments_paymentattempt"
    one = copied(table, top_up | {"id": 10**9 + 1, "public_id": "att_1"})
    other = copied(table, top_up | {"id": 10**9 + 2, "public_id": "att_2"})

    sql = one + other.replace(";", " WHERE id < 1000000000;")

    assert refusal_of(sql) == "attempt_one_open_top_up"


def test_the_database_refuses_a_gateways_reference_that_was_booked_before(acme: Account) -> None:
    """P3: effects are keyed by the payment."""
    attempt = copied("payments_paymentattempt", {"id": 10**9 + 1, "public_id": "att_1"})
    payment = copied("payments_payment", {"public_id": "pay_1", "attempt_id": 10**9 + 1})

    assert refusal_of(attempt + payment) == "payment_reference_unique"


def test_the_database_refuses_a_webhook_that_came_before() -> None:
    """P3."""
    event = """
        INSERT INTO payments_gatewayevent (gateway, event_id, received_at, payload)
        VALUES ('stripe', 'evt_1', now(), '{}');
    """

    assert refusal_of(event + event) == "gateway_event_unique"


def test_the_database_refuses_a_second_mail_for_one_event(acme: Account) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM notifications_message WHERE template <> 'invoice_issued'")

    sql = copied("notifications_message", {"to": "somebody@else.example"})

    assert refusal_of(sql) == "notifications_message_dedupe_key"


HISTORY = {
    "billing_transfer": "cents = 1",
    "billing_invoiceline": "amount_cents = 1",
    "billing_quantitychange": "delta = 1",
    "billing_creditnote": "total_cents = 1",
    "billing_creditnoteline": "amount_cents = 1",
    "payments_payment": "amount_cents = 1",
    "payments_allocation": "amount_cents = 1",
    "accounts_auditentry": "actor = 'nobody'",
}


@pytest.mark.parametrize("table", HISTORY)
@pytest.mark.parametrize("verb", ["changed", "deleted"])
def test_history_is_neither_changed_nor_deleted(table: str, verb: str, acme: Account) -> None:
    """P11, P12."""
    with connection.cursor() as cursor:
        cursor.execute(CREDIT_NOTE + CREDIT_LINES.format(cents=100))
        cursor.execute(f"SELECT count(*) FROM {table}")
        [rows] = cursor.fetchone() or [0]
    assert rows > 0
    sql = f"UPDATE {table} SET {HISTORY[table]}" if verb == "changed" else f"DELETE FROM {table}"

    message = f"{table} rows are history: they are appended, never changed or deleted"
    assert refusal_of(sql) == message


@pytest.mark.parametrize("change", ["anchor = '2026-01-01'", "interval = 'year'"])
def test_the_anchor_and_the_interval_of_a_subscription_stay(change: str, acme: Account) -> None:
    """M2."""
    message = refusal_of(f"UPDATE billing_subscription SET {change}")

    assert message.startswith("the anchor of subscription ")
    assert message.endswith(" is immutable")


def test_an_invoice_that_is_not_the_sum_of_its_lines_is_refused_at_commit(acme: Account) -> None:
    sql = copied("billing_invoice", {"public_id": "inv_other", "number": "CBI-000002"})

    message = "invoice CBI-000002 says net 2400 tax 0, its lines say 0 and 0"
    assert refusal_of(sql) == message


def test_a_line_that_is_added_to_an_issued_invoice_is_refused_at_commit(acme: Account) -> None:
    sql = copied("billing_invoiceline", {"position": 9, "source": "other", "amount_cents": 1})

    message = "invoice CBI-000001 says net 2400 tax 0, its lines say 2401 and 0"
    assert refusal_of(sql) == message


OTHER_INVOICE = copied("billing_invoice", {"public_id": "inv_other", "number": "CBI-000002"})
SUMS = {
    "a line more, in a statement of its own": (
        [("invoice", 0), ("line", 2400), ("line", 1)],
        "2401",
    ),
    "too little, before the invoice": ([("line", 1), ("invoice", 0)], "1"),
    "too much, before the invoice": ([("line", 2400), ("line", 1), ("invoice", 0)], "2401"),
}


@pytest.mark.parametrize("order", SUMS)
def test_lines_do_not_exceed_their_invoice_in_whatever_order_they_are_written(
    order: str, acme: Account
) -> None:
    steps, sum_of_lines = SUMS[order]

    message = f"invoice CBI-000002 says net 2400 tax 0, its lines say {sum_of_lines} and 0"
    assert refusal_of(_in_order(steps)) == message


def test_lines_may_be_written_before_their_invoice(acme: Account) -> None:
    _commit(_in_order([("line", 2000), ("line", 400), ("invoice", 0)]))

    assert Invoice.objects.get(number="CBI-000002").lines.count() == 2


def _in_order(steps: list[tuple[str, int]]) -> str:
    """SQL that writes another invoice and lines of it, each in a statement of its own."""
    statements = []
    for position, (what, cents) in enumerate(steps, start=10_000):
        line = {"id": position, "invoice_id": 10_000, "source": str(position)}
        line |= {"position": position, "amount_cents": cents}
        sql = copied("billing_invoiceline", line).removesuffix(";")
        is_line = what == "line"
        statements.append(sql + " WHERE invoice_id <> 10000;" if is_line else OTHER_INVOICE)
    return "".join(statements)


def test_allocations_above_their_payment_are_refused_at_commit(acme: Account) -> None:
    """P9."""
    sql = copied("payments_allocation", {"amount_cents": 1})

    assert refusal_of(sql) == "allocations of 2401 cents exceed the payment of 2400"


def test_credits_above_their_line_are_refused_at_commit(acme: Account) -> None:
    """P10."""
    sql = CREDIT_NOTE + CREDIT_LINES.format(cents=2400) + CREDIT_LINES.format(cents=1)

    assert refusal_of(sql) == "credits of 2401 cents exceed the line of 2400"


@pytest.mark.django_db(transaction=True)
def test_two_connections_together_do_not_allocate_more_than_the_payment() -> None:
    """P9: each alone would be within it; the second waits for the first, then is refused."""
    account = a_customer()
    buys(account, 2)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE payments_allocation DISABLE TRIGGER USER")
        cursor.execute("DELETE FROM payments_allocation")
        cursor.execute("ALTER TABLE payments_allocation ENABLE TRIGGER USER")

    answers = at_once(lambda: _allocates(account, 1500), lambda: _allocates(account, 1400))

    refused = [answer for answer in answers if isinstance(answer, IntegrityError)]
    assert len(refused) == 1
    assert "allocations of 2900 cents exceed the payment of 2400" in str(refused[0])
    assert Allocation.objects.count() == 1


@pytest.mark.parametrize("state", ["open", "unknown", "pending", "succeeded"])
def test_refunds_above_their_payment_are_refused_at_commit(state: str, acme: Account) -> None:
    """P10: one that may still succeed counts."""
    first = REFUND.format(name="ref_1", cents=2400, state="succeeded")
    second = REFUND.format(name="ref_2", cents=1, state=state)

    message = refusal_of(CREDIT_NOTE + first + second)

    assert message == "refunds of 2401 cents exceed the payment of 2400"


def test_a_refund_that_was_declined_leaves_room_for_another(acme: Account) -> None:
    """P10."""
    declined = REFUND.format(name="ref_1", cents=2400, state="declined")
    another = REFUND.format(name="ref_2", cents=2400, state="open")

    with connection.cursor() as cursor:
        cursor.execute(CREDIT_NOTE + declined + another)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SELECT count(*) FROM payments_refund")
        assert cursor.fetchone() == (2,)


def _allocates(account: Account, cents: int) -> None:
    payment = Payment.objects.get()
    with transaction.atomic():
        Allocation.objects.create(
            account=account,
            payment=payment,
            invoice=Invoice.objects.get(),
            amount_cents=cents,
            at=START,
        )


IMPOSSIBLE = {
    "an invoice paid above its total": (
        "UPDATE billing_invoice SET status = 'open', paid_cents = 2401",
        "invoice_paid_within_total",
    ),
    "a paid invoice that is not paid": (
        "UPDATE billing_invoice SET paid_cents = 2399",
        "invoice_paid_means_paid",
    ),
    "a status nobody knows": (
        "UPDATE billing_invoice SET status = 'lost'",
        "invoice_status",
    ),
    "a transfer of nothing": (
        copied("billing_transfer", {"cents": 0}).replace(";", " LIMIT 1;"),
        "transfer_positive",
    ),
    "a transfer to itself": (
        copied("billing_transfer", {"debit": "cash", "credit": "cash"}).replace(";", " LIMIT 1;"),
        "transfer_moves",
    ),
    "an attempt to take nothing": (
        "UPDATE payments_paymentattempt SET amount_cents = 0",
        "attempt_positive",
    ),
    "an attempt for nothing": (
        "UPDATE payments_paymentattempt SET invoice_id = NULL",
        "attempt_pays_something",
    ),
}


@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_the_database_refuses_what_cannot_be(what: str, acme: Account) -> None:
    sql, constraint = IMPOSSIBLE[what]

    assert refusal_of(sql) == constraint


# -- one tenant reading another's row ------------------------------------------------------------

VERBS = {
    "read an invoice": lambda account_id, one: billing.invoice_details(
        account_id=account_id, public_id=one["invoice"]
    ),
    "read a key": lambda account_id, one: licensing.key_details(
        account_id=account_id, public_id=one["key"], now=START
    ),
    "read a server": lambda account_id, one: licensing.server_details(
        account_id=account_id, public_id=one["server"]
    ),
    "make a key the default": lambda account_id, one: services.make_default(
        account_id=account_id, key=one["key"], actor="eve", now=START
    ),
    "remove a key": lambda account_id, one: services.remove_key(
        account_id=account_id, key=one["key"], actor="eve", now=START
    ),
    "limit a key": lambda account_id, one: services.update_key(
        account_id=account_id, key=one["key"], limit=1, actor="eve", now=START
    ),
    "remove a server": lambda account_id, one: subscriptions.remove_server(
        account_id=account_id,
        server=one["server"],
        cancel_license=False,
        actor="eve",
        now=START,
    ),
    "convert a server": lambda account_id, one: conversion.convert_server(
        account_id=account_id,
        server=one["server"],
        license_type="cloudlinux",
        cancel_old=False,
        actor="eve",
        request_key="eve",
        now=START,
    ),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_row_of_another_account_is_as_absent_as_none_at_all(verb: str, acme: Account) -> None:
    register_server(
        key_text=reveal(ActivationKey.objects.get()),
        address="192.0.2.10",
        hints=Hints(hostname="web1"),
        now=START,
    )
    theirs = {
        "invoice": Invoice.objects.get().public_id,
        "key": ActivationKey.objects.get().public_id,
        "server": Server.objects.get().public_id,
    }
    absent = {"invoice": "inv_nobody", "key": "key_nobody", "server": "srv_nobody"}
    eve = a_customer("Eve")
    before = _everything()

    foreign, missing = _answer(verb, eve, theirs), _answer(verb, eve, absent)

    assert (foreign.code, foreign.message, foreign.fix) == (
        missing.code,
        missing.message,
        missing.fix,
    )
    assert _everything() == before


def _answer(verb: str, account: Account, ids: dict[str, str]) -> Refusal:
    with pytest.raises(Refusal) as refused:
        VERBS[verb](account.pk, ids)
    return refused.value


def _everything() -> list[object]:
    return [
        list(model.objects.order_by("pk").values()) for model in (Invoice, ActivationKey, Server)
    ]


def test_the_bills_of_one_account_are_not_among_the_others(acme: Account) -> None:
    other = a_customer("Other")
    buys(other, 1)
    billing_run.run_due(now=START + timedelta(days=28))

    assert len(billing.invoices_of(acme.pk)) == len(billing.invoices_of(other.pk)) == 2
    assert [row.quantity for row in billing.subscriptions_of(other.pk)] == [1]
    assert billing.amount_due_cents(acme.pk) == 2400
    assert billing.amount_due_cents(other.pk) == 1400
