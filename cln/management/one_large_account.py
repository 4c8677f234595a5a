"""One invented account for a benchmark, as large as one gets: servers, keys, invoices, history.

It signs up and buys by the verbs of production; the database then makes the crowd of what it has.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.apps import apps
from django.db import connection, models, transaction
from psycopg import sql

from cln.accounts.models import Account
from cln.accounts.services import create_account, create_login
from cln.enums import MethodKind, Role
from cln.flows import collection
from cln.flows.purchase import buy
from cln.licensing.features import set_feature
from cln.licensing.groups import create_group
from cln.licensing.models import ActivationKey
from cln.licensing.surcharges import IMUNIFY_EMAIL
from cln.management.population import ACTOR, copy_statement, stride_of
from cln.payments.gateways.sandbox import Script, token_for

USERNAME: Final = "large"
PASSWORD: Final = "a password of a benchmark"
LICENSE_TYPES: Final = ("cloudlinux", "kernelcare", "imunify360_30")
GROUPS: Final = 20
AUDIT_ENTRIES: Final = 20_000
_INVOICED: Final = (
    "billing.Invoice",
    "billing.InvoiceLine",
    "billing.Transfer",
    "payments.PaymentAttempt",
    "payments.Payment",
    "payments.Allocation",
    "payments.SandboxCharge",
)


@dataclass(frozen=True, slots=True)
class Size:
    """How much the account has; invoices at least one for each license type."""

    servers: int
    keys: int
    invoices: int


def make_large_account(size: Size, *, now: datetime) -> Account:
    """An account of that size, in a prepared, empty database, with a login that may do all."""
    account = _customer(now)
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
    for number in range(GROUPS):
        create_group(account_id=account.pk, name=f"Rack {number}", actor=ACTOR, now=now)
    _add_invoices(size.invoices)
    _fill(account, size, now=now)
    email_key = ActivationKey.objects.get(
        account=account, license_type__code="imunify360_30", is_default=True
    )
    set_feature(
        account_id=account.pk,
        feature=IMUNIFY_EMAIL,
        enabled=True,
        key=email_key.public_id,
        actor=ACTOR,
        now=now,
    )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")
    return account


def _customer(now: datetime) -> Account:
    account = create_account(company="Large Ltd.", billing_email="large@example.com", now=now)
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


def _add_invoices(invoices: int) -> None:
    """Repeat what was bought, paid and booked, a day earlier each time and for that day alone."""
    copied = [apps.get_model(label) for label in _INVOICED]
    stride = stride_of(copied)
    copies = -(-invoices // len(LICENSE_TYPES)) - 1
    with transaction.atomic(), connection.cursor() as cursor:
        for model in copied:
            statement = copy_statement(model, set(copied), stride, _days_before(model))
            cursor.execute(statement, {"copies": copies})
            cursor.execute(
                "SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)",
                [model._meta.db_table, stride * (copies + 1)],
            )
        cursor.execute(
            "UPDATE billing_invoiceseries SET next_number = 1 + (SELECT count(*) "
            "FROM billing_invoice WHERE series_id = code)"
        )


def _days_before(model: type[models.Model]) -> dict[str, sql.Composable]:
    """Each day and instant of a row, as many days earlier as copies were made before it."""
    instead: dict[str, sql.Composable] = {}
    for field in model._meta.concrete_fields:
        column = sql.Identifier("r", str(field.column))
        if isinstance(field, models.DateTimeField):
            instead[field.name] = sql.SQL("{} - copy * interval '1 day'").format(column)
        elif isinstance(field, models.DateField):
            instead[field.name] = sql.SQL("{} - copy").format(column)
        elif field.name == "period":
            instead[field.name] = sql.SQL(
                "daterange(lower({c}) - copy, lower({c}) - copy + 1)"
            ).format(c=column)
    return instead


def _fill(account: Account, size: Size, *, now: datetime) -> None:
    values: dict[str, int | datetime] = {
        "account": account.pk,
        "keys": max(0, size.keys - len(LICENSE_TYPES)),
        "servers": size.servers,
        "entries": AUDIT_ENTRIES * size.servers // 100_000,
        "now": now,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in (_KEYS, _SERVERS, _USED_OF_KEYS, _USED, _REMOVED, _HISTORY):
            cursor.execute(statement, values)


# Further keys with a note and an end of their own; their text is the default key's.
_KEYS = """
INSERT INTO licensing_activationkey (public_id, account_id, license_type_id, lookup_hash, cipher,
    last4, "limit", used, note, cidrs, is_default, created_at)
