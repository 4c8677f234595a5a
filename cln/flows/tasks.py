"""Due work as the workers see it.

The due columns are the truth. A periodic task looks for what is due and does it, or hands it out
in chunks; a task that is lost is found again a minute later, and one that runs twice finds nothing
left to do. Each kind of work has one finder at a time in all workers: an advisory lock that
PostgreSQL releases by itself when its holder dies.
"""

from __future__ import annotations

import contextlib
import logging
import zlib
from collections.abc import Iterator, Sequence

from django.db import connection
from procrastinate import JobContext
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued
from procrastinate.jobs import Status

from cln import clock, rates
from cln.accounts import upkeep
from cln.flows import (
    alerts,
    autopay,
    backups,
    billing_run,
    books,
    clones,
    collection,
    deposit,
    dunning,
    lapsed_orders,
    long_lists,
    refunds,
    reseller,
    trials,
    unused,
    usage_run,
)
from cln.licensing.long_lists import forget_lists
from cln.notifications import delivery
from cln.notifications import services as notifications
from cln.notifications.webhook_secrets import forget_old_secrets

log = logging.getLogger(__name__)

EVERY_MINUTE = "* * * * *"
NIGHTLY = "30 3 * * *"
EVERY_MORNING = "0 7 * * *"
ACCOUNTS_PER_CHUNK = 100
KEEP_FAILED_JOBS_HOURS = 24 * 30
# The first number of our two-part advisory locks for finders.
_FINDERS = 7_001


@app.periodic(cron=EVERY_MINUTE)
@app.task(name="find_billing", queueing_lock="find_billing")
def find_billing(timestamp: int) -> None:
    """Hand out the accounts that are due to be billed, in chunks any worker may take."""
    with _sole_finder("billing") as is_mine:
        if not is_mine:
            return
        for chunk in billing_run.due_accounts(through=clock.now().date()):
            with contextlib.suppress(AlreadyEnqueued):
                job = bill_accounts.configure(queueing_lock=f"bill {chunk[0]}")
                job.defer(account_ids=[*chunk])


@app.task(name="bill_accounts")
def bill_accounts(account_ids: Sequence[int]) -> None:
    """Bill a chunk of accounts; each is locked, and one that is up to date is left as it is."""
    result = billing_run.bill_accounts(account_ids=account_ids, now=clock.now())
    if result.invoices or result.parked:
        log.info(
            "billed %s: %s invoices, %s parked",
            *(
                result.accounts,
                result.invoices,
                result.parked,
            ),
        )


@app.periodic(cron=EVERY_MINUTE)
@app.task(name="find_usage", queueing_lock="find_usage")
def find_usage(timestamp: int) -> None:
    """Hand out the resellers whose month is due, in chunks any worker may take (R2)."""
    with _sole_finder("usage") as is_mine:
        if not is_mine:
            return
        due = usage_run.due_accounts(through=clock.now().date())
        for start in range(0, len(due), ACCOUNTS_PER_CHUNK):
            chunk = due[start : start + ACCOUNTS_PER_CHUNK]
            with contextlib.suppress(AlreadyEnqueued):
                job = bill_usage.configure(queueing_lock=f"usage {chunk[0]}")
                job.defer(account_ids=[*chunk])


@app.task(name="bill_usage")
def bill_usage(account_ids: Sequence[int]) -> None:
    """Bill the usage of a chunk of resellers; one that is up to date is left as it is."""
    result = usage_run.bill_accounts(account_ids=account_ids, now=clock.now())
    if result.invoices or result.parked:
        log.info("usage: %s invoices, %s parked", result.invoices, result.parked)


@app.periodic(cron=EVERY_MINUTE)
@app.task(name="collect", queueing_lock="collect")
def collect(timestamp: int) -> None:
    """Ask for the fate of attempts without an answer, then make the attempts that are due."""
    with _sole_finder("collect") as is_mine:
        if is_mine:
            collection.resolve_due(now=clock.now())
            reseller.resolve_due(now=clock.now())
            refunds.resolve_due(now=clock.now())
            collection.collect_due(now=clock.now())
            autopay.run_due(now=clock.now())


@app.periodic(cron=EVERY_MINUTE)
@app.task(name="dun", queueing_lock="dun")
def dun(timestamp: int) -> None:
    """Void orders nobody paid, take overdue accounts a step on, remind."""
    with _sole_finder("dun") as is_mine:
        if is_mine:
            lapsed_orders.void_due(now=clock.now())
            dunning.run_due(now=clock.now())
            dunning.remind_due(now=clock.now())
            deposit.remind_due(now=clock.now())


