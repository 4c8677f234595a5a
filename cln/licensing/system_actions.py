"""What machines that speak RHN are asked to do: schedule, hand out, note the outcome."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Final

from django.db import transaction
from django.db.models import F, Func, IntegerField

from cln.accounts.audit import record
from cln.domain.errors import Refusal
from cln.licensing.access import get_server
from cln.licensing.models import System, SystemAction
from cln.licensing.registration import plain_text

HARMLESS = ("hardware.refresh_list", "packages.refresh_list")
"""What may be asked of a machine: it reads and reports; nothing here changes the machine."""
DELIVERIES_MAX = 5
_COUNT: Final = Func("packages", function="jsonb_array_length", output_field=IntegerField())
NOT_REPORTED = -1
"""The status of an action that was handed out and never reported."""
DATA_LENGTH_MAX = 10_000


SHOWN_MAX = 5


class Outcome(StrEnum):
    """What became of an action."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    NOT_REPORTED = "not reported"


@dataclass(frozen=True, slots=True)
class AskedRow:
    """Something a machine was asked to do; `message` is the machine's own."""

    method: str
    scheduled_at: datetime
    outcome: Outcome
    message: str


@dataclass(frozen=True, slots=True)
class SystemRow:
    """What a machine that speaks RHN told of itself, when, and what it was asked lately."""

    release: str
    architecture: str
    packages: int | None  # None = never told
    packages_at: datetime | None
    hardware_at: datetime | None
    asked: tuple[AskedRow, ...]


class ActionNotOffered(Refusal):
    """There is no such action, or the server cannot be asked to do anything."""

    code: ClassVar[str] = "action_not_offered"


def schedule_action(
    *, account_id: int, server: str, method: str, actor: str, now: datetime
) -> SystemAction:
    """Ask a server (by public id) to do something at its next check-in; asked twice it is once.

    Refusals: `unknown_server`, `action_not_offered` (unknown, or not a server that speaks RHN).
    """
    row = get_server(account_id=account_id, public_id=server)
    if method not in HARMLESS or not System.objects.filter(server=row).exists():
        raise ActionNotOffered(
            "This server cannot be asked to do that.",
            f"Servers that run the RHN tools can do: {', '.join(HARMLESS)}.",
        )
    with transaction.atomic():
        action, is_new = SystemAction.objects.get_or_create(
            server=row, method=method, finished_at=None, defaults={"scheduled_at": now}
        )
        if is_new:
            record(
                account_id=account_id,
                actor=actor,
                verb="system_action_scheduled",
                subject=row.public_id,
                details={"method": method},
                now=now,
            )
    return action


def system_of(*, server_id: int) -> SystemRow | None:
    """What a server (by primary key) told over RHN; None of one that does not speak it."""
    rows = System.objects.filter(server=server_id).annotate(count=_COUNT)
    row = rows.defer("packages", "hardware", "smbios").first()
    if row is None:
        return None
    asked = SystemAction.objects.filter(server=server_id).order_by("-scheduled_at", "-pk")
    return SystemRow(
        release=f"{row.release_name} {row.os_release}".strip(),
        architecture=row.architecture,
        packages=row.count,
        packages_at=row.packages_at,
        hardware_at=row.hardware_at,
        asked=tuple(
            AskedRow(one.method, one.scheduled_at, _outcome(one), one.message)
            for one in asked[:SHOWN_MAX]
        ),
    )


def _outcome(action: SystemAction) -> Outcome:
    if action.finished_at is None:
        return Outcome.WAITING
    return {0: Outcome.DONE, NOT_REPORTED: Outcome.NOT_REPORTED}.get(
        action.status or 0, Outcome.FAILED
    )


def next_action(*, system: System, now: datetime) -> SystemAction | None:
    """The oldest action that waits; one that was handed out five times is given up."""
    waiting = SystemAction.objects.filter(server=system.server_id, finished_at=None)
    given_up = waiting.filter(deliveries__gte=DELIVERIES_MAX)
    given_up.update(finished_at=now, status=NOT_REPORTED, message="Never reported")
    action = waiting.order_by("scheduled_at", "pk").first()
    if action is not None:
        SystemAction.objects.filter(pk=action.pk).update(deliveries=F("deliveries") + 1)
    return action


def finish_action(
    *,
    system: System,
    action_id: int,
    status: int,
    message: str,
    data: Mapping[str, object],
    now: datetime,
) -> bool:
    """Note what became of an action; False where it is not this system's or was reported.

    Data of more than 10,000 letters, as JSON, is not kept.
    """
    kept = dict(data) if len(json.dumps(data)) <= DATA_LENGTH_MAX else {}
    changed = SystemAction.objects.filter(
        pk=action_id, server=system.server_id, finished_at=None
    ).update(finished_at=now, status=status, message=plain_text(message, 500), data=kept)
    return changed == 1
