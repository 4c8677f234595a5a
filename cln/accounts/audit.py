"""The audit log: one verb writes, a trigger refuses everything else."""

from collections.abc import Mapping
from datetime import datetime

from cln.accounts.models import AuditEntry


def record(
    *,
    account_id: int | None,
    actor: str,
    verb: str,
    subject: str = "",
    details: Mapping[str, object] | None = None,
    address: str | None = None,
    now: datetime,
) -> None:
    """Append who (`actor`: a login, or a command's name) did what, in the caller's transaction.

    `details` must be JSON and must not hold secrets: prefix and last 4 of a key at most.
    """
    AuditEntry.objects.create(
        account_id=account_id,
        at=now,
        actor=actor,
        address=address,
        verb=verb,
        subject=subject[:120],
        details=dict(details or {}),
    )
