"""IP licenses byte for byte (facts §7.6)."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from cln.accounts.models import AuditEntry
from cln.catalog.models import LicenseType, PriceList, PriceTier
from cln.enums import AccountKind
from cln.licensing.models import IpLicense
from tests.v1 import ApiClient, a_client, as_v1

pytestmark = pytest.mark.django_db

IP = "192.0.2.1"
BAD_IP = "66.45.228.100.1"


@pytest.fixture
def acme() -> ApiClient:
    return a_client()


def held(client: ApiClient) -> list[tuple[str, int]]:
    rows = IpLicense.objects.filter(account=client.account, removed_at=None).order_by("pk")
    return [(row.address, row.license_type.ip_type) for row in rows]


@pytest.mark.parametrize("root", ["/api", "/clweb/api"])
def test_registering_answers_the_license_ipl1(acme: ApiClient, root: str) -> None:
    acme.root = root

    body = acme.body("ipl/register.json", ip=IP, type=16)

    created = as_v1(IpLicense.objects.get().added_at)
    assert body == (
        '{"success":true,"message":"","type":null,"data":'
        f'{{"ip":"192.0.2.1","type":16,"registered":false,"created":"{created}"}}}}'
    )
    assert AuditEntry.objects.get(verb="ip_license_added").actor == "acme"


def test_registering_again_answers_the_same_license_ipl4(acme: ApiClient) -> None:
    first = acme.data("ipl/register.json", ip=IP, type="16")

    assert acme.data("ipl/register.json", ip=f"::ffff:{IP}", type="16") == first
    assert held(acme) == [(IP, 16)]


def test_an_address_is_answered_in_its_canonical_form_ipl11(acme: ApiClient) -> None:
    registered = acme.data("ipl/register.json", ip="2001:DB8:0::0010", type=1)

    assert registered["ip"] == "2001:db8::10"


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"ip": BAD_IP, "type": 16}, "bad_address"),
        ({"ip": "10.0.0.1", "type": 16}, "address_not_public"),
        ({"ip": IP, "type": 12345}, "unknown_license_type"),
        ({"ip": IP, "type": "99999999999"}, "bad_argument"),
        ({"ip": IP, "type": "sixteen"}, "bad_argument"),
        ({"ip": IP, "type": "0"}, "bad_argument"),
        ({"ip": IP}, "bad_argument"),
        ({"type": 16}, "bad_argument"),
        ({"ip": IP, "type": 16, "els_allowed": "maybe"}, "bad_argument"),
    ],
)
def test_what_cannot_be_registered_is_refused_and_changes_nothing_ipl4(
    acme: ApiClient, arguments: dict[str, object], kind: str
) -> None:
    assert acme.refused("ipl/register.json", **arguments) == (kind, None)
    assert IpLicense.objects.count() == 0


def test_an_address_of_another_customer_is_taken_ipl4(acme: ApiClient) -> None:
    zenith = a_client("zenith")
    zenith.data("ipl/register.json", ip=IP, type=16)

    assert acme.refused("ipl/register.json", ip=IP, type=16) == ("address_taken", None)
    assert (held(acme), held(zenith)) == ([], [(IP, 16)])


@pytest.mark.parametrize(
    ("flag", "allowed"), [("1", True), ("true", True), ("0", False), ("false", False)]
)
def test_registering_may_allow_cl6_ipl12(acme: ApiClient, flag: str, allowed: bool) -> None:
    acme.data("ipl/register.json", ip=IP, type=1, els_allowed=flag)

    assert IpLicense.objects.get().els_allowed is allowed


def test_available_is_what_is_sold_and_not_held_there_ipl2(acme: ApiClient) -> None:
    free = acme.data("ipl/availability.json", ip=IP)
    acme.data("ipl/register.json", ip=IP, type=1)
    a_client("zenith").data("ipl/register.json", ip=IP, type=42)

    body = acme.body("ipl/availability.json", ip=IP)

    assert free == {"available": [1, 3, 16, 41, 42, 43, 49], "owned": []}
    assert body == (
        '{"success":true,"message":"","type":null,"data":{"available":[3,16],"owned":[1]}}'
    )


def test_nothing_is_available_at_an_address_that_is_not_public(acme: ApiClient) -> None:
    """A public client's own test asks for 127.0.0.1, and wants a list and success."""
    assert acme.data("ipl/availability.json", ip="127.0.0.1") == {"available": [], "owned": []}


def test_availability_of_nonsense_is_refused_ipl2(acme: ApiClient) -> None:
    assert acme.refused("ipl/availability.json", ip=BAD_IP) == ("bad_address", None)


def test_check_names_the_types_anybody_holds_there_ipl3_p52(acme: ApiClient) -> None:
    assert acme.body("ipl/check.json", ip=IP) == (
        '{"success":true,"message":"","type":null,"data":[]}'
    )
    a_client("zenith").data("ipl/register.json", ip=IP, type=16)
    acme.data("ipl/register.json", ip=IP, type=1)

    assert acme.body("ipl/check.json", ip=IP) == (
        '{"success":true,"message":"","type":null,"data":[1,16]}'
    )
    assert acme.refused("ipl/check.json", ip=BAD_IP) == ("bad_address", [])


