"""What machines that speak RHN are asked to do: schedule, hand out, note the outcome."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from django.db import transaction
from django.db.models import F

from cln.accounts.audit import record
from cln.domain.errors import Refusal
from cln.licensing.access import get_server
from cln.licensing.models import System, SystemAction
from cln.licensing.registration import plain_text

HARMLESS = ("hardware.refresh_list", "packages.refresh_list")
"""What may be asked of a machine: it reads and reports; nothing here changes the machine."""
DELIVERIES_MAX = 5
NOT_REPORTED = -1
"""The status of an action that was handed out and never reported."""


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
                subject=f"{method} {row.public_id}",
                now=now,
            )
    return action


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
    """Note what became of an action; False where it is not this system's or was reported."""
    changed = SystemAction.objects.filter(
        pk=action_id, server=system.server_id, finished_at=None
    ).update(finished_at=now, status=status, message=plain_text(message, 500), data=dict(data))
    return changed == 1
