"""A reseller's deposit: what must happen whenever its balance has changed (R3, R4, R7).

Everything here joins the transaction that changed the balance. Topping up itself is
`flows.autopay` and `flows.reseller`: they talk to a gateway, so no transaction may be open.
"""

from datetime import datetime, timedelta

from django.db import transaction

from cln.accounts.locks import lock_account
from cln.accounts.models import Account
from cln.billing.queries import balance_cents
from cln.catalog import queries as catalog
from cln.domain.autopay import AutopayMode, AutopayRule, decide, next_try
from cln.domain.dunning import DeclineCode, explain_decline, next_reminder_on, reminder_due
from cln.domain.rules import Rules
from cln.enums import AccountKind, AttemptChannel, AttemptPurpose, AttemptState
from cln.flows import deposit_notices
from cln.flows.dunning import reconsider
from cln.flows.each import each
from cln.payments.models import AutopayRuleRow, PaymentAttempt


def balance_changed(*, account: Account, now: datetime) -> None:
    """Joins: note since when a reseller's balance is negative, act on the debt or its end, and
    plan the top-up that autopay wants. Nothing for customers.
    """
    if account.kind != AccountKind.RESELLER:
        return
    balance, rules = balance_cents(account.pk), catalog.rules()
    if balance >= 0:
        account.negative_since = account.negative_remind_on = None
    elif account.negative_since is None:
        today = now.date()
        account.negative_since = today
        account.negative_remind_on = next_reminder_on(today, today, rules)
    account.save(update_fields=["negative_since", "negative_remind_on"])
    reconsider(account=account, now=now)
    _plan(account, rule_row(account), balance, rules, now=now)


def rule_row(account: Account) -> AutopayRuleRow:
    """Joins: the account's autopay rule; *auto repay* until it chooses (R4)."""
    row, _ = AutopayRuleRow.objects.get_or_create(account=account)
    return row


def rule_of(row: AutopayRuleRow) -> AutopayRule:
    """The rule as the core reads it."""
    return AutopayRule(AutopayMode(row.mode), row.target_cents)


def wanted_cents(account: Account) -> int | None:
    """Joins: what autopay would charge now, in cents; None is nothing (R4)."""
    return decide(balance_cents(account.pk), rule_of(rule_row(account)), catalog.rules())


def claim(
    *, account: Account, channel: AttemptChannel, only_if_due: bool = False, now: datetime
) -> int | None:
    """Joins: what a top-up made now should take, in cents; None is nothing. An automatic one
    uses up its due date, so that no other worker makes it too.
    """
    if channel is not AttemptChannel.AUTOMATIC:
        debt = -balance_cents(account.pk)
        return debt if debt > 0 else None
    row = rule_row(account)
    if only_if_due and (row.next_try_at is None or row.next_try_at > now):
        return None
    row.next_try_at = None
    row.save(update_fields=["next_try_at"])
    return wanted_cents(account)


def start_over(*, account: Account, now: datetime) -> None:
    """Joins: forget the declines: another method, another rule or a payment is a new start (P1)."""
    if account.kind != AccountKind.RESELLER:
        return
    row = rule_row(account)
    row.declines, row.next_try_at = 0, None
    _plan(account, row, balance_cents(account.pk), catalog.rules(), now=now)


def top_up_ended(*, account: Account, attempt: PaymentAttempt, now: datetime) -> None:
    """Joins: a top-up came to nothing: wait 1 h, 6 h, 24 h, then stop and mail (R4).

    Only autopay's own tries count. A hard decline stops at once, as with invoices (P2): the same
    card would only be declined again.
    """
    if attempt.purpose != AttemptPurpose.TOP_UP:
        return
    row, rules = rule_row(account), catalog.rules()
    if attempt.channel != AttemptChannel.AUTOMATIC:
        _plan(account, row, balance_cents(account.pk), rules, now=now)
        return
    if attempt.method is not None and not attempt.method.active:
        # What was replaced meanwhile says nothing about the new method (P1).
        start_over(account=account, now=now)
        return
    row.declines += 1
    wait = None if _is_hard(attempt) else next_try(row.declines, rules)
    row.next_try_at = now + wait if wait is not None else None
    row.save(update_fields=["declines", "next_try_at"])
    if wait is None:
        deposit_notices.autopay_stopped(account=account, attempt=attempt, now=now)


def remind_due(*, now: datetime) -> int:
    """Remind resellers of a negative balance on days 7, 14, 21 and 28 (P6, R7); how many."""
    due = Account.objects.filter(negative_remind_on__lte=now.date()).values_list("id", flat=True)

    def remind(account_id: int) -> None:
        with transaction.atomic(durable=True):
            _remind(lock_account(account_id), now=now)

    return each(due.order_by("id"), remind)


def _plan(
    account: Account, row: AutopayRuleRow, balance: int, rules: Rules, *, now: datetime
) -> None:
    """Set the due column: at once if something is wanted and no try is planned or has failed."""
    wanted = decide(balance, rule_of(row), rules)
    if wanted is None:
        row.declines, row.next_try_at = 0, None
    elif row.declines == 0 and row.next_try_at is None and not _is_in_flight(account):
        row.next_try_at = now
    row.save(update_fields=["declines", "next_try_at"])


def _is_in_flight(account: Account) -> bool:
    """Whether money is on its way: its arrival, or its end, decides again."""
    unfinished = (AttemptState.OPEN, AttemptState.UNKNOWN, AttemptState.PENDING)
    return account.attempts.filter(purpose=AttemptPurpose.TOP_UP, state__in=unfinished).exists()


def _is_hard(attempt: PaymentAttempt) -> bool:
    return bool(attempt.decline_code) and explain_decline(DeclineCode(attempt.decline_code)).hard


def _remind(account: Account, *, now: datetime) -> None:
    today, rules, since = now.date(), catalog.rules(), account.negative_since
    if account.negative_remind_on is None or account.negative_remind_on > today or since is None:
        return
    days = reminder_due(since, account.negative_remind_on - timedelta(days=1), today, rules)
    if days is not None:
        deposit_notices.deposit_negative(account=account, days=days, now=now)
    account.negative_remind_on = next_reminder_on(since, today, rules)
    account.save(update_fields=["negative_remind_on"])
