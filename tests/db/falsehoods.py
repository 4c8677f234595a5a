"""Falsehoods a careless hand could write into the books, and the differences each one makes.

Each is (statements, [(what, expected, found)]); ids that differ from run to run are left out.
"""

import re

from django.db import connection

OLDEST = "(SELECT min(id) FROM billing_invoice)"
NEWEST = "(SELECT max(id) FROM billing_invoice)"

FALSEHOODS: dict[str, tuple[str, list[tuple[str, str, str]]]] = {
    "a line made dearer": (
        f"UPDATE billing_invoiceline SET amount_cents = 2401 WHERE invoice_id = {OLDEST}",
        [
            ("amount of line 1 of invoice CBI-000001", "2400", "2401"),
            ("net of invoice CBI-000001", "2401", "2400"),
            ("total of invoice CBI-000001", "2401", "2400"),
        ],
    ),
    "an invoice made cheaper": (
        f"""
            UPDATE billing_invoice SET net_cents = 2300, total_cents = 2300, paid_cents = 2300
                WHERE id = {OLDEST}
        """,
        [
            ("allocated in the ledger of invoice CBI-000001", "2300", "2400"),
            ("net in the ledger of invoice CBI-000001", "2300", "2400"),
            ("net of invoice CBI-000001", "2400", "2300"),
            ("paid of invoice CBI-000001", "2400", "2300"),
            ("total of invoice CBI-000001", "2400", "2300"),
        ],
    ),
    "an invoice opened again": (
        f"UPDATE billing_invoice SET status = 'open' WHERE id = {OLDEST}",
        [
            ("status of invoice CBI-000001", "paid", "open"),
        ],
    ),
    "an invoice voided by hand": (
        f"UPDATE billing_invoice SET status = 'void' WHERE id = {OLDEST}",
        [
            ("paid of void invoice CBI-000001", "0", "2400"),
            ("voided in the ledger of invoice CBI-000001", "2400", "0"),
        ],
    ),
    "an invoice deleted": (
        f"DELETE FROM billing_invoice WHERE id = {NEWEST}",
        [
            ("charged units of change … of subscription …", "3", "0"),
            ("invoices of series customers", "2", "1"),
        ],
    ),
    "an invoice in another currency": (
        f"UPDATE billing_invoice SET currency = 'EUR' WHERE id = {OLDEST}",
        [
            ("currency of invoice CBI-000001", "USD", "EUR"),
        ],
    ),
    "a transfer in another currency": (
        f"""
            UPDATE billing_transfer SET currency = 'EUR' WHERE invoice_id = {OLDEST} AND kind =
                'invoice_issued'
        """,
        [
            ("currency of transfer … invoice_issued", "USD", "EUR"),
        ],
    ),
    "a number changed": (
        f"UPDATE billing_invoice SET number = 'CBI-000009' WHERE id = {NEWEST}",
        [
            ("number of invoice CBI-000009", "CBI- and 1 to 2", "CBI-000009"),
        ],
    ),
    "a number skipped": (
        "UPDATE billing_invoiceseries SET next_number = 4",
        [
            ("invoices of series customers", "3", "2"),
        ],
    ),
    "an allocation deleted": (
        f"DELETE FROM payments_allocation WHERE invoice_id = {OLDEST}",
        [
            ("balance", "2400", "0"),
            ("paid of invoice CBI-000001", "0", "2400"),
        ],
    ),
    "an allocation above its payment": (
        f"UPDATE payments_allocation SET amount_cents = 2500 WHERE invoice_id = {OLDEST}",
        [
            ("allocated of payment pay_…", "at most 2400", "2500"),
            ("balance", "-100", "0"),
            ("paid of invoice CBI-000001", "2500", "2400"),
        ],
    ),
    "a payment deleted": (
        "DELETE FROM payments_payment WHERE id = (SELECT min(id) FROM payments_payment)",
        [
            ("balance", "-2400", "0"),
            ("booked of sandbox charge att_…", "2400", "0"),
            ("payments behind the allocated of payment …", "1", "0"),
            ("payments behind the payment_received of payment …", "1", "0"),
            ("payments of succeeded attempt att_…", "1", "0"),
        ],
    ),
    "a payment made larger": (
        """
            UPDATE payments_payment SET amount_cents = 2500 WHERE id = (SELECT min(id) FROM
                payments_payment)
        """,
        [
            ("balance", "100", "0"),
            ("booked of sandbox charge att_…", "2400", "2500"),
            ("payment of attempt att_…", "2400 USD of account …", "2500 USD of account …"),
            ("received in the ledger of payment pay_…", "2500", "2400"),
        ],
    ),
    "an attempt that never succeeded": (
        f"""
            UPDATE payments_paymentattempt SET state = 'declined', decline_code = 'expired_card'
                WHERE invoice_id = {OLDEST}
        """,
        [
            ("state of attempt att_… with a payment", "succeeded", "declined"),
        ],
    ),
    "a charge nobody booked": (
        """
            INSERT INTO payments_sandboxcharge (reference, amount_cents, currency, at,
                refunded_cents) VALUES ('att_unknown', 500, 'USD', now(), 0)
        """,
        [
            ("booked of sandbox charge att_unknown", "500", "0"),
        ],
    ),
    "a charge that was never made": (
        """
            DELETE FROM payments_sandboxcharge WHERE id = (SELECT min(id) FROM
                payments_sandboxcharge)
        """,
        [
            ("sandbox charge behind payment pay_…", "2400", "0"),
        ],
    ),
    "a transfer deleted": (
        f"DELETE FROM billing_transfer WHERE invoice_id = {OLDEST} AND kind = 'allocated'",
        [
            ("allocated in the ledger of invoice CBI-000001", "2400", "0"),
            ("balance", "0", "2400"),
            ("receivable", "0", "2400"),
        ],
    ),
    "a transfer doubled": (
        f"""
            INSERT INTO billing_transfer (account_id, at, kind, debit, credit, cents, currency,
                invoice_id) SELECT account_id, at, kind, debit, credit, cents, currency,
                invoice_id FROM billing_transfer WHERE invoice_id = {OLDEST} AND kind =
                'invoice_issued'
        """,
        [
            ("net in the ledger of invoice CBI-000001", "2400", "4800"),
            ("receivable", "0", "2400"),
        ],
    ),
    "a transfer nobody knows": (
        """
            INSERT INTO billing_transfer (account_id, at, kind, debit, credit, cents, currency)
                SELECT id, now(), 'gift', 'cash', 'revenue', 100, 'USD' FROM accounts_account
        """,
        [
            ("transfer … gift", "a movement the books know", "cash from revenue"),
        ],
    ),
    "a quantity changed by hand": (
        "UPDATE billing_subscription SET quantity = 6",
        [
            ("licenses of cloudlinux", "6 paid", "5 paid"),
            ("quantity of the cloudlinux subscription …", "5", "6"),
        ],
    ),
    "a change of quantity deleted": (
        "DELETE FROM billing_quantitychange WHERE kind = 'add'",
        [
            ("change of line 1 of invoice CBI-000002", "of subscription …", "none"),
            ("quantity of the cloudlinux subscription …", "2", "5"),
            ("units of line 2 of invoice CBI-000002", "2", "5"),
        ],
    ),
    "a period counted twice": (
        "UPDATE billing_subscription SET billed_periods = 3",
        [
            ("billed periods of the cloudlinux subscription …", "2", "3"),
        ],
    ),
    "a period moved": (
        f"""
            UPDATE billing_invoiceline SET period = '[2026-03-01,2026-03-31)' WHERE kind =
                'recurring' AND invoice_id = {NEWEST}
        """,
        [
            (
                "period 2 of the cloudlinux subscription …",
                "[2026-02-28,2026-03-31)",
                "[2026-03-01,2026-03-31)",
            ),
        ],
    ),
    "days billed twice": (
        f"""
            ALTER TABLE billing_invoiceline DROP CONSTRAINT invoice_line_billed_once;
            UPDATE billing_invoiceline SET period = '[2026-02-27,2026-03-31)' WHERE kind =
                'recurring' AND invoice_id = {NEWEST}
        """,
        [
            ("lines of recurring that share days, subscription …", "0", "1"),
            (
                "period 2 of the cloudlinux subscription …",
                "[2026-02-28,2026-03-31)",
                "[2026-02-27,2026-03-31)",
            ),
        ],
    ),
    "a subscription that is never billed again": (
        "UPDATE billing_subscription SET next_billing_on = NULL",
        [
            ("next billing day of the cloudlinux subscription …", "not after 2026-03-31", "none"),
        ],
    ),
    "a subscription that skips a period": (
        "UPDATE billing_subscription SET next_billing_on = '2026-04-30'",
        [
            (
                "next billing day of the cloudlinux subscription …",
                "not after 2026-03-31",
                "2026-04-30",
            ),
        ],
    ),
    "more licenses than were bought": (
        "UPDATE licensing_entitlement SET quantity = 6",
        [
            ("licenses of cloudlinux", "5 paid", "6 paid"),
        ],
    ),
    "licenses without a subscription": (
        """
            UPDATE billing_subscription SET status = 'ended', ended_on = '2026-03-01',
                next_billing_on = NULL
        """,
        [
            ("licenses of cloudlinux", "none", "5 paid"),
        ],
    ),
    "a subscription without licenses": (
        "DELETE FROM licensing_entitlement",
        [
            ("licenses of cloudlinux", "5 paid", "none"),
        ],
    ),
    "a trial nobody started": (
        "UPDATE licensing_entitlement SET kind = 'trial'",
        [
            ("licenses of cloudlinux", "5 paid", "none"),
            ("licenses of cloudlinux", "none without a running trial", "5 trial"),
        ],
    ),
    "a seat nobody sits on": (
        "UPDATE licensing_entitlement SET used = 3",
        [
            ("used licenses of cloudlinux", "2", "3"),
        ],
    ),
    "a server no counter knows": (
        """
            UPDATE licensing_server SET status = 'removed', removed_at = now() WHERE hostname =
                'web1'
        """,
        [
            ("used licenses of cloudlinux", "1", "2"),
            ("used of key key_…", "1", "2"),
        ],
    ),
    "an account blocked without a debt": (
        "UPDATE accounts_account SET dunning_state = 'blocked', blocked_on = '2026-03-01'",
        [
            ("dunning state without a debt", "current", "blocked"),
        ],
    ),
    "an account that dunning forgot": (
        f"UPDATE billing_invoice SET status = 'open', paid_cents = 0 WHERE id = {NEWEST}",
        [
            ("allocated in the ledger of invoice CBI-000002", "0", "6929"),
            ("next dunning day", "some day", "none"),
            ("paid of invoice CBI-000002", "6929", "0"),
            ("receivable", "6929", "0"),
        ],
    ),
    "licenses suspended without a debt": (
        "UPDATE licensing_entitlement SET suspended_at = now()",
        [
            ("suspended licenses, current", "none", "some"),
        ],
    ),
    "a credit above its line": (
        f"""
            INSERT INTO billing_creditnote (id, public_id, account_id, invoice_id, number,
                issued_at, net_cents, tax_cents, total_cents, reason) SELECT 1, 'cn_1',
                account_id, id, 'CN-1', now(), 2401, 0, 2401, 'test' FROM billing_invoice WHERE
                id = {OLDEST};
            INSERT INTO billing_creditnoteline (credit_note_id, invoice_line_id, amount_cents)
                SELECT 1, id, 2401 FROM billing_invoiceline WHERE invoice_id = {OLDEST}
        """,
        [
            ("balance", "2401", "0"),
            ("credited in the ledger of credit note CN-1", "2401", "0"),
            ("credited of line 1 of invoice CBI-000001", "at most 2400", "2401"),
        ],
    ),
    "a refund above its payment": (
        f"""
            INSERT INTO billing_creditnote (id, public_id, account_id, invoice_id, number,
                issued_at, net_cents, tax_cents, total_cents, reason) SELECT 1, 'cn_1',
                account_id, id, 'CN-1', now(), 100, 0, 100, 'test' FROM billing_invoice WHERE id
                = {OLDEST};
            INSERT INTO payments_refund (public_id, payment_id, credit_note_id, amount_cents,
                state, created_at) SELECT 'ref_1', min(id), 1, 2401, 'succeeded', now() FROM
                payments_payment
        """,
        [
            ("balance", "-2301", "0"),
            ("credited in the ledger of credit note CN-1", "100", "0"),
            ("lines of credit note CN-1", "100", "0"),
            ("refunded in the ledger of credit note CN-1", "2401", "0"),
            ("refunded of payment pay_…", "at most 2400", "2401"),
            ("sandbox refund of ref_1", "2401", "0"),
        ],
    ),
}


def falsify(*statements: str) -> None:
    """Write with all triggers off, foreign keys too; what came before is checked first."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        cursor.execute("SET session_replication_role = replica")
        for statement in statements:
            cursor.execute(statement)
        cursor.execute("SET session_replication_role = origin")


def anonymous(text: str) -> str:
    """The text without ids that differ from run to run."""
    text = re.sub(r"\b(att|pay|key|ref)_(?!unknown|1\b)\w+", r"\1_…", text)
    return re.sub(r"\b(subscription|change|transfer|account|of payment) \d+", r"\1 …", text)
