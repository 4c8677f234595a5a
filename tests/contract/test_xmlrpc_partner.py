"""The partners' XML-RPC API, byte for byte and type for type (facts §9)."""

from __future__ import annotations

import logging
from typing import Any
from xmlrpc.client import Fault, ServerProxy, dumps, loads

import pytest
from django.test import Client
from pytest_django.live_server_helper import LiveServer

from cln import clock
from cln.accounts.models import Account
from cln.billing.services import post as post_to_ledger
from cln.domain import ledger
from cln.licensing.ip_licenses import add_ip_license, ip_licenses_of
from cln.licensing.models import IpLicense
from tests.licensing import NOW
from tests.v1 import ApiClient, a_client, token_of
from tests.v2 import with_token

pytestmark = pytest.mark.django_db

PATH = "/clweb/xmlrpc"
IP = "198.51.100.7"
NOT_AUTHORIZED = (10, "Not authorized")
BAD_ARGUMENTS = (30, "Invalid call arguments")
BAD_ADDRESS = (40, "Invalid IP format")


def post(body: str | bytes) -> str:
    """The answer as text; its status is always 200."""
    answer = Client().post(PATH, body, content_type="text/xml")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/xml"
    assert answer["Cache-Control"] == "no-store"
    return answer.content.decode()


def call(method: str, *arguments: Any) -> Any:
    """The result of a call, its types as the library reads them."""
    ((result,), _) = loads(post(dumps(arguments, f"registration.{method}")))
    return result


def fault_of(method: str, *arguments: Any) -> tuple[int, str]:
    """Code and text of the fault that a call is answered with."""
    with pytest.raises(Fault) as raised:
        call(method, *arguments)
    return raised.value.faultCode, raised.value.faultString


def one(value: str) -> str:
    """The whole answer with this value, to the byte."""
    return (
        "<?xml version='1.0'?>\n<methodResponse><params><param>"
        f"<value>{value}</value></param></params></methodResponse>\n"
    )


@pytest.fixture
def acme() -> ApiClient:
    return a_client()


@pytest.fixture
def zenith() -> ApiClient:
    return a_client("Zenith")


def held(client: ApiClient) -> list[tuple[str, str]]:
    rows = ip_licenses_of(client.account.pk)
    return [(row.address, row.license_type) for row in rows]


def hold(client: ApiClient, license_type: str, address: str = IP) -> None:
    add_ip_license(
        account_id=client.account.pk,
        license_type=license_type,
        address=address,
        actor="x",
        now=NOW,
    )


# -- license -------------------------------------------------------------------------------------


@pytest.mark.parametrize("ip_type", [16, "16"])
def test_licensing_an_address_answers_i4_0_tv_8(acme: ApiClient, ip_type: object) -> None:
    body = dumps((acme.token, IP, ip_type), "registration.license")

    assert post(body) == one("<i4>0</i4>")
    assert held(acme) == [(IP, "kernelcare")]


def test_untyped_values_are_texts_x13(acme: ApiClient) -> None:
    values = "".join(f"<param><value>{text}</value></param>" for text in (acme.token, IP, "16"))
    method = "<methodName>registration.license</methodName>"
    body = f"<methodCall>{method}<params>{values}</params></methodCall>"

    assert post(body) == one("<i4>0</i4>")


def test_licensing_again_is_done_and_one_license(acme: ApiClient) -> None:
    assert [call("license", acme.token, IP, 1) for _ in range(2)] == [0, 0]
    assert held(acme) == [(IP, "cloudlinux")]


def test_an_address_of_somebody_else_is_minus_1(acme: ApiClient, zenith: ApiClient) -> None:
    hold(zenith, "cloudlinux")

    assert call("license", acme.token, IP, 1) == -1
    assert held(acme) == []


def test_an_address_that_is_not_public_is_minus_1(acme: ApiClient) -> None:
    assert call("license", acme.token, "10.0.0.1", 1) == -1
    assert held(acme) == []


def test_a_deposit_below_its_floor_buys_nothing_on_any_wire_r3(acme: ApiClient) -> None:
    hold(acme, "kernelcare")
    Account.objects.filter(pk=acme.account.pk).update(floor_cents=0)
    post_to_ledger(account=acme.account, transfers=ledger.refunded(cents=1), kind="refund", now=NOW)

    assert call("license", acme.token, IP, 1) == -1
    assert acme.refused("ipl/register.json", ip=IP, type="1")[0] == "deposit_exhausted"
    v2 = with_token(acme)
    assert v2.refused("POST", f"ip-license/licenses?ip={IP}&type=1")[1] == "deposit_exhausted"
    assert held(acme) == [(IP, "kernelcare")]
    assert call("remove_license", acme.token, IP) == 0


