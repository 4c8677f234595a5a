"""Which days a server took a seat of which license type: what post-paid keys are billed by (R8).

A server's row says what is so now, since `seat_since`. Whoever changes its license type or its
seat writes down first what was so until then.
"""

from collections.abc import Iterable
from datetime import date, datetime

from cln.licensing.models import SeatSpan, Server


def begin_anew(servers: Iterable[Server], *, until: date | None = None, now: datetime) -> None:
    """Joins: keep the days these servers have taken a seat so far, and count from today on.

    Call it before their license type or `takes_seat` changes. `until` is the first day without the
    seat where that was earlier than today. A seat taken and changed on one day leaves no days.
    """
    changing, today = list(servers), now.date()
    spans = (
        SeatSpan(
            server_id=server.pk,
            license_type_id=server.license_type_id,
            from_on=first_day(server),
            until_on=until or today,
        )
        for server in changing
        if server.takes_seat and first_day(server) < (until or today)
    )
    SeatSpan.objects.bulk_create(spans)
    Server.objects.filter(pk__in=[server.pk for server in changing]).update(seat_since=today)


def first_day(server: Server) -> date:
    """Since which day the server is what it is now."""
    return server.seat_since or server.registered_at.date()
