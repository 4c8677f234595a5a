"""Is CLN well? `/api/status.*`, without a token (facts §7.2)."""

from __future__ import annotations

from django.db import DatabaseError, connection
from django.http import HttpRequest
from django.urls import Resolver404, resolve

from cln.api.envelope import Answer, v1_reading

# The registration server of old is part of this one: it is up when the database is.
_DATABASE = ("db_clweb_connected", "db_clweb_online", "db_rhn_connected", "db_rhn_online")


@v1_reading
def status_json(_request: HttpRequest) -> Answer:
    """Eight booleans, and the two that the Go client decodes besides."""
    return Answer({**_booleans(), "rhn_queue_rejects": 0, "acronis": []})


@v1_reading
def status_plain(_request: HttpRequest) -> Answer:
    """The eight booleans as lines."""
    return Answer(_booleans())


def _booleans() -> dict[str, bool]:
    return {
        **dict.fromkeys(_DATABASE, _database_answers()),
        # Nothing is queued at our doors: a request is answered after its commit, or refused.
        "rhn_overloaded": False,
        "rhn_queue_full": False,
        "xmlrpc": _is_door("/clweb/xmlrpc"),
        "ip_server_reg": _is_door("/XMLRPC"),
    }


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def _is_door(path: str) -> bool:
    try:
        resolve(path)
    except Resolver404:
        return False
    return True
