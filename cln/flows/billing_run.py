"""The billing day: whatever is due of accounts becomes invoices, period by period (M5, Q9).

Every money verb calls `bring_current` before it acts, so a change never lands in a period whose
invoice is still outstanding. Twice bills nothing: `compose` answers with what is missing, and the
database refuses a period that is billed already.

Accounts are billed in chunks: their facts are read in a fixed number of queries, composed by the
pure core one by one, and written together.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from django.db import OperationalError, transaction

from cln.accounts.locks import lock_account, lock_accounts
from cln.accounts.models import Account
from cln.billing import services as billing
from cln.billing.models import Subscription
from cln.catalog import queries as catalog
from cln.domain.dunning import DunningState
from cln.domain.invoicing import (
    Change,
    ChangeKind,
    SubscriptionFacts,
    advance,
    compose,
    compose_sweep,
    next_invoice_on,
)
from cln.enums import AccountKind, InvoicePurpose
from cln.flows import notices
from cln.flows.each import in_chunks
from cln.flows.facts import Facts
from cln.flows.issuing import Order, issue_all
from cln.licensing import entitlements as licensing
from cln.licensing import partners

log = logging.getLogger(__name__)

# Large enough that what is read once for a chunk costs little, small enough that its accounts
# are not locked for longer than others wait (settings: lock_timeout).
ACCOUNTS_PER_CHUNK = 500


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a billing run did: accounts looked at, invoices issued, accounts parked."""

    accounts: int
    invoices: int
    parked: int

    def __add__(self, other: "RunResult") -> "RunResult":
        return RunResult(
            self.accounts + other.accounts,
            self.invoices + other.invoices,
            self.parked + other.parked,
        )


@dataclass(slots=True)
class _Bill:
    """What is due of some accounts, composed and not yet written."""

    orders: list[Order] = field(default_factory=list)
    billed: dict[int, Subscription] = field(default_factory=dict)
    swept: list[tuple[Subscription, Change]] = field(default_factory=list)
    ended: list[Subscription] = field(default_factory=list)

    def add(self, other: "_Bill") -> None:
        """Put the bill of another account to this one."""
        self.orders += other.orders
        self.billed |= other.billed
        self.swept += other.swept
        self.ended += other.ended


def run_due(*, now: datetime, through: date | None = None) -> RunResult:
    """Bill every account that has something due, in this process.

    `through` bills only what fell due up to a day in the past; the default is today.
    """
    through = through or now.date()
    total = RunResult(0, 0, 0)
    for chunk in due_accounts(through=through):
        total += bill_accounts(account_ids=chunk, now=now, through=through)
    return total


def due_accounts(*, through: date) -> Iterator[list[int]]:
    """Find the accounts that have something due and are not parked; yields their ids in chunks.

    One look, read bit by bit: what is billed meanwhile neither hides an account nor repeats one.
    """
    due = (
        Subscription.objects.filter(next_billing_on__lte=through, account__parked_at__isnull=True)
        .order_by("account_id")
        .values_list("account_id", flat=True)
        .distinct()
    )
    return in_chunks(due.iterator(chunk_size=ACCOUNTS_PER_CHUNK), ACCOUNTS_PER_CHUNK)


def bill_accounts(
    *, account_ids: Sequence[int], now: datetime, through: date | None = None
) -> RunResult:
    """Bill a chunk of accounts in one transaction; one that is up to date stays as it is.

    Where that fails its accounts are billed one by one: the one at fault is parked with the
    reason, and the run goes on. An account that another process holds for longer than the lock
    timeout stays due for the next run.
    """
    try:
        invoices = _bill_chunk(account_ids, now=now, through=through)
        return RunResult(len(account_ids), invoices, 0)
    except Exception as error:
        # The one broad catch: a bug in one account's data must not stop everybody's billing.
        log.info("a chunk failed and is billed one by one: %r", error)
    issued = [_bill_alone(pk, now=now, through=through) for pk in account_ids]
    return RunResult(len(account_ids), sum(one or 0 for one in issued), issued.count(None))


def bring_current(*, account: Account, now: datetime, through: date | None = None) -> None:
    """Joins: bill all that is due of a locked account, oldest boundary first (M5)."""
    through = through or now.date()
    due = Subscription.objects.filter(account=account, next_billing_on__lte=through)
    if due.exists():
        _bring_current([account], now=now, through=through)


def _bill_chunk(account_ids: Sequence[int], *, now: datetime, through: date | None) -> int:
    with transaction.atomic(durable=True):
        accounts = lock_accounts(account_ids)
        return _bring_current(accounts, now=now, through=through or now.date())


