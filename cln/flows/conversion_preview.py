"""What another license type would cost a server, before it is chosen (Q14, facts U-32)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from cln.accounts.models import Account
from cln.catalog import queries as catalog
from cln.catalog.models import LicenseType
from cln.domain.errors import Refusal
from cln.enums import AccountKind
from cln.flows import purchase
from cln.flows.conversion import freed_credit
from cln.flows.facts import Facts
from cln.flows.purchase import Preview
from cln.licensing import moves
from cln.licensing.access import get_server
from cln.licensing.models import Server


@dataclass(frozen=True, slots=True)
class ConversionOption:
    """A license type a server may change to. `why_not`: it may not, and why; `added`: the license
    that would be bought, None where a free one is used or it is billed by the day.
    """

    license_type: str
    name: str
    why_not: Refusal | None
    added: Preview | None


@dataclass(frozen=True, slots=True)
class Conversion:
    """All answers to "which license type?". `credit_cents`: what comes back if the old license is
    cancelled too; None = there is none to cancel (a trial, or billed by the day). `recommended`:
    the option that the users counted on the server fit into most tightly; None = they fit no other
    better than its own, or nobody has counted.
    """

    options: tuple[ConversionOption, ...]
    credit_cents: int | None
    recommended: str | None


def preview_conversion(*, account_id: int, server: str, now: datetime) -> Conversion:
    """What `convert_server` could do and would charge or credit, to the cent. Changes nothing.

    Refuses `unknown_server`.
    """
    row = get_server(account_id=account_id, public_id=server)
    account = Account.objects.get(pk=account_id)
    known = cache(lambda: Facts([account], rules=catalog.rules()))
    options = _Options(account, row, known, now=now)
    types = [
        one
        for one in catalog.license_types(
            product=row.license_type.product.code, currency=account.currency
        )
        if one.has_keys or one.code == row.license_type.code
    ]
    others = tuple(options.of(one) for one in types if one.code != row.license_type.code)
    try:
        credit = freed_credit(
            account_id=account_id, license_type=row.license_type.code, known=known, now=now
        )
    except Refusal:
        credit = None
    refused = {one.license_type for one in others if one.why_not is not None}
    tightest = _tightest([one for one in types if one.code not in refused], row.users)
    recommended = None if tightest == row.license_type.code else tightest
    return Conversion(others, credit if row.takes_seat else None, recommended)


def _tightest(types: list[catalog.LicenseTypeRow], users: int | None) -> str | None:
    """The license type with the smallest limit that so many users fit into (facts pain 29)."""
    if users is None:
        return None
    limits = {one.code: math.inf if one.user_limit is None else one.user_limit for one in types}
    fitting = {code: limit for code, limit in limits.items() if limit >= users}
    return min(fitting, key=fitting.__getitem__, default=None)


class _Options:
    """What a server may change to, with what decides it read once for all license types."""

    def __init__(
        self, account: Account, server: Server, known: Callable[[], Facts], *, now: datetime
    ) -> None:
        self._account, self._server, self._known, self._now = account, server, known, now
        self._types = {row.code: row for row in catalog.license_types_by_id().values()}
        self._keys = moves.default_keys(account.pk)
        self._with_room = moves.types_with_room(account_id=account.pk, now=now)

    def of(self, row: catalog.LicenseTypeRow) -> ConversionOption:
        """The answer for one license type."""
        added: Preview | None = None
        why_not: Refusal | None = None
        try:
            added = self._added(self._types[row.code])
        except Refusal as refusal:
            why_not = refusal
        return ConversionOption(row.code, row.name, why_not, added)

    def _added(self, license_type: LicenseType) -> Preview | None:
        """What would be bought. Refuses where the server may not change to it."""
        moves.check_fits(server=self._server, license_type=license_type)
        moves.check_room(self._keys.get(license_type.pk))
        if license_type.pk in self._with_room or self._account.kind != AccountKind.CUSTOMER:
            return None
        return purchase.preview(
            account_id=self._account.pk,
            license_type=license_type.code,
            quantity=1,
            interval=None,
            known=self._known(),
            now=self._now,
        )
