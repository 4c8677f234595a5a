"""The console's own map: the sections of the top bar and the pages of each, with CLN's names.

A page is linked only where the login's role may open it: the map asks the view what it declared
(`@page`), so it can never offer what would be refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final
from urllib.parse import urlsplit

from django.urls import resolve, reverse

from cln.accounts.access import Permission, may
from cln.enums import AccountKind


@dataclass(frozen=True, slots=True)
class Entry:
    """A page of a section. `also`: pages below it; `kind`: "" for every account; `only_with`: what
    the account must have, or the page is not offered.
    """

    label: str
    route: str
    icon: str
    also: frozenset[str] = frozenset()
    kind: str = ""
    heading: str = ""
    query: str = ""
    of_product: bool = False
    badge: str = ""
    only_with: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """An entry as it is shown."""

    label: str
    url: str
    icon: str
    is_current: bool
    heading: str
    badge: str


def _also(*routes: str) -> frozenset[str]:
    return frozenset(routes)


DASHBOARD: Final = (
    Entry("Products", "dashboard", "squares-2x2"),
    Entry(
        "Servers",
        "servers",
        "server-stack",
        _also("server", "remove_server", "move_server", "convert_server"),
    ),
    Entry("Server groups", "server_groups", "folder", _also("group", "edit_group", "remove_group")),
    Entry("Not checking in", "watch", "bell-alert"),
    Entry("Features", "features", "adjustments-horizontal"),
    Entry(
        "IP licenses",
        "ip_licenses",
        "globe-alt",
        _also("add_ip_licenses", "remove_ip_licenses", "edit_ip_license")
        | _also("address_lists", "address_list"),
        kind=AccountKind.RESELLER,
    ),
    Entry(
        "Server accounts",
        "server_accounts",
        "rectangle-stack",
        _also(
            "server_account", "new_server_account", "edit_server_account", "remove_server_account"
        ),
        kind=AccountKind.RESELLER,
    ),
    Entry(
        "CL Backup",
        "backups",
        "archive-box",
        _also("backup", "new_backup", "resize_backup", "remove_backup", "relink_backup"),
        only_with="backups",
    ),
    Entry("Buy licenses", "purchase_products", "plus-circle", kind=AccountKind.CUSTOMER),
    Entry("Submit ticket", "submit_ticket", "chat-bubble-left-right", heading="Help"),
)
PRODUCT: Final = (
    Entry(
        "Activation keys",
        "product",
        "key",
        _also("key", "new_key", "edit_key", "remove_key"),
        of_product=True,
    ),
    Entry("Servers", "servers", "server-stack", query="product"),
    Entry("IP licenses", "ip_licenses", "globe-alt", kind=AccountKind.RESELLER, query="product"),
    Entry("Buy licenses", "purchase", "plus-circle", of_product=True, kind=AccountKind.CUSTOMER),
)
BILLING: Final = (
    Entry("Balance & top up", "balance", "banknotes", kind=AccountKind.RESELLER),
    Entry("This month so far", "statement", "chart-bar", kind=AccountKind.RESELLER),
    Entry(
        "Overview",
        "billing",
        "chart-bar",
        _also("remove_unused", "unsubscribe"),
        kind=AccountKind.CUSTOMER,
    ),
    Entry("Next 12 months", "upcoming", "calendar-days", kind=AccountKind.CUSTOMER),
    Entry("Invoices", "invoices", "document-text", _also("invoice", "payment"), badge="unpaid"),
    Entry("Payment methods", "payment_methods", "credit-card", _also("remove_payment_method")),
    Entry("Autopayment", "autopayment", "arrow-path", kind=AccountKind.RESELLER),
    Entry(
        "Purchase",
        "purchase_products",
        "plus-circle",
        _also("purchase", "order_done"),
        kind=AccountKind.CUSTOMER,
    ),
    Entry("Cart", "cart", "shopping-cart", kind=AccountKind.CUSTOMER),
)
ACCOUNT: Final = (
    Entry(
        "Account details",
        "profile",
        "identification",
        _also("profile_person", "profile_tax", "change_email"),
    ),
    Entry(
        "Security",
        "security",
        "lock-closed",
        _also("account_change_password", "two_factor_on", "two_factor_off", "two_factor_codes")
        | _also("new_passkey", "remove_passkey"),
    ),
    Entry(
        "Account sublogins", "logins", "users", _also("invite_login", "edit_login", "remove_login")
    ),
    Entry("API", "api", "code-bracket", _also("api_secret", "new_api_token", "revoke_api_token")),
    Entry(
        "Webhooks",
        "webhooks",
        "bolt",
        _also("webhook", "new_webhook", "edit_webhook", "webhook_secret", "remove_webhook"),
    ),
    Entry("Reports", "reports", "envelope", _also("edit_report")),
    Entry("Audit log", "audit", "clipboard-document-list"),
    Entry("Become a reseller", "convert", "building-storefront", kind=AccountKind.CUSTOMER),
)
SECTIONS: Final = {
    "dashboard": DASHBOARD,
    "billing": BILLING,
    "account": ACCOUNT,
}


@cache
def permission_of(route: str, argument: str = "") -> Permission | None:
    """What the view behind a route declared; None = no role is needed."""
    arguments = [argument] if argument else []
    access = getattr(resolve(reverse(route, args=arguments)).func, "access", None)
    permission: Permission | None = access.permission if access else None
    return permission


def may_open(url: str, *, role: str) -> bool:
    """Whether a login of this role may open one of our own pages, which it would be sent to."""
    access = getattr(resolve(urlsplit(url).path).func, "access", None)
    return access is None or access.permission is None or may(role, access.permission)


def nothing(_what: str) -> bool:
    """An account that has nothing only some have."""
    return False


def side(
    section: str,
    *,
    role: str,
    kind: str = AccountKind.CUSTOMER,
    here: str = "",
    has: Callable[[str], bool] = nothing,
) -> tuple[Link, ...]:
    """The pages of a section that this role may open; `here` is the route of the open page, `has`
    says whether the account has what only some have.
    """
    links = []
    for entry in SECTIONS.get(section, PRODUCT):
        argument = section if entry.of_product else ""
        needed = permission_of(entry.route, argument)
        if entry.kind not in ("", kind) or (needed and not may(role, needed)):
            continue
        if entry.only_with and not has(entry.only_with):
            continue
        url = reverse(entry.route, args=[argument] if argument else [])
        links.append(
            Link(
                label=entry.label,
                url=f"{url}?product={section}" if entry.query == "product" else url,
                icon=entry.icon,
                is_current=(here == entry.route and not entry.query) or here in entry.also,
                heading=entry.heading,
                badge=entry.badge,
            )
        )
    return tuple(links)
