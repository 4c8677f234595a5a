"""What programs' calls leave behind is forgotten after a day."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from cln.accounts.models import ApiRequest

KEPT_FOR: Final = timedelta(hours=24)
"""How long a repeated call is answered from memory."""


def forget_requests(*, now: datetime) -> int:
    """Drop calls whose answer is no longer promised; how many. `now`: the system's."""
    return ApiRequest.objects.filter(claimed_at__lt=now - KEPT_FOR).delete()[0]
