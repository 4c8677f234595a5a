"""Any number of invented accounts for a benchmark, with everything a billing day looks at.

A few model accounts are made by the verbs of production, a month or a year before the billing day.
The database then copies their rows: with ids, public ids and numbers of their own, and under every
constraint, so that a large population is as consistent as the small one it repeats.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from typing import Any

from django.apps import apps
from django.db import connection, models, transaction
from psycopg import sql

from cln.accounts.models import Account
from cln.accounts.services import create_account
from cln.catalog.models import TaxRate
from cln.domain.calendar import Interval
from cln.enums import MethodKind
from cln.flows import collection
from cln.flows.corrections import grant_credit
from cln.flows.purchase import buy
from cln.licensing.door import Hints
from cln.licensing.feature_list import IMUNIFY_EMAIL
from cln.licensing.features import set_feature
from cln.licensing.keys import reveal
from cln.licensing.models import ActivationKey
from cln.licensing.registration import register_server
from cln.payments.gateways.sandbox import Script, token_for

ACTOR = "bench"
DUE_ON = date(2026, 3, 10)
"""The boundary that every subscription of the population reaches: the billing day."""
_BOUGHT_ON = {Interval.MONTH: date(2026, 2, 10), Interval.YEAR: date(2025, 3, 10)}
_ADDED_ON = date(2026, 2, 20)
_COUNTRIES = ("", "DE", "US", "FR")
_TAXES = {"DE": 1_900, "FR": 2_000}

# What is copied, and which text besides public ids must differ from copy to copy.
_COPIED: dict[str, tuple[str, ...]] = {
    "accounts.Account": (),
    "payments.PaymentMethod": (),
    "billing.Subscription": (),
    "billing.QuantityChange": (),
    "billing.Invoice": ("number",),
    "billing.InvoiceLine": (),
    "billing.Transfer": (),
    "payments.PaymentAttempt": ("gateway_charge",),
    "payments.Payment": ("gateway_reference",),
    "payments.Allocation": (),
    "payments.SandboxCharge": ("reference",),
    "licensing.Entitlement": (),
    "licensing.ActivationKey": ("lookup_hash",),
    "licensing.Server": ("secret_hash",),
    "licensing.FeatureSetting": (),
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What a model account holds of one license type."""

    license_type: str
    quantity: int
    interval: Interval
    added: int
    old_servers: int