def _bill_alone(account_id: int, *, now: datetime, through: date | None) -> int | None:
    """How many invoices one account got; None if it had to be parked."""
    try:
        return _bill_chunk([account_id], now=now, through=through)
    except OperationalError as error:
        # Busy, not broken: nothing is wrong with the account.
        log.warning("account %s is not billed now, it stays due: %s", account_id, error)
        return 0
    except Exception as error:
        log.exception("billing of account %s failed; it is parked", account_id)
        park(account_id=account_id, reason=repr(error), now=now)
        return None


def foresee(account: Account, facts: Facts, *, through: date) -> list[Order]:
    """What the run would issue of an account up to a day, in its order; nothing is written (Q12).

    The facts move along, in memory, to where those invoices leave them.
    """
    return _due_of(account, facts, through=through).orders


def current_facts(account: Account, *, now: datetime) -> Facts:
    """The facts after what a verb would bill first, if the worker is late (M5); for previews."""
    facts = Facts([account], rules=catalog.rules())
    foresee(account, facts, through=now.date())
    return facts


def _bring_current(accounts: Sequence[Account], *, now: datetime, through: date) -> int:
    """Compose what is due of locked accounts, then write it all together; how many invoices."""
    facts = Facts(accounts, rules=catalog.rules())
    bill = _Bill()
    for account in accounts:
        bill.add(_due_of(account, facts, through=through))
    for subscription, change in bill.swept:
        billing.record_change(subscription=subscription, change=change, now=now)
    billing.save_all(bill.billed.values())
    issued = issue_all(bill.orders, rules=facts.rules, now=now)
    for subscription in bill.ended:
        _stop_service(subscription, now=now)
    return len(issued)


def _due_of(account: Account, facts: Facts, *, through: date) -> _Bill:
    """All that is due of one account. Its subscriptions take turns in the order of their dates:
    what one bills may depend on what another held on that day (Q1).
    """
    bill = _Bill()
    while True:
        due = [
            (row.next_billing_on, row.pk, row)
            for row in facts.subscriptions[account.pk]
            if row.next_billing_on is not None and row.next_billing_on <= through
        ]
        if not due:
            return bill
        on, pk, subscription = min(due)
        bill.billed[pk] = subscription
        _bill_next(subscription, facts, bill, on=on)


def _bill_next(subscription: Subscription, facts: Facts, bill: _Bill, *, on: date) -> None:
    """Bill the one step that the subscription's due column names."""
    known = facts.of(subscription)
    boundary = next_invoice_on(known)
    assert boundary is not None, "a due subscription is live"
    if on < boundary:
        _sweep(subscription, known, facts, bill, on=on)
        return
    [draft] = compose(known, boundary)[:1]
    billing.apply_draft(subscription=subscription, draft=draft, advanced=advance(known, draft))
    if draft.lines:
        purpose = InvoicePurpose.FINAL if draft.ends else InvoicePurpose.RENEWAL
        bill.orders.append(Order(subscription, draft, purpose))
    if draft.ends:
        bill.ended.append(subscription)


def _sweep(
    subscription: Subscription, known: SubscriptionFacts, facts: Facts, bill: _Bill, *, on: date
) -> None:
    """Invoice what a yearly subscription has pending, on a monthly day (Q11)."""
    draft = compose_sweep(known, on)
    subscription.next_billing_on = next_invoice_on(known)
    if draft is None:
        return
    swept = Change(0, on, ChangeKind.SWEEP, 0, note="monthly sweep of a yearly plan")
    facts.note(subscription, swept)
    bill.swept.append((subscription, swept))
    bill.orders.append(Order(subscription, draft, InvoicePurpose.SWEEP))


def _stop_service(subscription: Subscription, *, now: datetime) -> None:
    why = "it was cancelled" if subscription.ends_on else "its last license was removed"
    if subscription.account.kind == AccountKind.RESELLER and not _ends_in_debt(subscription):
        # Who has become a reseller goes on by usage: key and servers stay (R1, R8).
        partners.grant_unlimited(
            account_id=subscription.account_id, license_type=subscription.license_type, now=now
        )
        notices.subscription_ended(
            subscription=subscription, why="usage is billed from now on", now=now
        )
        return
    licensing.end_entitlement(
        account_id=subscription.account_id,
        license_type=subscription.license_type.code,
        now=now,
        why=f"subscription ended: {why}",
    )
    notices.subscription_ended(subscription=subscription, why=why, now=now)


def _ends_in_debt(subscription: Subscription) -> bool:
    return subscription.account.dunning_state == DunningState.ENDED


def park(*, account_id: int, reason: str, now: datetime) -> None:
    """Leave an account out of the billing runs until an operator has looked at the reason."""
    with transaction.atomic(durable=True):
        account = lock_account(account_id)
        account.parked_at, account.parked_reason = now, reason[:2000]
        account.save(update_fields=["parked_at", "parked_reason"])
