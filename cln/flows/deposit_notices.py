"""The mails about deposits, usage and refunds; like `flows.notices`, all join."""

from datetime import date, datetime, timedelta

from django.conf import settings

from cln.accounts.models import Account, DepositOrder
from cln.billing.models import CreditNote, Invoice
from cln.billing.queries import balance_cents
from cln.catalog import queries as catalog
from cln.domain.dunning import DeclineCode, explain_decline
from cln.domain.lines import formula_text
from cln.domain.money import money_text
from cln.flows import events
from cln.flows.notices import invoice_path, owed_by_reseller
from cln.flows.pay_link import pay_url
from cln.notifications.services import queue_mail
from cln.payments.models import PaymentAttempt

# A statement of thousands is read in the console, not in a mail.
MOST_SHARES = 100


def usage_invoice_issued(*, account: Account, invoice: Invoice, now: datetime) -> None:
    """A month of one license type, license by license, and the deposit after it (R2, R3)."""
    events.invoice_issued(invoice, now=now)
    balance = balance_cents(account.pk)
    queue_mail(
        account_id=account.pk,
        template="invoice_issued",
        context={
            "number": invoice.number,
            "license_type": invoice.license_type.name,
            "due_on": invoice.due_on,
            "method": "",
            "pdf": invoice_path(invoice.public_id),
            "tax_note": invoice.tax_note,
            "total": money_text(invoice.total_cents, invoice.currency),
            "balance": money_text(balance, account.currency),
            "is_owed": balance < 0,
            "lines": [
                {
                    "title": line.title,
                    "amount": money_text(line.amount_cents, invoice.currency),
                    "why": formula_text(line.why, invoice.currency),
                }
                for line in invoice.lines.order_by("position")
            ],
            "shares": [
                {
                    "name": share.name,
                    "days": share.days,
                    "amount": money_text(share.amount_cents, invoice.currency),
                }
                for share in invoice.shares.order_by("position")[:MOST_SHARES]
            ],
            "more": max(0, invoice.shares.count() - MOST_SHARES),
        },
        dedupe=f"invoice_issued:{invoice.number}",
        now=now,
    )


def blocks_on(account: Account) -> date:
    """The day on which a reseller's debt blocks the account (P7, R7)."""
    assert account.negative_since is not None, "there is a debt"
    return account.negative_since + timedelta(days=catalog.rules().block_after_days)


def deposit_negative(*, account: Account, days: int, now: datetime) -> None:
    """The deposit is negative, since when, and what happens if it stays so (P6, R7)."""
    queue_mail(
        account_id=account.pk,
        template="deposit_negative",
        context={
            "total": money_text(owed_by_reseller(account), account.currency),
            "since": account.negative_since,
            "pay_url": settings.CLN_BASE_URL + pay_url(account=account, now=now),
            "blocks_on": blocks_on(account),
        },
        dedupe=f"deposit_negative:{account.pk}:{account.negative_since}:{days}",
        now=now,
    )


def autopay_stopped(*, account: Account, attempt: PaymentAttempt, now: datetime) -> None:
    """Autopay has given up, why, and how it starts again (R4)."""
    code = attempt.decline_code or DeclineCode.TECHNICAL_PROBLEM
    decline = explain_decline(DeclineCode(code))
    queue_mail(
        account_id=account.pk,
        template="autopay_stopped",
        context={
            "amount": money_text(attempt.amount_cents, attempt.currency),
            "balance": money_text(balance_cents(account.pk), account.currency),
            "cause": decline.sentence,
            "next_action": decline.fix,
        },
        dedupe=f"autopay_stopped:{attempt.public_id}",
        now=now,
    )


def reseller_welcome(*, account: Account, order: DepositOrder, now: datetime) -> None:
    """The deposit has arrived: what was agreed to and what can be done now (R1)."""
    queue_mail(
        account_id=account.pk,
        template="reseller_welcome",
        context={
            "amount": money_text(order.amount_cents, order.currency),
            "method": order.label,
            "agreement": order.agreement_version,
            "agreed_on": order.created_at.date(),
            "first_bill_on": account.next_usage_on,
        },
        dedupe=f"reseller_welcome:{account.pk}",
        now=now,
    )


def deposit_order_declined(*, order: DepositOrder, now: datetime) -> None:
    """A deposit whose fate was unknown was not taken after all: nothing exists (R1)."""
    code = order.decline_code or DeclineCode.TECHNICAL_PROBLEM
    decline = explain_decline(DeclineCode(code))
    queue_mail(
        account_id=order.account_id,
        template="deposit_order_declined",
        to=str(order.person.get("billing_email") or order.email),
        context={
            "amount": money_text(order.amount_cents, order.currency),
            "cause": decline.sentence,
            "next_action": decline.fix,
        },
        dedupe=f"deposit_order_declined:{order.public_id}",
        now=now,
    )


def refund_issued(*, account: Account, note: CreditNote, cash_cents: int, now: datetime) -> None:
    """A credit note: how much goes back to where (P10)."""
    currency = note.invoice.currency
    queue_mail(
        account_id=account.pk,
        template="refund_issued",
        context={
            "number": note.number,
            "invoice": note.invoice.number,
            "total": money_text(note.total_cents, currency),
            "cash": money_text(cash_cents, currency) if cash_cents else "",
            "credit": money_text(note.total_cents - cash_cents, currency)
            if note.total_cents > cash_cents
            else "",
            "reason": note.reason,
            "pdf": f"/console/billing/credit-notes/{note.public_id}.pdf",
        },
        dedupe=f"refund_issued:{note.number}",
        now=now,
    )
