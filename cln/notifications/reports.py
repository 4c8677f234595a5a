"""Who gets the reports of which product (facts A-15)."""

from __future__ import annotations

from collections.abc import Mapping

from cln.accounts.queries import notice_addresses
from cln.catalog.models import Product
from cln.notifications.models import ReportSubscription


def report_addresses(account_id: int) -> Mapping[str, tuple[str, ...]]:
    """Products whose reports are switched on, and where each goes.

    Without a subscription a report is on; without addresses of its own it goes where invoices go.
    """
    usual = notice_addresses([account_id]).get(account_id, "")
    chosen = {
        row.product.code: row
        for row in ReportSubscription.objects.filter(account=account_id).select_related("product")
    }
    addresses = {}
    for code in Product.objects.values_list("code", flat=True):
        row = chosen.get(code)
        if row is None or row.active:
            own = () if row is None else tuple(map(str, row.emails))
            addresses[code] = own or ((usual,) if usual else ())
    return addresses
