"""Long lists of IP licenses: written down at once, worked off by the workers in short steps.

A step takes the next lines under the account's lock and commits what it did together with their
results: a worker that dies loses nothing, and nothing is done twice.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from django.db import transaction
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued

from cln import ids
from cln.accounts.locks import lock_account
from cln.accounts.models import Account
from cln.catalog.queries import get_license_type
from cln.domain.errors import Refusal
from cln.enums import AddressAction, AddressResult
from cln.flows.ip_licenses import check_floor
from cln.licensing import ip_licenses as licensing
from cln.licensing.address_list_models import AddressList, AddressListLine
from cln.licensing.address_lists import AddressRow, Verdict, read_list

AT_ONCE: Final = 100
"""Up to so many addresses are worked off while their sender waits."""
STEP: Final = 50
TASK: Final = "work_address_list"
_RESULT_OF: Final = {
    Verdict.ADD: AddressResult.WAITING,
    Verdict.HELD: AddressResult.LEFT_OUT,
    Verdict.REPEATED: AddressResult.LEFT_OUT,
    Verdict.REFUSED: AddressResult.REFUSED,
}


def begin_addition(
    *, account_id: int, license_type: str, text: str, actor: str, now: datetime
) -> str:
    """Write a list down and have it added; its public id. Refusals: those of `read_list`."""
    lines = read_list(account_id=account_id, license_type=license_type, text=text)
    kind = get_license_type(license_type)
    rows = [
        AddressListLine(
            address=line.address or line.given,
            license_type=kind,
            result=_RESULT_OF[line.verdict],
            why=line.why,
        )
        for line in lines
    ]
    return _begin(account_id, AddressAction.ADD, rows, actor, now)


def begin_removal(*, account_id: int, rows: Sequence[AddressRow], actor: str, now: datetime) -> str:
    """Write down which licenses are given back, and have it done; the public id of the list."""
    kinds = {code: get_license_type(code) for code in {row.license_type for row in rows}}
    lines = [
        AddressListLine(address=row.address, license_type=kinds[row.license_type]) for row in rows
    ]
    return _begin(account_id, AddressAction.REMOVE, lines, actor, now)


def work_due(*, now: datetime) -> None:
    """Go on with every list that is not finished."""
    due = AddressList.objects.filter(work_at__lte=now).order_by("work_at", "pk")
    for list_id in due.values_list("pk", flat=True):
        work_off(list_id=list_id, now=now)


def work_off(*, list_id: int, now: datetime) -> None:
    """Work a list off to its end; one that is finished is left as it is."""
    while _step(list_id, now):
        pass


def _begin(
    account_id: int,
    action: AddressAction,
    lines: Sequence[AddressListLine],
    actor: str,
    now: datetime,
) -> str:
    with transaction.atomic(durable=True):
        row = AddressList.objects.create(
            public_id=ids.public_id("lst"),
            account_id=account_id,
            action=action,
            actor=actor,
            created_at=now,
            work_at=now,
            total=len(lines),
            refused=sum(line.result == AddressResult.REFUSED for line in lines),
            left_out=sum(line.result == AddressResult.LEFT_OUT for line in lines),
        )
        for number, line in enumerate(lines, start=1):
            line.address_list, line.number = row, number
        AddressListLine.objects.bulk_create(lines)
    # The due column would have it found within a minute; whoever waits should not wait for that.
    with contextlib.suppress(AlreadyEnqueued):
        app.configure_task(TASK, queueing_lock=f"list {row.pk}").defer(list_id=row.pk)
    return row.public_id


def _step(list_id: int, now: datetime) -> bool:
    """Do the next lines; False where none was left."""
    account_id = AddressList.objects.values_list("account_id", flat=True).get(pk=list_id)
    with transaction.atomic(durable=True):
        account = lock_account(account_id)
        row = AddressList.objects.get(pk=list_id)
        waiting = row.lines.filter(result=AddressResult.WAITING).select_related("license_type")
        lines = list(waiting.order_by("number")[:STEP])
        for line in lines:
            _try(account, row, line, now)
        AddressListLine.objects.bulk_update(lines, ["result", "why"])
        done = sum(line.result == AddressResult.DONE for line in lines)
        row.done, row.refused = row.done + done, row.refused + len(lines) - done
        if not lines and row.work_at is not None:
            row.work_at, row.finished_at = None, now
        row.save(update_fields=["done", "refused", "work_at", "finished_at"])
    return bool(lines)


def _try(account: Account, row: AddressList, line: AddressListLine, now: datetime) -> None:
    try:
        if row.action == AddressAction.ADD:
            check_floor(account)
        with transaction.atomic():
            _do(row, line, now)
    except Refusal as refusal:
        line.result = AddressResult.REFUSED
        line.why = f"{refusal.message} {refusal.fix}".strip()
    else:
        line.result = AddressResult.DONE


def _do(row: AddressList, line: AddressListLine, now: datetime) -> None:
    verbs = {
        AddressAction.ADD: licensing.add_ip_license,
        AddressAction.REMOVE: licensing.remove_ip_license,
    }
    verbs[AddressAction(row.action)](
        account_id=row.account_id,
        license_type=line.license_type.code,
        address=line.address,
        actor=row.actor,
        now=now,
    )
