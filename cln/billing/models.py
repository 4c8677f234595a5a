"""Standing agreements, what they cost, and the books. Columns and constraints only."""

from datetime import date
from typing import ClassVar

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeOperators
from django.db import models
from django.db.models import F, Q

from cln.accounts.models import Account
from cln.catalog.models import LicenseType, PriceList, Product
from cln.domain.calendar import BillingCycle, Interval
from cln.domain.invoicing import ChangeKind, LineKind
from cln.domain.ledger import LedgerAccount
from cln.enums import (
    LIVE_SUBSCRIPTION,
    InvoicePurpose,
    InvoiceStatus,
    SubscriptionStatus,
    one_of,
)

IS_LIVE = Q(status__in=[str(status) for status in LIVE_SUBSCRIPTION])


class Subscription(models.Model):
    """One license type of one account: interval, quantity, anchor. Written under the account lock.

    `billed_periods`, `paid` and `paid_unit_cents` describe the running period as the last
    invoice left it (domain.invoicing.SubscriptionFacts); `quantity` is what is held now.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="subscriptions")
    license_type = models.ForeignKey(LicenseType, on_delete=models.PROTECT, related_name="+")
    # Copy of license_type.product: the exclusion constraint of Q2 needs it in this row.
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="+")
    interval = models.CharField(max_length=10)
    status = models.CharField(max_length=10, default=SubscriptionStatus.PENDING)
    quantity = models.PositiveIntegerField()
    anchor = models.DateField()
    billed_periods = models.PositiveIntegerField(default=0)
    paid = models.PositiveIntegerField()
    paid_unit_cents = models.BigIntegerField()
    # Due column: the boundary whose invoice comes next; null while pending and once over.
    next_billing_on = models.DateField(null=True, blank=True)
    # Unsubscribed: the day service and billing stop (Q10).
    ends_on = models.DateField(null=True, blank=True)
    ended_on = models.DateField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            one_of("interval", Interval, name="subscription_interval"),
            one_of("status", SubscriptionStatus, name="subscription_status"),
            models.UniqueConstraint(
                fields=["account", "license_type"],
                condition=IS_LIVE,
                name="subscription_one_per_license_type",
            ),
            ExclusionConstraint(
                name="subscription_one_interval_per_product",
                expressions=[
                    ("account", RangeOperators.EQUAL),
                    ("product", RangeOperators.EQUAL),
                    ("interval", RangeOperators.NOT_EQUAL),
                ],
                condition=IS_LIVE,
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["next_billing_on", "account"],
                condition=Q(next_billing_on__isnull=False),
                name="subscription_due",
            ),
        ]

    @property
    def paid_until(self) -> date | None:
        """End of the newest billed period; None before the first."""
        if self.billed_periods == 0:
            return None
        return BillingCycle(self.anchor, Interval(self.interval)).boundary(self.billed_periods)


class QuantityChange(models.Model):
    """A dated change of quantity. Append-only: a trigger refuses updates and deletes."""

    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="changes")
    kind = models.CharField(max_length=10)
    on = models.DateField()
    at = models.DateTimeField()
    # Which period of the subscription it fell into: `billed_periods` at that moment.
    period = models.PositiveIntegerField()
    delta = models.IntegerField()
    quantity_after = models.PositiveIntegerField()
    unit_cents = models.BigIntegerField()
    # None where nothing is held afterwards: there is no tier for zero.
    price_list = models.ForeignKey(PriceList, null=True, on_delete=models.PROTECT, related_name="+")
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints: ClassVar = [one_of("kind", ChangeKind, name="quantity_change_kind")]
        indexes: ClassVar = [
            models.Index(fields=["subscription", "period", "id"], name="quantity_change_period"),
        ]


class InvoiceSeries(models.Model):
    """A row to lock: numbers are gapless because they are taken last, from here (P11)."""

    code = models.CharField(max_length=20, primary_key=True)
    prefix = models.CharField(max_length=20)
    next_number = models.PositiveBigIntegerField(default=1)


class Invoice(models.Model):
    """A numbered demand. After issue only `status`, `paid_cents` and the due columns change."""

    public_id = models.CharField(max_length=40, unique=True)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="invoices")
    subscription = models.ForeignKey(
        Subscription, null=True, on_delete=models.PROTECT, related_name="invoices"
    )
    license_type = models.ForeignKey(LicenseType, on_delete=models.PROTECT, related_name="+")
    series = models.ForeignKey(InvoiceSeries, on_delete=models.PROTECT, related_name="+")
    number = models.CharField(max_length=40, unique=True)
    purpose = models.CharField(max_length=10)
    status = models.CharField(max_length=15, default=InvoiceStatus.OPEN)
    currency = models.CharField(max_length=3)
    issued_at = models.DateTimeField()
    issued_on = models.DateField()
    due_on = models.DateField()
    net_cents = models.BigIntegerField()
    tax_cents = models.BigIntegerField(default=0)
    total_cents = models.BigIntegerField()
    # Σ allocations; a copy kept under the account lock, re-derived by check-books.
    paid_cents = models.BigIntegerField(default=0)
    settled_at = models.DateTimeField(null=True, blank=True)
    # The parties as they were on the day of issue (P11); `seller` is empty on invoices from before
    # it was kept.
    bill_to = models.JSONField(default=dict)
    seller = models.JSONField(default=dict)
    # What the law wants said about its tax, e.g. reverse charge; "" = nothing.
    tax_note = models.CharField(max_length=200, blank=True, default="")
    # Due column of collection (P2); null = no automatic attempt planned.
    retry_at = models.DateTimeField(null=True, blank=True)
    # Due column of reminders (P6); null = none left.
    remind_on = models.DateField(null=True, blank=True)
    reminded_on = models.DateField(null=True, blank=True)
    # Due column of unpaid first orders (Q3).
    void_on = models.DateField(null=True, blank=True)
    # Usage invoices: the first day of the month they bill (R2).
    usage_month = models.DateField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            one_of("status", InvoiceStatus, name="invoice_status"),
            one_of("purpose", InvoicePurpose, name="invoice_purpose"),
            models.CheckConstraint(
                condition=Q(total_cents=F("net_cents") + F("tax_cents"), net_cents__gte=0),
                name="invoice_total_is_net_plus_tax",
            ),
            models.CheckConstraint(
                condition=Q(paid_cents__gte=0, paid_cents__lte=F("total_cents")),
                name="invoice_paid_within_total",
            ),
            models.CheckConstraint(
                condition=~Q(status="paid") | Q(paid_cents=F("total_cents")),
                name="invoice_paid_means_paid",
            ),
            models.UniqueConstraint(
                fields=["account", "license_type", "usage_month"],
                name="invoice_one_per_usage_month",
            ),
            models.CheckConstraint(
                condition=Q(purpose="usage", usage_month__isnull=False, usage_month__day=1)
                | (~Q(purpose="usage") & Q(usage_month__isnull=True)),
                name="invoice_usage_has_a_month",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["account", "-issued_on"], name="invoice_by_account"),
            # Each page of the console counts them, beside Billing.
            models.Index(
                fields=["account", "issued_on", "id"],
                condition=Q(status="open"),
                name="invoice_unpaid",
            ),
            models.Index(
                fields=["retry_at"],
                condition=Q(retry_at__isnull=False),
                name="invoice_retry_due",
            ),
            models.Index(
                fields=["remind_on"],
                condition=Q(remind_on__isnull=False),
                name="invoice_reminder_due",
            ),
            models.Index(
                fields=["void_on"],
                condition=Q(void_on__isnull=False),
                name="invoice_void_due",
            ),
        ]


class InvoiceLine(models.Model):
    """One reason to pay. (subscription, source, period WITHOUT OVERLAPS) is unique: never twice."""

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="lines")
    subscription = models.ForeignKey(
        Subscription, null=True, on_delete=models.PROTECT, related_name="lines"
    )
    position = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=12)
    # Stable identity of what is billed, e.g. "recurring" or "proration:<change id>".
    source = models.CharField(max_length=80)
    title = models.CharField(max_length=200)
    why = models.TextField()
    quantity = models.DecimalField(max_digits=18, decimal_places=6)
    unit_cents = models.BigIntegerField()
    period = DateRangeField()
    amount_cents = models.BigIntegerField()
    price_list = models.ForeignKey(PriceList, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints: ClassVar = [
            one_of("kind", LineKind, name="invoice_line_kind"),
            models.UniqueConstraint(fields=["invoice", "position"], name="invoice_line_position"),
        ]


class UsageShare(models.Model):
    """What one license added to a usage invoice: the statement per IP (R2). Append-only."""

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="shares")
    position = models.PositiveIntegerField()
    # The license as its holder knows it: an address, or the host name of a server on a key.
    name = models.CharField(max_length=300)
    days = models.PositiveSmallIntegerField()
    quantity = models.DecimalField(max_digits=18, decimal_places=6)
    amount_cents = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["invoice", "position"], name="usage_share_position"),
        ]


class CreditNote(models.Model):
    """A numbered correction of an invoice (P10)."""

    public_id = models.CharField(max_length=40, unique=True)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="credit_notes")
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="credit_notes")
    number = models.CharField(max_length=40, unique=True)
    issued_at = models.DateTimeField()
    net_cents = models.BigIntegerField()
    tax_cents = models.BigIntegerField(default=0)
    total_cents = models.BigIntegerField()
    reason = models.TextField()


class CreditNoteLine(models.Model):
    """What part of which line is given back; Σ per line ≤ the line, by trigger."""

    credit_note = models.ForeignKey(CreditNote, on_delete=models.PROTECT, related_name="lines")
    invoice_line = models.ForeignKey(InvoiceLine, on_delete=models.PROTECT, related_name="credits")
    amount_cents = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(amount_cents__gt=0), name="credit_line_positive"),
        ]


class Transfer(models.Model):
    """A movement between two ledger accounts of one CLN account. Append-only (P12)."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="transfers")
    at = models.DateTimeField()
    kind = models.CharField(max_length=30)
    debit = models.CharField(max_length=20)
    credit = models.CharField(max_length=20)
    cents = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    invoice = models.ForeignKey(Invoice, null=True, on_delete=models.PROTECT, related_name="+")
    credit_note = models.ForeignKey(
        CreditNote, null=True, on_delete=models.PROTECT, related_name="+"
    )
    # Id of the payments.Payment behind it; billing does not import payments.
    payment_id = models.BigIntegerField(null=True)

    class Meta:
        constraints: ClassVar = [
            one_of("debit", LedgerAccount, name="transfer_debit"),
            one_of("credit", LedgerAccount, name="transfer_credit"),
            models.CheckConstraint(condition=Q(cents__gt=0), name="transfer_positive"),
            models.CheckConstraint(condition=~Q(debit=F("credit")), name="transfer_moves"),
        ]
        indexes: ClassVar = [models.Index(fields=["account", "id"], name="transfer_by_account")]
