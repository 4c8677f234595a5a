"""What is bought and billed, as it is answered; money is whole cents."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

from cln.billing.queries import InvoiceRow, LineRow, ShareRow, SubscriptionRow
from cln.domain.lines import LineDraft
from cln.flows.purchase import Bought, Preview
from cln.flows.upcoming import Upcoming


def subscription(row: SubscriptionRow) -> dict[str, Any]:
    """A subscription as it is answered."""
    return {
        "license_type": row.license_type,
        "name": row.license_type_name,
        "product": row.product,
        "interval": row.interval,
        "status": row.status,
        "quantity": row.quantity,
        "anchor": row.anchor,
        "paid_until": row.paid_until,
        "next_invoice_on": row.next_billing_on,
        "ends_on": row.ends_on,
    }


def invoice(row: InvoiceRow) -> dict[str, Any]:
    """An invoice as it is answered."""
    return {
        "id": row.public_id,
        "number": row.number,
        "purpose": row.purpose,
        "status": row.status,
        "license_type": row.license_type,
        "currency": row.currency,
        "issued_at": row.issued_at,
        "issued_on": row.issued_on,
        "due_on": row.due_on,
        "net_cents": row.net_cents,
        "tax_cents": row.tax_cents,
        "total_cents": row.total_cents,
        "paid_cents": row.paid_cents,
        "due_cents": row.due_cents,
        "lines": [_line(line) for line in row.lines],
    }


def share(row: ShareRow) -> dict[str, Any]:
    """A share of a month as it is answered."""
    return {
        "name": row.name,
        "days": row.days,
        "quantity": row.quantity,
        "amount_cents": row.amount_cents,
    }


def upcoming(row: Upcoming) -> dict[str, Any]:
    """An invoice to come as it is answered."""
    return {
        "license_type": row.license_type,
        "on": row.on,
        "accrued_cents": row.accrued_cents,
        "total_cents": row.total_cents,
        "lines": [_draft(line) for line in row.lines],
    }


def preview(row: Preview) -> dict[str, Any]:
    """A preview as it is answered."""
    return {
        "license_type": row.license_type,
        "interval": row.interval,
        "quantity": row.quantity,
        "currency": row.currency,
        "is_addition": row.is_addition,
        "held_after": row.held_after,
        "unit_cents": row.unit_cents,
        "due_now_cents": row.due_now_cents,
        "scope": row.scope,
        "tiers": [
            {"from_quantity": tier.from_quantity, "unit_cents": tier.unit_cents}
            for tier in row.tiers
        ],
        "next_invoice": upcoming(row.next_invoice) if row.next_invoice else None,
    }


def bought(row: Bought) -> dict[str, Any]:
    """A purchase as it is answered."""
    paid = row.payment
    return {
        "license_type": row.license_type,
        "quantity": row.quantity,
        "held": row.held,
        "is_addition": row.is_addition,
        "invoice_number": row.invoice_number,
        "payment": paid
        and {
            "invoice": paid.number,
            "amount_cents": paid.amount_cents,
            "state": paid.state,
            "sentence": paid.sentence,
            "fix": paid.fix,
        },
    }


def _line(row: LineRow) -> dict[str, Any]:
    return {
        "kind": row.kind,
        "title": row.title,
        "why": row.why,
        "quantity": row.quantity,
        "unit_cents": row.unit_cents,
        "starts_on": row.starts_on,
        "ends_on": row.ends_on,
        "amount_cents": row.amount_cents,
    }


def _draft(line: LineDraft) -> dict[str, Any]:
    return {
        "kind": line.kind,
        "title": line.title,
        "why": line.why,
        "quantity": _decimal(line.quantity),
        "unit_cents": line.unit_cents,
        "starts_on": line.period.start,
        "ends_on": line.period.end,
        "amount_cents": line.amount_cents,
    }


def _decimal(quantity: Fraction) -> Decimal:
    """The decimal that the invoice's line will keep: six places."""
    exact = Decimal(quantity.numerator) / Decimal(quantity.denominator)
    return exact.quantize(Decimal("0.000001"))
