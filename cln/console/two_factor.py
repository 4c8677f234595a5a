"""The step between the password and the console, for logins that have a second factor."""

from __future__ import annotations

from typing import Any

from allauth.account.stages import LoginStage
from django.http import HttpResponse

from cln.accounts.two_factor import two_factor_of
from cln.web import redirect

STAGE = "two_factor"
ROUTE = "two_factor_sign_in"


class TwoFactorStage(LoginStage):  # type: ignore[misc] # allauth has no types
    """allauth holds the login back until this stage is left."""

    key = STAGE
    urlname = ROUTE

    def handle(self) -> tuple[HttpResponse | None, bool]:
        """Ask for a code where one is needed."""
        login: Any = self.login.user
        if login is None or two_factor_of(login.pk) is None:
            return None, True
        return redirect(ROUTE), True
