"""The step between the password and the console, for logins that have a second factor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import segno
from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.stages import LoginStage
from django.http import HttpResponse
from django.utils.safestring import SafeString, mark_safe

from cln.accounts.passkeys import Challenge, home, is_possible_at
from cln.accounts.two_factor import has_second_factor
from cln.web import Request, redirect

STAGE = "two_factor"
ROUTE = "two_factor_sign_in"
_CHALLENGE: Final = "passkey_challenge"


class TwoFactorStage(LoginStage):  # type: ignore[misc] # allauth has no types
    """allauth holds the login back until this stage is left."""

    key = STAGE
    urlname = ROUTE

    def handle(self) -> tuple[HttpResponse | None, bool]:
        """Ask for a code where one is needed."""
        login: Any = self.login.user
        if login is None or not has_second_factor(login.pk) or self._came_by_passkey(login):
            return None, True
        return redirect(ROUTE), True

    def _came_by_passkey(self, login: Any) -> bool:
        """A passkey that took the password's place is both factors at once."""
        records = get_authentication_records(self.request, login)
        return any(record.get("passwordless") for record in records)


def qr_code(text: str) -> SafeString:
    """The text as an SVG for this page, dark on white in dark mode too: cameras need that."""
    code = segno.make(text, error="m", micro=False)
    picture = code.svg_inline(border=4, omitsize=True, dark="#000", light="#fff", svgclass="qr")
    return mark_safe(picture)  # nothing of the text is in it but its squares


def asked(request: Request, challenge: Challenge) -> str:
    """Keep the challenge for the answer of this browser; its options, for the page."""
    request.session[_CHALLENGE] = challenge.state
    return challenge.options


def challenged(request: Request) -> Mapping[str, Any]:
    """What this browser was asked last; empty where it was not asked. Good for one answer."""
    state: Mapping[str, Any] = request.session.pop(_CHALLENGE, {})
    return state


def here(request: Request) -> dict[str, Any]:
    """For a page: whether passkeys work at the address it was opened by, and where they do."""
    return {"is_possible": is_possible_at(request.get_host()), "home": home()}
