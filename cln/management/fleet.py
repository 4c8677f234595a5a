"""An invented fleet for benchmarks: accounts, their rights, and servers by the million."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction

from cln.accounts.services import create_account
from cln.catalog.queries import get_license_type
from cln.domain.silence import PERIOD
from cln.enums import EntitlementKind
from cln.licensing.models import ActivationKey, Entitlement, Server
from cln.licensing.registration import secret_hash
from cln.licensing.services import grant
from cln.management.driver import http

LICENSE_TYPE = "cloudlinux"
ACCOUNTS = 50
_COLUMNS = (
    "public_id, account_id, license_type_id, key_id, by_address, secret_hash, status, takes_seat, "
    "hostname, "
    "address, machine_uuid, os_version, kernel, registered_at, last_check_in_at, alert_after, "
    "alerts_sent, removed_why"
)


@dataclass(frozen=True, slots=True)
class Fleet:
    """The keys of the invented accounts; its servers are numbered from 0."""

    keys: tuple[ActivationKey, ...]


def make_accounts(*, now: datetime, seats: int) -> Fleet:
    """Accounts that may run `seats` servers each; a benchmark has none before it asks."""
    keys = []
    for number in range(ACCOUNTS):
        account = create_account(company=f"Fleet {number}", billing_email="", now=now)
        with transaction.atomic():
            grant(
                account_id=account.pk,
                license_type=LICENSE_TYPE,
                kind=EntitlementKind.PAID,
                quantity=seats,
                valid_until=None,
                now=now,
            )
        keys.append(ActivationKey.objects.get(account=account))
    return Fleet(tuple(keys))


def add_servers(fleet: Fleet, numbers: Sequence[int], *, now: datetime) -> None:
    """Put servers with these numbers into the table, heard at different times of the last day."""
    query = f"COPY {Server._meta.db_table} ({_COLUMNS}) FROM STDIN"
    type_id = get_license_type(LICENSE_TYPE).pk
    with transaction.atomic(), connection.cursor() as cursor:
        with cursor.copy(query) as copy:
            for number in numbers:
                copy.write_row([*_row(fleet, type_id, number, now)])
        # Each has checked in from its boot before.
        cursor.execute(
            "INSERT INTO licensing_machinetrace (server_id, boot, former_boots, fingerprint) "
            "SELECT id, right(public_id, 20), '{}', right(public_id, 20) FROM licensing_server "
            "WHERE id NOT IN (SELECT server_id FROM licensing_machinetrace)"
        )
    for at, key in enumerate(fleet.keys):
        mine = sum(1 for number in numbers if number % ACCOUNTS == at)
        counted = ActivationKey.objects.get(pk=key.pk).used + mine
        ActivationKey.objects.filter(pk=key.pk).update(used=counted)
        Entitlement.objects.filter(account=key.account_id).update(used=counted)
    with connection.cursor() as cursor:
        cursor.execute(f"VACUUM (ANALYZE) {Server._meta.db_table}")


def check_in_of(number: int) -> bytes:
    """The check-in of a server, from its own address behind a proxy."""
    return http(
        "/api/v2/agent/check-in",
        f'{{"kernel":"4.18.0-553.el8","users":7,"boot_id":"{number:020d}",'
        f'"fingerprint":"{number:020d}"}}',
        headers=(
            f"Authorization: Bearer {_secret(number)}",
            f"X-Forwarded-For: {_address(number)}",
        ),
    )


def _row(fleet: Fleet, type_id: int, number: int, now: datetime) -> Iterator[object]:
    key = fleet.keys[number % ACCOUNTS]
    heard = now - timedelta(seconds=number % 80_000)
    yield from (f"srv_{number:020d}", key.account_id, type_id, key.pk, False)
    yield from (secret_hash(_secret(number)), "active", True, f"server{number}.example")
    yield from (_address(number), f"00000000-0000-4000-8000-{number:012x}", "8.10", "4.18.0")
    yield from (now - timedelta(days=30), heard, heard + PERIOD, 0, "")


def _secret(number: int) -> str:
    return f"cls_{number:040d}"


def _address(number: int) -> str:
    return f"{20 + number // 2**24}.{number // 65_536 % 256}.{number // 256 % 256}.{number % 256}"
