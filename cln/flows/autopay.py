"""Topping up a reseller's deposit by itself: the rule, its tries, and what it would cost (R4).

When to try is decided where the balance changes (`flows.deposit`), in that transaction; here the
gateway is asked, so nothing is open.
"""

from collections import Counter
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from cln.accounts.audit import record as audit
from cln.accounts.locks import lock_account
from cln.accounts.models import Account
from cln.billing.models import Transfer
from cln.billing.queries import balance_cents
from cln.catalog import queries as catalog
from cln.domain.autopay import AutopayRule, Replay, check_autopay_rule, replay
from cln.domain.ledger import LedgerAccount
from cln.domain.money import format_cents
from cln.enums import AccountKind, AttemptChannel
from cln.flows import deposit
from cln.flows.collection import pay_deposit
from cln.flows.each import each
from cln.licensing.partners import not_a_reseller
from cln.payments.models import AutopayRuleRow
from cln.payments.services import PAYMENT_RECEIVED

DAYS_OF_A_MONTH = 30


def run_due(*, now: datetime) -> int:
    """Make every automatic top-up that is due; returns how many accounts were looked at."""
    due = AutopayRuleRow.objects.filter(next_try_at__lte=now).order_by("next_try_at", "id")

    def top_up(account_id: int) -> None:
        channel = AttemptChannel.AUTOMATIC
        pay_deposit(account_id=account_id, channel=channel, only_if_due=True, now=now)

    return each(list(due.values_list("account_id", flat=True)), top_up)


def set_autopay(*, account_id: int, rule: AutopayRule, actor: str, now: datetime) -> None:
    """Choose how the deposit is topped up; what the new rule wants is tried by the worker at once.

    Refusals: `not_a_reseller`, `bad_autopay_target`.
    """
    with transaction.atomic(durable=True):
        account = lock_account(account_id)
        if account.kind != AccountKind.RESELLER:
            raise not_a_reseller()
        rule = check_autopay_rule(rule, catalog.rules())
        row = deposit.rule_row(account)
        was = deposit.rule_of(row)
        row.mode, row.target_cents = rule.mode, rule.target_cents
        row.save(update_fields=["mode", "target_cents"])
        deposit.start_over(account=account, now=now)
        audit(
            account_id=account_id,
            actor=actor,
            verb="set_autopay",
            subject=rule.mode,
            details={
                "mode": [was.mode, rule.mode],
                "target": [format_cents(was.target_cents), format_cents(rule.target_cents)],
            },
            now=now,
        )


def autopay_rule(*, account_id: int) -> AutopayRule:
    """The rule in force: *auto repay* until another was chosen."""
    row = AutopayRuleRow.objects.filter(account=account_id).first()
    return deposit.rule_of(row) if row is not None else AutopayRule()


def simulate_autopay(
    *, account_id: int, rule: AutopayRule, months: int = 3, now: datetime
) -> Replay:
    """What a rule would have charged in the past months: their ledger again, without its top-ups.

    A month is 30 days. The balance begins as it was, and a younger deposit with its first payment.
    Refusals: `bad_autopay_target`.
    """
    account, rules = Account.objects.get(pk=account_id), catalog.rules()
    rule = check_autopay_rule(rule, rules)
    since = now - timedelta(days=months * DAYS_OF_A_MONTH)
    moves = Transfer.objects.filter(
        Q(credit=LedgerAccount.BALANCE) | Q(debit=LedgerAccount.BALANCE), account=account
    )
    rows = list(moves.filter(at__gt=since, at__lte=now).order_by("id"))
    begin = balance_cents(account_id) - sum(map(_moved, rows))
    if rows and not moves.filter(at__lte=since).exists():
        first = rows.pop(0)
        begin, since = _moved(first), first.at
    spent = Counter[datetime]()
    for row in rows:
        if row.kind != PAYMENT_RECEIVED:
            # What one commit moved is decided on once, as in life.
            spent[row.at] += _moved(row)
    days = [(at.date(), cents) for at, cents in sorted(spent.items())]
    return replay(begin, days, rule, rules, on=since.date())


def _moved(row: Transfer) -> int:
    """What it added to the deposit, or took from it, in cents."""
    return row.cents if row.credit == LedgerAccount.BALANCE else -row.cents
