"""How often each page of the console asks the database: no more than its budget, however many rows.

The account has 30 servers, keys, invoices and IP licenses, so a page that asks once more for each
row is over its budget. Its session and its frame are included.
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
    "search": (6, 7),
    "dashboard": (30, 33),
    "product": (25, 26),
    "new_key": (6, 7),
    "key_ranges": (3, 3),
    "key": (29, 33),
    "features": (21, 22),
    "edition": (23, 16),
    "edit_key": (6, 7),
    "remove_key": (11, 12),
    "servers": (13, 14),
    "server": (21, 22),
    "move_server": (12, 13),
    "convert_server": (41, 20),
    "server_groups": (8, 9),
    "group": (10, 11),
    "edit_group": (7, 8),
    "remove_group": (7, 8),
    "watch": (14, 13),
    "new_backup": (5, 6),
    "backups": (7, 8),
    "backup": (7, 8),
    "resize_backup": (7, 8),
    "remove_backup": (7, 8),
    "relink_backup": (7, 8),
    "remove_server": (23, 24),
    "remove_unused": (20, 7),
    "unsubscribe": (27, 7),
    "purchase_products": (9, 0),
    "purchase": (22, 0),
    "acquire": (3, 0),
    "cart": (8, 0),
    "order_done": (3, 0),
    "billing": (23, 3),
    "invoices": (26, 13),
    "invoice": (12, 13),
    "invoice_by_number": (4, 5),
    "upcoming": (18, 3),
    "payment_methods": (8, 9),
    "payment_method_back": (3, 3),
    "remove_payment_method": (20, 21),
    "profile": (5, 6),
    "security": (9, 10),
    "two_factor_on": (3, 3),
    "two_factor_off": (5, 6),
    "passkey_again": (21, 22),
    "new_passkey": (3, 3),
    "two_factor_codes": (5, 5),
    "change_email": (5, 6),
    "new_api_token": (3, 3),
    "webhooks": (7, 8),
    "new_webhook": (3, 3),
    "webhook": (8, 9),
    "edit_webhook": (6, 7),
    "webhook_secret": (3, 3),
    "remove_webhook": (6, 7),
    "api": (7, 8),
    "api_secret": (3, 3),
    "logins": (6, 7),
    "invite_login": (5, 6),
    "edit_login": (6, 7),
    "remove_login": (6, 7),
    "reports": (7, 8),
    "edit_report": (7, 8),
    "audit": (8, 9),
    "convert": (18, 3),
    "submit_ticket": (6, 7),
    "ip_licenses": (0, 10),
    "add_ip_licenses": (0, 9),
    "address_lists": (0, 8),
    "edit_ip_license": (0, 13),
    "server_accounts": (0, 22),
    "new_server_account": (0, 7),
    "server_account": (0, 12),
    "edit_server_account": (0, 10),
    "remove_server_account": (0, 10),
    "balance": (0, 23),
    "autopayment": (0, 13),
    "statement": (0, 32),
}
SPARE: Final = 1
"""What is read once per process, and one that depends on what there is to show."""
ROWS: Final = 30
"""So many that a page which asks once more for each of them is over any budget."""


@pytest.mark.parametrize("kind", AccountKind)
def test_no_page_asks_the_database_more_often_than_its_budget(kind: AccountKind) -> None:
    clock_at(START)
    load_catalog()
    account = make_large_account(kind, Size(ROWS, ROWS, ROWS), now=START)
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
