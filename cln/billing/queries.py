"""What screens, mails and flows read from the books; every figure is derived from the ledger."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import ClassVar, Final

from django.db.models import QuerySet

from cln.billing.models import Invoice, InvoiceLine, Subscription, UsageShare
from cln.database.prepared import fetch_tuples
from cln.domain.errors import Refusal
from cln.domain.ledger import LedgerAccount
from cln.enums import LIVE_SUBSCRIPTION, InvoiceStatus, SubscriptionStatus


class UnknownInvoice(Refusal):
    """The account has no such invoice."""

    code: ClassVar[str] = "unknown_invoice"


class NotSubscribed(Refusal):
    """The account has no live subscription of the license type."""

    code: ClassVar[str] = "not_subscribed"


class OrderPending(Refusal):
    """The first order of this license type is not paid yet."""

    code: ClassVar[str] = "order_pending"


@dataclass(frozen=True, slots=True)
class LineRow:
    """A line as people read it; cents; the period is half-open [from, until)."""

    kind: str
    title: str
    why: str
    quantity: Decimal
    unit_cents: int
    starts_on: date
    ends_on: date
    amount_cents: int


@dataclass(frozen=True, slots=True)
class InvoiceRow:
    """An invoice with its lines; cents."""

    public_id: str
    number: str
    purpose: str
    status: str
    license_type: str
    license_type_name: str
    currency: str
    issued_at: datetime
    issued_on: date
    due_on: date
    net_cents: int
    tax_cents: int
    total_cents: int
    paid_cents: int
    tax_note: str
    usage_month: date | None
    lines: tuple[LineRow, ...]

    @property
    def due_cents(self) -> int:
        """What is still to be paid of it."""
        is_open = self.status == InvoiceStatus.OPEN
        return self.total_cents - self.paid_cents if is_open else 0


@dataclass(frozen=True, slots=True)
class ShareRow:
    """One license of a month's statement: its days, its share of the month, cents (R2)."""

    name: str
    days: int
    quantity: Decimal
    amount_cents: int


@dataclass(frozen=True, slots=True)
class SubscriptionRow:
    """A subscription as the overview shows it; `paid_until` is the end of the billed period."""

    license_type: str
    license_type_name: str
    product: str
    interval: str
    status: str
    quantity: int
    anchor: date
    paid_until: date | None
    next_billing_on: date | None
    ends_on: date | None


def balance_cents(account_id: int) -> int:
    """Account credit or deposit in cents, from the ledger; negative = owed by a reseller."""
    return balances_of([account_id]).get(account_id, 0)


def balances_of(account_ids: Sequence[int]) -> dict[int, int]:
    """The balances of many accounts, in cents; accounts without transfers are absent."""
    return _net(account_ids, LedgerAccount.BALANCE)


def amount_due_cents(account_id: int) -> int:
    """Σ of what is open on the account's invoices, in cents, from the ledger."""
    return -_net([account_id], LedgerAccount.RECEIVABLE).get(account_id, 0)


@dataclass(frozen=True, slots=True)
class NumberedInvoice:
    """An invoice as a search finds it; cents."""

    public_id: str
    number: str
    status: str
    currency: str
    total_cents: int


def invoices_numbered(account_id: int, text: str, *, most: int) -> tuple[NumberedInvoice, ...]:
    """Invoices of the account whose number is, or ends with, a piece of at least two digits."""
    piece = text.strip().upper()
    if sum(letter.isdigit() for letter in piece) < 2:
        return ()
    rows = Invoice.objects.filter(account_id=account_id, number__endswith=piece).order_by("-id")
    columns = ("public_id", "number", "status", "currency", "total_cents")
    return tuple(NumberedInvoice(*row) for row in rows.values_list(*columns)[:most])


def invoices_of(
    account_id: int, *, status: InvoiceStatus | None = None, oldest_first: bool = False
) -> tuple[InvoiceRow, ...]:
    """The account's invoices with their lines, newest first unless asked otherwise."""
    rows = Invoice.objects.filter(account_id=account_id)
    if status is not None:
        rows = rows.filter(status=status)
    order = ("issued_on", "id") if oldest_first else ("-issued_on", "-id")
    return rows_with_lines(rows.order_by(*order))


def rows_with_lines(rows: QuerySet[Invoice]) -> tuple[InvoiceRow, ...]:
    """Invoices as people read them, in two statements however many there are."""
    return tuple(_invoice(row) for row in _with_lines(rows))


def invoices_after(
    account_id: int, *, status: str, after: str, limit: int
) -> tuple[InvoiceRow, ...]:
    """Invoices in the order of their issue, newest first, beginning after the one with the public
    id `after` ("" = with the newest); of one status unless "".
    """
    rows = Invoice.objects.filter(account_id=account_id)
    if status:
        rows = rows.filter(status=status)
    if after:
        rows = rows.filter(
            pk__lt=Invoice.objects.filter(account_id=account_id, public_id=after).values("pk")
        )
    return tuple(_invoice(row) for row in _with_lines(rows).order_by("-pk")[:limit])


def paid_numbers(account_id: int, numbers: Collection[str]) -> frozenset[str]:
    """Those of the account's invoices, by number, that are paid by now."""
    rows = Invoice.objects.filter(
        account_id=account_id, number__in=numbers, status=InvoiceStatus.PAID
    )
    return frozenset(rows.values_list("number", flat=True))


def balance_due_cents(account_id: int) -> int:
    """What the account owes, in cents: open invoices, or what its deposit is below zero (R3)."""
    return amount_due_cents(account_id) + max(0, -balance_cents(account_id))


