"""How often a stranger may try: per address and per subject, for all web processes together.

The numbers stand in `ACCOUNT_RATE_LIMITS` (settings), beside allauth's own for signing in.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

from allauth.core.internal import ratelimit
from django.http import HttpRequest, HttpResponse

from cln.web import too_many_requests

APP: Final = "allauth.account"
View = Callable[..., HttpResponse]


def too_often(request: HttpRequest, action: str, *, key: str = "") -> HttpResponse | None:
    """Count this request; the page that says "later" where it was one too many, else None.

    `key` is the subject: an address, a token, a login. GETs count as well.
    """
    allowed = ratelimit.consume(request, app=APP, action=action, key=key or None, limit_get=True)
    if allowed is not None:
        return None
    rates = ratelimit.get_rates(app=APP, action=action)
    return too_many_requests(request, seconds=int(max(rate.duration for rate in rates)))


def limited(action: str, view: View, *, subject: str) -> View:
    """An allauth page that counts its visits: `subject` names the argument that is the key."""

    @functools.wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        stop = too_often(request, action, key=str(kwargs[subject]))
        return stop or view(request, *args, **kwargs)

    return answer