def populate(accounts: int, *, models: int = 24) -> None:
    """Fill a prepared, empty database with at least this many accounts, all due on `DUE_ON`, that
    repeat at most `models` of them.
    """
    model_accounts = min(accounts, models)
    _set_taxes()
    for number in range(model_accounts):
        _model_account(number)
    copies = -(-accounts // model_accounts) - 1
    if copies:
        _copy(copies)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _set_taxes() -> None:
    """VAT of two countries, where the operator's catalog has none."""
    TaxRate.objects.bulk_create(
        (
            TaxRate(country=country, from_on=date(2020, 1, 1), basis_points=rate)
            for country, rate in _TAXES.items()
        ),
        ignore_conflicts=True,
    )


def wishes(number: int) -> tuple[Wish, ...]:
    """Half of the accounts have two subscriptions; a sixth pays yearly, a third has grown."""
    interval = Interval.YEAR if number % 6 == 5 else Interval.MONTH
    added = 2 if number % 3 == 0 else 0
    if number % 2 == 0:
        first = Wish("kernelcare", 3 + number, interval, added, 0)
        second = Wish("imunify360_1", 1 + number % 5, Interval.MONTH, 0, 0)
        return first, second
    return (Wish("cloudlinux", 2 + number % 7, interval, added, number % 4 // 3),)


def _model_account(number: int) -> None:
    opened_at = _at(_BOUGHT_ON[Interval.YEAR])
    account = create_account(
        company=f"Company {number} Ltd.",
        billing_email=f"billing{number}@example.com",
        currency="EUR" if number % 3 == 2 else "USD",
        now=opened_at,
    )
    Account.objects.filter(pk=account.pk).update(
        country=_COUNTRIES[number % 4], address=f"{number} Example Street, 12345 Example Town"
    )
    collection.set_payment_method(
        account_id=account.pk,
        kind=MethodKind.CARD,
        gateway="sandbox",
        token=token_for(Script.OK),
        label="Visa •••• 4242",
        expires_on=None,
        actor=ACTOR,
        now=opened_at,
    )
    for wish in wishes(number):
        _buys(account.pk, wish)
    if number % 8 in (1, 2):
        grant_credit(
            operator=ACTOR,
            account_id=account.pk,
            # Less than the invoice for one, more for the other.
            amount_cents=500 if number % 8 == 1 else 50_000,
            reason="benchmark",
            now=_at(_ADDED_ON),
        )


def _buys(account_id: int, wish: Wish) -> None:
    bought_at = _at(_BOUGHT_ON[wish.interval])
    _purchase(account_id, wish, wish.quantity, bought_at)
    if wish.added:
        _purchase(account_id, wish, wish.added, _at(_ADDED_ON))
    for server in range(wish.old_servers):
        key = ActivationKey.objects.get(
            account=account_id, license_type__code=wish.license_type, is_default=True
        )
        register_server(
            key_text=reveal(key),
            address=f"198.51.100.{server + 1}",
            hints=Hints(hostname=f"old{server}.example", os_version="6.10"),
            now=bought_at + timedelta(hours=1),
        )
    if wish.license_type.startswith("imunify"):
        key = ActivationKey.objects.get(account=account_id, license_type__code=wish.license_type)
        register_server(
            key_text=reveal(key),
            address="198.51.100.99",
            hints=Hints(hostname="mail.example", os_version="9.4"),
            now=bought_at + timedelta(hours=1),
        )
        set_feature(
            account_id=account_id, feature=IMUNIFY_EMAIL, enabled=True, actor=ACTOR, now=bought_at
        )


def _purchase(account_id: int, wish: Wish, quantity: int, at: datetime) -> None:
    buy(
        account_id=account_id,
        license_type=wish.license_type,
        quantity=quantity,
        interval=wish.interval,
        actor=ACTOR,
        request_key=f"{wish.license_type}:{at.isoformat()}",
        now=at,
    )


def _at(day: date) -> datetime:
    return datetime.combine(day, time(9), tzinfo=UTC)


def _copy(copies: int) -> None:
    copied = [apps.get_model(label) for label in _COPIED]
    stride = stride_of(copied)
    with transaction.atomic(), connection.cursor() as cursor:
        for model in copied:
            cursor.execute(copy_statement(model, set(copied), stride), {"copies": copies})
        for model in copied:
            cursor.execute(
                "SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)",
                [model._meta.db_table, stride * (copies + 1)],
            )
        cursor.execute(
            "UPDATE billing_invoiceseries SET next_number = 1 + (SELECT count(*) "
            "FROM billing_invoice WHERE series_id = code)"
        )


def stride_of(copied: Iterable[type[models.Model]]) -> int:
    """By how much the ids of each copy of these tables must move."""
    newest = (model._base_manager.aggregate(newest=models.Max("pk"))["newest"] for model in copied)
    return 1 + max(pk or 0 for pk in newest)


def copy_statement(
    model: type[models.Model],
    copied: Set[type[models.Model]],
    stride: int,
    instead: Mapping[str, sql.Composable] = MappingProxyType({}),
) -> sql.Composed:
    """INSERT … SELECT of the model rows, once for each copy; ids move by `stride` each time.

    `instead` has by field what must differ besides, of the row `r` and the number `copy`.
    """
    columns, values = [], []
    for field in model._meta.concrete_fields:
        columns.append(sql.Identifier(str(field.column)))
        values.append(instead.get(field.name) or _value(model, field, copied, stride))
    return sql.SQL(
        "INSERT INTO {table} ({columns}) SELECT {values} FROM {table} AS r, "
        "generate_series(1, %(copies)s) AS copy ORDER BY copy, r.id"
    ).format(
        table=sql.Identifier(model._meta.db_table),
        columns=sql.SQL(", ").join(columns),
        values=sql.SQL(", ").join(values),
    )


def _value(
    model: type[models.Model],
    field: models.Field[Any, Any],
    copied: Set[type[models.Model]],
    stride: int,
) -> sql.Composable:
    column = sql.Identifier("r", str(field.column))
    # A transfer names its payment without a foreign key: billing does not know payments.
    names_a_copy = field.is_relation and field.related_model in copied
    if field.primary_key or names_a_copy or field.name == "payment_id":
        return sql.SQL("{} + copy * {}").format(column, sql.Literal(stride))
    if model is apps.get_model("billing.Invoice") and field.name == "number":
        return sql.SQL(_NEXT_NUMBER)
    if field.name != "public_id" and field.name not in _COPIED.get(model._meta.label, ()):
        return column
    if isinstance(field, models.BinaryField):
        return sql.SQL("sha256({} || int8send(copy))").format(column)
    return sql.SQL("CASE {c} WHEN '' THEN '' ELSE {c} || '-' || copy END").format(c=column)


# Gapless from copy to copy (P11).
_NEXT_NUMBER = """
(SELECT prefix || CASE WHEN length(n::text) < 6 THEN lpad(n::text, 6, '0') ELSE n::text END
 FROM billing_invoiceseries s CROSS JOIN LATERAL (
    SELECT substr(r.number, length(s.prefix) + 1)::bigint + copy * (s.next_number - 1) AS n
 ) AS numbered WHERE s.code = r.series_id)
"""
