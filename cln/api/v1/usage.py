"""Usage of AccelerateWP, and what was retired (facts §7.10, §7.11)."""

from __future__ import annotations

import re
from typing import ClassVar

from cln.api.arguments import BadArgument
from cln.api.v1.calls import Call, signed
from cln.domain.errors import Refusal

PRODUCTS = ("AWP_PREMIUM", "AWP_CDN")
_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")


class ProductRetired(Refusal):
    """The product is not offered any more."""

    code: ClassVar[str] = "product_retired"


@signed(refused=[])
def accelerate_wp(call: Call) -> object:
    """Billable sites of a month: none, because no server reports them to CLN yet."""
    for product in call.filled("products").split(","):
        if product.strip() not in PRODUCTS:
            raise BadArgument(f"“products” are {' and '.join(PRODUCTS)}.")
    if _MONTH.fullmatch(call.filled("yearMonth")) is None:
        raise BadArgument("“yearMonth” looks like 2023-12.")
    return []


@signed(refused=[])
def backup(call: Call) -> object:
    """CloudLinux Backup ended on 2023-10-01 (P-50)."""
    raise ProductRetired("CloudLinux Backup was retired on 2023-10-01.")
