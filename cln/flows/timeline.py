"""Everything that falls due, in the order it falls due (architecture §4: due columns carry work).

The worker calls `run_due` with the present instant. A moved clock calls `run_until`, which stops
at each instant at which something is due, so that a month is lived through and not jumped over.
"""

from collections.abc import Callable
from datetime import date, datetime

from django.db.models import Min, Model

from cln.accounts.models import Account, DepositOrder
from cln.billing.models import Invoice, Subscription
from cln.clock import start_of_day
from cln.flows import (
    alerts,
    autopay,
    billing_run,
    collection,
    deposit,
    dunning,
    refunds,
    reseller,
    trials,
    usage_run,
)
from cln.licensing.models import Trial
from cln.licensing.silent_servers import next_look
from cln.notifications.models import Message
from cln.notifications.services import send_due
from cln.payments.models import AutopayRuleRow, PaymentAttempt, Refund

# One instant may cause more work for itself (a bill, its charge, the mail), never without end.
MOST_ROUNDS = 50


def run_due(*, now: datetime) -> None:
    """Do all that is due at an instant, money before messages."""
    billing_run.run_due(now=now)
    usage_run.run_due(now=now)
    collection.resolve_due(now=now)
    reseller.resolve_due(now=now)
    refunds.resolve_due(now=now)
    collection.collect_due(now=now)
    autopay.run_due(now=now)
    dunning.void_due(now=now)
    dunning.run_due(now=now)
    dunning.remind_due(now=now)
    deposit.remind_due(now=now)
    trials.step_due(now=now)
    alerts.scan_due(now=now)
    # One call takes a batch: a thousand accounts billed on one day have more mails than that.
    while send_due(now=now):
        pass


def run_until(
    instant: datetime,
    *,
    since: datetime | None = None,
    move_clock: Callable[[datetime], object] | None = None,
) -> int:
    """Live through all that is due up to and including `instant`; returns the stops made.

    Work that is older than `since` is done at `since`. `move_clock` is called with each instant
    before its work, and with `instant` at the end.
    """
    stops = 0
    present, rounds = since, 0
    while (due := next_due()) is not None and due <= instant:
        rounds = rounds + 1 if present is not None and due <= present else 0
        assert rounds < MOST_ROUNDS, f"work due at {due} stays due"
        present = due if present is None else max(due, present)
        if move_clock is not None:
            move_clock(present)
        run_due(now=present)
        stops += 1
    if move_clock is not None:
        move_clock(instant)
    return stops


def next_due() -> datetime | None:
    """The earliest instant of all due columns; None when nothing is planned."""
    days = (
        _first_day(Subscription, "next_billing_on", account__parked_at=None),
        _first_day(Invoice, "remind_on"),
        _first_day(Invoice, "void_on"),
        _first_day(Account, "dunning_next_on"),
        _first_day(Account, "negative_remind_on"),
        _first_day(Account, "next_usage_on", parked_at=None),
    )
    instants = (
        _first(Invoice, "retry_at"),
        _first(PaymentAttempt, "resolve_at"),
        _first(DepositOrder, "resolve_at"),
        _first(Refund, "resolve_at"),
        _first(AutopayRuleRow, "next_try_at"),
        _first(Trial, "next_step_at"),
        _first(Message, "send_after"),
        next_look(),
    )
    known = [start_of_day(day) for day in days if day is not None]
    known += [at for at in instants if at is not None]
    return min(known, default=None)


def _first(model: type[Model], column: str, **only: object) -> datetime | None:
    """The smallest value of a due column; each has a partial index that answers this."""
    first: datetime | None = model._default_manager.filter(**only).aggregate(at=Min(column))["at"]
    return first


def _first_day(model: type[Model], column: str, **only: object) -> date | None:
    first: date | None = model._default_manager.filter(**only).aggregate(on=Min(column))["on"]
    return first
