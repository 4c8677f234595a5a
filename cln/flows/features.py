"""What switching a feature would cost, before it is switched (F-1, S2, pain 35)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache

from cln.accounts.models import Account
from cln.catalog import queries as catalog
from cln.domain.invoicing import upcoming
from cln.flows.billing_run import foresee
from cln.flows.facts import Facts
from cln.flows.issuing import Taxes
from cln.flows.upcoming import upcoming_of
from cln.licensing.features import FeatureLevel, imagined_at, levels_at, place_of


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
    *, account_id: int, key: str = "", server: str = "", now: datetime
) -> tuple[FeatureSwitch, ...]:
    """The features of a level and what each answer would change on the next invoices, to the cent.

    Refusals: `unknown_key`, `unknown_server`.
    """
    account = Account.objects.get(pk=account_id)
    place = place_of(account_id=account_id, key=key, server=server)
    levels = levels_at(place)
    if not levels:
        return ()
    facts = cache(lambda: Facts([account], rules=catalog.rules()))
    total = cache(lambda then: _total(account, facts().as_if(then), now=now))

    def cost(level: FeatureLevel, enabled: bool | None) -> int:
        # What a higher level has decided, or a server is already, needs no counting.
        same = bool(enabled) is bool(level.here) if place.server else enabled is level.here
        if same or level.inherited is not None:
            return 0
        return int(total(imagined_at(place, enabled=enabled)) - total(None))

    def choice(level: FeatureLevel, enabled: bool | None) -> FeatureChoice:
        return FeatureChoice(enabled, enabled is level.here, cost(level, enabled))

    return tuple(
        FeatureSwitch(level, tuple(choice(level, enabled) for enabled in (None, True, False)))
        for level in levels
    )


def _total(account: Account, facts: Facts, *, now: datetime) -> int:
    """The next invoices of all subscriptions, in cents; the facts move along."""
    foresee(account, facts, through=now.date())
    taxes = Taxes()
    return sum(
        upcoming_of(
            account=account, license_type=row.license_type.code, draft=draft, taxes=taxes
        ).total_cents
        for row in facts.subscriptions[account.pk]
        for draft in upcoming(facts.of(row))[:1]
    )
