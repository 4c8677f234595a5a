"""What came of a simulation, in the shape that other people's programs read.

Keys, their order and their spelling are the promise of the format: amounts are texts with two
decimals, days are ISO dates, an instant that is no midnight is an ISO date-time in UTC.
"""

from collections.abc import Callable
from datetime import datetime, time
from decimal import Decimal
from typing import Any

from cln.accounts.models import Account
from cln.billing.models import CreditNote, CreditNoteLine
from cln.billing.queries import (
    InvoiceRow,
    LineRow,
    balance_cents,
    balance_due_cents,
    invoices_of,
    subscriptions_of,
)
from cln.domain.dunning import DunningState
from cln.domain.lines import LineKind
from cln.domain.money import format_cents
from cln.enums import AttemptState, ServerStatus
from cln.flows.books import check_books
from cln.flows.simulation.playing import Played, Refused
from cln.flows.simulation.stage import Stage
from cln.licensing.models import ActivationKey, IpLicense, Server
from cln.notifications.models import Message
from cln.payments.models import PaymentAttempt, Refund

DEFAULT_KEY_NAME = "default"
STATUS_OF_ACCOUNT = {DunningState.CURRENT: "active"}
STATUS_OF_PAYMENT = {
    AttemptState.SUCCEEDED: "succeeded",
    AttemptState.DECLINED: "declined",
    # The gateway never took it: for whoever reads the list that is a payment that failed.
    AttemptState.ABANDONED: "declined",
    AttemptState.PENDING: "pending",
    AttemptState.UNKNOWN: "unknown",
    AttemptState.OPEN: "unknown",
}

Report = dict[str, Any]


def report(played: Played) -> Report:
    """Everything there is to tell, as JSON values."""
    return {
        "accounts": {
            name: _account(name, Account.objects.get(pk=pk), played.stage)
            for name, pk in played.stage.accounts.items()
        },
        "refused": [_refused(one) for one in played.refused],
        "books": {"balanced": not check_books()},
    }


def _account(name: str, account: Account, stage: Stage) -> Report:
    state = DunningState(account.dunning_state)
    return {
        "status": STATUS_OF_ACCOUNT.get(state, str(state)),
        "balance": format_cents(balance_cents(account.pk)),
        "due": format_cents(balance_due_cents(account.pk)),
        "subscriptions": _subscriptions(account.pk),
        "invoices": [_invoice(row) for row in invoices_of(account.pk, oldest_first=True)]
        + _credit_notes(account.pk),
        "payments": _payments(account.pk) + _refunds(account.pk),
        "keys": _keys(account.pk, _names(name, stage.keys, lambda public_id: public_id)),
        "servers": _servers(account.pk, _names(name, stage.servers, lambda one: one.public_id)),
        "ip_licenses": _ip_licenses(account.pk),
        "emails": _emails(account.pk),
    }


def _names(
    account: str, named: dict[tuple[str, str], Any], public_id: Callable[[Any], str]
) -> dict[str, str]:
    """The file's names of an account's things, by their public ids."""
    return {public_id(thing): name for (owner, name), thing in named.items() if owner == account}


def _subscriptions(account_id: int) -> list[Report]:
    return [
        {
            "license_type": row.license_type,
            "interval": row.interval,
            "quantity": row.quantity,
            "anchor": row.anchor.isoformat(),
            "paid_until": row.paid_until.isoformat() if row.paid_until else None,
            "status": row.status,
        }
        for row in subscriptions_of(account_id, live=False)
    ]


def _invoice(row: InvoiceRow) -> Report:
    return {
        "number": row.number,
        "issued": row.issued_on.isoformat(),
        "due": row.due_on.isoformat(),
        "type": "invoice",
        "status": row.status,
        "license_type": row.license_type,
        "currency": row.currency,
        "net": format_cents(row.net_cents),
        "tax": format_cents(row.tax_cents),
        "total": format_cents(row.total_cents),
        "amount_due": format_cents(row.due_cents),
        "lines": [_line(line) for line in row.lines],
    }


def _line(line: LineRow) -> Report:
    return {
        "kind": line.kind,
        "title": line.title,
        "why": line.why,
        "quantity": _quantity(line.quantity),
        "unit_price": format_cents(line.unit_cents),
        "period": [line.starts_on.isoformat(), line.ends_on.isoformat()],
        "amount": format_cents(line.amount_cents),
    }


def _payments(account_id: int) -> list[Report]:
    rows = PaymentAttempt.objects.filter(account=account_id).order_by("created_at", "id")
    return [
        {
            "at": row.created_at.date().isoformat(),
            "purpose": row.purpose,
            "invoice": row.invoice.number if row.invoice else None,
            "method": row.method.kind if row.method else None,
            "amount": format_cents(row.amount_cents),
            "status": STATUS_OF_PAYMENT[AttemptState(row.state)],
        }
        for row in rows.select_related("invoice", "method")
    ]


