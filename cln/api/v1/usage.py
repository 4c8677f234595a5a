"""Usage of AccelerateWP (facts §7.10)."""

from __future__ import annotations

import re
from datetime import date

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from cln.api.arguments import BadArgument, wants_bare
from cln.api.envelope import Form
from cln.api.v1.calls import Call, signed
from cln.enums import AddOn
from cln.licensing import add_ons

_MONTH = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])")


@signed(refused=[], verb="HEAD")
def _accelerate_wp(call: Call) -> object:
    """The sites that count in a month, as their servers and panels have reported them (B-63)."""
    wanted = [product.strip() for product in call.filled("products").split(",")]
    if not {*wanted} <= {*AddOn}:
        raise BadArgument(f"“products” are {' and '.join(AddOn)}.")
    month = call.filled("yearMonth")
    if _MONTH.fullmatch(month) is None:
        raise BadArgument("“yearMonth” looks like 2023-12.")
    uses = add_ons.billable(
        account_id=call.account_id,
        products=[AddOn(product) for product in wanted],
        month=date.fromisoformat(f"{month}-01"),
    )
    return [_entity(use) for use in uses]


@csrf_exempt
def accelerate_wp(request: HttpRequest, form: Form) -> HttpResponse:
    """In the envelope, or bare on request: papers print it without saying which (facts §7.10)."""
    return _accelerate_wp(request, "bare" if wants_bare(request) else form)


def _entity(use: add_ons.Use) -> dict[str, str | None]:
    entity = {
        "product": str(use.product),
        "primary_domain": use.primary_domain,
        "username": use.username or None,
    }
    return entity | ({"cdn_limit_type": use.cdn_limit_type} if use.cdn_limit_type else {})
