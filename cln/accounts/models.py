"""The paying party and the people and machines that may speak for it."""

from typing import ClassVar

from django.contrib.auth.models import (
    AbstractBaseUser,
    BaseUserManager,
    PermissionsMixin,
)
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from cln.accounts.api_models import ApiRequest, ApiToken
from cln.accounts.audit_words import WORDS
from cln.accounts.two_factor_models import EmailChange, Passkey, RecoveryCode, TwoFactor
from cln.domain.autopay import AutopayMode
from cln.domain.dunning import DeclineCode, DunningState
from cln.enums import UNFINISHED_ATTEMPT, AccountKind, AttemptState, MethodKind, Role, one_of

__all__ = [
    "IS_UNDECIDED",
    "Account",
    "Agreement",
    "ApiRequest",
    "ApiSecret",
    "ApiToken",
    "AuditEntry",
    "DepositOrder",
    "EmailChange",
    "IdempotentRequest",
    "Login",
    "LoginManager",
    "Passkey",
    "RecoveryCode",
    "ServerAccount",
    "TwoFactor",
]

IS_UNDECIDED = Q(state__in=[str(state) for state in UNFINISHED_ATTEMPT])


class Account(models.Model):
    """Tenant, paying party and lock: every money verb locks this row first."""

    public_id = models.CharField(max_length=40, unique=True)
    kind = models.CharField(max_length=20, default=AccountKind.CUSTOMER)
    currency = models.CharField(max_length=3, default="USD")
    company = models.CharField(max_length=200, blank=True)
    address = models.CharField(max_length=400, blank=True)
    country = models.CharField(max_length=2, blank=True)
    vat_number = models.CharField(max_length=32, blank=True)
    # Where invoices and notices go; empty = only in the console (facts A-14).
    billing_email = models.EmailField(blank=True)
    created_at = models.DateTimeField()
    # Written by flows.collection only; the table of states is domain/dunning.py.
    dunning_state = models.CharField(max_length=20, default=DunningState.CURRENT)
    # Due column: the day the next dunning step is looked at; null = nothing overdue.
    dunning_next_on = models.DateField(null=True, blank=True)
    blocked_on = models.DateField(null=True, blank=True)
    # Resellers: since when the balance is negative without a break (R7).
    negative_since = models.DateField(null=True, blank=True)
    # A billing run that failed for this account sets both; an operator clears them.
    parked_at = models.DateTimeField(null=True, blank=True)
    parked_reason = models.TextField(blank=True)
    # Due column of a negative deposit's reminders (P6, R7); null = none left.
    negative_remind_on = models.DateField(null=True, blank=True)
    # Resellers: how far below zero, in positive cents, new licenses are still given (R3); null = no
    # floor. What is used is billed all the same.
    floor_cents = models.BigIntegerField(null=True, blank=True)
    # Due column of the monthly bill: the 1st on which the month before it is billed (R2). Set for
    # resellers, and only for them.
    next_usage_on = models.DateField(null=True, blank=True)
    api_enabled = models.BooleanField(default=True)
    # When the owner was last told of licenses no server uses; at most weekly.
    unused_told_on = models.DateField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            one_of("kind", AccountKind, name="account_kind"),
            one_of("dunning_state", DunningState, name="account_dunning_state"),
            models.CheckConstraint(condition=Q(floor_cents__gte=0), name="account_floor_cents"),
            models.CheckConstraint(
                condition=Q(kind="customer", next_usage_on__isnull=True)
                | Q(kind="reseller", next_usage_on__isnull=False),
                name="account_reseller_is_billed_by_usage",
            ),
            models.CheckConstraint(
                condition=Q(next_usage_on__isnull=True) | Q(next_usage_on__day=1),
                name="account_usage_on_the_first",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["next_usage_on"],
                condition=Q(next_usage_on__isnull=False),
                name="account_usage_due",
            ),
            models.Index(
                fields=["negative_remind_on"],
                condition=Q(negative_remind_on__isnull=False),
                name="account_negative_reminder_due",
            ),
            models.Index(
                fields=["dunning_next_on"],
                condition=Q(dunning_next_on__isnull=False),
                name="account_dunning_due",
            ),
        ]

    def __str__(self) -> str:
        return self.public_id


class LoginManager(BaseUserManager["Login"]):
    """What Django's authentication needs of a manager; verbs live in services."""

    def get_by_natural_key(self, username: str | None) -> "Login":
        return self.get(username__iexact=username)


class Login(AbstractBaseUser, PermissionsMixin):
    """A person's credential. Operators of the vendor have no account."""

    account = models.ForeignKey(
        Account, null=True, blank=True, on_delete=models.PROTECT, related_name="logins"
    )
    username = models.CharField("login", max_length=150, unique=True)
    email = models.EmailField()
    first_name = models.CharField(max_length=100, blank=True)
    last_name = models.CharField(max_length=100, blank=True)
    role = models.CharField(max_length=30, default=Role.FULL)
    is_primary = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    joined_at = models.DateTimeField()

    objects: ClassVar[LoginManager] = LoginManager()

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar = ["email"]

    class Meta:
        constraints: ClassVar = [
            one_of("role", Role, name="login_role"),
            models.UniqueConstraint(Lower("username"), name="login_username_unique"),
            models.UniqueConstraint(Lower("email"), name="login_email_unique"),
            models.UniqueConstraint(
                fields=["account"],
                condition=Q(is_primary=True),
                name="login_one_primary",
            ),
            models.CheckConstraint(
                condition=Q(account__isnull=False) | Q(is_staff=True),
                name="login_has_account_or_is_operator",
            ),
        ]

    def __str__(self) -> str:
        return self.username


