"""Servers without a key: the IP license of their address is their right (AR-30 to AR-32)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from cln.accounts.models import Account
from cln.domain.dunning import DunningState
from cln.domain.errors import Refusal
from cln.flows import ip_licenses
from cln.licensing import queries, removal
from cln.licensing.access import lock_pool
from cln.licensing.addresses import allow_els
from cln.licensing.agents import Presented, check_in_agent
from cln.licensing.door import Hints
from cln.licensing.features import ACCOUNT, Spot, features_of, levels_at, place_of, set_feature
from cln.licensing.handover import move_code
from cln.licensing.models import Entitlement, FeatureSetting, IpLicense, Server
from cln.licensing.moves import check_move
from cln.licensing.registration import Registration
from cln.licensing.servers import Report, undo_reinstall
from cln.licensing.services import register_at_address
from cln.licensing.surcharges import SurchargeCounter
from tests.at_once import at_once
from tests.customers import on_sale
from tests.db.test_leases import opened
from tests.licensing import NOW, bought, refusal_of, used
from tests.shop import open_shop
from tests.v1 import a_client

pytestmark = pytest.mark.django_db
AT = "192.0.2.10"
LATER = NOW + timedelta(hours=4)


def a_holder(*license_types: str, address: str = AT) -> Account:
    """A reseller that holds IP licenses at an address."""
    account = a_client().account
    for license_type in license_types:
        ip_licenses.add_ip_license(
            account_id=account.pk, license_type=license_type, address=address, actor="z", now=NOW
        )
    return account


def registers(address: str = AT, *, product: str = "", **hints: str) -> Registration:
    return register_at_address(
        address=address, product=product, hints=Hints(**({"hostname": "web1"} | hints)), now=NOW
    )


def state_of(secret: str, address: str = AT) -> str:
    answer = check_in_agent(
        secret=secret, address=address, report=Report(), presented=Presented(), now=LATER
    )
    assert bool(answer.lease.text) == (answer.worth.state == "active")
    return str(answer.worth.state)


def test_a_server_registers_by_its_address_and_takes_no_seat() -> None:
    account = a_holder("cloudlinux")

    done = registers(os_version="8.10")

    server, held = Server.objects.get(), IpLicense.objects.get()
    assert (server.pk, done.reinstalled) == (done.server.pk, False)
    assert (server.account_id, server.key, server.takes_seat, server.by_address) == (
        account.pk,
        None,
        False,
        True,
    )
    assert (server.address, server.hostname, server.os_version) == (AT, "web1", "8.10")
    assert (held.registered_at, held.hostname) == (NOW, "web1")
    assert not Entitlement.objects.exists()
    assert state_of(done.secret) == "active"
    held.refresh_from_db()
    assert held.last_check_in_at == LATER


def test_an_address_mapped_into_ipv6_is_the_same_address() -> None:
    a_holder("cloudlinux")

    assert registers("::ffff:192.0.2.10").server.address == AT


@pytest.mark.parametrize("address", ["192.0.2.11", "2001:db8::10"])
def test_another_address_registers_nothing(address: str) -> None:
    a_holder("cloudlinux")

    refusal = refusal_of(register_at_address, address=address, hints=Hints(), now=NOW)

    assert (refusal.code, address in refusal.message) == ("unknown_ip_license", True)
    assert not Server.objects.exists()
    assert IpLicense.objects.get().registered_at is None


def test_where_several_licenses_are_held_the_product_is_named() -> None:
    a_holder("cloudlinux", "kernelcare")

    refusal = refusal_of(register_at_address, address=AT, hints=Hints(), now=NOW)

    assert refusal.message == f"Several licenses are held at {AT}: cloudlinux, kernelcare."
    assert registers(product="kernelcare").server.license_type.code == "kernelcare"
    assert registers(product="cloudlinux").server.license_type.code == "cloudlinux"
    assert refusal_of(
        register_at_address, address=AT, product="els", hints=Hints(), now=NOW
    ).code == ("unknown_ip_license")


def test_who_registers_there_again_replaces_the_earlier_registration() -> None:
    a_holder("cloudlinux")
    first = registers()

    second = registers(hostname="web2")

    assert (second.reinstalled, second.server.supersedes_id) == (True, first.server.pk)
    assert refusal_of(state_of, secret=first.secret).code == "server_removed"
    assert state_of(second.secret) == "active"


def test_who_shows_its_secret_stays_the_same_server() -> None:
    a_holder("cloudlinux")
    first = registers()

    again = registers(hostname="renamed", secret=first.secret)

    assert (again.server.pk, again.secret, again.reinstalled) == (
        first.server.pk,
        first.secret,
        False,
    )
    assert Server.objects.get().hostname == "renamed"


def test_a_replaced_registration_comes_back_within_72_hours() -> None:
    account = a_holder("cloudlinux")
    first, second = registers(), registers(hostname="web2")

    undo_reinstall(account_id=account.pk, server=second.server.public_id, actor="zenith", now=LATER)

    assert state_of(first.secret) == "active"
    assert refusal_of(state_of, secret=second.secret).code == "server_removed"


def test_a_server_that_calls_from_elsewhere_has_no_license_there() -> None:
    a_holder("cloudlinux")
    done = registers()

    assert state_of(done.secret, "192.0.2.99") == "ended"
    assert state_of(done.secret) == "active"


def test_a_license_that_is_given_back_takes_its_server_with_it() -> None:
    account = a_holder("cloudlinux", "kernelcare")
    done, other = registers(product="cloudlinux"), registers(product="kernelcare")

    ip_licenses.remove_ip_license(
        account_id=account.pk, license_type="cloudlinux", address=AT, actor="z", now=LATER
    )

    assert refusal_of(state_of, secret=done.secret).code == "server_removed"
    assert state_of(other.secret) == "active"


def test_a_converted_license_is_followed_without_a_new_registration_c6() -> None:
    account = a_holder("imunify360_30")
    done = registers()

    ip_licenses.convert_ip_license(
        account_id=account.pk, address=AT, license_type="imunify360_250", actor="z", now=LATER
    )

    assert state_of(done.secret) == "active"
    assert Server.objects.get().license_type.code == "imunify360_250"


def test_a_blocked_account_registers_nothing_new_and_keeps_what_runs_p7() -> None:
    account = a_holder("cloudlinux", "kernelcare")
    running = registers(product="cloudlinux")
    Account.objects.filter(pk=account.pk).update(
        dunning_state=DunningState.BLOCKED, blocked_on=NOW.date()
    )

    refusal = refusal_of(
        register_at_address, address=AT, product="kernelcare", hints=Hints(), now=NOW
    )

    assert refusal.code == "account_blocked"
    assert state_of(running.secret) == "active"
    Account.objects.filter(pk=account.pk).update(dunning_state=DunningState.SUSPENDED)
    assert state_of(running.secret) == "ended"
    refusal = refusal_of(
        register_at_address, address=AT, product="cloudlinux", hints=Hints(), now=NOW
    )
    assert refusal.code == "unknown_ip_license"


def test_an_edition_that_an_old_system_cannot_run_is_refused_ar_39() -> None:
    open_shop()
    on_sale("cloudlinux_solo", 900)
    a_holder("cloudlinux_solo")
    hints = Hints(hostname="web1", os_version="7.9")

    refusal = refusal_of(register_at_address, address=AT, hints=hints, now=NOW)

    assert refusal.code == "edition_needs_newer_system"
    assert not Server.objects.exists()
    assert registers(os_version="9").server.os_version == "9"


@pytest.mark.parametrize("version", ["6", "6.10"])
def test_version_6_needs_to_be_allowed_for_the_address_ar_33(version: str) -> None:
    account = a_holder("cloudlinux")
    hints = Hints(hostname="web1", os_version=version)

    assert refusal_of(register_at_address, address=AT, hints=hints, now=NOW).code == (
        "els_not_allowed"
    )
    assert not Server.objects.exists()
    allow_els(account_id=account.pk, address=AT, allowed=True, actor="z", now=NOW)
    assert registers(os_version=version).server.os_version == version


def test_a_server_by_address_adds_no_surcharge_to_keys_s1() -> None:
    account = a_holder("cloudlinux")
    bought(account, "cloudlinux", 5)
    allow_els(account_id=account.pk, address=AT, allowed=True, actor="z", now=NOW)
    registers(os_version="6.10")

    assert SurchargeCounter([account.pk]).counts() == {}


def test_keys_and_their_ends_leave_servers_by_address_alone() -> None:
    account = a_holder("kernelcare")
    key = bought(account, "kernelcare", 5)
    done = registers()

    assert used(account, "kernelcare") == (0, 0)
    [row] = queries.entitlements_of(account.pk)
    assert row.included == 0
    with transaction.atomic():
        pool = lock_pool(account_id=account.pk, license_type_id=key.license_type_id)
        assert removal.remove_all(pool, why="Over", now=LATER) == 0
    assert state_of(done.secret) == "active"


def test_a_server_by_address_is_bound_to_it() -> None:
    a_holder("cloudlinux")
    server = registers().server
    pro = bought(a_client("other").account, "cloudlinux_pro", 1).license_type

    with pytest.raises(Refusal) as moving:
        move_code(server, now=NOW)
    assert moving.value.code == "bound_to_address"
    assert refusal_of(check_move, server=server, license_type=pro).code == "bound_to_address"


def test_the_database_gives_no_seat_to_a_server_by_address() -> None:
    a_holder("cloudlinux")
    server = registers().server

    with pytest.raises(IntegrityError), transaction.atomic():
        Server.objects.filter(pk=server.pk).update(takes_seat=True)


@pytest.mark.django_db(transaction=True)
def test_registrations_at_once_leave_one_server_at_the_address() -> None:
    a_holder("cloudlinux")

    outcomes = at_once(*[lambda: registers().server.pk] * 6)

    assert len(set(outcomes)) == 6
    assert Server.objects.filter(status="active").count() == 1


def test_the_features_of_a_server_by_address_are_those_of_its_license() -> None:
    """F-1, F-2: switched on either, told by the lease; the account's word is stronger."""
    account = a_holder("imunify360_30")
    done = registers(product="imunify360")
    at_license = Spot(ip_license=IpLicense.objects.get().public_id)
    at_server = Spot(server=done.server.public_id)

    def switched(enabled: bool | None, spot: Spot) -> list[str]:
        set_feature(
            account_id=account.pk,
            feature="imunify_email",
            enabled=enabled,
            spot=spot,
            actor="zenith",
            now=NOW,
        )
        return features_in_lease(done.secret)

    assert switched(True, at_server) == ["imunify_email"]
    assert features_of(account_id=account.pk, spot=at_license) == {"imunify_email": True}
    [level] = levels_at(place_of(account_id=account.pk, spot=at_server))
    assert (level.here, level.inherited, level.from_level) == (True, None, "")
    assert switched(False, ACCOUNT) == []
    assert switched(None, ACCOUNT) == ["imunify_email"]
    again = registers(product="imunify360")
    assert features_in_lease(again.secret) == ["imunify_email"]
    ip_licenses.convert_ip_license(
        account_id=account.pk, address=AT, license_type="imunify360_1", actor="z", now=LATER
    )
    assert features_in_lease(again.secret) == ["imunify_email"]
    assert SurchargeCounter([account.pk]).counts() == {}


def test_a_feature_is_switched_only_where_its_product_is_and_only_by_the_holder() -> None:
    account = a_holder("kernelcare", "imunify360_30")
    mallory = a_client("mallory").account
    ids = dict(IpLicense.objects.values_list("license_type__code", "public_id"))

    for who, license_type, code in (
        (account, "kernelcare", "unknown_feature"),
        (mallory, "imunify360_30", "unknown_ip_license"),
    ):
        refused = refusal_of(
            set_feature,
            account_id=who.pk,
            feature="imunify_email",
            enabled=True,
            spot=Spot(ip_license=ids[license_type]),
            actor="z",
            now=NOW,
        )
        assert refused.code == code
    assert not FeatureSetting.objects.exists()


def features_in_lease(secret: str) -> list[str]:
    answer = check_in_agent(
        secret=secret, address=AT, report=Report(), presented=Presented(), now=LATER
    )
    return list(opened(answer)["features"])
