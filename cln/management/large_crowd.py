"""The crowd of one large account of a benchmark: the database makes it of few rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.apps import apps
from django.db import connection, models, transaction
from psycopg import sql

from cln.management.population import copy_statement, stride_of

AUDIT_ENTRIES: Final = 20_000
_INVOICED: Final = (
    "billing.Invoice",
    "billing.InvoiceLine",
    "billing.UsageShare",
    "billing.Transfer",
    "payments.PaymentAttempt",
    "payments.Payment",
    "payments.Allocation",
    "payments.SandboxCharge",
)
Instead = Callable[[type[models.Model]], Mapping[str, sql.Composable]]
"""What differs in the copies of a model's rows, by field."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much the account has; invoices at least one for each license type."""

    servers: int
    keys: int
    invoices: int


def repeat_invoices(copies: int, earlier: Instead) -> None:
    """Repeat all that was bought, paid and booked so far, each time earlier."""
    copied = [apps.get_model(label) for label in _INVOICED]
    stride = stride_of(copied)
    with transaction.atomic(), connection.cursor() as cursor:
        for model in copied:
            statement = copy_statement(model, set(copied), stride, earlier(model))
            cursor.execute(statement, {"copies": copies})
            cursor.execute(
                "SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)",
                [model._meta.db_table, stride * (copies + 1)],
            )
        cursor.execute(
            "UPDATE billing_invoiceseries SET next_number = 1 + (SELECT count(*) "
            "FROM billing_invoice WHERE series_id = code)"
        )


def days_earlier(model: type[models.Model]) -> Mapping[str, sql.Composable]:
    """Each day and instant as many days earlier as copies were made before; for that day alone."""
    return _moved(model, sql.SQL("copy * interval '1 day'"), period=_ONE_DAY)


def months_earlier(model: type[models.Model]) -> Mapping[str, sql.Composable]:
    """Each day, instant and period as many months earlier as copies were made before."""
    return _moved(model, sql.SQL("copy * interval '1 month'"), period=_MONTHS)


def _moved(
    model: type[models.Model], by: sql.Composable, *, period: str
) -> Mapping[str, sql.Composable]:
    instead: dict[str, sql.Composable] = {}
    for field in model._meta.concrete_fields:
        column = sql.Identifier("r", str(field.column))
        if isinstance(field, models.DateTimeField):
            instead[field.name] = sql.SQL("{} - {}").format(column, by)
        elif isinstance(field, models.DateField):
            instead[field.name] = sql.SQL("({} - {})::date").format(column, by)
        elif field.name == "period":
            instead[field.name] = sql.SQL(period).format(c=column)
    return instead


_ONE_DAY = "daterange(lower({c}) - copy, lower({c}) - copy + 1)"
_MONTHS = """daterange((lower({c}) - copy * interval '1 month')::date,
    (upper({c}) - copy * interval '1 month')::date)"""


def add_crowd(account_id: int, size: Size, *, now: datetime) -> None:
    """Further keys, servers and history of an account that has default keys and groups."""
    values: dict[str, int | datetime] = {
        "account": account_id,
        "keys": size.keys,
        "servers": size.servers,
        "entries": AUDIT_ENTRIES * size.servers // 100_000,
        "now": now,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in (_KEYS, _SERVERS, _USED_OF_KEYS, _USED, _REMOVED, _HISTORY):
            cursor.execute(statement, values)


def add_ip_crowd(account_id: int, licenses: int, *, now: datetime) -> None:
    """Further IP licenses, held like those the account has; one in 100 more was given back."""
    values: dict[str, int | datetime] = {
        "account": account_id,
        "licenses": licenses,
        "now": now,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_IP_LICENSES, values)
        cursor.execute(_GIVEN_BACK, values)


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
# Added in the last two years, one a quarter of an hour; some are heard of.
_IP_LICENSES = """
INSERT INTO licensing_iplicense (public_id, account_id, license_type_id, product_id, address,
    hostname, els_allowed, added_at, added_on, registered_at, last_check_in_at)
SELECT 'ipl_bench' || n, i.account_id, i.license_type_id, i.product_id, '21.0.0.0'::inet + n,
    CASE WHEN n %% 2 = 0 THEN 'node' || n || '.large.example' ELSE '' END, false,
    at.held, (at.held AT TIME ZONE 'UTC')::date, at.held, %(now)s - (n %% 80000) * interval '1 s'
FROM (SELECT *, row_number() OVER (ORDER BY id) - 1 AS at, count(*) OVER () AS of
    FROM licensing_iplicense WHERE account_id = %(account)s) AS i
JOIN generate_series(1::bigint, %(licenses)s) AS n ON n %% of = at
CROSS JOIN LATERAL (SELECT %(now)s - n * interval '15 minutes' AS held) AS at
"""
# The last ones held at the same addresses, until some day of the last weeks.
_GIVEN_BACK = """
INSERT INTO licensing_iplicense (public_id, account_id, license_type_id, product_id, address,
    hostname, els_allowed, added_at, added_on, removed_at, removed_on)
SELECT 'ipl_gone' || id, account_id, license_type_id, product_id, address, hostname, false,
    at.removed - interval '1 year', (at.removed AT TIME ZONE 'UTC')::date - 365,
    at.removed, (at.removed AT TIME ZONE 'UTC')::date
FROM licensing_iplicense
CROSS JOIN LATERAL (SELECT %(now)s - id %% 40 * interval '1 day' AS removed) AS at
WHERE account_id = %(account)s AND id %% 100 = 0
"""