def _credit_notes(account_id: int) -> list[Report]:
    """Credit notes after the invoices: what they give back is negative (P10)."""
    rows = CreditNote.objects.filter(account=account_id).order_by("id")
    return [
        {
            "number": row.number,
            "issued": row.issued_at.date().isoformat(),
            "due": row.issued_at.date().isoformat(),
            "type": "credit_note",
            "status": "paid",
            "license_type": row.invoice.license_type.code,
            "currency": row.invoice.currency,
            "net": format_cents(-row.net_cents),
            "tax": format_cents(-row.tax_cents),
            "total": format_cents(-row.total_cents),
            "amount_due": format_cents(0),
            "lines": [_credit_line(row, line) for line in row.lines.order_by("id")],
        }
        for row in rows.select_related("invoice__license_type")
    ]


def _credit_line(note: CreditNote, credited: CreditNoteLine) -> Report:
    line = credited.invoice_line
    return {
        "kind": LineKind.TAX if line.kind == LineKind.TAX else LineKind.CREDIT,
        "title": line.title,
        "why": f"Credit for invoice {note.invoice.number}"
        + (f": {note.reason}" if note.reason else ""),
        "quantity": 1,
        "unit_price": format_cents(-credited.amount_cents),
        "period": [line.period.lower.isoformat(), line.period.upper.isoformat()],
        "amount": format_cents(-credited.amount_cents),
    }


def _refunds(account_id: int) -> list[Report]:
    """Money that went back to where it came from, after the payments; negative (P10)."""
    rows = Refund.objects.filter(payment__account=account_id).order_by("id")
    return [
        {
            "at": row.created_at.date().isoformat(),
            "purpose": "refund",
            "invoice": row.credit_note.invoice.number,
            "method": row.payment.attempt.method.kind if row.payment.attempt.method else None,
            "amount": format_cents(-row.amount_cents),
            "status": STATUS_OF_PAYMENT[AttemptState(row.state)],
        }
        for row in rows.select_related("payment__attempt__method", "credit_note__invoice")
    ]


def _keys(account_id: int, names: dict[str, str]) -> list[Report]:
    rows = ActivationKey.objects.filter(account=account_id, removed_at=None).order_by("id")
    return [
        {
            "name": names.get(row.public_id, DEFAULT_KEY_NAME),
            "license_type": row.license_type.code,
            "limit": row.limit,
            "used": row.used,
            "default": row.is_default,
        }
        for row in rows.select_related("license_type")
    ]


def _servers(account_id: int, names: dict[str, str]) -> list[Report]:
    rows = Server.objects.filter(account=account_id).order_by("id")
    return [
        {
            "name": names.get(row.public_id, row.hostname or row.address),
            "hostname": row.hostname,
            "ip": row.address,
            "license_type": row.license_type.code,
            "status": row.status,
        }
        for row in rows.select_related("license_type")
    ] + _servers_by_ip(account_id, names)


def _servers_by_ip(account_id: int, names: dict[str, str]) -> list[Report]:
    """Machines that use a license by IP: there is no registration, but they are known."""
    rows = IpLicense.objects.filter(account=account_id, registered_at__isnull=False)
    return [
        {
            "name": names.get(row.public_id, row.hostname or row.address),
            "hostname": row.hostname,
            "ip": row.address,
            "license_type": row.license_type.code,
            "status": ServerStatus.ACTIVE if row.removed_at is None else ServerStatus.REMOVED,
        }
        for row in rows.select_related("license_type").order_by("id")
    ]


def _ip_licenses(account_id: int) -> list[Report]:
    rows = IpLicense.objects.filter(account=account_id).order_by("id")
    return [
        {
            "ip": row.address,
            "license_type": row.license_type.code,
            "added": row.added_on.isoformat(),
            "removed": row.removed_on.isoformat() if row.removed_on else None,
        }
        for row in rows.select_related("license_type")
    ]


def _emails(account_id: int) -> list[Report]:
    rows = Message.objects.filter(account=account_id, kind="email").order_by("created_at", "id")
    return [
        {"at": row.created_at.date().isoformat(), "template": row.template, "to": row.to}
        for row in rows.only("created_at", "template", "to")
    ]


def _refused(one: Refused) -> Report:
    return {
        "at": _moment(one.at),
        "account": one.account,
        "do": one.verb,
        "code": one.code,
        "message": one.message,
    }


def _moment(at: datetime) -> str:
    """A date where the instant is its beginning, as the file may write it."""
    if at.time() == time.min:
        return at.date().isoformat()
    return at.isoformat().replace("+00:00", "Z")


def _quantity(quantity: Decimal) -> int | float:
    """A whole number as one; a sum of days' shares has at most six decimals, which print as is."""
    return int(quantity) if quantity == int(quantity) else float(quantity)
