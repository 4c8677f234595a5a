"""What each permission is called, in the order in which people read the table of roles (§3.4)."""

from typing import Final

from cln.accounts.access import Permission

MATRIX: Final = (
    (Permission.VIEW_PRODUCTS, "View products"),
    (Permission.VIEW_SERVERS, "View servers and licenses"),
    (Permission.REPORTING, "Reports"),
    (Permission.EDIT_SERVERS, "Add and remove servers"),
    (Permission.CREATE_KEYS, "Create activation keys"),
    (Permission.ORDER_LICENSES, "Order and remove licenses"),
    (Permission.VIEW_INVOICES, "View invoices"),
    (Permission.VIEW_BILLING, "View billing information"),
    (Permission.EDIT_CARDS, "Change cards, pay"),
    (Permission.EDIT_ACCOUNT, "Change the company's data"),
    (Permission.EDIT_BILLING, "Change billing information, top up"),
    (Permission.VIEW_PRICES, "View prices"),
    (Permission.VIEW_ACCOUNT, "View the company's data"),
    (Permission.CHANGE_PASSWORD, "Change the account's password"),
    (Permission.MANAGE_LOGINS, "Sub-logins and the API secret"),
)
