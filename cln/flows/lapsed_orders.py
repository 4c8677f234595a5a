"""First orders that nobody paid: taken back; what had paid a part of them is free again (Q3)."""

from datetime import datetime, timedelta

from django.db import transaction

from cln.accounts.locks import lock_account
from cln.accounts.models import Account
from cln.billing import services as billing
from cln.billing.models import Invoice
from cln.enums import UNFINISHED_ATTEMPT, InvoiceStatus
from cln.flows import notices
from cln.flows.each import each
from cln.flows.settlement import settle_from_balance
from cln.payments import services as payments


def void_due(*, now: datetime) -> int:
    """Void the orders whose time is over (Q3); returns how many were looked at.

    The credit that had paid a part of one pays what is open beside it (P9).
    """
    due = Invoice.objects.filter(void_on__lte=now.date()).values_list("id", "account_id")

    def void(ids: tuple[int, int]) -> None:
        with transaction.atomic(durable=True):
            account = lock_account(ids[1])
            void_order(account, Invoice.objects.get(pk=ids[0]), now=now)
            settle_from_balance(account=account, now=now)

    return each(due.order_by("void_on", "id"), void)


def void_order(account: Account, invoice: Invoice, *, now: datetime) -> None:
    """Joins: take back a first order that is not paid, with its subscription (Q3)."""
    if invoice.status != InvoiceStatus.OPEN:
        return
    if invoice.attempts.filter(state__in=UNFINISHED_ATTEMPT).exists():
        # Its money may be on the way: look again tomorrow, when the resolver knows.
        invoice.void_on = now.date() + timedelta(days=1)
        invoice.save(update_fields=["void_on"])
        return
    assert invoice.subscription is not None, "an order belongs to a subscription"
    payments.deallocate(account=account, invoice=invoice, now=now)
    billing.void(account=account, invoice=invoice, now=now)
    billing.void_subscription(subscription=invoice.subscription)
    notices.order_void(account=account, invoice=invoice, now=now)
