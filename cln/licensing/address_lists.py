"""The table of IP licenses, and lists of addresses that are to be added to it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Final

from django.db.models import Exists, OuterRef, Q, QuerySet

from cln.accounts.models import Account
from cln.catalog.models import LicenseType
from cln.catalog.queries import get_license_type, sold_by_address
from cln.domain.addresses import canonical_address, check_public_address
from cln.domain.errors import Refusal
from cln.licensing.feature_list import FEATURE_PRODUCT
from cln.licensing.features import on_ip_licenses
from cln.licensing.ip_licenses import BECOMES, get_ip_license
from cln.licensing.models import IpLicense
from cln.listing import count_up_to, ordered

IP_LICENSE_SORTS: Final[Mapping[str, str]] = {
    "address": "address",
    "hostname": "hostname",
    "added": "added_at",
    "last_check_in": "last_check_in_at",
    "type": "license_type__name",
}
LISTED_MAX: Final = 5_000
_SEPARATORS = re.compile(r"[\s,;]+")


class TooManyAddresses(Refusal):
    """The list is longer than can be worked off at once."""

    code: ClassVar[str] = "too_many_addresses"


@dataclass(frozen=True, slots=True)
class AddressRow:
    """An IP license as its holder's table shows it."""

    public_id: str
    address: str
    hostname: str
    license_type: str
    license_name: str
    product: str
    els_allowed: bool
    features: Sequence[str]
    added_at: datetime
    last_check_in_at: datetime | None


@dataclass(frozen=True, slots=True)
class AddressFilter:
    """Which of them: by product or license type, by words in the address or the hostname, or just
    these.
    """

    product: str = ""
    license_type: str = ""
    search: str = ""
    ids: Sequence[str] | None = None


class Verdict(StrEnum):
    """What would become of a line of a list."""

    ADD = "add"
    HELD = "held"
    REPEATED = "repeated"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a list of addresses: as it was typed, its address, and why it cannot be added."""

    given: str
    address: str
    verdict: Verdict
    why: str = ""


def ip_licenses(
    account_id: int,
    filters: AddressFilter,
    *,
    sort: str = "added",
    descending: bool = True,
    limit: int = LISTED_MAX,
    offset: int = 0,
) -> tuple[AddressRow, ...]:
    """A page of the licenses the account holds at addresses."""
    rows = ordered(_held(account_id, filters), IP_LICENSE_SORTS, sort, descending=descending)
    page = list(rows[offset : offset + limit])
    on = on_ip_licenses(page)
    return tuple(_row(row, on[row.pk]) for row in page)


def count_ip_licenses(account_id: int, filters: AddressFilter) -> int:
    """How many there are, on a budget."""
    return count_up_to(_held(account_id, filters))


def ip_license(*, account_id: int, public_id: str) -> AddressRow:
    """One license of the account. Refusals: `unknown_ip_license` (absent, removed or foreign)."""
    return _row(get_ip_license(account_id=account_id, public_id=public_id))


def sold_types(*, account_id: int, now: datetime) -> tuple[tuple[str, str], ...]:
    """(code, name) of the license types the account can hold at addresses."""
    currency = Account.objects.values_list("currency", flat=True).get(pk=account_id)
    sold = sold_by_address(account_id=account_id, currency=currency, on=now.date())
    return tuple((row.code, row.name) for row in sold)


def can_become(*, account_id: int, row: AddressRow, now: datetime) -> tuple[tuple[str, str], ...]:
    """(code, name) of the type a license is, and of those it can be converted to (IPL-6)."""
    currency = Account.objects.values_list("currency", flat=True).get(pk=account_id)
    others = {
        (kind.code, kind.name)
        for kind in sold_by_address(account_id=account_id, currency=currency, on=now.date())
        if row.product in BECOMES.get(kind.product.code, (kind.product.code,))
    }
    return tuple(sorted({(row.license_type, row.license_name), *others}, key=lambda one: one[1]))


def held_types(account_id: int) -> tuple[tuple[str, str], ...]:
    """The license types held at addresses, each with its name; one look per type at an index."""
    held = IpLicense.objects.filter(
        account=account_id, license_type=OuterRef("pk"), removed_on=None
    )
    types = LicenseType.objects.exclude(ip_type=None).filter(Exists(held))
    return tuple(types.order_by("product__position", "position", "pk").values_list("code", "name"))


def read_list(*, account_id: int, license_type: str, text: str) -> tuple[Line, ...]:
    """What would become of each address of a list, without changing anything: three questions,
    however long it is. Addresses are separated by blanks, commas, semicolons or lines.

    Refusals: `unknown_license_type`, `too_many_addresses` (5,000).
    """
    kind = get_license_type(license_type)
    words = [word for word in _SEPARATORS.split(text) if word]
    if len(words) > LISTED_MAX:
        raise TooManyAddresses(
            f"The list has {len(words):,} addresses, more than {LISTED_MAX:,}.",
            "Split it into shorter ones.",
        )
    lines = list(_lines(words))
    held = IpLicense.objects.filter(
        product=kind.product_id,
        removed_at=None,
        address__in=[line.address for line in lines if line.verdict is Verdict.ADD],
    )
    taken = {
        address: holder == account_id and held_type == kind.pk
        for address, holder, held_type in held.values_list(
            "address", "account_id", "license_type_id"
        )
    }
    return tuple(_against(line, taken, kind.product.name) for line in lines)


def _lines(words: Sequence[str]) -> Iterator[Line]:
    seen: set[str] = set()
    for word in words:
        try:
            address = check_public_address(canonical_address(word))
        except Refusal as refusal:
            yield Line(word[:60], "", Verdict.REFUSED, refusal.message)
            continue
        verdict = Verdict.REPEATED if address in seen else Verdict.ADD
        seen.add(address)
        yield Line(word[:60], address, verdict, "" if verdict is Verdict.ADD else "Listed twice.")


def _against(line: Line, taken: Mapping[str, bool], product: str) -> Line:
    if line.verdict is not Verdict.ADD or line.address not in taken:
        return line
    if taken[line.address]:
        return Line(line.given, line.address, Verdict.HELD, "You hold it already.")
    why = f"{line.address} has a license of {product} already."
    return Line(line.given, line.address, Verdict.REFUSED, why)


def _held(account_id: int, filters: AddressFilter) -> QuerySet[IpLicense]:
    rows = IpLicense.objects.filter(account=account_id, removed_at=None)
    if filters.ids is not None:
        rows = rows.filter(public_id__in=filters.ids)
    if filters.product:
        rows = rows.filter(product__code=filters.product)
    if filters.license_type:
        rows = rows.filter(license_type__code=filters.license_type)
    if filters.search:
        rows = rows.filter(_matches(filters.search))
    return rows.select_related("license_type", "product")


def _matches(search: str) -> Q:
    """A whole address, however it is spelled, else a part of the hostname or of the address."""
    try:
        return Q(address=canonical_address(search))
    except Refusal:
        return Q(hostname__icontains=search) | Q(address__istartswith=search)


def _row(row: IpLicense, features: Sequence[str] = ()) -> AddressRow:
    # What is switched for the whole account holds for the product that has it.
    of_product = [one for one in features if FEATURE_PRODUCT[one] == row.product.code]
    return AddressRow(
        public_id=row.public_id,
        address=row.address,
        hostname=row.hostname,
        license_type=row.license_type.code,
        license_name=row.license_type.name,
        product=row.product.code,
        els_allowed=row.els_allowed,
        features=of_product,
        added_at=row.added_at,
        last_check_in_at=row.last_check_in_at,
    )
