"""What programs' calls leave behind is forgotten after a day."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import connection

from cln.accounts.models import ApiRequest

KEPT_FOR: Final = timedelta(hours=24)
"""How long a repeated call is answered from memory."""


def forget_requests(*, now: datetime) -> int:
    """Drop calls whose answer is no longer promised; how many. `now`: the system's."""
    return ApiRequest.objects.filter(claimed_at__lt=now - KEPT_FOR).delete()[0]


def forget_rates() -> int:
    """Drop the rate limits' rows of subjects that have not called for a day; how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM api_rate WHERE spread_until < extract(epoch FROM clock_timestamp()) - %s",
            [KEPT_FOR.total_seconds()],
        )
        dropped: int = cursor.rowcount
    return dropped
