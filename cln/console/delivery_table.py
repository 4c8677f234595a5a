"""The table of what was sent to a webhook endpoint, or waits for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from django.utils.translation import gettext

from cln.console.tables import Column, Empty, Filter, Table
from cln.notifications.queries import count_deliveries, deliveries_of
from cln.notifications.webhook_rows import DeliveryRow

STATE_CHOICES: Final = (
    ("arrived", "Arrived"),
    ("waiting", "Waiting or tried again"),
    ("ended", "Given up or called off"),
)
# What usually helps, by the status of the answer; then by its first digit.
ADVICE: Final = (
    (401, "Your program wants to be signed in to. We prove who we are by the signature alone."),
    (403, "Your program or a firewall before it lets nobody in. Check CLN-Signature instead."),
    (404, "There is nothing at this address. Compare it with your program's."),
    (405, "Your program does not take a POST at this address."),
    (410, "Your program says that this address is gone for good."),
    (413, "Your program takes no body of this size."),
    (429, "Your program had too much at once. It is tried again later."),
    (3, "Redirects are not followed. Enter the address it leads to."),
    (4, "Your program does not take this request. Its log says why."),
    (5, "Your program broke, or is not running. Its log says why."),
)


def delivery_table(account_id: int, endpoint: str) -> Table[DeliveryRow]:
    """Deliveries to an endpoint, the newest first."""
    return Table(
        name="deliveries",
        noun="delivery",
        columns=COLUMNS,
        read=lambda query, limit, offset: deliveries_of(
            account_id, endpoint, state=query.filters["state"], limit=limit, offset=offset
        ),
        count=lambda query: count_deliveries(account_id, endpoint, state=query.filters["state"]),
        row="webhooks/delivery_row.html",
        filters=(Filter("state", "Result", STATE_CHOICES),),
        empty=Empty(
            "Nothing was sent yet",
            "What happens from now on is sent within a minute. A test shows whether it arrives.",
            "paper-airplane",
        ),
    )


def standing_of(row: DeliveryRow) -> tuple[str, str]:
    """Where a delivery stands: the state whose drawing it has, and the word for it."""
    if row.sent_at:
        return "on", gettext("arrived")
    if row.next_try_at:
        is_again = row.attempts and row.last_error
        return ("late", gettext("tried again")) if is_again else ("waiting", gettext("waiting"))
    return ("failed", gettext("given up")) if row.attempts else ("off", gettext("called off"))


def reason_of(row: DeliveryRow) -> str:
    """Why the latest try failed, and what usually helps; "" where none has."""
    if not row.attempts or not row.last_error:
        return ""
    status = row.response_status
    if status is None:
        return gettext(row.last_error)
    said = gettext("The answer was HTTP %(status)s.") % {"status": status}
    advice = next((words for code, words in ADVICE if code in (status, status // 100)), "")
    return f"{said} {gettext(advice)}" if advice else said


COLUMNS: Sequence[Column[DeliveryRow]] = (
    Column("created_at", "When", lambda row: row.created_at),
    Column("type", "Event", lambda row: f"{row.type} {row.event}"),
    Column("state", "State", lambda row: standing_of(row)[1]),
    Column("attempts", "Tries", lambda row: row.attempts, numeric=True),
    Column("reason", "Why it failed", reason_of),
    Column("", ""),
)
