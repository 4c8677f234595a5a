"""What the pure core must be told about a subscription, gathered from billing and licensing."""

from datetime import date

from cln.accounts.models import Account
from cln.billing.models import Subscription
from cln.billing.services import changes_of_period
from cln.catalog import queries as catalog
from cln.catalog.models import LicenseType
from cln.domain.calendar import Interval
from cln.domain.invoicing import SubscriptionFacts
from cln.domain.pricing import (
    PriceList,
    ScopeHolding,
    Surcharge,
    els6_surcharge,
    imunify_email_surcharge,
)
from cln.domain.rules import Rules
from cln.enums import SubscriptionStatus
from cln.licensing.surcharges import surcharge_counts


def facts_of(subscription: Subscription, *, rules: Rules) -> SubscriptionFacts:
    """The facts of a subscription as its row and the changes of its running period say."""
    license_type = subscription.license_type
    return SubscriptionFacts(
        license_type=license_type.code,
        title=license_type.name,
        anchor=subscription.anchor,
        interval=Interval(subscription.interval),
        currency=subscription.account.currency,
        billed_periods=subscription.billed_periods,
        paid=subscription.paid,
        paid_unit_cents=subscription.paid_unit_cents,
        changes=changes_of_period(subscription),
        ends_on=subscription.ends_on,
        price_lists=prices_of(subscription.account, license_type, Interval(subscription.interval)),
        others=others_in_scope(subscription.account, license_type),
        surcharges=_surcharges(subscription),
        rules=rules,
    )


def facts_of_order(
    *,
    account: Account,
    license_type: LicenseType,
    interval: Interval,
    quantity: int,
    today: date,
    rules: Rules,
) -> SubscriptionFacts:
    """The facts of a subscription that would begin today: nothing billed yet (Q3)."""
    return SubscriptionFacts(
        license_type=license_type.code,
        title=license_type.name,
        anchor=today,
        interval=interval,
        currency=account.currency,
        billed_periods=0,
        paid=quantity,
        paid_unit_cents=0,
        price_lists=prices_of(account, license_type, interval),
        others=others_in_scope(account, license_type),
        rules=rules,
    )


def prices_of(
    account: Account, license_type: LicenseType, interval: Interval
) -> tuple[PriceList, ...]:
    """The account's price lists of a license type, in its currency."""
    return catalog.price_lists_for(
        license_type=license_type.code,
        interval=interval,
        currency=account.currency,
        account_id=account.pk,
    )


def others_in_scope(account: Account, license_type: LicenseType) -> tuple[ScopeHolding, ...]:
    """What the account's other paid subscriptions of the tier scope hold (Q1)."""
    rows = Subscription.objects.filter(
        account=account,
        status=SubscriptionStatus.ACTIVE,
        license_type__tier_scope=license_type.tier_scope,
    ).exclude(license_type=license_type)
    return tuple(ScopeHolding(row.quantity, row.ends_on) for row in rows)


def _surcharges(subscription: Subscription) -> tuple[Surcharge, ...]:
    code = subscription.license_type.code
    counted = surcharge_counts(account_id=subscription.account_id, license_type=code)
    found = (
        els6_surcharge(
            license_type=code,
            servers=counted.os6_servers,
            rates=catalog.surcharge_rates("els6"),
        ),
        imunify_email_surcharge(servers=counted.imunify_email_servers),
    )
    return tuple(surcharge for surcharge in found if surcharge is not None)
