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
    "search": (7, 8),
    "dashboard": (31, 34),
    "product": (26, 27),
    "new_key": (7, 8),
    "key_ranges": (4, 4),
    "key": (29, 42),
    "features": (21, 34),
    "edition": (24, 17),
    "edit_key": (7, 8),
    "remove_key": (12, 13),
    "servers": (14, 15),
    "server": (21, 22),
    "move_server": (13, 14),
    "convert_server": (42, 21),
    "server_groups": (9, 10),
    "group": (11, 12),
    "edit_group": (8, 9),
    "remove_group": (8, 9),
    "watch": (15, 14),
    "new_backup": (6, 7),
    "backups": (8, 9),
    "backup": (8, 9),
    "resize_backup": (8, 9),
    "remove_backup": (8, 9),
    "relink_backup": (8, 9),
    "remove_server": (24, 25),
    "remove_unused": (21, 8),
    "unsubscribe": (28, 8),
    "purchase_products": (10, 11),
    "purchase": (23, 15),
    "acquire": (4, 4),
    "cart": (9, 10),
    "order_done": (4, 4),
    "billing": (24, 25),
    "invoices": (27, 14),
    "invoice": (13, 14),
    "upcoming": (19, 20),
    "payment_methods": (9, 10),
    "payment_method_back": (4, 4),
    "remove_payment_method": (21, 22),
    "profile": (6, 7),
    "security": (10, 11),
    "two_factor_on": (4, 4),
    "two_factor_off": (6, 7),
    "passkey_again": (22, 23),
    "new_passkey": (4, 4),
    "two_factor_codes": (6, 6),
    "change_email": (6, 7),
    "new_api_token": (4, 4),
    "api": (8, 9),
    "api_secret": (4, 4),
    "logins": (7, 8),
    "invite_login": (6, 7),
    "edit_login": (7, 8),
    "remove_login": (7, 8),
    "reports": (8, 9),
    "edit_report": (8, 9),
    "audit": (8, 9),
    "convert": (19, 4),
    "submit_ticket": (7, 8),
    "ip_licenses": (0, 11),
    "add_ip_licenses": (0, 10),
    "address_lists": (0, 9),
    "edit_ip_license": (0, 14),
    "server_accounts": (0, 28),
    "new_server_account": (0, 8),
    "server_account": (0, 13),
    "edit_server_account": (0, 11),
    "remove_server_account": (0, 11),
    "balance": (0, 29),
    "autopayment": (0, 14),
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
