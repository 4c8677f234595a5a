"""“Systems Not Checking In”: the scan that finds silent servers and writes to their owners.

Whatever a crash or a second scanner does, a server is told once: it is flipped in the transaction
that writes the mail.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from django.conf import settings
from django.db import transaction

from cln import clock
from cln.domain.silence import Cause, suspects_ourselves
from cln.flows.each import each
from cln.licensing import silent_servers, watch
from cln.licensing.silent_servers import SilentServer
from cln.notifications.reports import report_addresses
from cln.notifications.services import Mail, queue_mail, queue_mails

log = logging.getLogger(__name__)

NAMED: Final = 200
NAMED_PER_CAUSE: Final = 10
GUESSES: Final = {
    Cause.NEVER_HEARD: "registered, and never heard of since. Its agent may never have started.",
    Cause.REPLACED: "a newer registration has the same name. It was probably installed anew; then "
    "remove this one.",
    Cause.TOGETHER: "fell silent together. Look at the network or the firewall between them and "
    "us first.",
    Cause.ALONE: "switched off, or its agent cannot reach us.",
}
RHN_CHECK: Final = "/usr/sbin/rhn_check"
AGENT_CHECK: Final = "cln-agent check-in"
COMMANDS: Final = {
    "kernelcare": "kcarectl --update",
    "imunify360": "imunify360-agent update-license",
    "imunify": "imunify-antivirus update-license",
}


def scan(*, now: datetime) -> int:
    """Tell owners of servers that fell silent or came back; how many accounts were looked at.

    Where check-ins of all servers have dropped we suspect ourselves: nobody is told, the operator
    is, once, and once more when it is over.
    """
    watch.note_presence(
        now=now,
        system_now=clock.system_now(),
        database_up_since=watch.database_up_since(),
    )
    silent_servers.move_on(now=now)
    recent, before = watch.check_ins_compared(now=now)
    if suspects_ourselves(recent=recent, before=before):
        _hold(recent, before, now=now)
        return 0
    _release(recent, before, now=now)
    return each(silent_servers.due_accounts(now=now), lambda pk: tell(account_id=pk, now=now))


@transaction.atomic(durable=True)
def tell(*, account_id: int, now: datetime) -> None:
    """Flip the servers of an account that are due, and write one digest to each reader."""
    addresses = report_addresses(account_id)
    digest = silent_servers.take_due(account_id=account_id, told_products=addresses.keys(), now=now)
    mails = []
    for template, servers in (
        ("systems_not_checking_in", digest.silent),
        ("systems_checking_in_again", digest.back),
    ):
        readers: dict[str, list[SilentServer]] = defaultdict(list)
        for server in servers:
            for address in addresses[server.product]:
                readers[address].append(server)
        mails += [
            Mail(
                account_id=account_id,
                template=template,
                context=_context(theirs),
                to=address,
                dedupe=f"{template}:{account_id}:{now.isoformat()}:{address}",
            )
            for address, theirs in readers.items()
        ]
    queue_mails(mails, now=now)


def _context(servers: Sequence[SilentServer]) -> dict[str, object]:
    causes: dict[Cause, list[str]] = defaultdict(list)
    for server in servers:
        causes[server.cause].append(f"{server.name} ({server.address})")
    return {
        "servers": [
            {
                "system_id": server.system_id,
                "name": server.name,
                "last_check_in": _instant(server.last_check_in_at),
            }
            for server in servers[:NAMED]
        ],
        "more": max(0, len(servers) - NAMED),
        "causes": [
            {"names": _listed(causes[cause]), "guess": guess}
            for cause, guess in GUESSES.items()
            if cause in causes
        ],
        "commands": sorted(
            {check_in_command(one.product, speaks_rhn=one.speaks_rhn) for one in servers}
        ),
    }


def _instant(at: datetime | None) -> str:
    """`2011-05-10 20:39:20.0`, as the report has always said it."""
    return "never" if at is None else f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 100_000}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - NAMED_PER_CAUSE
    return ", ".join(names[:NAMED_PER_CAUSE]) + (f" and {more} more" if more > 0 else "")


def check_in_command(product: str, *, speaks_rhn: bool) -> str:
    """What makes a server of a product check in at once, run on it."""
    return RHN_CHECK if speaks_rhn else COMMANDS.get(product, AGENT_CHECK)


def _hold(recent: int, before: int, *, now: datetime) -> None:
    with transaction.atomic(durable=True):
        silent_servers.hold_alerts(now=now)
        if watch.hold(now=now) is None:
            return
        log.warning("check-ins dropped from %s to %s: alerts are held", before, recent)
        _tell_operator("alerts_held", {"recent": recent, "before": before}, now=now)


def _release(recent: int, before: int, *, now: datetime) -> None:
    with transaction.atomic(durable=True):
        since = watch.release()
        if since is not None:
            context: dict[str, object] = {
                "since": f"{since:%Y-%m-%d %H:%M}",
                "recent": recent,
                "before": before,
            }
            _tell_operator("alerts_released", context, now=now)


def _tell_operator(template: str, context: dict[str, object], *, now: datetime) -> None:
    if settings.CLN_OPERATOR_EMAIL:
        queue_mail(
            account_id=None,
            template=template,
            to=settings.CLN_OPERATOR_EMAIL,
            context=context,
            dedupe=f"{template}:{now.isoformat()}",
            now=now,
        )
