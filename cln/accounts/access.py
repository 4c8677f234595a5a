"""Who may do what: the six roles of sub-logins as one table (facts §3.4).

Operators of the vendor (`is_staff`) have no account and no row here: they use the back-office.
"""

from collections.abc import Mapping
from enum import StrEnum

from cln.enums import Role


class Permission(StrEnum):
    """What a page or a verb may need."""

    VIEW_PRODUCTS = "view_products"
    VIEW_SERVERS = "view_servers"
    REPORTING = "reporting"
    EDIT_SERVERS = "edit_servers"
    CREATE_KEYS = "create_keys"
    ORDER_LICENSES = "order_licenses"
    VIEW_INVOICES = "view_invoices"
    VIEW_BILLING = "view_billing"
    EDIT_CARDS = "edit_cards"
    EDIT_ACCOUNT = "edit_account"
    EDIT_BILLING = "edit_billing"
    VIEW_PRICES = "view_prices"
    VIEW_ACCOUNT = "view_account"
    CHANGE_PASSWORD = "change_password"
    MANAGE_LOGINS = "manage_logins"  # sub-logins and the API secret


_P = Permission
_EVERYBODY = {_P.VIEW_PRODUCTS, _P.VIEW_SERVERS}
_SERVERS = _EVERYBODY | {_P.REPORTING, _P.EDIT_SERVERS, _P.CREATE_KEYS}
_READ_BILLING = _EVERYBODY | {_P.REPORTING, _P.VIEW_INVOICES, _P.VIEW_BILLING}

PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.FULL: frozenset(Permission),
    Role.BILLING: frozenset(
        _EVERYBODY
        | {
            _P.VIEW_INVOICES,
            _P.VIEW_BILLING,
            _P.EDIT_CARDS,
            _P.EDIT_ACCOUNT,
            _P.EDIT_BILLING,
            _P.VIEW_PRICES,
            _P.VIEW_ACCOUNT,
        }
    ),
    Role.SERVERS_AND_LICENSES: frozenset(_SERVERS | {_P.ORDER_LICENSES}),
    Role.SERVERS: frozenset(_SERVERS),
    Role.READ_BILLING: frozenset(_READ_BILLING),
    Role.READ_SERVERS: frozenset(_EVERYBODY | {_P.REPORTING}),
}

ROLE_NAMES: Mapping[Role, str] = {
    Role.FULL: "Full access",
    Role.BILLING: "Billing",
    Role.SERVERS_AND_LICENSES: "Server and license management",
    Role.SERVERS: "Server management only",
    Role.READ_BILLING: "Read only: billing",
    Role.READ_SERVERS: "Read only: server management",
}


def may(role: str, permission: Permission) -> bool:
    """Say whether a login of this role may do it."""
    return permission in PERMISSIONS[Role(role)]