SELECT 'key_bench' || n, k.account_id, k.license_type_id, sha256(k.lookup_hash || int8send(n)),
    k.cipher, lpad(to_hex(n %% 65536), 4, '0'), 0, 0, 'Customer ' || n, '{}', false,
    %(now)s - n * interval '1 minute'
FROM (SELECT *, row_number() OVER (ORDER BY id) - 1 AS at, count(*) OVER () AS of
    FROM licensing_activationkey WHERE account_id = %(account)s AND is_default) AS k
JOIN generate_series(1, %(keys)s) AS n ON n %% of = at
"""
# A fifth of the servers on the default keys, the others spread over all; one in 20 on version 6,
# one in 100 silent, a third in groups.
_SERVERS = """
WITH k AS (SELECT id, license_type_id, row_number() OVER (ORDER BY is_default DESC, id) - 1 AS at
    FROM licensing_activationkey WHERE account_id = %(account)s),
c AS (SELECT count(*) AS of, count(*) FILTER (WHERE is_default) AS defaults
    FROM licensing_activationkey WHERE account_id = %(account)s),
g AS (SELECT array_agg(id ORDER BY id) AS ids FROM licensing_servergroup
    WHERE account_id = %(account)s)
INSERT INTO licensing_server (public_id, account_id, license_type_id, key_id, by_address,
    secret_hash, status, takes_seat, hostname, address, machine_uuid, os_version, kernel, group_id,
    registered_at, last_check_in_at, alert_after, alerted_at, alerts_sent, removed_why)
SELECT 'srv_bench' || n, %(account)s, k.license_type_id, k.id, false,
    sha256(int8send(n)), 'active', true, 'web' || n || '.large.example',
    '20.0.0.0'::inet + n, 'machine-' || n,
    (ARRAY['6.10', '7.9', '7.9', '8.6', '8.10', '8.10', '8.10', '8.10', '8.10', '8.10',
        '9.4', '9.4', '9.4', '9.4', '9.4', '9.5', '9.6', '9.6', '9.6', '9.6'])[1 + n %% 20],
    '4.18.0-553.el8', CASE WHEN n %% 3 = 0 THEN g.ids[1 + n %% cardinality(g.ids)] END,
    %(now)s - n * interval '5 minutes', %(now)s - (n %% 80000) * interval '1 second',
    %(now)s + interval '1 day', CASE WHEN n %% 100 = 7 THEN %(now)s END, 0, ''
FROM generate_series(1::bigint, %(servers)s) AS n CROSS JOIN g CROSS JOIN c
JOIN k ON k.at = CASE WHEN n %% 5 = 0 THEN n / 5 %% defaults ELSE n %% of END
"""
_USED_OF_KEYS = """
UPDATE licensing_activationkey k SET used = s.used, last_used_at = %(now)s FROM
    (SELECT key_id, count(*) AS used FROM licensing_server WHERE account_id = %(account)s
        GROUP BY key_id) AS s
WHERE s.key_id = k.id
"""
_USED = """
UPDATE licensing_entitlement e SET used = s.used FROM
    (SELECT license_type_id, count(*) AS used FROM licensing_server
        WHERE account_id = %(account)s GROUP BY license_type_id) AS s
WHERE s.license_type_id = e.license_type_id AND e.account_id = %(account)s
"""
# One in 20 more, which were taken off in the last weeks.
_REMOVED = """
INSERT INTO licensing_server (public_id, account_id, license_type_id, key_id, by_address,
    secret_hash, status, takes_seat, hostname, address, machine_uuid, os_version, kernel,
    registered_at, alerts_sent, removed_at, removed_why)
SELECT 'srv_gone' || id, account_id, license_type_id, key_id, false,
    sha256(secret_hash), 'removed', true, 'old-' || hostname, address, '', os_version, kernel,
    registered_at - interval '1 year', 0, %(now)s - id %% 40 * interval '1 day', 'bench'
FROM licensing_server WHERE account_id = %(account)s AND id %% 20 = 0
"""
_HISTORY = """
INSERT INTO accounts_auditentry (account_id, at, actor, verb, subject, details)
SELECT %(account)s, %(now)s - n * interval '7 minutes', 'large', 'remove_server',
    'srv_bench' || 1 + n * 5 %% %(servers)s, '{}'
FROM generate_series(1, %(entries)s) AS n
"""
