"""Giving up: remove unused licenses, unsubscribe, take it back, remove a server (Q6, Q7, Q10)."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar

from django.db import transaction

from cln.accounts.audit import record as audit
from cln.accounts.locks import lock_account
from cln.accounts.models import Account
from cln.billing import services as billing
from cln.billing.models import Subscription
from cln.billing.queries import paid_subscription
from cln.catalog import queries as catalog
from cln.domain.errors import Refusal
from cln.domain.invoicing import (
    Change,
    ChangeKind,
    SubscriptionFacts,
    priced_change,
    upcoming,
)
from cln.domain.quantities import RemovalFacts, decide_removal
from cln.enums import AccountKind, SubscriptionStatus
from cln.flows import events
from cln.flows.billing_run import bring_current
from cln.flows.facts import NEW_CHANGE_ID, facts_of
from cln.flows.upcoming import savings_of
from cln.licensing import entitlements as licensing
from cln.licensing import removal
from cln.licensing.partners import PaidAfterwards

WHEN = ("period_end", "now")


class NotEnding(Refusal):
    """The subscription has not been cancelled."""

    code: ClassVar[str] = "not_ending"


class AlreadyEnding(Refusal):
    """The subscription has been cancelled before."""

    code: ClassVar[str] = "already_ending"


class BadWhen(Refusal):
    """A subscription ends at the period's end or now."""

    code: ClassVar[str] = "bad_when"


@dataclass(frozen=True, slots=True)
class Removed:
    """How many licenses went and how many are left."""

    units: int
    left: int


@dataclass(frozen=True, slots=True)
class RemovalPreview:
    """What `remove_unused` would do; by `saving_cents` the next invoice would fall."""

    units: int
    left: int
    saving_cents: int


def preview_removal(
    *, account_id: int, license_type: str, keep: int | None, now: datetime
) -> RemovalPreview:
    """What `remove_unused` would take off and save, to the cent (Q12). Changes nothing.

    Refusals: those of `remove_unused`.
    """
    subscription = paid_subscription(account_id=account_id, license_type=license_type)
    units = decide_removal(
        RemovalFacts(held=subscription.quantity, used=_used(subscription), keep=keep)
    )
    left = subscription.quantity - units
    savings = savings_of(account_id=account_id, keep={license_type: left}, now=now)
    return RemovalPreview(units, left, savings.get(license_type, 0))


def remove_unused(
    *, account_id: int, license_type: str, keep: int | None, actor: str, now: datetime
) -> Removed:
    """Cut the quantity to the servers in use, or to `keep`, at once and without credit (Q6, Q7).

    Refusals: `not_subscribed`, `order_pending`, `keep_below_used`, `nothing_unused`,
    `bad_quantity`.
    """
    with transaction.atomic(durable=True):
        account = lock_account(account_id)
        bring_current(account=account, now=now)
        subscription = paid_subscription(account_id=account_id, license_type=license_type)
        return cut(account, subscription, keep=keep, actor=actor, now=now)


def remove_server(
    *, account_id: int, server: str, cancel_license: bool, actor: str, now: datetime
) -> Removed:
    """Remove a server and, if asked, its license in the same step (C-13, pain 14).

    Refusals: `unknown_server`, `server_removed`; `not_subscribed` where there is no license to
    cancel. Either both happen or neither.
    """
    with transaction.atomic(durable=True):
        account = lock_account(account_id)
        bring_current(account=account, now=now)
        row = removal.remove_server(
            account_id=account_id,
            server=server,
            why=f"{removal.BY_A_PERSON}{actor}",
            actor=actor,
            now=now,
        )
        if not cancel_license:
            return Removed(0, _held(account, row.license_type.code))
        subscription = paid_subscription(account_id=account_id, license_type=row.license_type.code)
        used = _used(subscription)
        keep = max(subscription.quantity - 1, used)
        return cut(account, subscription, keep=keep, actor=actor, now=now)


def unsubscribe(
    *, account_id: int, license_type: str, when: str, actor: str, now: datetime
) -> None:
    """End a subscription with its paid period, or now (Q10). `when`: `period_end` or `now`.

    Refusals: `bad_when`, `not_subscribed`, `order_pending`, `already_ending`.
    """
    with transaction.atomic(durable=True):
        account = lock_account(account_id)
        bring_current(account=account, now=now)
        subscription = paid_subscription(account_id=account_id, license_type=license_type)
        ends_on = planned_end(subscription, when=when, today=now.date())
        if when == "period_end":
            schedule_end(subscription, on=ends_on)
            events.subscription_changed(subscription, now=now)
        else:
            billing.schedule_end(subscription=subscription, on=ends_on)
            bring_current(account=account, now=now)
        audit(
            account_id=account_id,
            actor=actor,
            verb="unsubscribe",
            subject=license_type,
            details={"when": when},
            now=now,
        )


