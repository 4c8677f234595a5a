"""Everything that falls due, in the order it falls due (architecture §4: due columns carry work).

The worker calls `run_due` with the present instant. A moved clock calls `run_until`, which stops
at each instant at which something is due, so that a month is lived through and not jumped over.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from django.db import connection
from django.db.models import DateField, DateTimeField, Model

from cln.accounts.models import Account, DepositOrder
from cln.backups.models import Backup
from cln.billing.models import Invoice, Subscription
from cln.enums import MessageKind
from cln.flows import (
    alerts,
    autopay,
    backups,
    billing_run,
    collection,
    deposit,
    dunning,
    lapsed_orders,
    long_lists,
    refunds,
    reseller,
    trials,
    usage_run,
)
from cln.licensing.models import AddressList, Server, Trial
from cln.notifications.models import Message
from cln.notifications.services import send_due
from cln.payments.models import AutopayRuleRow, PaymentAttempt, Refund

# One instant may cause more work for itself (a bill, its charge, the mail), never without end.
MOST_ROUNDS = 50


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of due work: its due column, and the verb that does all of it that is due."""

    model: type[Model]
    column: str
    verb: Callable[[datetime], object]
    only: str = ""
    """The SQL that leaves out what waits for something else, as a parked account's work does."""

    @property
    def first_due(self) -> str:
        """The SQL of its earliest instant; the partial index of the column answers it."""
        meta = self.model._meta
        field = meta.get_field(self.column)
        assert isinstance(field, DateField)
        earliest = f"SELECT min({field.column}) FROM {meta.db_table} {self.only}"
        # A day is due from its first instant, in UTC (M1).
        is_instant = isinstance(field, DateTimeField)
        return f"({earliest})" if is_instant else f"({earliest})::timestamp AT TIME ZONE 'UTC'"


def _send_all(now: datetime) -> None:
    # One call takes a batch: a thousand accounts billed on one day have more mails than that.
    while send_due(now=now):
        pass


_ACCOUNT_IS_NOT_PARKED = (
    "JOIN accounts_account AS account ON account.id = account_id WHERE account.parked_at IS NULL"
)

_SERVER_RUNS = "WHERE status = 'active'"

# Money before messages.
WORK: Sequence[Work] = (
    Work(
        Subscription,
        "next_billing_on",
        lambda now: billing_run.run_due(now=now),
        only=_ACCOUNT_IS_NOT_PARKED,
    ),
    Work(
        Account,
        "next_usage_on",
        lambda now: usage_run.run_due(now=now),
        only="WHERE parked_at IS NULL",
    ),
    Work(PaymentAttempt, "resolve_at", lambda now: collection.resolve_due(now=now)),
    Work(DepositOrder, "resolve_at", lambda now: reseller.resolve_due(now=now)),
    Work(Refund, "resolve_at", lambda now: refunds.resolve_due(now=now)),
    Work(Invoice, "retry_at", lambda now: collection.collect_due(now=now)),
    Work(AutopayRuleRow, "next_try_at", lambda now: autopay.run_due(now=now)),
    Work(Invoice, "void_on", lambda now: lapsed_orders.void_due(now=now)),
    Work(Account, "dunning_next_on", lambda now: dunning.run_due(now=now)),
    Work(Invoice, "remind_on", lambda now: dunning.remind_due(now=now)),
    Work(Account, "negative_remind_on", lambda now: deposit.remind_due(now=now)),
    Work(Trial, "next_step_at", lambda now: trials.step_due(now=now)),
    Work(Server, "alert_after", lambda now: alerts.scan(now=now), only=_SERVER_RUNS),
    Work(Server, "recovery_after", lambda now: alerts.scan(now=now), only=_SERVER_RUNS),
    Work(AddressList, "work_at", lambda now: long_lists.work_due(now=now)),
    Work(Backup, "settle_at", lambda now: backups.settle_due(now=now)),
    Work(Message, "send_after", _send_all, only=f"WHERE kind = '{MessageKind.EMAIL}'"),
)


def run_due(*, now: datetime) -> None:
    """Do all that is due at an instant, each kind of work once."""
    _run(_times(), now=now)


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
    times = _times()
    while (due := _earliest(times)) is not None and due <= instant:
        rounds = rounds + 1 if present is not None and due <= present else 0
        assert rounds < MOST_ROUNDS, f"work due at {due} stays due"
        present = due if present is None else max(due, present)
        if move_clock is not None:
            move_clock(present)
        times = _run(times, now=present)
        stops += 1
    if move_clock is not None:
        move_clock(instant)
    return stops


def next_due() -> datetime | None:
    """The earliest instant of all due columns; None when nothing is planned."""
    return _earliest(_times())


Times = Sequence[datetime | None]
"""The earliest instant of each kind of work, in the order of `WORK`."""


def _run(times: Times, *, now: datetime) -> Times:
    """Do what is due by these times and by what comes of it; the times afterwards."""
    for index, work in enumerate(WORK):
        due = times[index]
        if due is not None and due <= now:
            work.verb(now)
            times = _times()
    return times


def _earliest(times: Times) -> datetime | None:
    return min((at for at in times if at is not None), default=None)


def _times() -> Times:
    """All of them, in one question."""
    with connection.cursor() as cursor:
        cursor.execute(_question())
        times: Times = cursor.fetchone()
    return times


@cache
def _question() -> str:
    return "SELECT " + ", ".join(work.first_due for work in WORK)