@pytest.mark.parametrize("ip_type", [0, 2, 17, 99, -1, "", "x", "١٦", True, [], {}, 1.5, "999999"])
def test_a_type_that_is_not_sold_is_fault_30_x12(acme: ApiClient, ip_type: object) -> None:
    assert fault_of("license", acme.token, IP, ip_type) == BAD_ARGUMENTS
    assert held(acme) == []


@pytest.mark.parametrize("address", ["66.45.228.100.1", "", "x", "1.2.3.4/32", 7, [], " "])
@pytest.mark.parametrize(
    ("method", "rest"),
    [
        ("license", [16]),
        ("remove_license", [16]),
        ("remove_license", [0]),
        ("remove_license", []),
        ("is_licensed", []),
        ("is_licensed", [True]),
    ],
)
def test_an_address_that_is_none_is_fault_40(
    acme: ApiClient, method: str, rest: list[int], address: object
) -> None:
    assert fault_of(method, acme.token, address, *rest) == BAD_ADDRESS
    assert held(acme) == []


# -- remove_license ------------------------------------------------------------------------------


def test_removing_one_type_keeps_the_others_x5(acme: ApiClient) -> None:
    hold(acme, "cloudlinux")
    hold(acme, "kernelcare")

    body = dumps((acme.token, IP, 16), "registration.remove_license")

    assert post(body) == one("<i4>0</i4>")
    assert held(acme) == [(IP, "cloudlinux")]


@pytest.mark.parametrize("rest", [[], [0], ["0"]])
def test_removing_without_a_type_or_with_0_removes_all_x4(
    acme: ApiClient, rest: list[object]
) -> None:
    hold(acme, "cloudlinux")
    hold(acme, "kernelcare")
    hold(acme, "kernelcare", "198.51.100.8")

    assert call("remove_license", acme.token, IP, *rest) == 0
    assert held(acme) == [("198.51.100.8", "kernelcare")]


@pytest.mark.parametrize("rest", [[], [0], [16], [3]])
def test_removing_what_is_not_held_is_minus_1_x4(
    acme: ApiClient, zenith: ApiClient, rest: list[object]
) -> None:
    hold(zenith, "kernelcare")

    assert post(dumps((acme.token, IP, *rest), "registration.remove_license")) == one("<i4>-1</i4>")
    assert held(zenith) == [(IP, "kernelcare")]


@pytest.mark.parametrize("ip_type", [2, 17, 99, "x", -1])
def test_removing_a_type_that_is_not_sold_is_fault_30_x12(acme: ApiClient, ip_type: object) -> None:
    hold(acme, "kernelcare")

    assert fault_of("remove_license", acme.token, IP, ip_type) == BAD_ARGUMENTS
    assert held(acme) == [(IP, "kernelcare")]


# -- is_licensed, reconcile ----------------------------------------------------------------------


def test_two_arguments_ask_for_one_number_of_cloudlinux_x6(
    acme: ApiClient, zenith: ApiClient
) -> None:
    body = dumps((acme.token, IP), "registration.is_licensed")
    hold(zenith, "kernelcare")
    assert post(body) == one("<i4>0</i4>")

    hold(zenith, "cloudlinux")
    assert post(body) == one("<i4>1</i4>")


@pytest.mark.parametrize("every", [True, 1, "true", "1", "True"])
def test_three_arguments_ask_for_a_list_of_any_type_x7(acme: ApiClient, every: object) -> None:
    assert call("is_licensed", acme.token, IP, every) == []
    hold(acme, "kernelcare")
    hold(acme, "cloudlinux")

    assert post(dumps((acme.token, IP, every), "registration.is_licensed")) == one(
        "<array><data><value><i4>1</i4></value><value><i4>16</i4></value></data></array>"
    )


@pytest.mark.parametrize("every", [False, 0, "false", "0"])
def test_three_arguments_without_check_all_ask_for_cloudlinux_x7(
    acme: ApiClient, every: object
) -> None:
    hold(acme, "kernelcare")
    assert call("is_licensed", acme.token, IP, every) == []

    hold(acme, "cloudlinux")
    assert call("is_licensed", acme.token, IP, every) == [1]


@pytest.mark.parametrize("every", ["", "x", 2, -1, 1.0, [], {}])
def test_a_check_all_that_is_no_boolean_is_fault_30(acme: ApiClient, every: object) -> None:
    assert fault_of("is_licensed", acme.token, IP, every) == BAD_ARGUMENTS


