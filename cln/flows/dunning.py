"""Asking for overdue money, blocking, suspending, ending, and giving everything back (P6-P8).

The table of states is `domain.dunning`; here its steps become deeds. Paying calls `reconsider` in
its own transaction, so a paid account is never blocked a second longer.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import Min

from cln.accounts.dunning import save_dunning
from cln.accounts.locks import lock_account
from cln.accounts.models import Account
from cln.billing import services as billing
from cln.billing.issuing import Issued
from cln.billing.models import Invoice, Subscription
from cln.catalog import queries as catalog
from cln.database.rows import among
from cln.domain.dunning import (
    DunningAction,
    DunningFacts,
    DunningState,
    next_reminder_on,
    next_step,
    reminder_due,
)
from cln.domain.rules import Rules
from cln.enums import (
    AccountKind,
    InvoicePurpose,
    InvoiceStatus,
    SubscriptionStatus,
)
from cln.flows import notices
from cln.flows.each import each
from cln.licensing import entitlements as licensing
from cln.licensing import partners

# The five states in a row, and a step that stays: a longer loop is a bug.
MOST_STEPS = 8


def run_due(*, now: datetime) -> int:
    """Take every account whose dunning date has come one or more steps on; returns how many."""
    due = Account.objects.filter(dunning_next_on__lte=now.date()).values_list("id", flat=True)

    def take_on(account_id: int) -> None:
        with transaction.atomic(durable=True):
            reconsider(account=lock_account(account_id), now=now)

    return each(due.order_by("id"), take_on)


def reconsider(*, account: Account, now: datetime) -> None:
    """Joins: move a locked account to the state its invoices say, doing what each step does."""
    reconsider_all([account], now=now)


def reconsider_all(accounts: Sequence[Account], *, now: datetime) -> None:
    """The same for many accounts; those that stay where they are cost nothing each."""
    if not accounts:
        return
    rules, oldest, moved = catalog.rules(), _oldest_due_on(accounts), []
    for account in accounts:
        before = (account.dunning_state, account.dunning_next_on, account.blocked_on)
        _take_steps(account, oldest.get(account.pk), rules, now=now)
        if before != (account.dunning_state, account.dunning_next_on, account.blocked_on):
            moved.append(account)
    save_dunning(moved)


def _take_steps(
    account: Account, oldest_due_on: date | None, rules: Rules, *, now: datetime
) -> None:
    today = now.date()
    for _ in range(MOST_STEPS):
        facts = DunningFacts(oldest_due_on, account.blocked_on)
        step = next_step(DunningState(account.dunning_state), facts, today, rules)
        account.dunning_state, account.dunning_next_on = step.state, step.next_on
        for action in step.actions:
            _ACTIONS[action](account, now)
        if step.next_on is None or step.next_on > today:
            break


def watch(*, issued: Sequence[Issued]) -> None:
    """Joins: let dunning look at locked accounts the day after a new invoice falls due (P6).

    Accounts that owe already are looked at on the dates of their older debt.
    """
    moved = {}
    for demand in (one.demand for one in issued):
        account, overdue_on = demand.account, demand.terms.due_on + timedelta(days=1)
        is_debt = demand.purpose != InvoicePurpose.ORDER and demand.total_cents > 0
        planned = account.dunning_next_on
        if is_debt and account.dunning_state == DunningState.CURRENT:
            account.dunning_next_on = min(planned or overdue_on, overdue_on)
            if account.dunning_next_on != planned:
                moved[account.pk] = account
    save_dunning(moved.values())


def remind_due(*, now: datetime) -> int:
    """Send the reminders whose day has come (P6); returns how many invoices were looked at."""
    due = Invoice.objects.filter(remind_on__lte=now.date()).values_list("id", "account_id")
    rules = catalog.rules()

    def remind(ids: tuple[int, int]) -> None:
        with transaction.atomic(durable=True):
            account = lock_account(ids[1])
            _remind(account, Invoice.objects.get(pk=ids[0]), rules, now=now)

    return each(due.order_by("remind_on", "id"), remind)


def _oldest_due_on(accounts: Sequence[Account]) -> dict[int, date | None]:
    """The due dates that count, by account: an unpaid first order is no debt, nothing was granted
    for it.

    A reseller's invoices are paid from the deposit; he owes since that is negative (R7).
    """
    resellers = {one.pk: one.negative_since for one in accounts if one.kind == AccountKind.RESELLER}
    customers = [account.pk for account in accounts if account.pk not in resellers]
    owed = (
        Invoice.objects.filter(account__in=among(customers), status=InvoiceStatus.OPEN)
        .exclude(purpose=InvoicePurpose.ORDER)
        .values_list("account_id")
        .annotate(Min("due_on"))
    )
    return resellers | dict(owed)


def _remind(account: Account, invoice: Invoice, rules: Rules, *, now: datetime) -> None:
    today = now.date()
    if invoice.remind_on is None or invoice.remind_on > today:
        return
    last_on = invoice.reminded_on
    if invoice.status == InvoiceStatus.OPEN and invoice.due_on < today:
        days = reminder_due(invoice.issued_on, last_on, today, rules)
        if days is not None:
            notices.reminder(account=account, now=now)
    invoice.reminded_on = today
    invoice.remind_on = next_reminder_on(invoice.issued_on, today, rules)
    invoice.save(update_fields=["reminded_on", "remind_on"])


def _block(account: Account, now: datetime) -> None:
    account.blocked_on = now.date()
    notices.account_blocked(account=account, now=now)


def _suspend(account: Account, now: datetime) -> None:
    licensing.suspend(account_id=account.pk, now=now)
    notices.license_suspended(account=account, now=now)


def _end(account: Account, now: datetime) -> None:
    """Let the billing run end every subscription today (P7, Q10); the debt stays."""
    live = Subscription.objects.filter(account=account, status=SubscriptionStatus.ACTIVE)
    for subscription in live:
        billing.schedule_end(subscription=subscription, on=now.date())
    if account.kind == AccountKind.RESELLER:
        _end_post_paid(account, now)


def _end_post_paid(account: Account, now: datetime) -> None:
    """What is billed afterwards stops being used, or the debt would grow for ever (P7, R7)."""
    partners.give_up_addresses(account_id=account.pk, now=now)
    for license_type in partners.unlimited_types(account.pk):
        licensing.end_entitlement(
            account_id=account.pk,
            license_type=license_type,
            now=now,
            why="the deposit was negative for too long",
        )


def _unblock(account: Account, now: datetime) -> None:
    account.blocked_on = None
    notices.account_unblocked(account=account, now=now)


def _restore(account: Account, now: datetime) -> None:
    licensing.restore(account_id=account.pk, now=now)


_ACTIONS = {
    DunningAction.BLOCK: _block,
    DunningAction.SUSPEND: _suspend,
    DunningAction.END: _end,
    DunningAction.UNBLOCK: _unblock,
    DunningAction.RESTORE: _restore,
}