def test_the_python_clients_slip_is_answered_like_check(acme: ApiClient) -> None:
    """It calls `kcare/check.json` with an address and a token (facts §7.12)."""
    acme.data("ipl/register.json", ip=IP, type=16)

    assert acme.data("kcare/check.json", ip=IP) == [16]
    assert acme.refused("kcare/check.json", ip=BAD_IP) == ("bad_address", [])


def test_removing_says_whether_there_was_something_ipl7_tv7(acme: ApiClient) -> None:
    acme.data("ipl/register.json", ip=IP, type=16)

    assert acme.body("ipl/remove.json", ip=IP, type=16) == (
        '{"success":true,"message":"","type":null,"data":true}'
    )
    for kind in (16, 1, 12345, "", 0):
        assert acme.body("ipl/remove.json", ip=IP, type=kind) == (
            '{"success":true,"message":"","type":null,"data":false}'
        )
    assert held(acme) == []


@pytest.mark.parametrize("arguments", [{}, {"type": ""}, {"type": "0"}])
def test_removing_without_a_type_removes_all_at_the_address_ipl7(
    acme: ApiClient, arguments: dict[str, str]
) -> None:
    for kind in (1, 16, 41):
        acme.data("ipl/register.json", ip=IP, type=kind)
    acme.data("ipl/register.json", ip="192.0.2.2", type=1)

    assert acme.data("ipl/remove.json", ip=IP, **arguments) is True
    assert held(acme) == [("192.0.2.2", 1)]


def test_removing_needs_a_true_address(acme: ApiClient) -> None:
    acme.data("ipl/register.json", ip=IP, type=16)

    assert acme.refused("ipl/remove.json", ip=BAD_IP) == ("bad_address", False)
    assert acme.refused("ipl/remove.json") == ("bad_argument", False)
    assert acme.refused("ipl/remove.json", ip=IP, type="x") == ("bad_argument", False)
    assert held(acme) == [(IP, 16)]


def test_another_customers_license_is_not_there_to_remove_or_update(acme: ApiClient) -> None:
    zenith = a_client("zenith")
    zenith.data("ipl/register.json", ip=IP, type=16)

    assert acme.data("ipl/remove.json", ip=IP, type=16) is False
    assert acme.data("ipl/update.json", ip=IP, els_allowed=1) is False
    assert acme.data("ipl/list.json") == []
    assert acme.data("ipl/server.json", ip=IP) == []
    assert held(zenith) == [(IP, 16)]
    assert IpLicense.objects.get().els_allowed is False


def test_the_list_has_a_row_for_every_license_in_order(acme: ApiClient) -> None:
    for ip, kind in ((IP, 16), ("192.0.2.7", 1), (IP, 1)):
        acme.data("ipl/register.json", ip=ip, type=kind)
    IpLicense.objects.update(
        added_at=datetime(2014, 4, 30, 15, 26, 59, tzinfo=UTC),
        registered_at=datetime(2014, 5, 1, tzinfo=UTC),
    )
    created = '"created":"2014-04-30T15:26+0000"'

    assert acme.body("ipl/list.json") == (
        '{"success":true,"message":"","type":null,"data":['
        f'{{"ip":"192.0.2.1","type":16,"registered":false,{created}}},'
        f'{{"ip":"192.0.2.7","type":1,"registered":true,{created}}},'
        f'{{"ip":"192.0.2.1","type":1,"registered":true,{created}}}]}}'
    )


def test_server_lists_the_licenses_at_addresses_registered_or_not_ipl13_w13b(
    acme: ApiClient,
) -> None:
    for ip, kind in ((IP, 16), ("192.0.2.2", 1), ("192.0.2.3", 1)):
        acme.data("ipl/register.json", ip=ip, type=kind)
    seen = datetime(2026, 3, 1, 8, 5, tzinfo=UTC)
    IpLicense.objects.filter(address="192.0.2.2").update(last_check_in_at=seen)

    rows = acme.data("ipl/server.json", ip=f"{IP},192.0.2.2 ,198.51.100.9")

    assert [list(row) for row in rows] == [
        ["server_info", "ip", "type", "registered", "created", "last_checkin"]
    ] * 2
    assert [(row["ip"], row["server_info"], row["last_checkin"]) for row in rows] == [
        (IP, None, None),
        ("192.0.2.2", None, "2026-03-01T08:05+0000"),
    ]


def test_server_without_addresses_lists_all_ipl8(acme: ApiClient) -> None:
    for ip in (IP, "192.0.2.2"):
        acme.data("ipl/register.json", ip=ip, type=16)

    assert len(acme.data("ipl/server.json")) == 2
    assert len(acme.data("ipl/server.json", ip="")) == 2


