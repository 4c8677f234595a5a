"""The account's CloudLinux edition: all licenses change together, in one step (Q13)."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from django.db import transaction

from cln.accounts.audit import record as audit
from cln.accounts.locks import lock_account
from cln.accounts.models import Account
from cln.accounts.standing import refuse_if_blocked
from cln.billing import services as billing
from cln.billing.models import Subscription
from cln.billing.queries import paid_subscription
from cln.catalog import queries as catalog
from cln.catalog.models import LicenseType
from cln.domain.calendar import Interval
from cln.domain.errors import Refusal
from cln.domain.invoicing import (
    Change,
    ChangeKind,
    accrued,
    fold,
    next_sweep_on,
    priced_change,
    with_change,
)
from cln.enums import LIVE_SUBSCRIPTION
from cln.flows.billing_run import bring_current, current_facts
from cln.flows.facts import NEW_CHANGE_ID, Facts, facts_of
from cln.licensing.moves import change_edition

EDITIONS = {"shared": "cloudlinux", "pro": "cloudlinux_pro"}


class UnknownEdition(Refusal):
    """There are two editions: shared and pro."""

    code: ClassVar[str] = "unknown_edition"


class SameEdition(Refusal):
    """The account has that edition already."""

    code: ClassVar[str] = "same_edition"


@dataclass(frozen=True, slots=True)
class EditionPreview:
    """What a change of edition costs (Q13): cents on the next invoice, unit price from then on."""

    license_type: str
    difference_cents: int
    unit_cents: int
    servers: int


def preview_edition(*, account_id: int, edition: str, now: datetime) -> EditionPreview:
    """What `set_edition` would bill. Changes nothing. Refusals: those of `set_edition`."""
    account = Account.objects.get(pk=account_id)
    subscription, target = _checked(account, edition)
    known = current_facts(account, now=now)
    subscription = known.live(subscription)
    change = _change(subscription, target, known, edition=edition, actor="", now=now)
    facts = known.of(subscription)
    before = sum(line.amount_cents for line in accrued(facts, now.date()))
    after = sum(line.amount_cents for line in accrued(with_change(facts, change), now.date()))
    return EditionPreview(target.code, after - before, change.unit_cents, fold(facts).held)


def set_edition(*, account_id: int, edition: str, actor: str, now: datetime) -> None:
    """Turn all CloudLinux OS licenses of the account into the other edition (Q13).

    `edition`: `shared` or `pro`. Keys, servers and their secrets stay. Refusals:
    `unknown_edition`, `account_blocked`, `not_subscribed`, `order_pending`, `same_edition`,
    `price_unknown`.
    """
    with transaction.atomic(durable=True):
        account = lock_account(account_id)
        bring_current(account=account, now=now)
        subscription, target = _checked(account, edition)
        known = Facts([account], rules=catalog.rules())
        change = _change(subscription, target, known, edition=edition, actor=actor, now=now)
        old = subscription.license_type
        change_edition(
            account_id=account_id,
            old=old,
            new=target,
            actor=actor,
            now=now,
        )
        billing.change_license_type(subscription=subscription, license_type=target)
        billing.record_change(subscription=subscription, change=change, now=now)
        sweep_on = next_sweep_on(facts_of(subscription, rules=catalog.rules()), after=now.date())
        billing.plan_sweep(subscription=subscription, on=sweep_on)
        audit(
            account_id=account_id,
            actor=actor,
            verb="set_edition",
            subject=edition,
            details={"type": [old.code, target.code]},
            now=now,
        )


def _checked(account: Account, edition: str) -> tuple[Subscription, LicenseType]:
    if edition not in EDITIONS:
        raise UnknownEdition(
            f"There is no edition {edition[:20]!r}.", f"Choose {' or '.join(EDITIONS)}."
        )
    refuse_if_blocked(account)
    target = catalog.get_license_type(EDITIONS[edition])
    if Subscription.objects.filter(
        account=account, license_type=target, status__in=LIVE_SUBSCRIPTION
    ).exists():
        raise SameEdition(f"Your licenses are {target.name} already.")
    [other] = set(EDITIONS.values()) - {target.code}
    return paid_subscription(account_id=account.pk, license_type=other), target


def _change(
    subscription: Subscription,
    target: LicenseType,
    known: Facts,
    *,
    edition: str,
    actor: str,
    now: datetime,
) -> Change:
    """The change, priced by the new edition's list (Q13)."""
    prices = known.prices(subscription.account, target, Interval(subscription.interval))
    facts = replace(known.of(subscription), price_lists=prices)
    return priced_change(
        facts,
        id=NEW_CHANGE_ID,
        on=now.date(),
        kind=ChangeKind.UPGRADE if edition == "pro" else ChangeKind.DOWNGRADE,
        delta=0,
        note=f"by {actor}" if actor else "",
    )