def usage_statement(*, account_id: int, public_id: str) -> tuple[ShareRow, ...]:
    """What each license added to a usage invoice; the parts are its usage line (R2).

    Refusals: `unknown_invoice`.
    """
    invoice_details(account_id=account_id, public_id=public_id)
    return shares_of([public_id]).get(public_id, ())


def shares_of(public_ids: Sequence[str]) -> dict[str, tuple[ShareRow, ...]]:
    """What each license added, by the public id of its usage invoice; others are absent."""
    found: defaultdict[str, list[ShareRow]] = defaultdict(list)
    rows = UsageShare.objects.filter(invoice__public_id__in=public_ids).select_related("invoice")
    for row in rows.order_by("invoice_id", "position"):
        share = ShareRow(row.name, row.days, row.quantity, row.amount_cents)
        found[row.invoice.public_id].append(share)
    return {public_id: tuple(shares) for public_id, shares in found.items()}


def unpaid_count(account_id: int) -> int:
    """How many invoices are open: the badge beside Billing (B-17)."""
    [(count,)] = fetch_tuples(_UNPAID, (account_id,))
    return int(count)


_UNPAID: Final = """
SELECT count(*) FROM billing_invoice WHERE account_id = %s AND status = 'open'"""


def invoice_numbered(*, account_id: int, number: str) -> str:
    """The public id of an invoice of the account. Refuses `unknown_invoice`."""
    found = Invoice.objects.filter(account=account_id, number=number)
    public_id = found.values_list("public_id", flat=True).first()
    if public_id is None:
        raise UnknownInvoice(f"There is no invoice {number!r} in this account.")
    return public_id


def invoice_details(*, account_id: int, public_id: str) -> InvoiceRow:
    """One invoice of the account; absent and foreign answer alike. Refusals: `unknown_invoice`."""
    row = _with_lines(Invoice.objects.filter(account_id=account_id, public_id=public_id)).first()
    if row is None:
        raise UnknownInvoice("There is no such invoice.", "Choose one from the list of invoices.")
    return _invoice(row)


def subscriptions_of(account_id: int, *, live: bool = True) -> tuple[SubscriptionRow, ...]:
    """The account's subscriptions, in the order of the catalog."""
    rows = Subscription.objects.filter(account_id=account_id)
    if live:
        rows = rows.filter(status__in=LIVE_SUBSCRIPTION)
    rows = rows.select_related("license_type", "product")
    return tuple(
        SubscriptionRow(
            license_type=row.license_type.code,
            license_type_name=row.license_type.name,
            product=row.product.code,
            interval=row.interval,
            status=row.status,
            quantity=row.quantity,
            anchor=row.anchor,
            paid_until=row.paid_until,
            next_billing_on=row.next_billing_on,
            ends_on=row.ends_on,
        )
        for row in rows.order_by("product__position", "license_type__position", "id")
    )


def live_subscription(*, account_id: int, license_type: str) -> Subscription:
    """The account's live subscription of a license type. Refusals: `not_subscribed`."""
    row = (
        Subscription.objects.filter(
            account_id=account_id, license_type__code=license_type, status__in=LIVE_SUBSCRIPTION
        )
        .select_related("account", "license_type", "product")
        .first()
    )
    if row is None:
        raise NotSubscribed(
            "You have no subscription of this license type.", "Buy it first, under Purchase."
        )
    return row


def paid_subscription(*, account_id: int, license_type: str) -> Subscription:
    """The same, once its first order is paid. Refusals: `not_subscribed`, `order_pending`."""
    row = live_subscription(account_id=account_id, license_type=license_type)
    if row.status == SubscriptionStatus.PENDING:
        raise OrderPending(
            f"Your first order of {row.license_type.name} is not paid yet.",
            "Pay its invoice first; unpaid it lapses by itself.",
        )
    return row


_NET: Final = """
SELECT account_id,
    (coalesce(sum(cents) FILTER (WHERE credit = %s), 0)
     - coalesce(sum(cents) FILTER (WHERE debit = %s), 0))::bigint
FROM billing_transfer WHERE account_id = ANY(%s::bigint[]) GROUP BY account_id"""


def _net(account_ids: Sequence[int], place: LedgerAccount) -> dict[int, int]:
    """Credits minus debits of a place in the ledger, by account, in cents."""
    return dict(fetch_tuples(_NET, (place.value, place.value, list(account_ids))))


def _with_lines(rows: QuerySet[Invoice]) -> QuerySet[Invoice]:
    return rows.select_related("license_type").prefetch_related("lines")


def _invoice(row: Invoice) -> InvoiceRow:
    lines = sorted(row.lines.all(), key=lambda line: line.position)
    return InvoiceRow(
        public_id=row.public_id,
        number=row.number,
        purpose=row.purpose,
        status=row.status,
        license_type=row.license_type.code,
        license_type_name=row.license_type.name,
        currency=row.currency,
        issued_at=row.issued_at,
        issued_on=row.issued_on,
        due_on=row.due_on,
        net_cents=row.net_cents,
        tax_cents=row.tax_cents,
        total_cents=row.total_cents,
        paid_cents=row.paid_cents,
        tax_note=row.tax_note,
        usage_month=row.usage_month,
        lines=tuple(_line(line) for line in lines),
    )


def _line(row: InvoiceLine) -> LineRow:
    return LineRow(
        kind=row.kind,
        title=row.title,
        why=row.why,
        quantity=row.quantity,
        unit_cents=row.unit_cents,
        starts_on=row.period.lower,
        ends_on=row.period.upper,
        amount_cents=row.amount_cents,
    )