def test_server_takes_a_hundred_addresses_and_no_nonsense_ipl8(acme: ApiClient) -> None:
    many = [f"192.0.2.{n}" for n in range(1, 102)]

    assert acme.data("ipl/server.json", ip=",".join(many[:100])) == []
    assert acme.refused("ipl/server.json", ip=",".join(many)) == ("bad_argument", [])
    assert acme.refused("ipl/server.json", ip=f"{IP},{BAD_IP}") == ("bad_address", [])


def test_update_allows_and_forbids_cl6_and_leaves_a_trace_ipl9(acme: ApiClient) -> None:
    for kind in (1, 16):
        acme.data("ipl/register.json", ip=IP, type=kind)

    assert acme.data("ipl/update.json", ip=IP, els_allowed="true") is True
    assert set(IpLicense.objects.values_list("els_allowed", flat=True)) == {True}
    assert acme.data("ipl/update.json", ip=IP, els_allowed="0", type=16) is True
    assert dict(IpLicense.objects.values_list("license_type__ip_type", "els_allowed")) == {
        1: True,
        16: False,
    }
    assert acme.data("ipl/update.json", ip=IP, els_allowed="0", type=41) is False
    trace = AuditEntry.objects.filter(verb="ip_license_changed").order_by("pk")
    assert [entry.details for entry in trace] == [
        {"els_allowed": [False, True], "license_type": "all"},
        {"els_allowed": [True, False], "license_type": "kernelcare"},
    ]


def test_update_without_an_address_is_false_and_never_null_ipl9(acme: ApiClient) -> None:
    """The Go client sends no `ip` and decodes a boolean."""
    assert acme.refused("ipl/update.json", els_allowed="1") == ("bad_argument", False)
    assert acme.refused("ipl/update.json", ip=IP) == ("bad_argument", False)


# -- conversion ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("old", "new"), [(41, 42), (43, 41), (42, 49)])
def test_an_imunify360_license_becomes_another_up_or_down_ipl6(
    acme: ApiClient, old: int, new: int
) -> None:
    acme.data("ipl/register.json", ip=IP, type=old)

    assert acme.body("ipl/convert.json", ip=IP, type=old, type_to=new) == (
        '{"success":true,"message":"","type":null,"data":true}'
    )
    assert held(acme) == [(IP, new)]
    assert AuditEntry.objects.get(verb="ip_license_converted").actor == "acme"


def test_imunify_av_grows_into_imunify360_but_not_back_ipl6(acme: ApiClient) -> None:
    give_price("imunify_av_plus")
    acme.data("ipl/register.json", ip=IP, type=40)

    assert acme.data("ipl/convert.json", ip=IP, type=40, type_to=41) is True
    assert acme.data("ipl/convert.json", ip=IP, type=41, type_to=40) is False
    assert held(acme) == [(IP, 41)]


def test_the_license_that_was_named_is_converted_or_none(acme: ApiClient) -> None:
    give_price("imunify_av_plus")
    for kind in (40, 41):
        acme.data("ipl/register.json", ip=IP, type=kind)

    assert acme.data("ipl/convert.json", ip=IP, type=40, type_to=42) is False
    assert held(acme) == [(IP, 40), (IP, 41)]


@pytest.mark.parametrize(
    ("ip", "old", "new"),
    [
        (IP, 41, 41),
        (IP, 42, 43),
        ("192.0.2.2", 41, 42),
        ("192.0.2.3", 41, 42),
        (IP, 16, 17),
        (IP, 41, 16),
        (IP, 41, 12345),
    ],
)
def test_an_impossible_conversion_is_false_and_changes_nothing_ipl6(
    acme: ApiClient, ip: str, old: int, new: int
) -> None:
    zenith = a_client("zenith")
    zenith.data("ipl/register.json", ip="192.0.2.2", type=41)
    for kind in (41, 16):
        acme.data("ipl/register.json", ip=IP, type=kind)

    assert acme.data("ipl/convert.json", ip=ip, type=old, type_to=new) is False
    assert (held(acme), held(zenith)) == ([(IP, 41), (IP, 16)], [("192.0.2.2", 41)])


def test_a_license_without_a_price_is_not_given(acme: ApiClient) -> None:
    """KernelCare Plus has no price in the catalog (P-27): nobody could bill it."""
    assert acme.refused("ipl/register.json", ip=IP, type=17) == ("price_unknown", None)
    assert IpLicense.objects.count() == 0


def test_a_customer_who_is_no_reseller_holds_no_ip_licenses() -> None:
    anna = a_client("anna", kind=AccountKind.CUSTOMER)

    assert anna.refused("ipl/register.json", ip=IP, type=16) == ("not_a_reseller", None)
    assert anna.data("ipl/list.json") == []


def give_price(code: str) -> None:
    """A price from the beginning, as an operator would enter it."""
    prices = PriceList.objects.create(
        license_type=LicenseType.objects.get(code=code),
        interval="month",
        currency="USD",
        effective_on=date(2010, 1, 1),
    )
    PriceTier.objects.create(price_list=prices, from_quantity=1, unit_cents=300)
