"""The next invoices as things stand: the very same composing that will issue them (Q12)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from cln.accounts.models import Account
from cln.billing.models import Subscription
from cln.catalog import queries as catalog
from cln.domain.calendar import add_months
from cln.domain.invoicing import (
    Change,
    ChangeKind,
    InvoiceDraft,
    LineDraft,
    SubscriptionFacts,
    compose,
    priced_change,
    upcoming,
    with_change,
)
from cln.flows.billing_run import foresee
from cln.flows.facts import Facts
from cln.flows.issuing import Taxes

# Of a change that is only imagined: after all real ones.
IMAGINED_ID = 2**62


@dataclass(frozen=True, slots=True)
class Upcoming:
    """An invoice of a subscription as things stand (Q12); amounts in cents.

    `tax_note` is what will have to be said about its tax, mostly nothing.
    """

    license_type: str
    on: date
    lines: tuple[LineDraft, ...]
    accrued_cents: int
    total_cents: int
    tax_note: str = ""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What `upcoming_invoices` and `savings_of` tell, of one reading of the facts."""

    upcoming: tuple[Upcoming, ...]
    savings_cents: dict[str, int]


def outlook(*, account_id: int, keep: Mapping[str, int], now: datetime) -> Outlook:
    """The next invoices, and what keeping only `keep` of a license type would save of them."""
    account = Account.objects.get(pk=account_id)
    facts, taxes = Facts([account], rules=catalog.rules()), Taxes()
    return Outlook(
        upcoming=_upcoming(account, facts, taxes),
        savings_cents=_savings(account, facts, taxes, keep=keep, now=now),
    )


def upcoming_invoices(*, account_id: int) -> tuple[Upcoming, ...]:
    """What each live subscription will bill next, soonest first; equal to the cent to what the
    billing run will issue if nothing changes until then.
    """
    account = Account.objects.get(pk=account_id)
    return _upcoming(account, Facts([account], rules=catalog.rules()), Taxes())


def _upcoming(account: Account, facts: Facts, taxes: Taxes) -> tuple[Upcoming, ...]:
    found = [
        upcoming_of(
            account=account,
            license_type=subscription.license_type.code,
            draft=draft,
            taxes=taxes,
        )
        for subscription in facts.subscriptions[account.pk]
        for draft in upcoming(facts.of(subscription))
        # A subscription whose licenses were all removed ends by a draft that bills nothing.
        if draft.lines
    ]
    return tuple(sorted(found, key=lambda one: (one.on, one.license_type)))


def upcoming_year(*, account_id: int, now: datetime) -> tuple[Upcoming, ...]:
    """Every invoice of the next 12 months if nothing changes, soonest first (Q12).

    Composed by the billing run itself: price lists, tiers, surcharges and taxes by their dates.
    """
    account = Account.objects.get(pk=account_id)
    facts = Facts([account], rules=catalog.rules())
    taxes = Taxes()
    orders = foresee(account, facts, through=add_months(now.date(), 12))
    return tuple(
        upcoming_of(
            account=account,
            license_type=order.subscription.license_type.code,
            draft=order.draft,
            taxes=taxes,
        )
        for order in orders
        if order.draft.lines
    )


def savings_of(*, account_id: int, keep: Mapping[str, int], now: datetime) -> dict[str, int]:
    """By how many cents the next invoice would fall if of a license type only `keep` were left.

    The same core as the invoice: fewer licenses may cost more each, so it may even rise (a
    negative figure). License types of which nothing renews or nothing would go are left out.
    """
    account = Account.objects.get(pk=account_id)
    facts = Facts([account], rules=catalog.rules())
    return _savings(account, facts, Taxes(), keep=keep, now=now)


def _savings(
    account: Account, facts: Facts, taxes: Taxes, *, keep: Mapping[str, int], now: datetime
) -> dict[str, int]:
    def total(drafts: Sequence[InvoiceDraft]) -> int:
        lines = (line for one in drafts for line in taxes.lines(account=account, draft=one))
        return sum(one.net_cents for one in drafts) + sum(line.amount_cents for line in lines)

    savings = {}
    for subscription in facts.subscriptions[account.pk]:
        code = subscription.license_type.code
        units = subscription.quantity - keep.get(code, subscription.quantity)
        now_is = facts.of(subscription)
        if units > 0 and (renewal := upcoming(now_is)[:1]):
            then = with_change(now_is, _cut(now_is, units, now))
            savings[code] = total(renewal) - total(upcoming(then)[:1])
    return savings


def _cut(facts: SubscriptionFacts, units: int, now: datetime) -> Change:
    return priced_change(
        facts, id=IMAGINED_ID, on=now.date(), kind=ChangeKind.REMOVE, delta=-units, note=""
    )


def upcoming_of(
    *, account: Account, license_type: str, draft: InvoiceDraft, taxes: Taxes
) -> Upcoming:
    """A composed draft with its tax, as the screens show it."""
    tax_lines = taxes.lines(account=account, draft=draft)
    return Upcoming(
        license_type=license_type,
        on=draft.on,
        lines=draft.lines + tax_lines,
        accrued_cents=sum(
            line.amount_cents for line in draft.lines if line.source.startswith("proration:")
        ),
        total_cents=draft.net_cents + sum(line.amount_cents for line in tax_lines),
        tax_note=taxes.note(account=account, draft=draft),
    )


def dry_run(*, on: date) -> list[tuple[Account, InvoiceDraft]]:
    """What the billing run would issue on a day, without issuing, account by account."""
    due = Subscription.objects.filter(next_billing_on__lte=on).values("account_id")
    facts = Facts(list(Account.objects.filter(pk__in=due)), rules=catalog.rules())
    return [
        (account, draft)
        for account in facts.accounts.values()
        for subscription in facts.subscriptions[account.pk]
        if subscription.next_billing_on is not None and subscription.next_billing_on <= on
        for draft in compose(facts.of(subscription), on)
        if draft.lines
    ]
