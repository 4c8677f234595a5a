"""What the pure core must be told about subscriptions, gathered from billing and licensing.

`Facts` reads the subscriptions of any number of accounts in a fixed number of queries, so that a
billing day of thousands and the preview of one are the same code.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from datetime import date

from cln.accounts.models import Account
from cln.billing.models import Subscription
from cln.billing.queries import NotSubscribed
from cln.billing.services import changes_of_periods
from cln.catalog import queries as catalog
from cln.catalog.models import LicenseType
from cln.catalog.prices import price_book
from cln.database.rows import among
from cln.domain.calendar import Interval
from cln.domain.invoicing import Change, SubscriptionFacts
from cln.domain.pricing import (
    PriceList,
    ScopeHolding,
    Surcharge,
    els6_surcharge,
    imunify_email_surcharge,
)
from cln.domain.rules import Rules
from cln.enums import SubscriptionStatus
from cln.licensing.surcharges import Imagined, SurchargeCounter

ELS6 = "els6"
# The id of a change that has no row yet: newer than every recorded one.
NEW_CHANGE_ID = 2**62


class Facts:
    """The live paid subscriptions of some accounts, and what decides their bills.

    The rows it holds are the ones to change: what is billed of one subscription is seen by the
    others of the same account. `accounts` are locked by the caller where anything is written.
    """

    def __init__(self, accounts: Sequence[Account], *, rules: Rules) -> None:
        self.rules = rules
        self.accounts = {account.pk: account for account in accounts}
        self.subscriptions: dict[int, list[Subscription]] = {pk: [] for pk in self.accounts}
        types = catalog.license_types_by_id()
        found = Subscription.objects.filter(
            account__in=among(self.accounts), status=SubscriptionStatus.ACTIVE
        )
        rows = list(found.order_by("id"))
        for row in rows:
            row.account = self.accounts[row.account_id]
            row.license_type = types[row.license_type_id]
            self.subscriptions[row.account_id].append(row)
        self._changes = changes_of_periods([row.pk for row in rows])
        self._prices = price_book(account_ids=list(self.accounts))
        # Where nothing is subscribed, nothing carries a surcharge.
        self._counter = SurchargeCounter([pk for pk, mine in self.subscriptions.items() if mine])
        self._counts = self._counter.counts()
        self._els6_rates = catalog.surcharge_rates(ELS6)

    def live(self, subscription: Subscription) -> Subscription:
        """The row that moves along with these facts. Refuses `not_subscribed` where it is over."""
        rows = self.subscriptions[subscription.account_id]
        mine = next((row for row in rows if row.pk == subscription.pk), None)
        if mine is None or mine.status != SubscriptionStatus.ACTIVE:
            raise NotSubscribed("This subscription is over.", "Buy it again, under Purchase.")
        return mine

    def of(self, subscription: Subscription) -> SubscriptionFacts:
        """The facts of a subscription as its row and the changes of its running period say."""
        account, license_type = subscription.account, subscription.license_type
        interval = Interval(subscription.interval)
        period = (subscription.pk, subscription.billed_periods)
        return SubscriptionFacts(
            license_type=license_type.code,
            title=license_type.name,
            anchor=subscription.anchor,
            interval=interval,
            currency=account.currency,
            billed_periods=subscription.billed_periods,
            paid=subscription.paid,
            paid_unit_cents=subscription.paid_unit_cents,
            changes=self._changes.get(period, ()),
            ends_on=subscription.ends_on,
            price_lists=self.prices(account, license_type, interval),
            others=self.others(account, license_type),
            surcharges=self._surcharges(subscription),
            rules=self.rules,
        )

    def as_if(self, imagined: Imagined | None) -> Facts:
        """The same facts, read no second time, with a switch that is only thought of; what happens
        to them leaves these alone.
        """
        other = copy(self)
        other.subscriptions = {
            pk: [copy(row) for row in rows] for pk, rows in self.subscriptions.items()
        }
        other._changes = dict(self._changes)
        other._counts = self._counter.counts(imagined)
        return other

    def note(self, subscription: Subscription, change: Change) -> None:
        """Let a change count that is about to be recorded in the running period."""
        period = (subscription.pk, subscription.billed_periods)
        self._changes[period] = (*self._changes.get(period, ()), change)

    def of_order(
        self,
        *,
        account: Account,
        license_type: LicenseType,
        interval: Interval,
        quantity: int,
        today: date,
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
            price_lists=self.prices(account, license_type, interval),
            others=self.others(account, license_type),
            rules=self.rules,
        )

    def prices(
        self, account: Account, license_type: LicenseType, interval: Interval
    ) -> tuple[PriceList, ...]:
        """The account's price lists of a license type, in its currency."""
        return self._prices.lists(
            license_type=license_type.code,
            interval=interval,
            currency=account.currency,
            account_id=account.pk,
        )

    def others(self, account: Account, license_type: LicenseType) -> tuple[ScopeHolding, ...]:
        """What the account's other paid subscriptions of the tier scope hold (Q1)."""
        return tuple(
            ScopeHolding(row.quantity, row.ends_on)
            for row in self.subscriptions[account.pk]
            if row.license_type.tier_scope == license_type.tier_scope
            and row.license_type_id != license_type.pk
            and row.status == SubscriptionStatus.ACTIVE
        )

    def _surcharges(self, subscription: Subscription) -> tuple[Surcharge, ...]:
        code = subscription.license_type.code
        counted = self._counts.get((subscription.account_id, code))
        if counted is None:
            return ()
        found = (
            els6_surcharge(license_type=code, servers=counted.os6_servers, rates=self._els6_rates),
            imunify_email_surcharge(servers=counted.imunify_email_servers),
        )
        return tuple(surcharge for surcharge in found if surcharge is not None)


def facts_of(subscription: Subscription, *, rules: Rules) -> SubscriptionFacts:
    """The facts of one subscription."""
    return Facts([subscription.account], rules=rules).of(subscription)
