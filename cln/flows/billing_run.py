"""The billing day: whatever is due of an account becomes invoices, period by period (M5, Q9).

Every money verb calls `bring_current` before it acts, so a change never lands in a period whose
invoice is still outstanding. Twice bills nothing: `compose` answers with what is missing, and the
database refuses a period that is billed already.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction

from django.db import OperationalError, transaction

from cln.accounts.locks import lock_account
from cln.accounts.models import Account
from cln.billing import services as billing
from cln.billing.models import Invoice, Subscription
from cln.billing.queries import tax_rate_of
from cln.catalog import queries as catalog
from cln.clock import start_of_day
from cln.domain import tax
from cln.domain.calendar import Period
from cln.domain.invoicing import (
    Change,
    ChangeKind,
    InvoiceDraft,
    LineDraft,
    LineKind,
    SubscriptionFacts,
    advance,
    compose,
    compose_sweep,
    next_invoice_on,
    upcoming,
)
from cln.domain.rules import Rules
from cln.enums import InvoicePurpose, SubscriptionStatus
from cln.flows import notices
from cln.flows.dunning import reconsider
from cln.flows.facts import facts_of
from cln.flows.settlement import settle_from_balance
from cln.licensing import entitlements as licensing

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a billing run did: accounts looked at, invoices issued, accounts parked."""

    accounts: int
    invoices: int
    parked: int


def run_due(*, now: datetime, through: date | None = None) -> RunResult:
    """Bill every account that has something due, in this process.

    `through` bills only what fell due up to a day in the past; the default is today.
    """
    through = through or now.date()
    ids = due_accounts(through=through)
    return bill_accounts(account_ids=ids, now=now, through=through)


def due_accounts(*, through: date) -> list[int]:
    """Return the ids of the accounts that have something due and are not parked."""
    due = (
        Subscription.objects.filter(next_billing_on__lte=through, account__parked_at__isnull=True)
        .order_by("account_id")
        .values_list("account_id", flat=True)
        .distinct()
    )
    return list(due)


def bill_accounts(
    *, account_ids: Sequence[int], now: datetime, through: date | None = None
) -> RunResult:
    """Bill these accounts, one transaction each; one with nothing due is left as it is.

    An account that fails is parked with the reason, and the run goes on. One that another
    process holds for longer than the lock timeout stays due for the next run.
    """
    invoices = parked = 0
    for account_id in account_ids:
        try:
            invoices += bill_account(account_id=account_id, now=now, through=through)
        except OperationalError as error:
            # Busy, not broken: nothing is wrong with the account.
            log.warning("account %s is not billed now, it stays due: %s", account_id, error)
        except Exception as error:
            # The one broad catch: a bug in one account's data must not stop everybody's billing.
            log.exception("billing of account %s failed; it is parked", account_id)
            _park(account_id=account_id, reason=repr(error), now=now)
            parked += 1
    return RunResult(len(account_ids), invoices, parked)


def bill_account(*, account_id: int, now: datetime, through: date | None = None) -> int:
    """Issue what is due of one account; returns how many invoices."""
    with transaction.atomic(durable=True):
        account = lock_account(account_id)
        return len(bring_current(account=account, now=now, through=through))


def dry_run(*, on: date) -> list[tuple[Account, InvoiceDraft]]:
    """What `run_due` would issue on a day, without issuing, in billing order."""
    rules = catalog.rules()
    found: list[tuple[Account, InvoiceDraft]] = []
    due = Subscription.objects.filter(next_billing_on__lte=on).select_related(
        "account", "license_type"
    )
    for subscription in due.order_by("account_id", "next_billing_on", "id"):
        drafts = compose(facts_of(subscription, rules=rules), on)
        found += [(subscription.account, draft) for draft in drafts if draft.lines]
    return found


def bring_current(*, account: Account, now: datetime, through: date | None = None) -> list[Invoice]:
    """Joins: bill all that is due of a locked account, oldest boundary first (M5)."""
    rules = catalog.rules()
    issued: list[Invoice] = []
    while (subscription := _next_due(account, through or now.date())) is not None:
        invoice = _bill_next(account, subscription, rules=rules, now=now)
        if invoice is not None:
            issued.append(invoice)
    return issued


def _bill_next(
    account: Account, subscription: Subscription, *, rules: Rules, now: datetime
) -> Invoice | None:
    """Bill the one step that the subscription's due column names; None = nothing to issue."""
    facts = facts_of(subscription, rules=rules)
    on = subscription.next_billing_on
    boundary = next_invoice_on(facts)
    assert on is not None and boundary is not None, "a due subscription is live"
    if on < boundary:
        return _sweep(account, subscription, facts, on=on, rules=rules, now=now)
    [draft] = compose(facts, boundary)[:1]
    purpose = InvoicePurpose.FINAL if draft.ends else InvoicePurpose.RENEWAL
    billing.apply_draft(subscription=subscription, draft=draft, advanced=advance(facts, draft))
    invoice = None
    if draft.lines:
        invoice = issue(
            account=account,
            subscription=subscription,
            draft=draft,
            purpose=purpose,
            rules=rules,
            now=now,
        )
    if draft.ends:
        _stop_service(subscription, now=now)
    return invoice


