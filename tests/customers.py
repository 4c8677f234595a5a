"""Customers who buy and pay, made through the flows; and our own processes beside the test's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.db import connection
from psycopg.conninfo import make_conninfo

from cln import clock
from cln.accounts.models import Account
from cln.accounts.services import create_account
from cln.catalog.models import LicenseType, PriceList, PriceTier
from cln.enums import AttemptChannel, MethodKind
from cln.flows import collection, purchase
from cln.flows.time_travel import travel_to
from cln.payments.gateways.sandbox import Script, token_for
from tests.shop import open_shop

START = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)
TYPE = "cloudlinux"
PROCESS_SECONDS = 90
KILLED = -signal.SIGKILL
ROOT = Path(__file__).resolve().parent.parent


def a_customer(company: str = "Acme", *, script: Script = Script.OK) -> Account:
    """A customer with a card that does what `script` says, in a sandbox that stands at START."""
    open_shop()
    account = create_account(
        company=company, billing_email=f"{company.lower()}@example.com", now=START
    )
    use_card(account, script)
    return account


def use_card(
    account: Account, script: Script, now: datetime = START
) -> tuple[collection.InvoiceResult, ...]:
    """Replace the payment method; what is due is tried at once (P1)."""
    return collection.set_payment_method(
        account_id=account.pk,
        kind=MethodKind.CARD,
        gateway="sandbox",
        token=token_for(script),
        label=f"Card that answers {script}",
        expires_on=None,
        actor="test",
        now=now,
    )


def buys(
    account: Account | int,
    quantity: int = 1,
    license_type: str = TYPE,
    *,
    interval: str | None = "month",
    key: str = "",
    now: datetime = START,
) -> purchase.Bought:
    """An order through the flow; each gets a request key of its own unless `key` is given."""
    return purchase.buy(
        account_id=_id(account),
        license_type=license_type,
        quantity=quantity,
        interval=interval,
        actor="test",
        request_key=key or f"{license_type}:{quantity}:{now.isoformat()}",
        now=now,
    )


def on_sale(license_type: str, unit_cents: int) -> None:
    """A price per month for a license type that the catalog sells on request only."""
    price_list = PriceList.objects.create(
        license_type=LicenseType.objects.get(code=license_type),
        interval="month",
        currency="USD",
        effective_on=START.date(),
    )
    PriceTier.objects.create(price_list=price_list, from_quantity=1, unit_cents=unit_cents)


def pays_now(account: Account | int, *, now: datetime) -> tuple[collection.InvoiceResult, ...]:
    """Press "Pay now"."""
    return collection.pay_now(
        account_id=_id(account), channel=AttemptChannel.PAY_NOW, actor="test", now=now
    )


def clock_at(instant: datetime) -> None:
    """Set the sandbox clock, for processes that ask it."""
    clock.move_to(instant)


def forget_jobs() -> None:
    """Procrastinate's tables are not Django's to empty; a killed worker never signed off."""
    with connection.cursor() as cursor:
        cursor.execute(
            "TRUNCATE procrastinate_jobs, procrastinate_periodic_defers, procrastinate_workers"
            " CASCADE"
        )


def one_verb(
    verb: str, now: datetime, account: Account | None = None, **env: str
) -> subprocess.Popen[str]:
    """Start a process that does one verb (tests/one_verb.py)."""
    arguments = ["-m", "tests.one_verb", verb, now.isoformat()]
    return process(arguments + ([str(account.pk)] if account else []), **env)


def finish(child: subprocess.Popen[str], *, code: int = 0) -> None:
    """Wait for a process; it must end with `code`."""
    output, _ = child.communicate(timeout=PROCESS_SECONDS)
    assert child.returncode == code, output


def process(arguments: Sequence[str], **env: str) -> subprocess.Popen[str]:
    """Start `python …` on the test's database, as another host of the installation would run."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "CLN_DATABASE_URL": database_url(),
            **env,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def database_url() -> str:
    """Where the test's database is, for another process."""
    settings = connection.settings_dict
    return make_conninfo(
        dbname=settings["NAME"],
        user=settings["USER"],
        password=settings["PASSWORD"],
        host=settings["HOST"],
        port=settings["PORT"] or None,
    )


def _id(account: Account | int) -> int:
    return account if isinstance(account, int) else account.pk


def in_debt(account: Account) -> None:
    """The card stops working, and two renewals stay open."""
    use_card(account, Script.HARD_DECLINE)
    travel_to(START + timedelta(days=60))
