"""Backups that are left from before the product was retired."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from cln.backups import services
from cln.backups.models import Backup
from cln.licensing.access import get_server
from tests.licensing import NOW


def a_backup(
    account_id: int,
    server: str,
    size_gb: int = 50,
    *,
    data_center: str = "EU1",
    now: datetime = NOW,
) -> Backup:
    """A backup of a server, of which the provider has not been told yet."""
    with transaction.atomic():
        return services.add(
            server=get_server(account_id=account_id, public_id=server),
            size_gb=size_gb,
            data_center=data_center,
            actor="test",
            now=now,
        )
