"""Closed vocabularies of the database, and the CHECK that holds a column to one.

Vocabularies the rules reason about live in `cln.domain` (`ChangeKind`, `LineKind`…);
here are those that only columns need.
"""

from enum import StrEnum

from django.db import models
from django.db.models import Q


class AccountKind(StrEnum):
    CUSTOMER = "customer"
    RESELLER = "reseller"


class Role(StrEnum):
    """The six roles of sub-logins (facts §3.4). The primary login is always FULL."""

    FULL = "full"
    BILLING = "billing"
    SERVERS_AND_LICENSES = "servers_and_licenses"
    SERVERS = "servers"
    READ_BILLING = "read_billing"
    READ_SERVERS = "read_servers"


class SubscriptionStatus(StrEnum):
    PENDING = "pending"  # first order issued, not paid: nothing granted yet (Q3)
    ACTIVE = "active"
    ENDED = "ended"
    VOID = "void"  # first order never paid


LIVE_SUBSCRIPTION = (SubscriptionStatus.PENDING, SubscriptionStatus.ACTIVE)


class AddressAction(StrEnum):
    ADD = "add"
    REMOVE = "remove"


class AddressResult(StrEnum):
    """What became of a line of a list of addresses."""

    WAITING = "waiting"
    DONE = "done"
    REFUSED = "refused"
    LEFT_OUT = "left_out"  # held already, or listed twice


class InvoicePurpose(StrEnum):
    ORDER = "order"  # first purchase: licenses wait for its payment
    RENEWAL = "renewal"
    FINAL = "final"
    SWEEP = "sweep"
    USAGE = "usage"


class InvoiceStatus(StrEnum):
    OPEN = "open"
    PAID = "paid"
    VOID = "void"
    UNCOLLECTIBLE = "uncollectible"


class MethodKind(StrEnum):
    CARD = "card"
    PAYPAL = "paypal"


class AttemptPurpose(StrEnum):
    INVOICE = "invoice"
    TOP_UP = "top_up"


class AttemptChannel(StrEnum):
    AUTOMATIC = "automatic"
    PAY_NOW = "pay_now"
    PAY_LINK = "pay_link"
    HOSTED = "hosted"


class AttemptState(StrEnum):
    OPEN = "open"  # committed, the gateway is being or about to be asked
    UNKNOWN = "unknown"  # the gateway did not answer: only the resolver may decide (P3)
    PENDING = "pending"  # the gateway said: later
    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    ABANDONED = "abandoned"  # proven never charged


UNFINISHED_ATTEMPT = (AttemptState.OPEN, AttemptState.UNKNOWN, AttemptState.PENDING)


class GatewayEventKind(StrEnum):
    """What a webhook is about."""

    CHARGE = "charge"
    REFUND = "refund"


class EntitlementKind(StrEnum):
    PAID = "paid"
    TRIAL = "trial"


class ServerStatus(StrEnum):
    ACTIVE = "active"
    REMOVED = "removed"
    SUPERSEDED = "superseded"  # the same machine registered again (reinstall)


class AddOn(StrEnum):
    """Paid add-ons of CloudLinux OS, by the codes of `cl/awp`."""

    PREMIUM = "AWP_PREMIUM"
    CDN = "AWP_CDN"


class MessageKind(StrEnum):
    EMAIL = "email"
    WEBHOOK = "webhook"


def one_of(field: str, vocabulary: type[StrEnum], *, name: str) -> models.CheckConstraint:
    """CHECK (field IN …): the database holds the column to the vocabulary."""
    return models.CheckConstraint(
        condition=Q(**{f"{field}__in": [str(member) for member in vocabulary]}),
        name=name,
    )
