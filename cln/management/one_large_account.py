"""One invented account for a benchmark, as large as one gets: servers, keys, invoices, history.

It signs up and buys by the verbs of production; the database then makes the crowd of what it has.
A reseller has as many IP licenses as a customer has servers.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from cln.accounts.models import Account
from cln.accounts.services import create_account, create_login
from cln.backups import services as backups
from cln.enums import AccountKind, MethodKind, Role
from cln.flows import collection, reseller, usage_run
from cln.flows.purchase import buy
from cln.licensing.feature_list import IMUNIFY_EMAIL
from cln.licensing.features import Spot, set_feature
from cln.licensing.groups import create_group
from cln.licensing.ip_licenses import add_ip_license
from cln.licensing.keys import create_key
from cln.licensing.models import ActivationKey, Server
from cln.licensing.server_accounts import Person, add_server_account
from cln.management.large_crowd import (
    Size,
    add_crowd,
    add_ip_crowd,
    days_earlier,
    months_earlier,
    repeat_invoices,
)
from cln.management.population import ACTOR
from cln.notifications import webhooks
from cln.notifications.events import EventType
from cln.payments.gateways.sandbox import Script, token_for

USERNAME: Final = "large"
PASSWORD: Final = "a password of a benchmark"
LICENSE_TYPES: Final = ("cloudlinux", "kernelcare", "imunify360_30")
GROUPS: Final = 20
BACKUPS: Final = 50
TESTS: Final = 50
DEPOSIT_CENTS: Final = 100_000_00


def make_large_account(kind: AccountKind, size: Size, *, now: datetime) -> Account:
    """An account of that size, in a prepared, empty database, with a login that may do all."""
    if kind is AccountKind.RESELLER:
        return _reseller(size, now=now)
    return _customer(size, now=now)


def _customer(size: Size, *, now: datetime) -> Account:
    account = _signed_up(AccountKind.CUSTOMER, now=now)
    for license_type in LICENSE_TYPES:
        buy(
            account_id=account.pk,
            license_type=license_type,
            # A few are not in use.
            quantity=size.servers // len(LICENSE_TYPES) + 100,
            interval="month",
            actor=ACTOR,
            request_key=f"bench:{license_type}",
            now=now,
        )
    _add_groups(account.pk, now=now)
    repeat_invoices(_copies(size), days_earlier)
    add_crowd(account.pk, _beside_defaults(size, size.servers), now=now)
    _turn_email_on(account.pk, now=now)
    _keep_backups(account.pk, size, now=now)
    _listen(account.pk, size, now=now)
    return account


def _reseller(size: Size, *, now: datetime) -> Account:
    """Its IP licenses are since the month before; a tenth as many servers came by its keys."""
    begun = (now.replace(day=1) - timedelta(days=1)).replace(day=1)
    account = _signed_up(AccountKind.RESELLER, now=begun)
    reseller.top_up(account_id=account.pk, amount_cents=DEPOSIT_CENTS, actor=ACTOR, now=begun)
    for number, license_type in enumerate(LICENSE_TYPES):
        create_key(account_id=account.pk, license_type=license_type, actor=ACTOR, now=begun)
        add_ip_license(
            account_id=account.pk,
            license_type=license_type,
            address=f"8.8.4.{number}",
            actor=ACTOR,
            now=begun,
        )
    add_server_account(
        account_id=account.pk,
        person=Person(login="site1", email="site1@large.example"),
        actor=ACTOR,
        now=begun,
    )
    usage_run.run_due(now=now)
    _add_groups(account.pk, now=now)
    repeat_invoices(_copies(size), months_earlier)
    add_crowd(
        account.pk, _beside_defaults(size, max(len(LICENSE_TYPES), size.servers // 10)), now=now
    )
    add_ip_crowd(account.pk, size.servers, now=now)
    _turn_email_on(account.pk, now=now)
    _keep_backups(account.pk, size, now=now)
    _listen(account.pk, size, now=now)
    account.refresh_from_db()
    return account


def _copies(size: Size) -> int:
    return -(-size.invoices // len(LICENSE_TYPES)) - 1


def _beside_defaults(size: Size, servers: int) -> Size:
    return Size(servers, max(0, size.keys - len(LICENSE_TYPES)), size.invoices)


def _add_groups(account_id: int, *, now: datetime) -> None:
    for number in range(GROUPS):
        create_group(account_id=account_id, name=f"Rack {number}", actor=ACTOR, now=now)


def _turn_email_on(account_id: int, *, now: datetime) -> None:
    """Imunify Email, on the default key."""
    key = ActivationKey.objects.get(
        account=account_id, license_type__code="imunify360_30", is_default=True
    )
    set_feature(
        account_id=account_id,
        feature=IMUNIFY_EMAIL,
        enabled=True,
        spot=Spot(key=key.public_id),
        actor=ACTOR,
        now=now,
    )


def _keep_backups(account_id: int, size: Size, *, now: datetime) -> None:
    """Some of its servers have a backup each."""
    for server in Server.objects.filter(account=account_id)[: min(size.servers, BACKUPS)]:
        with transaction.atomic():
            backups.add(server=server, size_gb=10, data_center="EU1", actor=ACTOR, now=now)


def _listen(account_id: int, size: Size, *, now: datetime) -> None:
    """As many webhooks as an account may have, and tests on their way to each."""
    for number in range(webhooks.ENDPOINTS_MOST):
        row, _ = webhooks.create_endpoint(
            account_id=account_id,
            url=f"https://hooks{number}.large.example/",
            events=[*EventType],
            actor=ACTOR,
            now=now,
        )
        for _test in range(min(size.servers, TESTS)):
            webhooks.ping(account_id=account_id, endpoint=row.public_id, now=now)


def _signed_up(kind: AccountKind, *, now: datetime) -> Account:
    account = create_account(
        company="Large Ltd.", billing_email="large@example.com", kind=kind, now=now
    )
    create_login(
        account_id=account.pk,
        email="large@example.com",
        password=PASSWORD,
        username=USERNAME,
        role=Role.FULL,
        is_primary=True,
        is_confirmed=True,
        now=now,
    )
    collection.set_payment_method(
        account_id=account.pk,
        kind=MethodKind.CARD,
        gateway="sandbox",
        token=token_for(Script.OK),
        label="Test card",
        expires_on=None,
        actor=ACTOR,
        now=now,
    )
    return account