@app.periodic(cron=EVERY_MINUTE)
@app.task(name="step_trials", queueing_lock="step_trials")
def step_trials(timestamp: int) -> None:
    """Announce and end trials."""
    with _sole_finder("trials") as is_mine:
        if is_mine:
            trials.step_due(now=clock.now())


@app.periodic(cron=EVERY_MINUTE)
@app.task(name="ask_about_clones", queueing_lock="ask_about_clones")
def ask_about_clones(timestamp: int) -> None:
    """Ask the owners of servers whose secret two machines use."""
    with _sole_finder("clones") as is_mine:
        if is_mine:
            clones.ask_owners(now=clock.now())


@app.periodic(cron=EVERY_MINUTE)
@app.task(name="watch_servers", queueing_lock="watch_servers")
def watch_servers(timestamp: int) -> None:
    """Tell owners of servers that stopped checking in, or are back."""
    with _sole_finder("alerts") as is_mine:
        if is_mine:
            alerts.scan(now=clock.now())


@app.periodic(cron=EVERY_MINUTE)
@app.task(name="work_address_lists", queueing_lock="work_address_lists")
def work_address_lists(timestamp: int) -> None:
    """Go on with lists of addresses whose worker was lost."""
    with _sole_finder("address lists") as is_mine:
        if is_mine:
            long_lists.work_due(now=clock.now())


@app.task(name=long_lists.TASK)
def work_address_list(list_id: int) -> None:
    """Work off one list of addresses, whose sender is waiting."""
    long_lists.work_off(list_id=list_id, now=clock.now())


@app.periodic(cron=EVERY_MINUTE)
@app.task(name="settle_backups", queueing_lock="settle_backups")
def settle_backups(timestamp: int) -> None:
    """Tell the provider of backups what is wanted, and ask what is used."""
    with _sole_finder("backups") as is_mine:
        if is_mine:
            backups.settle_due(now=clock.now())


@app.periodic(cron=EVERY_MORNING)
@app.task(name="tell_of_unused", queueing_lock="tell_of_unused")
def tell_of_unused(timestamp: int) -> None:
    """Tell owners of licenses no server uses; each at most once in seven days."""
    with _sole_finder("unused") as is_mine:
        if is_mine:
            unused.tell_due(now=clock.now())


@app.periodic(cron=EVERY_MINUTE)
@app.task(name="send_mail", queueing_lock="send_mail")
def send_mail(timestamp: int) -> None:
    """Send what the outbox holds; several workers may, each message is claimed by one."""
    while notifications.send_due(now=clock.now()):
        pass


@app.periodic(cron=EVERY_MINUTE)
@app.task(name="send_webhooks", queueing_lock="send_webhooks")
def send_webhooks(timestamp: int) -> None:
    """Send the events that customers' programs listen for; each is claimed by one worker."""
    while delivery.deliver_due(now=clock.now(), sent_at=clock.system_now()):
        pass


@app.periodic(cron=NIGHTLY)
@app.task(name="tidy_api", queueing_lock="tidy_api")
def tidy_api(timestamp: int) -> None:
    """Forget yesterday's answers to API calls and who called, old lists of addresses, and secrets
    of webhooks that have ended.
    """
    upkeep.forget_requests(now=clock.system_now())
    forget_lists(now=clock.now())
    forget_old_secrets(now=clock.now())
    rates.forget_idle(seconds=upkeep.KEPT_FOR.total_seconds())


@app.periodic(cron=NIGHTLY)
@app.task(name="check_books", queueing_lock="check_books")
def check_books(timestamp: int) -> None:
    """Derive every figure again, and tell the operator what differs (P12)."""
    with _sole_finder("books") as is_mine:
        if is_mine:
            books.nightly(now=clock.now())


@app.periodic(cron=NIGHTLY)
@app.task(name="tidy_jobs", queueing_lock="tidy_jobs", pass_context=True)
async def tidy_jobs(context: JobContext, timestamp: int) -> None:
    """Drop jobs whose worker was killed (their work is still due) and old failures."""
    jobs = context.app.job_manager
    for job in await jobs.get_stalled_jobs():
        await jobs.finish_job(job, status=Status.FAILED, delete_job=True)
    await jobs.delete_old_jobs(nb_hours=KEEP_FAILED_JOBS_HOURS, include_failed=True)


@contextlib.contextmanager
def _sole_finder(kind: str) -> Iterator[bool]:
    """Yield whether this worker is the one that does `kind` now; nobody waits for another."""
    key = [_FINDERS, _key(kind)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", key)
        row = cursor.fetchone()
    is_mine = bool(row and row[0])
    try:
        yield is_mine
    finally:
        if is_mine:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", key)


def _key(kind: str) -> int:
    """Return the second number of a finder's lock, in the range of PostgreSQL's integer."""
    return zlib.crc32(kind.encode()) - 2**31
