"""The mails of money flows: what each is told. All join; `dedupe` names the event, not the mail."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from django.conf import settings
from django.db.models import QuerySet

from cln.accounts.models import Account
from cln.accounts.standing import is_blocked
from cln.billing.issuing import Issued
from cln.billing.models import Invoice, Subscription
from cln.billing.queries import balance_cents
from cln.catalog import queries as catalog
from cln.domain.dunning import DeclineCode, explain_decline
from cln.domain.lines import formula_text
from cln.domain.money import money_text
from cln.enums import AccountKind, InvoicePurpose, InvoiceStatus, SubscriptionStatus
from cln.flows import events
from cln.flows.pay_link import pay_url
from cln.licensing.entitlements import seats_in_use
from cln.licensing.models import Trial
from cln.notifications.services import Mail, queue_mail, queue_mails
from cln.payments.models import Payment, PaymentAttempt
from cln.payments.services import method_labels


def invoices_issued(*, issued: Sequence[Issued], now: datetime) -> None:
    """The invoices, with each line's reason (B-70)."""
    events.invoices_issued(issued, now=now)
    labels = method_labels({one.demand.account.pk for one in issued})
    queue_mails(
        [
            Mail(
                account_id=one.demand.account.pk,
                template="invoice_issued",
                context=_issued(one, labels.get(one.demand.account.pk, "")),
                dedupe=f"invoice_issued:{one.number}",
                to=one.demand.account.billing_email,
            )
            for one in issued
        ],
        now=now,
    )


def _issued(issued: Issued, method: str) -> dict[str, object]:
    demand, currency = issued.demand, issued.demand.account.currency
    return {
        "number": issued.number,
        "license_type": demand.license_type.name,
        "total": money_text(demand.total_cents, currency),
        "due_on": demand.terms.due_on,
        "lines": [
            {
                "title": line.title,
                "amount": money_text(line.amount_cents, currency),
                "why": formula_text(line.why, currency),
            }
            for line in demand.lines
        ],
        "method": method,
        "pdf": invoice_path(issued.public_id),
        "tax_note": demand.tax_note,
    }


def invoice_path(public_id: str) -> str:
    """Where the invoice lies as PDF, for those who may see it."""
    return f"/console/billing/invoices/{public_id}.pdf"


def payment_received(
    *, account: Account, invoice: Invoice, payment: Payment, now: datetime
) -> None:
    """What was taken, with what, for which invoice (P5)."""
    method = payment.attempt.method
    queue_mail(
        account_id=account.pk,
        template="payment_received",
        context={
            "total": money_text(payment.amount_cents, payment.currency),
            "method": method.label if method else payment.gateway,
            "invoices": [
                {
                    "number": invoice.number,
                    "amount": money_text(payment.amount_cents, payment.currency),
                }
            ],
        },
        dedupe=f"payment_received:{payment.public_id}",
        now=now,
    )


def payment_declined(
    *, account: Account, invoice: Invoice, attempt: PaymentAttempt, now: datetime
) -> None:
    """Cause and next action in plain words (P2)."""
    decline = explain_decline(DeclineCode(attempt.decline_code))
    queue_mail(
        account_id=account.pk,
        template="payment_declined",
        context={
            "number": invoice.number,
            "total": money_text(attempt.amount_cents, attempt.currency),
            "cause": decline.sentence,
            "next_action": decline.fix,
            "next_try_on": invoice.retry_at.date() if invoice.retry_at else None,
        },
        dedupe=f"payment_declined:{attempt.public_id}",
        now=now,
    )


def reminder(*, account: Account, now: datetime) -> None:
    """What is owed, which licenses cause it, how to cancel the unused ones (P6).

    One mail a day says it all, however many invoices are overdue since the same day.
    """
    licenses = [
        {
            "name": row.license_type.name,
            "quantity": row.quantity,
            "used": (used := _used(row)),
            "unused": row.quantity - used,
        }
        for row in Subscription.objects.filter(
            status=SubscriptionStatus.ACTIVE,
            id__in=_debts(account).values("subscription"),
        ).select_related("license_type")
    ]
    queue_mail(
        account_id=account.pk,
        template="reminder",
        context={
            **_debt(account, now),
            "licenses": licenses,
            "blocks_on": _blocks_on(account),
            "is_blocked": is_blocked(account),
        },
        dedupe=f"reminder:{account.pk}:{now.date()}",
        now=now,
    )


