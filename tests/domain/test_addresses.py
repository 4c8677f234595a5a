"""Which addresses may hold a license."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cln.domain.addresses import (
    AddressNotPublic,
    BadAddress,
    BadRange,
    canonical_address,
    check_cidrs,
    check_outbound_address,
    check_public_address,
    is_in_ranges,
)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("192.0.2.10", "192.0.2.10"),
        (" 192.0.2.10\n", "192.0.2.10"),
        ("::ffff:192.0.2.10", "192.0.2.10"),
        ("::FFFF:C000:20A", "192.0.2.10"),
        ("2001:DB8:0:0::10", "2001:db8::10"),
    ],
)
def test_an_address_has_one_spelling(text: str, canonical: str) -> None:
    assert canonical_address(text) == canonical


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "192.0.2", "192.0.2.256", "192.0.2.010", "192.0.2.0/24", "2001:db8::1%eth0",
     "\u0661.2.3.4", "192.0.2.10, 192.0.2.11", "1" * 500],
)  # fmt: skip
def test_nonsense_is_not_an_address(text: str) -> None:
    with pytest.raises(BadAddress) as refused:
        canonical_address(text)

    assert refused.value.code == "bad_address"
    assert len(refused.value.message) < 100


@pytest.mark.parametrize(
    "text",
    ["8.8.8.8", "192.0.2.10", "198.51.100.7", "203.0.113.9", "2001:db8::10", "2a00:1450::1",
     "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0", "198.17.255.255",
     "64:ff9b::808:808", "2002:808:808::1", "2001:200::1"],
)  # fmt: skip
def test_public_and_documentation_addresses_are_accepted(text: str) -> None:
    assert check_public_address(text) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0.0.0.0", "unspecified"),
        ("10.0.0.1", "private"),
        ("100.64.0.1", "CGNAT"),
        ("100.127.255.255", "CGNAT"),
        ("127.0.0.1", "loopback"),
        ("169.254.169.254", "link-local"),
        ("172.31.255.255", "private"),
        ("192.0.0.8", "reserved"),
        ("192.88.99.1", "reserved"),
        ("192.168.1.1", "private"),
        ("198.19.0.1", "reserved"),
        ("224.0.0.1", "multicast"),
        ("255.255.255.255", "reserved"),
        ("::ffff:10.0.0.1", "private"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::10.0.0.1", "reserved"),
        ("fd00::1", "private"),
        ("fe80::1", "link-local"),
        ("ff02::1", "multicast"),
        ("2001::1", "reserved"),
        ("64:ff9b::a00:1", "private"),
        ("64:ff9b:1::1", "reserved"),
        ("2002:a00:1::1", "private"),
        ("2002:7f00:1::", "loopback"),
    ],
)
def test_an_address_that_is_not_public_is_refused_with_what_we_see(text: str, reason: str) -> None:
    with pytest.raises(AddressNotPublic, match=reason) as refused:
        check_public_address(text)

    assert refused.value.code == "address_not_public"
    assert refused.value.facts["address"] == canonical_address(text)


@given(st.ip_addresses())
def test_a_canonical_address_stays_as_it_is(address: object) -> None:
    once = canonical_address(str(address).split("%")[0])

    assert canonical_address(once) == once


@given(st.ip_addresses(v=4))
def test_an_address_and_its_embeddings_are_accepted_or_refused_alike(
    address: ipaddress.IPv4Address,
) -> None:
    forms = [
        str(address),
        f"::ffff:{address}",
        f"64:ff9b::{address}",
        str(ipaddress.IPv6Address((0x2002 << 112) | (int(address) << 80))),
    ]

    assert len({_is_public(form) for form in forms}) == 1


def test_ranges_are_canonical_and_listed_once() -> None:
    given_ranges = [
        "192.0.2.0/24",
        "192.0.2.10",
        "2001:DB8::/32",
        "192.0.2.0/24",
        "::ffff:192.0.2.0/120",
    ]

    assert check_cidrs(given_ranges) == ("192.0.2.0/24", "192.0.2.10/32", "2001:db8::/32")


@pytest.mark.parametrize("text", ["", "192.0.2.0/33", "nonsense", "192.0.2.0-192.0.2.9"])
def test_nonsense_is_not_a_range(text: str) -> None:
    with pytest.raises(BadRange) as refused:
        check_cidrs(["192.0.2.0/24", text])

    assert refused.value.code == "bad_range"


def test_a_range_with_host_bits_names_what_was_probably_meant() -> None:
    with pytest.raises(BadRange) as refused:
        check_cidrs(["192.0.2.10/24"])

    assert refused.value.fix == "Did you mean 192.0.2.0/24?"


def test_a_mapped_range_wider_than_ipv4_stays_what_it_is() -> None:
    assert check_cidrs(["::/0"]) == ("::/0",)
    assert check_cidrs(["::ffff:0:0/96"]) == ("0.0.0.0/0",)


def test_more_than_a_hundred_ranges_are_refused() -> None:
    ranges = [f"192.0.2.{number}" for number in range(101)]

    with pytest.raises(BadRange, match="100"):
        check_cidrs(ranges)
    assert len(check_cidrs(ranges[:100])) == 100


@pytest.mark.parametrize(
    ("address", "cidrs", "inside"),
    [
        ("192.0.2.10", (), True),
        ("192.0.2.10", ("192.0.2.0/24",), True),
        ("192.0.3.10", ("192.0.2.0/24",), False),
        ("192.0.3.10", ("192.0.2.0/24", "192.0.3.10/32"), True),
        ("2001:db8::1", ("192.0.2.0/24",), False),
    ],
)
def test_an_address_lies_in_one_of_the_ranges_or_anywhere_without_any(
    address: str, cidrs: tuple[str, ...], inside: bool
) -> None:
    assert is_in_ranges(address, cidrs) is inside


def _is_public(text: str) -> bool:
    try:
        check_public_address(text)
    except AddressNotPublic:
        return False
    return True


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "169.254.169.254", "100.64.0.1", "::1", "::ffff:10.0.0.1", "fc00::1",
        "64:ff9b::7f00:1", "64:ff9b::808:808", "2002:7f00:1::", "2002:808:808::",
    ],
)  # fmt: skip
def test_nobody_is_sent_to_an_address_inside_or_to_a_translation_of_ipv4(address: str) -> None:
    """Security §5.11: NAT64 and 6to4 are refused whatever they hold."""
    with pytest.raises(AddressNotPublic):
        check_outbound_address(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_one_may_be_sent_to_a_public_address(address: str) -> None:
    assert check_outbound_address(address) == address.removeprefix("::ffff:")


def test_a_refused_address_is_named_as_it_was_given_each_time() -> None:
    for text in (" nonsense ", " nonsense ", "nonsense" + " " * 60):
        with pytest.raises(BadAddress) as refused:
            canonical_address(text)
        assert refused.value.facts == {"given": text[:50]}

    assert canonical_address(" " * 60 + "192.0.2.10") == canonical_address("192.0.2.10")
