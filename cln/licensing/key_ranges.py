"""What the IP ranges of a key would cover, while somebody types them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cln.domain.addresses import check_cidrs
from cln.enums import ServerStatus
from cln.licensing.access import get_key
from cln.licensing.models import Server

NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Coverage:
    """`addresses` 0 = from anywhere. `outside`: servers of the key elsewhere, and some names."""

    addresses: int
    outside: int
    names: tuple[str, ...]

    @property
    def addresses_words(self) -> str:
        """ "1 address", "256 addresses"; nobody counts those of version 6."""
        if self.addresses > 2**32:
            return "more than 4 billion addresses"
        return f"{self.addresses:,} address{'' if self.addresses == 1 else 'es'}"


def coverage_of(*, account_id: int, texts: Iterable[str], key: str = "") -> Coverage:
    """What ranges cover, and which running servers of a key (by public id) lie outside.

    Refusals: `bad_range`, `unknown_key`.
    """
    ranges = check_cidrs(texts)
    addresses = _count(ranges)
    if not key or not ranges:
        return Coverage(addresses, 0, ())
    row = get_key(account_id=account_id, public_id=key)
    found = Server.objects.filter(key=row.pk, status=ServerStatus.ACTIVE).extra(
        where=["NOT (licensing_server.address <<= ANY(%s::inet[]))"], params=[list(ranges)]
    )
    names = found.order_by("hostname", "pk").values_list("hostname", "address")[:NAMED]
    return Coverage(addresses, found.count(), tuple(name or address for name, address in names))


def _count(ranges: Iterable[str]) -> int:
    """How many addresses the ranges cover together, overlaps once."""
    networks = [ipaddress.ip_network(one) for one in ranges]
    old = [one for one in networks if isinstance(one, ipaddress.IPv4Network)]
    new = [one for one in networks if isinstance(one, ipaddress.IPv6Network)]
    return sum(one.num_addresses for one in ipaddress.collapse_addresses(old)) + sum(
        one.num_addresses for one in ipaddress.collapse_addresses(new)
    )
