"""How CLN itself is, for the public status page: judged by what its parts leave behind.

Nothing is asked of a gateway or a mail server: a page that strangers open must not do that. What
stands still shows by what waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cln.licensing.watch import Incident, WatchRow, watch_row
from cln.notifications.queries import oldest_mail_due
from cln.payments.gateways import configured_gateways
from cln.payments.services import has_unanswered

INCIDENTS: Final = 10
WORK_IS_LATE: Final = timedelta(minutes=5)
"""The scanner runs every minute; after so long without it, due work stands still."""
MAIL_IS_LATE: Final = timedelta(minutes=15)
ANSWERS_ARE_LATE: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of CLN and how it is: `state` is "up", "late" or "failed"."""

    name: str
    state: str
    words: str


@dataclass(frozen=True, slots=True)
class SystemStatus:
    """All parts, and our latest outages."""

    parts: tuple[Part, ...]
    incidents: tuple[Incident, ...]

    @property
    def is_well(self) -> bool:
        """Whether there is nothing to tell."""
        return all(part.state == "up" for part in self.parts)


def system_status(*, now: datetime, system_now: datetime) -> SystemStatus:
    """How each part is. That this could be read shows that the database answers."""
    row = watch_row(most=INCIDENTS)
    parts = (
        Part("Pages and sign-in", "up", "You are reading one of them."),
        Part("Database", "up", "It answers."),
        _registrations(row),
        _work(row, system_now),
        _payments(now),
        _mail(now),
    )
    return SystemStatus(parts, row.incidents)


def _registrations(row: WatchRow) -> Part:
    if row.held_since is None:
        return Part(
            "Registrations and check-ins of servers",
            "up",
            "Servers register and check in as usual.",
        )
    words = "Far fewer servers than usual check in; we look into it. Running servers lose nothing."
    return Part("Registrations and check-ins of servers", "late", words)


def _work(row: WatchRow, system_now: datetime) -> Part:
    if row.scanned_at is None:
        return Part("Due work: invoices, alerts, ends of trials", "late", "It has not run yet.")
    if system_now - row.scanned_at > WORK_IS_LATE:
        return Part(
            "Due work: invoices, alerts, ends of trials",
            "failed",
            "It stands still; what is due is done when it runs again.",
        )
    return Part("Due work: invoices, alerts, ends of trials", "up", "It runs every minute.")


def _payments(now: datetime) -> Part:
    if not configured_gateways():
        return Part("Payments", "failed", "No payment gateway is set up here.")
    if has_unanswered(before=now - ANSWERS_ARE_LATE):
        words = "Some payments wait for the gateway's answer. Nobody is charged twice meanwhile."
        return Part("Payments", "late", words)
    return Part("Payments", "up", "The gateways answer.")


def _mail(now: datetime) -> Part:
    oldest = oldest_mail_due(now=now)
    if oldest is not None and now - oldest > MAIL_IS_LATE:
        return Part("Mail", "late", "Mails leave late; none is lost, and none is sent twice.")
    return Part("Mail", "up", "Mails leave at once.")
