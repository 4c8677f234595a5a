"""How often each page of the console asks the database: no more than its budget, however many rows.

The same budget holds with 3 and with 30 servers, keys, invoices and IP licenses, so a page that
asks once more for each row is over it. Its session and its frame are included.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from cln.accounts.models import Login
from cln.catalog.services import load_catalog
from cln.enums import AccountKind
from cln.management.console_bench import pages_of
from cln.management.large_crowd import Size
from cln.management.one_large_account import make_large_account
from tests.customers import START, clock_at

pytestmark = pytest.mark.django_db

# By the name of the route: of a customer, of a reseller (0: it has no such page).
BUDGETS: Final[Mapping[str, tuple[int, int]]] = {
    "search": (8, 9),
    "dashboard": (34, 37),
    "product": (31, 32),
    "new_key": (8, 9),
    "key_ranges": (4, 4),
    "key": (38, 56),
    "features": (24, 42),
    "edition": (25, 17),
    "edit_key": (8, 9),
    "remove_key": (12, 13),
    "servers": (15, 16),
    "server": (27, 28),
    "move_server": (14, 15),
    "convert_server": (73, 31),
    "server_groups": (10, 11),
    "group": (13, 14),
    "edit_group": (9, 10),
    "remove_group": (9, 10),
    "watch": (16, 16),
    "new_backup": (7, 8),
    "backups": (9, 10),
    "backup": (9, 10),
    "resize_backup": (9, 10),
    "remove_backup": (9, 10),
    "relink_backup": (9, 10),
    "remove_server": (25, 26),
    "remove_unused": (23, 9),
    "unsubscribe": (37, 9),
    "purchase_products": (11, 12),
    "purchase": (25, 14),
    "acquire": (4, 4),
    "cart": (12, 13),
    "order_done": (4, 4),
    "billing": (26, 27),
    "invoices": (28, 15),
    "invoice": (14, 15),
    "upcoming": (21, 22),
    "payment_methods": (10, 11),
    "payment_method_back": (4, 4),
    "remove_payment_method": (22, 23),
    "profile": (7, 8),
    "security": (11, 12),
    "two_factor_on": (4, 4),
    "two_factor_off": (7, 8),
    "passkey_again": (23, 24),
    "new_passkey": (4, 4),
    "two_factor_codes": (6, 6),
    "change_email": (7, 8),
    "new_api_token": (4, 4),
    "api": (9, 10),
    "api_secret": (4, 4),
    "logins": (8, 9),
    "invite_login": (7, 8),
    "edit_login": (8, 9),
    "remove_login": (8, 9),
    "reports": (10, 11),
    "edit_report": (10, 11),
    "audit": (9, 10),
    "convert": (20, 4),
    "submit_ticket": (8, 9),
    "ip_licenses": (0, 12),
    "add_ip_licenses": (0, 11),
    "address_lists": (0, 10),
    "edit_ip_license": (0, 16),
    "server_accounts": (0, 33),
    "new_server_account": (0, 9),
    "server_account": (0, 14),
    "edit_server_account": (0, 12),
    "remove_server_account": (0, 12),
    "balance": (0, 37),
    "autopayment": (0, 14),
    "statement": (0, 38),
}
SPARE: Final = 1
"""What is read once per process, and one that depends on what there is to show."""


@pytest.mark.parametrize("rows", [3, 30])
@pytest.mark.parametrize("kind", AccountKind)
def test_no_page_asks_the_database_more_often_than_its_budget(kind: AccountKind, rows: int) -> None:
    clock_at(START)
    load_catalog()
    account = make_large_account(kind, Size(rows, rows, rows), now=START)
    pages, _nothing_known = pages_of(account)
    client = Client()
    client.force_login(Login.objects.get(account=account))
    client.get("/console/dashboard")

    over, asked = [], set()
    for page in pages:
        asked.add(page.name)
        budget = BUDGETS.get(page.name, (0, 0))[kind is AccountKind.RESELLER]
        with CaptureQueriesContext(connection) as queries:
            client.get(page.path)
        if len(queries) > budget + SPARE:
            over.append(f"{page.path}: {len(queries)} statements, not {budget}")

    assert over == []
    of_kind = {name for name, budgets in BUDGETS.items() if budgets[kind is AccountKind.RESELLER]}
    assert of_kind == asked