def _sweep(
    account: Account,
    subscription: Subscription,
    facts: SubscriptionFacts,
    *,
    on: date,
    rules: Rules,
    now: datetime,
) -> Invoice | None:
    """Invoice what a yearly subscription has pending, on a monthly day (Q11)."""
    draft = compose_sweep(facts, on)
    billing.plan_next_invoice(subscription=subscription)
    if draft is None:
        return None
    swept = Change(0, on, ChangeKind.SWEEP, 0, note="monthly sweep of a yearly plan")
    billing.record_change(subscription=subscription, change=swept, now=now)
    return issue(
        account=account,
        subscription=subscription,
        draft=draft,
        purpose=InvoicePurpose.SWEEP,
        rules=rules,
        now=now,
    )


def issue(
    *,
    account: Account,
    subscription: Subscription,
    draft: InvoiceDraft,
    purpose: InvoicePurpose,
    rules: Rules,
    now: datetime,
) -> Invoice:
    """Joins: number a draft, tell the customer, settle it from his balance as far as that goes."""
    invoice = billing.issue(
        account=account,
        subscription=subscription,
        taxed=billing.TaxedDraft(draft, tax_lines(account=account, draft=draft)),
        purpose=purpose,
        terms=_terms(purpose, rules=rules, now=now),
        now=now,
    )
    notices.invoice_issued(account=account, invoice=invoice, now=now)
    settle_from_balance(account=account, now=now)
    reconsider(account=account, now=now)
    invoice.refresh_from_db()
    return invoice


def tax_lines(*, account: Account, draft: InvoiceDraft) -> tuple[LineDraft, ...]:
    """The tax on the sum of the rounded net lines, by the customer's country and day (M4)."""
    basis_points = tax_rate_of(country=account.country, on=draft.on)
    if not basis_points or not draft.lines:
        return ()
    percent = Fraction(basis_points, 100)
    return tuple(
        LineDraft(
            kind=LineKind.TAX,
            source=f"tax:{basis_points}",
            title=f"VAT {account.country}",
            why=line.why,
            quantity=Fraction(1),
            unit_cents=line.amount_cents,
            period=draft.period or Period(draft.on, draft.on + timedelta(days=1)),
            amount_cents=line.amount_cents,
        )
        for line in tax.tax_lines({percent: draft.net_cents})
    )


@dataclass(frozen=True, slots=True)
class Upcoming:
    """The next invoice of a subscription as things stand (Q12); amounts in cents."""

    license_type: str
    on: date
    lines: tuple[LineDraft, ...]
    accrued_cents: int
    total_cents: int


def upcoming_invoices(*, account_id: int) -> tuple[Upcoming, ...]:
    """What each live subscription will bill next, soonest first; equal to the cent to what
    `bring_current` will issue if nothing changes until then.
    """
    rules = catalog.rules()
    subscriptions = Subscription.objects.filter(
        account_id=account_id, status=SubscriptionStatus.ACTIVE
    ).select_related("account", "license_type")
    found = [
        upcoming_of(subscription=subscription, draft=draft)
        for subscription in subscriptions
        for draft in upcoming(facts_of(subscription, rules=rules))
    ]
    return tuple(sorted(found, key=lambda one: (one.on, one.license_type)))


def upcoming_of(*, subscription: Subscription, draft: InvoiceDraft) -> Upcoming:
    """A composed draft with its tax, as the screens show it."""
    taxes = tax_lines(account=subscription.account, draft=draft)
    return Upcoming(
        license_type=subscription.license_type.code,
        on=draft.on,
        lines=draft.lines + taxes,
        accrued_cents=sum(
            line.amount_cents for line in draft.lines if line.source.startswith("proration:")
        ),
        total_cents=draft.net_cents + sum(line.amount_cents for line in taxes),
    )


def _next_due(account: Account, on: date) -> Subscription | None:
    return (
        Subscription.objects.filter(account=account, next_billing_on__lte=on)
        .select_related("account", "license_type")
        .order_by("next_billing_on", "id")
        .first()
    )


def _terms(purpose: InvoicePurpose, *, rules: Rules, now: datetime) -> billing.Terms:
    today = now.date()
    is_order = purpose is InvoicePurpose.ORDER
    first_retry = today + timedelta(days=rules.retry_days[0])
    return billing.Terms(
        due_on=today + timedelta(days=rules.payment_terms_days),
        retry_at=max(now, start_of_day(first_retry)),
        remind_on=None if is_order else today + timedelta(days=rules.reminder_days[0]),
        void_on=today + timedelta(days=rules.void_unpaid_order_days) if is_order else None,
    )


def _stop_service(subscription: Subscription, *, now: datetime) -> None:
    why = "it was cancelled" if subscription.ends_on else "its last license was removed"
    licensing.end_entitlement(
        account_id=subscription.account_id,
        license_type=subscription.license_type.code,
        now=now,
        why=f"subscription ended: {why}",
    )
    notices.subscription_ended(subscription=subscription, why=why, now=now)


def _park(*, account_id: int, reason: str, now: datetime) -> None:
    with transaction.atomic(durable=True):
        account = lock_account(account_id)
        account.parked_at, account.parked_reason = now, reason[:2000]
        account.save(update_fields=["parked_at", "parked_reason"])
