"""Trials: start once per product, announce the end, end by themselves, become paid (T1, T2, T4)."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import transaction

from cln.accounts.audit import record as audit
from cln.accounts.locks import lock_account
from cln.accounts.models import Account
from cln.accounts.standing import is_blocked
from cln.billing.models import Subscription
from cln.catalog import queries as catalog
from cln.catalog.models import LicenseType
from cln.clock import start_of_day
from cln.domain.errors import Refusal
from cln.domain.rules import Rules
from cln.domain.trials import TrialFacts, TrialTerms, decide_trial, trial_notice_due
from cln.enums import LIVE_SUBSCRIPTION, EntitlementKind
from cln.flows import notices
from cln.flows.each import each
from cln.licensing import entitlements as licensing
from cln.licensing.models import Trial


def trial_terms(*, account: Account, license_type: LicenseType, now: datetime) -> TrialTerms:
    """What a trial started now would allow. Changes nothing.

    Refusals: `account_blocked`, `trial_not_offered`, `already_paid`, `trial_already_used`.
    """
    return _decided(account, license_type, _past(account), now=now)


def trials_refused(
    *, account: Account, license_types: Collection[str], now: datetime
) -> dict[str, str]:
    """Of these license types, by code, those of which no trial can start now, and why."""
    past = _past(account)
    refused = {}
    for row in LicenseType.objects.select_related("product").filter(code__in=license_types):
        try:
            _decided(account, row, past, now=now)
        except Refusal as refusal:
            refused[row.code] = refusal.message
    return refused


@dataclass(frozen=True, slots=True)
class _Past:
    """Which products an account has tried, since when, and which it pays for, by id."""

    tried_on: dict[int, date]
    paid: frozenset[int]


def _past(account: Account) -> _Past:
    tried = Trial.objects.filter(account=account).values_list("product_id", "started_at")
    live = Subscription.objects.filter(account=account, status__in=LIVE_SUBSCRIPTION)
    return _Past(
        {product: started_at.date() for product, started_at in tried},
        frozenset(live.values_list("product_id", flat=True)),
    )


def _decided(
    account: Account, license_type: LicenseType, past: _Past, *, now: datetime
) -> TrialTerms:
    return decide_trial(
        TrialFacts(
            product=license_type.product.name,
            on=now.date(),
            days=license_type.trial_days or None,
            server_limit=license_type.trial_servers,
            started_on=past.tried_on.get(license_type.product_id),
            has_subscription=license_type.product_id in past.paid,
            is_blocked=is_blocked(account),
        )
    )


def start_trial(*, account_id: int, license_type: str, actor: str, now: datetime) -> Trial:
    """Start the account's one trial of a product, with its key (T1, T2).

    It ends after whole days, at the hour it began. Refusals: `unknown_license_type` and those of
    `trial_terms`.
    """
    with transaction.atomic(durable=True):
        account = lock_account(account_id)
        row = catalog.get_license_type(license_type)
        terms = trial_terms(account=account, license_type=row, now=now)
        ends_at = now + (terms.ends_on - now.date())
        trial = Trial.objects.create(
            account=account,
            product=row.product,
            license_type=row,
            started_at=now,
            ends_at=ends_at,
            next_step_at=_next_step(ends_at, after=now, rules=catalog.rules()),
        )
        licensing.grant(
            account_id=account_id,
            license_type=row.code,
            kind=EntitlementKind.TRIAL,
            quantity=terms.server_limit,
            valid_until=ends_at,
            now=now,
        )
        servers = "any number of servers" if terms.server_limit is None else "one server"
        notices.trial_started(trial=trial, servers=servers, now=now)
        audit(account_id=account_id, actor=actor, verb="start_trial", subject=row.code, now=now)
    return trial


def step_due(*, now: datetime) -> int:
    """Announce and end trials whose next step has come (T4); returns how many."""
    due = Trial.objects.filter(next_step_at__lte=now).values_list("id", "account_id")

    def step(ids: tuple[int, int]) -> None:
        with transaction.atomic(durable=True):
            lock_account(ids[1])
            trial = Trial.objects.select_related("license_type").get(pk=ids[0])
            if trial.next_step_at is not None and trial.next_step_at <= now:
                _step(trial, now=now)

    return each(due.order_by("next_step_at", "id"), step)


def convert_trial(*, account: Account, license_type: LicenseType, now: datetime) -> None:
    """Joins: a trial of the license type that was bought is over; key and servers stay (T4)."""
    Trial.objects.filter(
        account=account, license_type=license_type, ended_at=None, converted_at=None
    ).update(converted_at=now, next_step_at=None)


def _step(trial: Trial, *, now: datetime) -> None:
    if trial.ends_at <= now:
        licensing.end_entitlement(
            account_id=trial.account_id,
            license_type=trial.license_type.code,
            now=now,
            why="the trial ended",
        )
        trial.ended_at, trial.next_step_at = now, None
        notices.trial_ended(trial=trial, now=now)
    else:
        rules = catalog.rules()
        days = trial_notice_due(trial.ends_at.date(), None, now.date(), rules)
        if days is not None:
            notices.trial_ending(trial=trial, days_left=days, now=now)
        trial.next_step_at = _next_step(trial.ends_at, after=now, rules=rules)
    trial.save(update_fields=["ended_at", "next_step_at"])


def _next_step(ends_at: datetime, *, after: datetime, rules: Rules) -> datetime:
    """The next notice (start of its day) or the end, whichever comes first after an instant."""
    notices_at = (
        start_of_day(ends_at.date() - timedelta(days=days)) for days in rules.trial_notice_days
    )
    return min((at for at in (*notices_at, ends_at) if at > after), default=ends_at)
