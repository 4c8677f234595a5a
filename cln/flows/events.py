"""What customers' programs hear of money and of the account's state. All join."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from cln.accounts.models import Account
from cln.billing.issuing import Issued
from cln.billing.models import Invoice, Subscription
from cln.enums import InvoiceStatus
from cln.notifications.events import Event, EventType, emit, emit_all


def invoices_issued(issued: Sequence[Issued], *, now: datetime) -> None:
    """Invoices exist; what each costs, and until when it is to be paid."""
    kind = EventType.INVOICE_ISSUED
    emit_all(
        [Event(one.demand.account.pk, kind, partial(_new_invoice, one)) for one in issued], now=now
    )


def invoice_issued(invoice: Invoice, *, now: datetime) -> None:
    """The same for one whose settlement has changed it since it was written."""
    emit(Event(invoice.account_id, EventType.INVOICE_ISSUED, partial(_invoice, invoice)), now=now)


def invoices_paid(invoices: Sequence[Invoice], *, now: datetime) -> None:
    """Nothing is left to pay of these invoices."""
    kind = EventType.INVOICE_PAID
    emit_all([Event(row.account_id, kind, partial(_invoice, row)) for row in invoices], now=now)


def subscription_changed(row: Subscription, *, now: datetime) -> None:
    """Its quantity, its state or its end is another one."""
    data = partial(_subscription, row)
    emit(Event(row.account_id, EventType.SUBSCRIPTION_CHANGED, data), now=now)


def subscription_ended(row: Subscription, *, why: str, now: datetime) -> None:
    """It is over."""
    data = partial(_subscription, row, why=why)
    emit(Event(row.account_id, EventType.SUBSCRIPTION_ENDED, data), now=now)


def account_blocked(account: Account, *, now: datetime) -> None:
    """Nothing is sold or registered until what is overdue is paid (P7)."""
    emit(Event(account.pk, EventType.ACCOUNT_BLOCKED, partial(_account, account)), now=now)


def account_unblocked(account: Account, *, now: datetime) -> None:
    """Everything works again (P8)."""
    emit(Event(account.pk, EventType.ACCOUNT_UNBLOCKED, partial(_account, account)), now=now)


def _account(row: Account) -> dict[str, object]:
    return {"state": row.dunning_state}


def _new_invoice(one: Issued) -> dict[str, object]:
    demand = one.demand
    return {
        "id": one.public_id,
        "number": one.number,
        "license_type": demand.license_type.code,
        "status": InvoiceStatus.OPEN,
        "total_cents": demand.total_cents,
        "currency": demand.account.currency,
        "due_on": demand.terms.due_on,
    }


def _invoice(row: Invoice) -> dict[str, object]:
    return {
        "id": row.public_id,
        "number": row.number,
        "license_type": row.license_type.code,
        "status": row.status,
        "total_cents": row.total_cents,
        "currency": row.currency,
        "due_on": row.due_on,
    }


def _subscription(row: Subscription, **more: object) -> dict[str, object]:
    return {
        "license_type": row.license_type.code,
        "interval": row.interval,
        "status": row.status,
        "quantity": row.quantity,
        "ends_on": row.ends_on,
        **more,
    }
