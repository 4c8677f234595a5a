"""Builders of licensing's tests: they call the services, so no test sees an impossible row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection, transaction

from cln.accounts.models import Account
from cln.domain.errors import Refusal
from cln.enums import EntitlementKind
from cln.ids import public_id
from cln.licensing.models import ActivationKey, Entitlement, Server
from cln.licensing.services import Hints, Registration, grant, register_server, reveal
from tests.shop import open_shop

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
ADDRESS = "192.0.2.10"


def an_account(company: str = "Acme") -> Account:
    """An account in a database that has the catalog."""
    open_shop()
    return Account.objects.create(public_id=public_id("acc"), company=company, created_at=NOW)


def bought(account: Account, license_type: str, quantity: int | None) -> ActivationKey:
    """Paid licenses; returns the default key."""
    return _granted(account, license_type, quantity, EntitlementKind.PAID, until=None)


def on_trial(
    account: Account, license_type: str, quantity: int | None, until: datetime
) -> ActivationKey:
    """A trial; returns the default key."""
    return _granted(account, license_type, quantity, EntitlementKind.TRIAL, until=until)


def registered(
    key: ActivationKey,
    hostname: str,
    address: str = ADDRESS,
    now: datetime = NOW,
    **hints: str,
) -> Registration:
    """A server registered with the key."""
    return register_server(
        key_text=reveal(key), address=address, hints=Hints(hostname=hostname, **hints), now=now
    )


def used(account: Account, license_type: str) -> tuple[int, int]:
    """Seats in use by the counters of (entitlement, all keys), proven against the servers."""
    right = Entitlement.objects.get(account=account, license_type__code=license_type)
    keys = ActivationKey.objects.filter(account=account, license_type__code=license_type)
    seated = Server.objects.filter(
        account=account, license_type__code=license_type, status="active", takes_seat=True
    )
    on_keys = sum(key.used for key in keys)
    assert right.used == on_keys == seated.count(), "the counters and the servers differ"
    return right.used, on_keys


def _granted(
    account: Account,
    license_type: str,
    quantity: int | None,
    kind: EntitlementKind,
    until: datetime | None,
) -> ActivationKey:
    with transaction.atomic():
        grant(
            account_id=account.pk,
            license_type=license_type,
            kind=kind,
            quantity=quantity,
            valid_until=until,
            now=NOW,
        )
    return ActivationKey.objects.get(
        account=account, license_type__code=license_type, is_default=True, removed_at=None
    )


def refusal_of(verb: Callable[..., object], **arguments: Any) -> Refusal:
    """The refusal that the verb answers with; a failure where it does not refuse."""
    with pytest.raises(Refusal) as refused:
        verb(**arguments)
    return refused.value


@contextmanager
def locked_by_somebody_else(key: ActivationKey) -> Iterator[None]:
    """Hold the key's row in another connection, and let this one wait for a moment only."""
    other = connection.copy()
    other.set_autocommit(False)
    try:
        with other.cursor() as cursor:
            cursor.execute(
                "SELECT 1 FROM licensing_activationkey WHERE id = %s FOR UPDATE", [key.pk]
            )
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '50ms'")
        yield
    finally:
        other.rollback()
        other.close()
        connection.close()
