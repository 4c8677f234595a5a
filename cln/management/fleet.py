"""An invented fleet for benchmarks: accounts, their rights, servers by the million, a partner."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha1
from typing import Final

from django.db import connection, transaction

from cln import clock
from cln.accounts.models import Account, Login
from cln.accounts.services import create_account, rotate_api_secret
from cln.catalog.queries import get_license_type
from cln.domain.silence import PERIOD
from cln.enums import EntitlementKind
from cln.licensing.keys import reveal
from cln.licensing.models import ActivationKey, Entitlement, IpLicense, Server
from cln.licensing.registration import secret_hash
from cln.licensing.services import grant
from cln.management.driver import http

LICENSE_TYPE: Final = "cloudlinux"
ACCOUNTS: Final = 50
SEATS: Final = 10_000_000
PARTNER: Final = "benchpartner"
LICENSES: Final = 10_000
_COLUMNS: Final = (
    "public_id, account_id, license_type_id, key_id, by_address, secret_hash, status, takes_seat, "
    "hostname, address, machine_uuid, os_version, kernel, registered_at, last_check_in_at, "
    "alert_after, alerts_sent, removed_why"
)
# Each has checked in from its boot before.
_TRACES: Final = """
    INSERT INTO licensing_machinetrace (server_id, boot, former_boots, fingerprint)
    SELECT s.id, right(s.public_id, 20), '{}', right(s.public_id, 20) FROM licensing_server s
    WHERE NOT EXISTS (SELECT FROM licensing_machinetrace t WHERE t.server_id = s.id)"""


@dataclass(frozen=True, slots=True)
class Fleet:
    """The keys of the invented accounts; its servers are numbered from 0."""

    keys: tuple[ActivationKey, ...]


def make_accounts(*, now: datetime) -> Fleet:
    """Accounts that may run as many servers as they like."""
    keys = []
    for number in range(ACCOUNTS):
        account = create_account(
            company=f"Fleet {number}", billing_email=f"fleet{number}@example.com", now=now
        )
        with transaction.atomic():
            grant(
                account_id=account.pk,
                license_type=LICENSE_TYPE,
                kind=EntitlementKind.PAID,
                quantity=SEATS,
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
        cursor.execute(_TRACES)
    for at, key in enumerate(fleet.keys):
        used = ActivationKey.objects.get(pk=key.pk).used
        used += len(numbers[(at - numbers[0]) % ACCOUNTS :: ACCOUNTS])
        ActivationKey.objects.filter(pk=key.pk).update(used=used)
        Entitlement.objects.filter(account=key.account_id).update(used=used)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")
        cursor.execute("CHECKPOINT")


def check_in_of(number: int) -> bytes:
    """The check-in of our agent on a server, from its own address behind a proxy."""
    return http(
        "/api/v2/agent/check-in",
        f'{{"kernel":"4.18.0-553.el8","users":7,"boot_id":"{number:020d}",'
        f'"fingerprint":"{number:020d}"}}',
        headers=(
            f"Authorization: Bearer {_secret(number)}",
            f"X-Forwarded-For: {address_of(number)}",
        ),
    )


def registration_of(number: int, key: str) -> bytes:
    """A new machine that registers with a key."""
    return http(
        "/api/v2/agent/register",
        f'{{"key":"{key}","hostname":"new{number}.example","os_version":"8.10",'
        f'"machine_uuid":"11111111-0000-4000-8000-{number:012x}"}}',
        headers=(f"X-Forwarded-For: {address_of(2**26 + number)}",),
    )


def key_texts(fleet: Fleet) -> list[str]:
    """The keys as machines send them."""
    return [reveal(key) for key in fleet.keys]


def make_partner(*, now: datetime) -> str:
    """An account with 10,000 IP licenses and the API; returns its secret."""
    account = create_account(company="Partner", billing_email="", now=now)
    Account.objects.filter(pk=account.pk).update(api_enabled=True)
    Login.objects.create(
        account=account, username=PARTNER, email="partner@example.com", joined_at=now
    )
    secret = rotate_api_secret(account_id=account.pk, actor="bench", now=now)
    sold = get_license_type("kernelcare")
    IpLicense.objects.bulk_create(
        (
            IpLicense(
                public_id=f"ipl_{number:020d}",
                account=account,
                license_type=sold,
                product=sold.product,
                address=address_of(number),
                added_at=now,
                added_on=now.date(),
            )
            for number in range(LICENSES)
        ),
        batch_size=2_000,
    )
    return secret


def signed(path: str, secret: str) -> bytes:
    """A request of REST v1 with a token of this moment."""
    at = int(clock.system_now().timestamp())
    digest = sha1(f"{secret}{at}".encode(), usedforsecurity=False).hexdigest()
    return http(f"{path}{'&' if '?' in path else '?'}token={PARTNER}|{at}|{digest}")


def address_of(number: int) -> str:
    """A public address for every number."""
    return f"{20 + number // 2**24}.{number // 65_536 % 256}.{number // 256 % 256}.{number % 256}"


def _row(fleet: Fleet, type_id: int, number: int, now: datetime) -> Iterator[object]:
    key = fleet.keys[number % ACCOUNTS]
    heard = now - timedelta(seconds=number % 80_000)
    yield from (f"srv_{number:020d}", key.account_id, type_id, key.pk, False)
    yield from (secret_hash(_secret(number)), "active", True, f"server{number}.example")
    yield from (address_of(number), f"00000000-0000-4000-8000-{number:012x}", "8.10", "4.18.0")
    yield from (now - timedelta(days=30), heard, heard + PERIOD, 0, "")


def _secret(number: int) -> str:
    return f"cls_{number:040d}"
