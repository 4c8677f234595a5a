"""Payment methods, attempts (which are locks), settled money and where it went."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from cln.accounts.models import Account
from cln.billing.models import CreditNote, Invoice
from cln.domain.autopay import AutopayMode
from cln.domain.dunning import DeclineCode
from cln.enums import (
    UNFINISHED_ATTEMPT,
    AttemptChannel,
    AttemptPurpose,
    AttemptState,
    MethodKind,
    one_of,
)

IS_UNFINISHED = Q(state__in=[str(state) for state in UNFINISHED_ATTEMPT])


class PaymentMethod(models.Model):
    """A stored card or PayPal agreement; at most one is active per account (P1)."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="payment_methods")
    kind = models.CharField(max_length=10)
    gateway = models.CharField(max_length=20)
    token = models.CharField(max_length=200)
    label = models.CharField(max_length=80)
    expires_on = models.DateField(null=True, blank=True)
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField()
    replaced_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            one_of("kind", MethodKind, name="payment_method_kind"),
            models.UniqueConstraint(
                fields=["account"],
                condition=Q(active=True),
                name="payment_method_one_active",
            ),
        ]


class PaymentAttempt(models.Model):
    """One try to take money. Committed before the gateway is called; its id is the key (P3)."""

    public_id = models.CharField(max_length=40, unique=True)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="attempts")
    purpose = models.CharField(max_length=10)
    channel = models.CharField(max_length=10)
    invoice = models.ForeignKey(
        Invoice, null=True, on_delete=models.PROTECT, related_name="attempts"
    )
    method = models.ForeignKey(PaymentMethod, null=True, on_delete=models.PROTECT, related_name="+")
    gateway = models.CharField(max_length=20)
    # The gateway's id of the charge, committed before any money can move; "" = not announced.
    gateway_charge = models.CharField(max_length=200, blank=True, default="")
    amount_cents = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    state = models.CharField(max_length=10, default=AttemptState.OPEN)
    decline_code = models.CharField(max_length=30, blank=True)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    # Due column of the resolver: ask the gateway what became of it.
    resolve_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            one_of("purpose", AttemptPurpose, name="attempt_purpose"),
            one_of("channel", AttemptChannel, name="attempt_channel"),
            one_of("state", AttemptState, name="attempt_state"),
            models.CheckConstraint(
                condition=Q(decline_code="")
                | Q(decline_code__in=[str(code) for code in DeclineCode]),
                name="attempt_decline_code",
            ),
            models.CheckConstraint(condition=Q(amount_cents__gt=0), name="attempt_positive"),
            models.CheckConstraint(
                condition=Q(purpose="invoice", invoice__isnull=False)
                | Q(purpose="top_up", invoice__isnull=True),
                name="attempt_pays_something",
            ),
            models.UniqueConstraint(
                fields=["invoice"],
                condition=IS_UNFINISHED,
                name="attempt_one_open_per_invoice",
            ),
            models.UniqueConstraint(
                fields=["account"],
                condition=IS_UNFINISHED & Q(purpose="top_up"),
                name="attempt_one_open_top_up",
            ),
            models.UniqueConstraint(
                fields=["gateway", "gateway_charge"],
                condition=~Q(gateway_charge=""),
                name="attempt_gateway_charge_unique",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["resolve_at"],
                condition=Q(resolve_at__isnull=False),
                name="attempt_resolve_due",
            ),
        ]


class Payment(models.Model):
    """Money that arrived. One per attempt, one per gateway reference: settling twice is nothing."""

    public_id = models.CharField(max_length=40, unique=True)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="payments")
    attempt = models.OneToOneField(PaymentAttempt, on_delete=models.PROTECT, related_name="payment")
    gateway = models.CharField(max_length=20)
    gateway_reference = models.CharField(max_length=200)
    amount_cents = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    received_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(amount_cents__gt=0), name="payment_positive"),
            models.UniqueConstraint(
                fields=["gateway", "gateway_reference"], name="payment_reference_unique"
            ),
        ]


class Allocation(models.Model):
    """Which money paid which invoice (P9). No payment = from the account's balance.

    A negative row takes an allocation back, when an order that credit had part-paid is voided.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="allocations")
    payment = models.ForeignKey(
        Payment, null=True, on_delete=models.PROTECT, related_name="allocations"
    )
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="allocations")
    amount_cents = models.BigIntegerField()
    at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(amount_cents=0), name="allocation_moves"),
        ]


class Refund(models.Model):
    """Money given back through the gateway that took it (P10); Σ ≤ payment, by trigger."""

    public_id = models.CharField(max_length=40, unique=True)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds")
    credit_note = models.ForeignKey(CreditNote, on_delete=models.PROTECT, related_name="refunds")
    amount_cents = models.BigIntegerField()
    state = models.CharField(max_length=10, default=AttemptState.OPEN)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    # Due column of the resolver: ask the gateway what became of it (P3).
    resolve_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            one_of("state", AttemptState, name="refund_state"),
            models.CheckConstraint(condition=Q(amount_cents__gt=0), name="refund_positive"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["resolve_at"],
                condition=Q(resolve_at__isnull=False),
                name="refund_resolve_due",
            ),
        ]


class AutopayRuleRow(models.Model):
    """How a reseller's deposit is topped up (R4) and where the retries stand."""

    account = models.OneToOneField(Account, on_delete=models.PROTECT, related_name="autopay")
    mode = models.CharField(max_length=10, default=AutopayMode.REPAY)
    target_cents = models.BigIntegerField(default=0)
    declines = models.PositiveSmallIntegerField(default=0)
    # Due column: not before this instant; null = decide at the next change of balance.
    next_try_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [one_of("mode", AutopayMode, name="autopay_mode")]
        indexes: ClassVar = [
            models.Index(
                fields=["next_try_at"],
                condition=Q(next_try_at__isnull=False),
                name="autopay_due",
            ),
        ]


class GatewayEvent(models.Model):
    """A webhook as it came; (gateway, event id) unique, effects keyed by the payment (P3)."""

    gateway = models.CharField(max_length=20)
    event_id = models.CharField(max_length=200)
    received_at = models.DateTimeField()
    payload = models.JSONField()
    processed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["gateway", "event_id"], name="gateway_event_unique"),
        ]


class SandboxCharge(models.Model):
    """What the sandbox gateway 'charged': its side of the story, never read by billing rules."""

    reference = models.CharField(max_length=200, unique=True)
    amount_cents = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    at = models.DateTimeField()
    refunded_cents = models.BigIntegerField(default=0)


class SandboxRefund(models.Model):
    """What the sandbox gateway gave back, once per reference."""

    reference = models.CharField(max_length=200, unique=True)
    charge = models.ForeignKey(SandboxCharge, on_delete=models.PROTECT, related_name="refunds")
    amount_cents = models.BigIntegerField()
    at = models.DateTimeField()


class SandboxScript(models.Model):
    """The outcome the sandbox gateway gives an account from now on."""

    account = models.OneToOneField(Account, on_delete=models.CASCADE, related_name="+")
    outcome = models.CharField(max_length=30)
