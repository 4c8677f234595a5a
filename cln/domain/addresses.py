"""Addresses as licenses see them: canonical, public, and inside a key's ranges.

`ipaddress.is_private` and `is_global` both miss some ranges and differ between versions of
Python, so the refused ranges are written out. Documentation ranges (RFC 5737, RFC 3849) are
accepted: they reach nobody, and examples and simulations are written with them.
"""

import functools
import ipaddress
from collections.abc import Iterable
from typing import ClassVar

from cln.domain.errors import Refusal

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

CIDR_LIMIT = 100
TEXT_LENGTH = 45
"""The longest spelling of an address without blanks around it; what is longer is not remembered."""

_REFUSED_V4 = {
    ipaddress.IPv4Network(cidr): reason
    for cidr, reason in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared by a provider's customers (CGNAT)"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.88.99.0/24", "reserved"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "reserved for benchmarks"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
}
_REFUSED_V6 = {
    ipaddress.IPv6Network(cidr): reason
    for cidr, reason in (
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("ff00::/8", "multicast"),
        ("2001::/23", "reserved"),
    )
}
_PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")


class BadAddress(Refusal):
    """The text is not an IP address."""

    code: ClassVar[str] = "bad_address"


class AddressNotPublic(Refusal):
    """The address is not one that the internet routes to this machine."""

    code: ClassVar[str] = "address_not_public"


class BadRange(Refusal):
    """The text is not an IP range."""

    code: ClassVar[str] = "bad_range"


def canonical_address(text: str) -> str:
    """The one spelling of an address; IPv4 mapped into IPv6 becomes IPv4.

    Refusals: `bad_address` for anything else, zone ids and ranges included.
    """
    return _canonical(text) if len(text) <= TEXT_LENGTH else str(_parse(text))


def check_public_address(text: str) -> str:
    """The canonical address, if it is public. IPv4 embedded by NAT64 or 6to4 is looked into.

    Refusals: `bad_address`, `address_not_public` (names the address we see and why).
    """
    address = _parse(text)
    reason = _refused_reason(address)
    if reason is not None:
        raise AddressNotPublic(
            f"The address {address} is {reason}, not public.",
            "Use the public address under which the internet sees the server.",
            address=str(address),
            reason=reason,
        )
    return str(address)


def check_outbound_address(text: str) -> str:
    """The canonical address, if we may connect to it because a customer says so (webhooks).

    IPv4 inside NAT64 or 6to4 is refused whatever it is: a router of ours could lead it inside.
    Refusals: `bad_address`, `address_not_public`.
    """
    address = _parse(text)
    if isinstance(address, ipaddress.IPv6Address) and (
        address in _NAT64 or address in _SIX_TO_FOUR
    ):
        raise AddressNotPublic(f"The address {address} is a translation of IPv4, not public.")
    return check_public_address(str(address))


def check_cidrs(texts: Iterable[str]) -> tuple[str, ...]:
    """Canonical ranges in the given order, without repetitions; a bare address is one range.

    Refusals: `bad_range` (nonsense, host bits set, more than 100).
    """
    ranges = tuple(dict.fromkeys(str(_parse_range(text)) for text in texts))
    if len(ranges) > CIDR_LIMIT:
        raise BadRange(f"A key has at most {CIDR_LIMIT} ranges.", "Join neighbouring ranges.")
    return ranges


def is_in_ranges(address: str, cidrs: Iterable[str]) -> bool:
    """Whether a canonical address lies in one of the ranges; no range at all means anywhere."""
    networks = [ipaddress.ip_network(cidr) for cidr in cidrs]
    return not networks or any(ipaddress.ip_address(address) in network for network in networks)


@functools.lru_cache(maxsize=4_096)
def _canonical(text: str) -> str:
    """One request asks several times; a text that is no address is not remembered."""
    return str(_parse(text))


def _parse(text: str) -> _Address:
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        raise _bad_address(text) from None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            raise _bad_address(text)
        return address.ipv4_mapped or address
    return address


def _bad_address(text: str) -> BadAddress:
    return BadAddress(
        f"{text.strip()[:50]!r} is not an IP address.",
        "Write it like 192.0.2.10 or 2001:db8::10.",
        given=text[:50],
    )


def _refused_reason(address: _Address) -> str | None:
    if isinstance(address, ipaddress.IPv4Address):
        return next((why for net, why in _REFUSED_V4.items() if address in net), None)
    low_bits = 0xFFFF_FFFF
    if address in _NAT64:
        return _refused_reason(ipaddress.IPv4Address(int(address) & low_bits))
    if address in _SIX_TO_FOUR:
        return _refused_reason(ipaddress.IPv4Address((int(address) >> 80) & low_bits))
    listed = next((why for net, why in _REFUSED_V6.items() if address in net), None)
    return listed if listed or address in _PUBLIC_V6 else "reserved"


def _parse_range(text: str) -> _Network:
    address, _, prefix = text.strip().partition("/")
    try:
        network = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise _bad_range(text, "Write it like 192.0.2.0/24 or 2001:db8::/32.") from None
    if prefix and ipaddress.ip_address(address) != network.network_address:
        raise _bad_range(text, f"Did you mean {network}?")
    if isinstance(network, ipaddress.IPv6Network):
        mapped = network.network_address.ipv4_mapped
        if mapped is not None and network.prefixlen >= 96:
            return ipaddress.IPv4Network((mapped, network.prefixlen - 96))
    return network


def _bad_range(text: str, fix: str) -> BadRange:
    return BadRange(f"{text.strip()[:50]!r} is not an IP range.", fix, given=text[:50])
