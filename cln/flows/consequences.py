"""What giving up would change, to the cent, before it is done (Q6, Q7, Q10, Q12).

The facts are brought to where the verb would bring them, changed in memory by the very function
the verb changes them with, and composed by the core that will issue the invoices.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

from cln.accounts.models import Account
from cln.billing.models import Subscription
from cln.billing.queries import paid_subscription
from cln.domain.invoicing import upcoming
from cln.enums import SubscriptionStatus
from cln.flows.billing_run import current_facts
from cln.flows.facts import Facts
from cln.flows.issuing import Taxes
from cln.flows.subscriptions import ends_emptied, planned_cut, planned_end
from cln.flows.upcoming import Upcoming, upcoming_of
from cln.licensing.entitlements import seats_in_use

Next = dict[int, Upcoming]


@dataclass(frozen=True, slots=True)
class Changed:
    """The next invoice of a subscription as it stands, and as it would be; None = there is none."""

    license_type: str
    name: str
    before: Upcoming | None
    after: Upcoming | None

    @property
    def falls_by_cents(self) -> int:
        """By how many cents it falls; negative where fewer licenses cost more each."""
        return _total(self.before) - _total(self.after)


@dataclass(frozen=True, slots=True)
class CutPreview:
    """What `remove_unused` would do: licenses that go and stay, and the invoices it changes."""

    units: int
    left: int
    changed: tuple[Changed, ...]


@dataclass(frozen=True, slots=True)
class EndPreview:
    """What `unsubscribe` would do.

    `last` is the last invoice, with what is still pending, issued on `ends_on`; None = nothing is.
    `instead` is the invoice that would come otherwise. `servers` lose their license on `ends_on`.
    """

    ends_on: date
    servers: int
    last: Upcoming | None
    instead: Upcoming | None
    others: tuple[Changed, ...]


@dataclass(frozen=True, slots=True)
class RunningOut:
    """A subscription that ends with what is paid for it; `last` as in `EndPreview`."""

    name: str
    quantity: int
    ends_on: date
    last: Upcoming | None


def preview_running_out(*, account_id: int, now: datetime) -> tuple[RunningOut, ...]:
    """How each subscription ends if the account becomes a reseller's now (R1). Changes nothing."""
    account = Account.objects.get(pk=account_id)
    facts = current_facts(account, now=now)
    running = [
        row for row in facts.subscriptions[account_id] if row.status == SubscriptionStatus.ACTIVE
    ]
    for row in running:
        row.ends_on = (row.ends_on or row.paid_until) if row.quantity else now.date()
    last = _next(account, facts)
    return tuple(
        RunningOut(row.license_type.name, row.quantity, row.ends_on, last.get(row.pk))
        for row in running
        if row.ends_on is not None
    )


def preview_remove_unused(
    *, account_id: int, license_type: str, keep: int | None, now: datetime
) -> CutPreview:
    """What `remove_unused` would do, to the cent. Changes nothing. Refusals: those of the verb."""
    row = paid_subscription(account_id=account_id, license_type=license_type)
    used = seats_in_use(account_id=account_id, license_type=license_type)
    units = 0

    def cut(facts: Facts, subscription: Subscription) -> None:
        nonlocal units
        units, change = planned_cut(
            facts.of(subscription), held=subscription.quantity, used=used, keep=keep, on=now.date()
        )
        facts.note(subscription, change)
        subscription.quantity -= units
        if ends_emptied(row.account, subscription):
            subscription.ends_on = now.date()

    changed = _changed(row, cut, now=now)
    return CutPreview(units, row.quantity - units, tuple(one for _, one in changed))


def preview_unsubscribe(
    *, account_id: int, license_type: str, when: str, now: datetime
) -> EndPreview:
    """What `unsubscribe` would do, to the cent. Changes nothing. Refusals: those of the verb."""
    row = paid_subscription(account_id=account_id, license_type=license_type)
    ends_on = now.date()

    def end(_facts: Facts, subscription: Subscription) -> None:
        nonlocal ends_on
        subscription.ends_on = ends_on = planned_end(subscription, when=when, today=now.date())

    changed = _changed(row, end, now=now)
    own = next((one for pk, one in changed if pk == row.pk), None)
    return EndPreview(
        ends_on=ends_on,
        servers=seats_in_use(account_id=account_id, license_type=license_type),
        last=own.after if own else None,
        instead=own.before if own else None,
        others=tuple(one for pk, one in changed if pk != row.pk),
    )


def _changed(
    row: Subscription, change: Callable[[Facts, Subscription], None], *, now: datetime
) -> list[tuple[int, Changed]]:
    """The next invoices that a change of one subscription changes, also those of others that
    share its prices (Q1).
    """
    account = row.account
    facts = current_facts(account, now=now)
    mine = facts.live(row)
    before = _next(account, facts)
    change(facts, mine)
    after = _next(account, facts)
    return [
        (
            one.pk,
            Changed(
                one.license_type.code,
                one.license_type.name,
                before.get(one.pk),
                after.get(one.pk),
            ),
        )
        for one in facts.subscriptions[account.pk]
        if _figures(before.get(one.pk)) != _figures(after.get(one.pk))
    ]


def _next(account: Account, facts: Facts) -> Next:
    taxes = Taxes()
    return {
        row.pk: upcoming_of(
            account=account, license_type=row.license_type.code, draft=draft, taxes=taxes
        )
        for row in facts.subscriptions[account.pk]
        if row.status == SubscriptionStatus.ACTIVE
        for draft in upcoming(facts.of(row))[:1]
        if draft.lines
    }


def _figures(invoice: Upcoming | None) -> tuple[date, int] | None:
    return (invoice.on, invoice.total_cents) if invoice is not None else None


def _total(invoice: Upcoming | None) -> int:
    return invoice.total_cents if invoice is not None else 0