def account_blocked(*, account: Account, now: datetime) -> None:
    """Blocked, why, and the link that ends it without a login (P7)."""
    events.account_blocked(account, now=now)
    days = catalog.rules().suspend_after_block_days
    queue_mail(
        account_id=account.pk,
        template="account_blocked",
        context=_debt(account, now) | {"suspends_on": now.date() + timedelta(days=days)},
        dedupe=f"account_blocked:{account.pk}:{now.date()}",
        now=now,
    )


def account_unblocked(*, account: Account, now: datetime) -> None:
    """Everything works again (P8)."""
    events.account_unblocked(account, now=now)
    queue_mail(
        account_id=account.pk,
        template="account_unblocked",
        context={},
        dedupe=f"account_unblocked:{account.pk}:{now.isoformat()}",
        now=now,
    )


def license_suspended(*, account: Account, now: datetime) -> None:
    """The running servers have lost their license (P7)."""
    servers = account.servers.filter(status="active").count()
    queue_mail(
        account_id=account.pk,
        template="license_suspended",
        context=_debt(account, now) | {"servers": servers},
        dedupe=f"license_suspended:{account.pk}:{now.date()}",
        now=now,
    )


def subscription_ended(*, subscription: Subscription, why: str, now: datetime) -> None:
    """A product is over; nothing more will be billed for it."""
    events.subscription_ended(subscription, why=why, now=now)
    queue_mail(
        account_id=subscription.account_id,
        template="subscription_ended",
        context={
            "license_type": subscription.license_type.name,
            "ended_on": now.date(),
            "why": why,
        },
        dedupe=f"subscription_ended:{subscription.pk}",
        now=now,
    )


def order_void(*, account: Account, invoice: Invoice, now: datetime) -> None:
    """An order nobody paid was taken back (Q3)."""
    queue_mail(
        account_id=account.pk,
        template="order_void",
        context={
            "number": invoice.number,
            "license_type": invoice.license_type.name,
            "total": money_text(invoice.total_cents, invoice.currency),
            "days": catalog.rules().void_unpaid_order_days,
        },
        dedupe=f"order_void:{invoice.number}",
        now=now,
    )


def trial_started(*, trial: Trial, servers: str, now: datetime) -> None:
    """What the trial allows, until when, and that it ends by itself (C-2)."""
    _trial(trial, "trial_started", {"servers": servers}, key="", now=now)


def trial_ending(*, trial: Trial, days_left: int, now: datetime) -> None:
    """7, 3 and 1 days before the end: buy, or let it end."""
    _trial(trial, "trial_ending", {"days_left": days_left}, key=str(days_left), now=now)


def trial_ended(*, trial: Trial, now: datetime) -> None:
    """The trial is over; nothing was charged (T4)."""
    _trial(trial, "trial_ended", {}, key="", now=now)


def _trial(
    trial: Trial, template: str, extra: dict[str, object], *, key: str, now: datetime
) -> None:
    queue_mail(
        account_id=trial.account_id,
        template=template,
        context={"license_type": trial.license_type.name, "ends_on": trial.ends_at.date()} | extra,
        dedupe=f"{template}:{trial.pk}:{key}",
        now=now,
    )


def _debt(account: Account, now: datetime) -> dict[str, object]:
    invoices = list(_debts(account).order_by("issued_on", "id"))
    total = sum(row.total_cents - row.paid_cents for row in invoices) + owed_by_reseller(account)
    return {
        "total": money_text(total, account.currency),
        "invoices": [
            {
                "number": row.number,
                "amount": money_text(row.total_cents - row.paid_cents, row.currency),
                "due_on": row.due_on,
            }
            for row in invoices
        ],
        "pay_url": settings.CLN_BASE_URL + pay_url(account=account, now=now),
    }


def _debts(account: Account) -> QuerySet[Invoice]:
    """Open invoices; an unpaid first order is no debt."""
    rows = Invoice.objects.filter(account=account, status=InvoiceStatus.OPEN)
    return rows.exclude(purpose=InvoicePurpose.ORDER)


def owed_by_reseller(account: Account) -> int:
    """What a reseller's deposit is below zero, in cents (R3)."""
    is_reseller = account.kind == AccountKind.RESELLER
    return max(0, -balance_cents(account.pk)) if is_reseller else 0


def _used(subscription: Subscription) -> int:
    return seats_in_use(
        account_id=subscription.account_id, license_type=subscription.license_type.code
    )


def _blocks_on(account: Account) -> date:
    """The day the oldest debt blocks the account (P7)."""
    oldest = _debts(account).earliest("due_on").due_on
    return oldest + timedelta(days=catalog.rules().block_after_days)
