"""A believable sandbox: two customers, a reseller and an operator with a little history.

Made through the same verbs as everybody's data, 45 days in the past, and lived through up to now.
Its passwords are random; they lie in the data directory, readable by its owner alone.
"""

import json
import os
import secrets
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from cln.accounts.models import Account
from cln.accounts.services import (
    create_account,
    create_login,
    rotate_api_secret,
    update_tax_details,
)
from cln.backups import services as backups
from cln.enums import AccountKind, MethodKind
from cln.flows import purchase, reseller, timeline
from cln.flows.collection import set_payment_method
from cln.licensing.ip_licenses import add_ip_license
from cln.licensing.keys import reveal
from cln.licensing.models import ActivationKey, Server
from cln.licensing.services import Hints, Report, check_in, register_server
from cln.payments.gateways.sandbox import Script, token_for

HISTORY = timedelta(days=45)
ACTOR = "demo"
HOLDINGS = {"cloudlinux": 5, "kernelcare": 10, "imunify360_30": 5}
# Of the second customer, who is billed in euros and accounts for the VAT itself.
EURO_HOLDINGS = {"cloudlinux": 8, "imunify360_30": 5}
SERVERS = (
    ("cloudlinux", "web1.acme.example", "198.51.100.11", "9.4"),
    ("cloudlinux", "web2.acme.example", "198.51.100.12", "8.10"),
    ("kernelcare", "web1.acme.example", "198.51.100.11", "9.4"),
    ("kernelcare", "db1.acme.example", "198.51.100.21", "9.4"),
    ("imunify360_30", "shop.acme.example", "198.51.100.31", "8.10"),
)
IP_LICENSES = (
    ("kernelcare", "203.0.113.10"),
    ("kernelcare", "203.0.113.11"),
    ("cloudlinux", "203.0.113.11"),
    ("imunify360_30", "203.0.113.12"),
)


def ensure_demo(*, now: datetime) -> dict[str, Any]:
    """Make the demo data where it is missing, and return its logins, secrets and keys.

    The same on every call with the same data directory. Sandbox only.
    """
    assert settings.CLN_MODE == "sandbox", "production has no demo data"
    path = Path(settings.CLN_DATA_DIR) / "demo.json"
    if not path.exists():
        _write(path, _make(now))
    demo: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return {"url": settings.CLN_BASE_URL} | demo


def _make(now: datetime) -> dict[str, Any]:
    # Other people's data must not be lived through in the past: only an empty sandbox gets one.
    begin = now if Account.objects.exists() else now - HISTORY
    suffix = "" if begin < now else f"-{secrets.token_hex(2)}"
    customer, customer_login = _account("acme" + suffix, AccountKind.CUSTOMER, now=begin)
    euro, euro_login = _account("nordwind" + suffix, AccountKind.CUSTOMER, "EUR", now=begin)
    update_tax_details(
        account_id=euro.pk,
        address="Hafenstraße 12\n20457 Hamburg",
        country="DE",
        vat_number="DE123456788",
        actor=ACTOR,
        now=begin,
    )
    partner, partner_login = _account("zenith" + suffix, AccountKind.RESELLER, now=begin)
    operator = _login(None, "operator" + suffix, now=begin)
    for buyer, holdings in ((customer, HOLDINGS), (euro, EURO_HOLDINGS)):
        for license_type, quantity in holdings.items():
            purchase.buy(
                account_id=buyer.pk,
                license_type=license_type,
                quantity=quantity,
                interval="month",
                actor=ACTOR,
                request_key=f"demo:{license_type}",
                now=begin,
            )
    keys = {code: _default_key(customer, code) for code in HOLDINGS}
    reseller.top_up(account_id=partner.pk, amount_cents=500_00, actor=ACTOR, now=begin)
    _register_servers(keys, since=begin, now=now)
    _keep_a_backup(customer, now=begin)
    for license_type, address in IP_LICENSES:
        add_ip_license(
            account_id=partner.pk,
            license_type=license_type,
            address=address,
            actor=ACTOR,
            now=begin,
        )
    if begin < now:
        timeline.run_until(now, since=begin)
    return {
        "customer": customer_login,
        "customer_eur": euro_login,
        "reseller": partner_login,
        "operator": operator,
        "keys": keys,
    }


def _account(
    name: str, kind: AccountKind, currency: str = "USD", *, now: datetime
) -> tuple[Account, dict[str, str]]:
    with transaction.atomic():
        account = create_account(
            company=f"{name.capitalize()} Hosting",
            billing_email=f"billing@{name}.example",
            kind=kind,
            currency=currency,
            now=now,
        )
        login = _login(account.pk, name, now=now)
    login["api_secret"] = rotate_api_secret(account_id=account.pk, actor=ACTOR, now=now)
    set_payment_method(
        account_id=account.pk,
        kind=MethodKind.CARD,
        gateway="sandbox",
        token=token_for(Script.OK),
        label="Visa ending in 4242",
        expires_on=now.date() + timedelta(days=3 * 365),
        actor=ACTOR,
        now=now,
    )
    return account, login


def _login(account_id: int | None, name: str, *, now: datetime) -> dict[str, str]:
    password = secrets.token_urlsafe(12)
    create_login(
        account_id=account_id,
        email=f"{name}@{name}.example",
        password=password,
        username=name,
        is_primary=account_id is not None,
        is_confirmed=True,
        now=now,
    )
    return {"login": name, "password": password, "api_secret": ""}


def _default_key(account: Account, license_type: str) -> str:
    return reveal(
        ActivationKey.objects.get(
            account=account, license_type__code=license_type, is_default=True, removed_at=None
        )
    )


def _register_servers(keys: dict[str, str], *, since: datetime, now: datetime) -> None:
    for days, (license_type, hostname, address, version) in enumerate(SERVERS, start=1):
        registration = register_server(
            key_text=keys[license_type],
            address=address,
            hints=Hints(hostname=hostname, os_version=version),
            now=min(since + timedelta(days=days), now),
        )
        check_in(
            secret=registration.secret,
            address=address,
            report=Report(os_version=version),
            now=now - timedelta(minutes=7 * days),
        )


def _keep_a_backup(account: Account, *, now: datetime) -> None:
    """One from before the product was retired: today only an operator's setting makes new ones."""
    server = Server.objects.get(account=account, hostname="shop.acme.example")
    with transaction.atomic():
        backups.add(server=server, size_gb=50, data_center="EU1", actor=ACTOR, now=now)


def _write(path: Path, demo: dict[str, Any]) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(demo, file, indent=2)
