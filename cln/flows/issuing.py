"""Composed drafts become demands: taxed, numbered, told, settled from credit, watched (P2, M4, P9).

Any number of accounts at once; a single order is a batch of one.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction

from cln.accounts.models import Account
from cln.billing import issuing as billing
from cln.billing.models import Invoice, Subscription
from cln.billing.queries import balances_of
from cln.billing.seller import seller
from cln.catalog.queries import tax_rates
from cln.clock import start_of_day
from cln.domain import tax
from cln.domain.calendar import Period
from cln.domain.collection import next_attempt_on, next_reminder_on
from cln.domain.invoicing import InvoiceDraft, LineDraft, LineKind
from cln.domain.rules import Rules
from cln.enums import AccountKind, InvoicePurpose
from cln.flows import notices
from cln.flows.dunning import watch
from cln.flows.settlement import settle_all


@dataclass(frozen=True, slots=True)
class Order:
    """A draft with lines, of a subscription whose account is locked."""

    subscription: Subscription
    draft: InvoiceDraft
    purpose: InvoicePurpose


class Taxes:
    """Tax rates by country and day, and the seller's country, read once."""

    def __init__(self) -> None:
        self._rates: defaultdict[str, list[tax.RateFrom]] = defaultdict(list)
        for country, from_on, basis_points in tax_rates():
            percent = Fraction(basis_points, 100)
            self._rates[country].append(tax.RateFrom(from_on, percent))
        self._seller_country = seller().country
        self._decided: dict[tuple[str, bool, date], tax.TaxDecision] = {}

    def note(self, *, account: Account, draft: InvoiceDraft) -> str:
        """What the law wants said about the tax of a draft; "" = nothing."""
        return self._decide(account, draft.on).note

    def lines(self, *, account: Account, draft: InvoiceDraft) -> tuple[LineDraft, ...]:
        """The tax on the sum of the rounded net lines, by both countries and the day (M4)."""
        decision = self._decide(account, draft.on)
        if not decision.percent or not draft.lines:
            return ()
        return tuple(
            LineDraft(
                kind=LineKind.TAX,
                source=_tax_source(draft, int(decision.percent * 100)),
                title=f"VAT {decision.country}",
                why=line.why,
                quantity=Fraction(1),
                unit_cents=line.amount_cents,
                period=draft.period or Period(draft.on, draft.on + timedelta(days=1)),
                amount_cents=line.amount_cents,
            )
            for line in tax.tax_lines({decision.percent: draft.net_cents})
        )

    def _decide(self, account: Account, on: date) -> tax.TaxDecision:
        asked = (account.country, bool(account.vat_number), on)
        if asked not in self._decided:
            parties = tax.TaxParties(self._seller_country, *asked[:2])
            self._decided[asked] = tax.decide_tax(parties, self._rates, on)
        return self._decided[asked]


def _tax_source(draft: InvoiceDraft, basis_points: int) -> str:
    """The line's identity. A sweep or a last invoice is taxed inside a period that has been taxed
    with its renewal, so theirs must be another one.
    """
    if draft.period is not None:
        return f"tax:{basis_points}"
    return f"tax:{basis_points}:{'final' if draft.ends else 'sweep'}"


def issue(*, order: Order, rules: Rules, now: datetime) -> Invoice:
    """Joins: issue one order's invoice, and return it as its settlement left it."""
    [issued] = issue_all([order], rules=rules, now=now)
    return Invoice.objects.get(pk=issued.pk)


def issue_all(orders: Sequence[Order], *, rules: Rules, now: datetime) -> list[billing.Issued]:
    """Joins: number the drafts, tell the customers, pay from their credit as far as that goes."""
    if not orders:
        return []
    taxes = Taxes()
    demands = [
        billing.Demand(
            account=order.subscription.account,
            license_type=order.subscription.license_type,
            subscription=order.subscription,
            draft=order.draft,
            tax_lines=taxes.lines(account=order.subscription.account, draft=order.draft),
            purpose=order.purpose,
            terms=_terms(order.purpose, rules=rules, now=now),
            tax_note=taxes.note(account=order.subscription.account, draft=order.draft),
        )
        for order in orders
    ]
    issued = billing.issue(demands, now=now)
    notices.invoices_issued(issued=issued, now=now)
    watch(issued=issued)
    _settle(demands, now=now)
    return issued


def _settle(demands: Sequence[billing.Demand], *, now: datetime) -> None:
    """Pay from credit where there is any, and settle what costs nothing; resellers pay from their
    deposit in any case (R3).
    """
    accounts = {demand.account.pk: demand.account for demand in demands}
    credits = balances_of(list(accounts))
    free = {demand.account.pk for demand in demands if demand.total_cents == 0}
    settled = [
        account
        for pk, account in accounts.items()
        if credits.get(pk, 0) > 0 or pk in free or account.kind == AccountKind.RESELLER
    ]
    settle_all(settled, now=now)


def _terms(purpose: InvoicePurpose, *, rules: Rules, now: datetime) -> billing.Terms:
    today = now.date()
    is_order = purpose is InvoicePurpose.ORDER
    first_try = next_attempt_on(today, None, hard_declined=False, rules=rules)
    return billing.Terms(
        due_on=today + timedelta(days=rules.payment_terms_days),
        retry_at=max(now, start_of_day(first_try)) if first_try else None,
        remind_on=None if is_order else next_reminder_on(today, None, rules),
        void_on=today + timedelta(days=rules.void_unpaid_order_days) if is_order else None,
    )
