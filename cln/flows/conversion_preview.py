"""What another license type would cost a server, before it is chosen (Q14, facts U-32)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from cln.accounts.models import Account
from cln.catalog import queries as catalog
from cln.domain.errors import Refusal
from cln.enums import AccountKind
from cln.flows import purchase
from cln.flows.conversion import freed_credit
from cln.flows.facts import Facts
from cln.flows.purchase import Preview
from cln.licensing.access import get_server
from cln.licensing.models import Server
from cln.licensing.moves import check_move, has_free_seat


@dataclass(frozen=True, slots=True)
class ConversionOption:
    """A license type a server may change to. `why_not`: it may not, and why; `added`: the license
    that would be bought, None where a free one is used or it is billed by the day.
    """

    license_type: str
    name: str
    user_limit: int | None
    why_not: Refusal | None
    added: Preview | None


@dataclass(frozen=True, slots=True)
class Conversion:
    """All answers to "which license type?". `credit_cents`: what comes back if the old license is
    cancelled too; None = there is none to cancel (a trial, or billed by the day).
    """

    options: tuple[ConversionOption, ...]
    credit_cents: int | None


def preview_conversion(*, account_id: int, server: str, now: datetime) -> Conversion:
    """What `convert_server` could do and would charge or credit, to the cent. Changes nothing.

    Refuses `unknown_server`.
    """
    row = get_server(account_id=account_id, public_id=server)
    account = Account.objects.get(pk=account_id)
    types = catalog.license_types(product=row.license_type.product.code, currency=account.currency)
    known = cache(lambda: Facts([account], rules=catalog.rules()))
    options = tuple(
        _option(account, row, one, known, now=now)
        for one in types
        if one.has_keys and one.code != row.license_type.code
    )
    try:
        credit = freed_credit(account_id=account_id, license_type=row.license_type.code, now=now)
    except Refusal:
        credit = None
    return Conversion(options, credit if row.takes_seat else None)


def _option(
    account: Account,
    server: Server,
    row: catalog.LicenseTypeRow,
    known: Callable[[], Facts],
    *,
    now: datetime,
) -> ConversionOption:
    license_type = catalog.get_license_type(row.code)
    added: purchase.Preview | None = None
    why_not: Refusal | None = None
    try:
        check_move(server=server, license_type=license_type)
        free = has_free_seat(account_id=account.pk, license_type=license_type, now=now)
        if not free and account.kind == AccountKind.CUSTOMER:
            added = purchase.preview(
                account_id=account.pk,
                license_type=row.code,
                quantity=1,
                interval=None,
                known=known(),
                now=now,
            )
    except Refusal as refusal:
        why_not = refusal
    return ConversionOption(row.code, row.name, row.user_limit, why_not, added)
