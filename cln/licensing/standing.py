"""Up, late or silent: how a running server stands, of one row and of many."""

from __future__ import annotations

from datetime import datetime

from django.db.models import DateTimeField, ExpressionWrapper, Q, QuerySet, Value
from django.db.models.functions import Coalesce

from cln.domain.silence import GRACE, PERIOD, Patience, Standing
from cln.enums import ServerStatus
from cln.licensing.models import Server


def patience_with(server: Server) -> Patience:
    """How long this server may be silent; its group's grace overrides the usual one."""
    grace = None if server.group is None else server.group.grace
    return Patience(
        PERIOD if server.period is None else server.period, GRACE if grace is None else grace
    )


def heard_at(server: Server) -> datetime:
    """When the server was heard last; its registration is the first time."""
    return server.last_check_in_at or server.registered_at


def with_standing(
    servers: QuerySet[Server], standing: Standing, *, now: datetime
) -> QuerySet[Server]:
    """Those of the servers that are up, late or silent, as `ServerRow.standing_at` says it."""
    late_after = Coalesce("last_check_in_at", "registered_at") + Coalesce("period", Value(PERIOD))
    running = servers.filter(status=ServerStatus.ACTIVE).alias(
        late_after=ExpressionWrapper(late_after, DateTimeField()),
        silent_after=ExpressionWrapper(
            late_after + Coalesce("group__grace", Value(GRACE)), DateTimeField()
        ),
    )
    silent = Q(alerted_at__isnull=False) | Q(silent_after__lte=now)
    if standing is Standing.SILENT:
        # Three indexes name the few that may be: who is due, whose alert waits, and who was told.
        due = Q(alert_after__lte=now, alerted_at__isnull=True)
        maybe = due | Q(alert_waits=True) | Q(alerted_at__isnull=False)
        return running.filter(maybe).filter(silent)
    if standing is Standing.LATE:
        return running.filter(late_after__lte=now).exclude(silent)
    return running.filter(alerted_at=None, late_after__gt=now)
