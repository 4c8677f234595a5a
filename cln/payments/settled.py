"""What paid an invoice, and what went back for a credit note, as documents show it."""

from dataclasses import dataclass
from datetime import date

from cln.enums import AttemptState
from cln.payments.models import Allocation, Payment, Refund

FAILED_REFUND = (AttemptState.DECLINED, AttemptState.ABANDONED)


@dataclass(frozen=True, slots=True)
class PaidRow:
    """Money for one invoice; cents, negative where it was taken back. No label = the balance."""

    on: date
    label: str
    cents: int


@dataclass(frozen=True, slots=True)
class GivenBackRow:
    """Money of one credit note on its way to a payment method; cents."""

    on: date
    label: str
    state: str
    cents: int


def paid_of(*, account_id: int, invoice: str) -> tuple[PaidRow, ...]:
    """What paid an invoice (its public id), oldest first (P9)."""
    rows = (
        Allocation.objects.filter(account_id=account_id, invoice__public_id=invoice)
        .select_related("payment__attempt__method")
        .order_by("id")
    )
    return tuple(
        PaidRow(row.at.date(), _label(row.payment) if row.payment else "", row.amount_cents)
        for row in rows
    )


def given_back_of(*, account_id: int, credit_note: str) -> tuple[GivenBackRow, ...]:
    """The refunds of a credit note (its public id) that have not failed, oldest first (P10)."""
    rows = (
        Refund.objects.filter(payment__account_id=account_id, credit_note__public_id=credit_note)
        .exclude(state__in=FAILED_REFUND)
        .select_related("payment__attempt__method")
        .order_by("id")
    )
    return tuple(
        GivenBackRow(row.created_at.date(), _label(row.payment), row.state, row.amount_cents)
        for row in rows
    )


def _label(payment: Payment) -> str:
    method = payment.attempt.method
    return method.label if method is not None else payment.gateway.title()
