"""Asking owners about copied servers: a mail each, once, from whichever worker finds the case."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import transaction

from cln.licensing.clones import cases_to_ask, mark_asked
from cln.notifications.services import queue_mail


def ask_owners(*, now: datetime) -> int:
    """Queue the mails of cases that were found since; how many."""
    asked = 0
    for case_id, account_id, case in cases_to_ask():
        with transaction.atomic(durable=True):
            if not mark_asked(case_id, now=now):
                continue
            queue_mail(
                account_id=account_id,
                template="clone_found",
                context={
                    "server": case.hostname or case.server_id,
                    "license_type": case.license_type_name,
                    "older": case.established_address,
                    "newer": case.newcomer_address,
                    "decide_by": case.decide_by,
                    "url": f"{settings.CLN_BASE_URL}/console/servers/{case.server_id}",
                },
                dedupe=f"clone_found:{case_id}",
                now=now,
            )
            asked += 1
    return asked
