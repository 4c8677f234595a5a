"""What switching a feature would cost, before it is switched (F-1, S2, pain 35)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from cln.accounts.models import Account
from cln.accounts.services import first_of_next_month
from cln.billing.models import Subscription
from cln.catalog import queries as catalog
from cln.domain.invoicing import upcoming
from cln.domain.rules import Rules
from cln.enums import SubscriptionStatus
from cln.flows.billing_run import foresee
from cln.flows.facts import Facts
from cln.flows.issuing import Taxes
from cln.flows.upcoming import upcoming_of
from cln.flows.usage_run import month_before
from cln.flows.usage_so_far import expected_as_if
from cln.licensing.feature_list import IMUNIFY_EMAIL
from cln.licensing.features import ACCOUNT, FeatureLevel, Spot, levels_at, place_of
from cln.licensing.surcharges import Imagined


@dataclass(frozen=True, slots=True)
class FeatureChoice:
    """One answer to a switch; by `rises_by_cents` the next invoices would change."""

    enabled: bool | None
    is_now: bool
    rises_by_cents: int


@dataclass(frozen=True, slots=True)
class FeatureSwitch:
    """A feature at a level with all answers and what each costs."""

    level: FeatureLevel
    choices: tuple[FeatureChoice, ...]


def switches_of(
    *, account_id: int, spot: Spot = ACCOUNT, now: datetime
) -> tuple[FeatureSwitch, ...]:
    """The features of a level and what each answer would change on the next invoices, to the cent.

    Refusals: those of `licensing.features.place_of`, `price_unknown`.
    """
    account = Account.objects.get(pk=account_id)
    place = place_of(account_id=account_id, spot=spot)
    levels = levels_at(place)
    if not levels:
        return ()
    rules = cache(catalog.rules)
    facts = cache(lambda: Facts([account], rules=rules()) if _subscribes(account) else None)
    usage = cache(lambda: _usage(account, rules=rules(), now=now))
    total = cache(lambda then: _total(account, facts(), then, now=now) + usage()(then))
    # A server or an IP license is enabled or not: nothing is below it.
    is_lowest = bool(spot.server or spot.ip_license)

    def cost(level: FeatureLevel, enabled: bool | None) -> int:
        # Only Imunify Email costs; what a higher level has decided, or a server is already, needs
        # no counting.
        same = bool(enabled) is bool(level.here) if is_lowest else enabled is level.here
        if same or level.inherited is not None or level.feature != IMUNIFY_EMAIL:
            return 0
        return int(total(Imagined(place.level, enabled)) - total(None))

    def choice(level: FeatureLevel, enabled: bool | None) -> FeatureChoice:
        return FeatureChoice(enabled, enabled is level.here, cost(level, enabled))

    return tuple(
        FeatureSwitch(level, tuple(choice(level, enabled) for enabled in (None, True, False)))
        for level in levels
    )


def _subscribes(account: Account) -> bool:
    """Resellers mostly do not: what the facts of nothing cost is saved."""
    mine = Subscription.objects.filter(account=account, status=SubscriptionStatus.ACTIVE)
    return mine.exists()


def _total(account: Account, facts: Facts | None, then: Imagined | None, *, now: datetime) -> int:
    """The next invoices of all subscriptions, in cents, if a switch were set."""
    if facts is None:
        return 0
    facts = facts.as_if(then)
    foresee(account, facts, through=now.date())
    taxes = Taxes()
    return sum(
        upcoming_of(
            account=account, license_type=row.license_type.code, draft=draft, taxes=taxes
        ).total_cents
        for row in facts.subscriptions[account.pk]
        for draft in upcoming(facts.of(row))[:1]
    )


def _usage(account: Account, *, rules: Rules, now: datetime) -> Callable[[Imagined | None], int]:
    """What the running month of a reseller is going to be billed, net (R2)."""
    if account.next_usage_on is None:
        return lambda _: 0
    month = month_before(first_of_next_month(now.date()))
    return expected_as_if(account, month=month, rules=rules)
