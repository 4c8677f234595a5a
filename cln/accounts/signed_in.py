"""Who is signed in: what every page asks first.

Session and login with its account are two statements that are written out and prepared; through
query sets they are three, and each takes longer to write than PostgreSQL to answer.
"""

from __future__ import annotations

from typing import Final

from allauth.account.auth_backends import AuthenticationBackend
from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session

from cln import clock
from cln.accounts.models import Account, Login
from cln.database.prepared import columns, fetch_tuples, instance, width

_SESSION: Final = f"""
SELECT {columns(Session, "s")} FROM django_session s WHERE session_key = %s AND expire_date > %s"""
_LOGIN: Final = f"""
SELECT {columns(Login, "l")}, {columns(Account, "a")}
FROM accounts_login l LEFT JOIN accounts_account a ON a.id = l.account_id WHERE l.id = %s"""


class SessionStore(db.SessionStore):
    """Django's sessions in the database, read in one prepared statement."""

    def _get_session_from_db(self) -> Session | None:
        """The row of the key in the cookie; None where it has run out or never was."""
        rows = fetch_tuples(_SESSION, (self.session_key, clock.system_now()))
        if not rows:
            self._session_key = None
            return None
        return instance(Session, rows[0])


class Backend(AuthenticationBackend):  # type: ignore[misc] # allauth has no types
    """allauth's, which reads a login together with its account."""

    def get_user(self, user_id: int) -> Login | None:
        """Who a session belongs to; None where the login is gone or may not sign in."""
        rows = fetch_tuples(_LOGIN, (user_id,))
        if not rows:
            return None
        login = instance(Login, rows[0])
        if login.account_id is not None:
            login.account = instance(Account, rows[0], start=width(Login))
        return login if self.user_can_authenticate(login) else None