def test_reconcile_lists_the_licenses_of_the_account_x8(acme: ApiClient, zenith: ApiClient) -> None:
    hold(zenith, "kernelcare", "198.51.100.9")
    body = dumps((acme.token,), "registration.reconcile")
    assert post(body) == one("<array><data></data></array>")

    hold(acme, "cloudlinux")
    IpLicense.objects.filter(address=IP).update(registered_at=NOW)

    assert post(body) == one(
        "<array><data><value><struct>"
        f"<member><name>IP</name><value><string>{IP}</string></value></member>"
        "<member><name>TYPE</name><value><i4>1</i4></value></member>"
        "<member><name>REGISTERED</name><value><boolean>1</boolean></value></member>"
        "</struct></value></data></array>"
    )


# -- who calls, and what ------------------------------------------------------------------------

METHODS: list[tuple[str, list[Any]]] = [
    ("license", [IP, 1]),
    ("remove_license", [IP]),
    ("remove_license", [IP, 1]),
    ("is_licensed", [IP]),
    ("is_licensed", [IP, True]),
    ("reconcile", []),
]


@pytest.mark.parametrize(("method", "rest"), METHODS)
def test_every_method_needs_a_good_token(acme: ApiClient, method: str, rest: list[object]) -> None:
    hold(acme, "kernelcare")
    at = int(clock.system_now().timestamp())
    tokens: list[object] = [
        "",
        7,
        [],
        "nonsense",
        token_of(acme.login, "another secret", at),
        token_of("nobody", acme.secret, at),
        token_of(acme.login, acme.secret, at - 1_900),
        token_of(acme.login, acme.secret, at + 400),
        token_of(acme.login, acme.secret, f" {at}"),
        acme.token.upper(),
    ]

    assert {fault_of(method, token, *rest) for token in tokens} == {NOT_AUTHORIZED}
    assert held(acme) == [(IP, "kernelcare")]


def test_an_api_that_was_switched_off_is_fault_10(acme: ApiClient) -> None:
    Account.objects.filter(pk=acme.account.pk).update(api_enabled=False)

    assert fault_of("reconcile", acme.token) == NOT_AUTHORIZED


@pytest.mark.parametrize(
    ("method", "rest"),
    [
        ("license", [IP]),
        ("license", [IP, 1, 1]),
        ("remove_license", []),
        ("remove_license", [IP, 1, 1]),
        ("is_licensed", []),
        ("is_licensed", [IP, True, 1]),
        ("reconcile", [IP]),
    ],
)
def test_another_number_of_arguments_is_fault_30_x9(
    acme: ApiClient, method: str, rest: list[object]
) -> None:
    assert fault_of(method, acme.token, *rest) == BAD_ARGUMENTS


def test_an_unknown_method_is_fault_30_and_logged_without_its_arguments(
    acme: ApiClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert fault_of("migrate", acme.token) == BAD_ARGUMENTS

    assert caplog.messages == ["unknown XML-RPC method registration.migrate"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"<!DOCTYPE x [<!ENTITY a 'b'>]><methodCall><methodName>&a;</methodName></methodCall>",
        b"<a>" * 10_000,
        b"<methodCall><methodName>registration.reconcile</methodName>" + b" " * 65_536,
        b" " * 10 * 2**20,
    ],
    ids=["empty", "text", "entity", "deep", "too long", "10 MB"],
)
def test_a_body_that_is_no_call_is_fault_30(body: bytes) -> None:
    with pytest.raises(Fault) as raised:
        loads(post(body))

    assert (raised.value.faultCode, raised.value.faultString) == BAD_ARGUMENTS


def test_only_post_is_answered() -> None:
    answer = Client().get(PATH)

    assert (answer.status_code, answer["Allow"]) == (405, "POST")


@pytest.mark.django_db(transaction=True)
def test_pythons_client_works_over_a_socket(live_server: LiveServer, acme: ApiClient) -> None:
    with ServerProxy(f"{live_server.url}{PATH}") as server:
        assert server.registration.license(acme.token, IP, 1) == 0
        assert server.registration.is_licensed(acme.token, IP) == 1
        assert server.registration.is_licensed(acme.token, IP, True) == [1]
        assert server.registration.reconcile(acme.token) == [
            {"IP": IP, "TYPE": 1, "REGISTERED": False}
        ]
        assert server.registration.remove_license(acme.token, IP) == 0
        assert server.registration.remove_license(acme.token, IP) == -1