def ends_emptied(account: Account, subscription: Subscription) -> bool:
    """Whether a subscription is over because a reseller holds no license by it any more (R1)."""
    return account.kind == AccountKind.RESELLER and subscription.quantity == 0


def planned_end(subscription: Subscription, *, when: str, today: date) -> date:
    """The day a subscription that is current would end on (Q10).

    Refusals: `bad_when`, `already_ending`.
    """
    if when not in WHEN:
        raise BadWhen(f"A subscription cannot end {when[:20]!r}.", "Choose period_end or now.")
    if when == "now":
        return today
    if subscription.ends_on is not None:
        raise AlreadyEnding(f"It ends on {subscription.ends_on} already.")
    assert subscription.paid_until is not None, "an active subscription has been billed"
    return subscription.paid_until


def planned_cut(
    facts: SubscriptionFacts,
    *,
    held: int,
    used: int,
    keep: int | None,
    on: date,
    note: str = "",
) -> tuple[int, Change]:
    """How many of the licenses held would go, and the change that takes them (Q6).

    Refusals: `keep_below_used`, `nothing_unused`, `bad_quantity`.
    """
    units = decide_removal(RemovalFacts(held=held, used=used, keep=keep))
    change = priced_change(
        facts, id=NEW_CHANGE_ID, on=on, kind=ChangeKind.REMOVE, delta=-units, note=note
    )
    return units, change


def resume(*, account_id: int, license_type: str, actor: str, now: datetime) -> None:
    """Take a cancellation back before it has come to pass (Q10); not as a reseller, whose
    subscriptions run out for good (R1).

    Refusals: `not_subscribed`, `order_pending`, `not_ending`, `paid_afterwards`.
    """
    with transaction.atomic(durable=True):
        account = lock_account(account_id)
        if account.kind == AccountKind.RESELLER:
            raise PaidAfterwards(
                "What resellers use is billed by the month.", "Its servers go on by usage."
            )
        bring_current(account=account, now=now)
        subscription = paid_subscription(account_id=account_id, license_type=license_type)
        if subscription.ends_on is None:
            raise NotEnding("This subscription has not been cancelled.")
        schedule_end(subscription, on=None)
        events.subscription_changed(subscription, now=now)
        audit(account_id=account_id, actor=actor, verb="resume", subject=license_type, now=now)


def schedule_end(subscription: Subscription, *, on: date | None) -> None:
    """Joins: end on a day or go on; what is pending keeps the day of its sweep (Q10, Q11)."""
    billing.schedule_end(subscription=subscription, on=on)
    foreseen = upcoming(facts_of(subscription, rules=catalog.rules()))
    billing.plan_sweep(subscription=subscription, on=foreseen[0].on if foreseen else None)


def cut(
    account: Account, subscription: Subscription, *, keep: int | None, actor: str, now: datetime
) -> Removed:
    """Joins: the cut of `remove_unused`. Refuses `keep_below_used`, `nothing_unused`."""
    units, change = planned_cut(
        facts_of(subscription, rules=catalog.rules()),
        held=subscription.quantity,
        used=_used(subscription),
        keep=keep,
        on=now.date(),
        note=f"by {actor}",
    )
    billing.record_change(subscription=subscription, change=change, now=now)
    licensing.set_quantity(
        account_id=subscription.account_id,
        license_type=subscription.license_type.code,
        quantity=subscription.quantity,
        now=now,
    )
    events.subscription_changed(subscription, now=now)
    audit(
        account_id=subscription.account_id,
        actor=actor,
        verb="remove_licenses",
        subject=subscription.license_type.code,
        details={"units": units, "left": subscription.quantity},
        now=now,
    )
    end_if_emptied(account, subscription, now=now)
    return Removed(units, subscription.quantity)


def end_if_emptied(account: Account, subscription: Subscription, *, now: datetime) -> None:
    """Joins: end now what a reseller took the last license from (R1): it pays for no server any
    more, and until it is over none would be counted as usage.
    """
    if ends_emptied(account, subscription):
        billing.schedule_end(subscription=subscription, on=now.date())
        bring_current(account=account, now=now)


def _held(account: Account, license_type: str) -> int:
    rows = Subscription.objects.filter(
        account=account, license_type__code=license_type, status=SubscriptionStatus.ACTIVE
    )
    return rows.values_list("quantity", flat=True).first() or 0


def _used(subscription: Subscription) -> int:
    return licensing.seats_in_use(
        account_id=subscription.account_id, license_type=subscription.license_type.code
    )
