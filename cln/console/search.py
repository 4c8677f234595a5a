"""The search field: things of the account, where their pages are, and the console's own pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from django.urls import reverse

from cln.accounts.access import Permission, may
from cln.accounts.models import Account
from cln.billing.queries import invoices_numbered
from cln.console.navigation import SECTIONS, side
from cln.domain.money import money_text
from cln.licensing.finding import Found, find

MOST: Final = 6
ALSO_CALLED: Final = {
    "dashboard": "server licenses default activation key trial start",
    "servers": "systems hostname",
    "watch": "systems not checking in alerts",
    "purchase_products": "add order product price license",
    "submit_ticket": "support help contact",
    "billing": "cancel unsubscribe subscription remove unused",
    "upcoming": "next invoice forecast",
    "invoices": "pay now debt bill outstanding receipt pdf refund",
    "payment_methods": "credit card paypal",
    "balance": "deposit add funds",
    "statement": "account statement usage month to date",
    "profile": "company address vat personal information name",
    "security": "password two-factor 2fa sessions sign out",
    "logins": "users roles people",
    "api": "whmcs username secret token password",
    "webhooks": "events callback http notifications endpoint",
    "reports": "mailing e-mail notifications",
    "audit": "history who did what",
    "convert": "partner",
}
"""What people look for on a page under another name than the page has (seed 001)."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A line of the answer."""

    label: str
    url: str
    icon: str
    more: str = ""


def hits_for(text: str, *, account: Account, role: str) -> tuple[Hit, ...]:
    """What the words mean in this account, as far as the role may see it, the likeliest first."""
    text = text.strip()
    if not text:
        return ()
    found: list[Hit] = []
    if may(role, Permission.VIEW_SERVERS):
        found += _licensing(find(account_id=account.pk, text=text, most=MOST))
    if may(role, Permission.VIEW_INVOICES):
        found += _invoices(account, text)
    found += _pages(text, account, role)
    if may(role, Permission.VIEW_SERVERS):
        query = urlencode({"q": text})
        found.append(
            Hit(
                f"Servers with “{text}” in name or address",
                f"{reverse('servers')}?{query}",
                "funnel",
            )
        )
    return tuple(found)


def _licensing(found: Found) -> list[Hit]:
    servers = [
        Hit(
            row.hostname or row.address,
            reverse("server", args=[row.public_id]),
            "server",
            f"{row.address}, {row.license_name}{'' if row.status == 'active' else ', removed'}",
        )
        for row in found.servers
    ]
    keys = [
        Hit(
            f"Key …{row.text[-4:]}",
            reverse("key", args=[row.public_id]),
            "key",
            f"{row.license_name}, {row.note}" if row.note else row.license_name,
        )
        for row in found.keys
    ]
    addresses = [
        Hit(
            row.address,
            f"{reverse('ip_licenses')}?{urlencode({'q': row.address})}",
            "globe-alt",
            f"IP license, {row.license_name}",
        )
        for row in found.addresses
    ]
    groups = [
        Hit(
            name,
            f"{reverse('servers')}?{urlencode({'group': name})}",
            "rectangle-group",
            "server group",
        )
        for name in found.groups
    ]
    return [*servers, *addresses, *keys, *groups]


def _invoices(account: Account, text: str) -> list[Hit]:
    return [
        Hit(
            f"Invoice {row.number}",
            reverse("invoice", args=[row.public_id]),
            "document-text",
            f"{money_text(row.total_cents, row.currency)}, {row.status}",
        )
        for row in invoices_numbered(account.pk, text, most=MOST)
    ]


def _pages(text: str, account: Account, role: str) -> list[Hit]:
    """The console's own pages by name, or by what people look for there (pain 28)."""
    words = text.lower()
    links = {
        link.url: link
        for section in SECTIONS
        for link in side(section, role=role, kind=account.kind)
    }
    known = {reverse(route): alias for route, alias in ALSO_CALLED.items()}
    return [
        Hit(link.label, url, link.icon, "page")
        for url, link in links.items()
        if words in f"{link.label} {known.get(url, '')}".lower()
    ][:MOST]