class ApiSecret(models.Model):
    """The account's secret for signed tokens (facts §7); encrypted at rest."""

    account = models.OneToOneField(Account, on_delete=models.CASCADE, related_name="api_secret")
    cipher = models.BinaryField()
    last4 = models.CharField(max_length=4)
    rotated_at = models.DateTimeField()


class Agreement(models.Model):
    """Which text an account accepted, when and from where (R1)."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="agreements")
    version = models.CharField(max_length=40)
    accepted_at = models.DateTimeField()
    address = models.GenericIPAddressField(null=True, blank=True)


class DepositOrder(models.Model):
    """Somebody pays a deposit to become a reseller (R1): the attempt, before there is an account.

    It is to a registration what a PaymentAttempt is to an invoice (P3): committed before the
    gateway is asked, its public id the idempotency key. `account` is set from the start for a
    conversion, at the end for a registration. `person` and `password` are emptied when it ends.
    """

    public_id = models.CharField(max_length=40, unique=True)
    account = models.ForeignKey(
        Account, null=True, on_delete=models.PROTECT, related_name="deposit_orders"
    )
    # The id the account will have: what the gateway knows the customer by.
    customer = models.CharField(max_length=40)
    email = models.EmailField(blank=True)
    username = models.CharField(max_length=150, blank=True)
    # Hashed by Django's password hasher.
    password = models.CharField(max_length=256, blank=True)
    # Company, address, country, billing_email.
    person = models.JSONField(default=dict)
    amount_cents = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    agreement_version = models.CharField(max_length=40)
    address = models.GenericIPAddressField(null=True, blank=True)
    autopay_mode = models.CharField(max_length=10, default=AutopayMode.REPAY)
    autopay_target_cents = models.BigIntegerField(default=0)
    method_kind = models.CharField(max_length=10)
    gateway = models.CharField(max_length=20)
    # The gateway's own id of the charge, committed before money may move.
    gateway_charge = models.CharField(max_length=200, blank=True, default="")
    token = models.CharField(max_length=200)
    label = models.CharField(max_length=80)
    expires_on = models.DateField(null=True, blank=True)
    state = models.CharField(max_length=10, default=AttemptState.OPEN)
    decline_code = models.CharField(max_length=30, blank=True)
    actor = models.CharField(max_length=150)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    # Due column of the resolver: ask the gateway what became of it.
    resolve_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            one_of("state", AttemptState, name="deposit_order_state"),
            one_of("autopay_mode", AutopayMode, name="deposit_order_autopay_mode"),
            one_of("method_kind", MethodKind, name="deposit_order_method_kind"),
            models.CheckConstraint(
                condition=Q(decline_code="")
                | Q(decline_code__in=[str(code) for code in DeclineCode]),
                name="deposit_order_decline_code",
            ),
            models.CheckConstraint(condition=Q(amount_cents__gt=0), name="deposit_order_positive"),
            models.UniqueConstraint(
                fields=["account"], condition=IS_UNDECIDED, name="deposit_order_one_per_account"
            ),
            models.UniqueConstraint(
                Lower("email"),
                condition=IS_UNDECIDED & ~Q(email=""),
                name="deposit_order_one_per_email",
            ),
            models.UniqueConstraint(
                Lower("username"),
                condition=IS_UNDECIDED & ~Q(username=""),
                name="deposit_order_one_per_login",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["resolve_at"],
                condition=Q(resolve_at__isnull=False),
                name="deposit_order_resolve_due",
            ),
        ]


class ServerAccount(models.Model):
    """A reseller's named sub-account with its own tokens (facts §4.12)."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="server_accounts")
    login = models.CharField(max_length=150)
    email = models.EmailField()
    first_name = models.CharField(max_length=100, blank=True)
    last_name = models.CharField(max_length=100, blank=True)
    company = models.CharField(max_length=200, blank=True)
    # How many servers may register with its tokens together; 0 = unlimited.
    limit = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                "account",
                Lower("login"),
                condition=Q(removed_at__isnull=True),
                name="server_account_login_unique",
            ),
        ]


class AuditEntry(models.Model):
    """Who did what, from where and why. Append-only: a trigger refuses changes.

    `token`: prefix and last 4 of the API token, or of the secret that signed one; empty where a
    person did it by hand, a machine by its own credential, or a command.
    """

    account = models.ForeignKey(Account, null=True, on_delete=models.PROTECT, related_name="audit")
    at = models.DateTimeField()
    actor = models.CharField(max_length=150)
    address = models.GenericIPAddressField(null=True, blank=True)
    token = models.CharField(max_length=20, blank=True, db_default="")
    verb = models.CharField(max_length=60)
    subject = models.CharField(max_length=120, blank=True)
    details = models.JSONField(default=dict)
    # All that it says, as it is searched; the database writes it.
    words = models.GeneratedField(
        expression=WORDS, output_field=models.TextField(), db_persist=True, editable=False
    )

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["account", "-at"], name="audit_by_account"),
            models.Index(fields=["account", "subject"], name="audit_by_subject"),
            GinIndex(
                fields=["words"],
                opclasses=["gin_trgm_ops"],
                # Of 256 kB of new entries every search reads all.
                gin_pending_list_limit=256,
                name="audit_words",
            ),
        ]


class IdempotentRequest(models.Model):
    """One answered request: the same key with the same input returns the same answer."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT)
    key = models.CharField(max_length=100)
    input_hash = models.CharField(max_length=64)
    answer = models.JSONField()
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "key"], name="idempotency_key_unique"),
        ]
