"""The right to run servers: granted, cut, suspended, ended."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction
from pytest_django import DjangoAssertNumQueries

from cln.enums import EntitlementKind, ServerStatus
from cln.licensing import queries
from cln.licensing.models import Entitlement, FeatureSetting, Server
from cln.licensing.services import (
    create_key,
    end_entitlement,
    grant,
    remove_server,
    restore,
    seats_in_use,
    set_quantity,
    suspend,
)
from cln.licensing.surcharges import Imagined, Level, SurchargeCounter, SurchargeCounts
from tests.licensing import (
    NOW,
    an_account,
    bought,
    on_trial,
    refusal_of,
    registered,
    used,
)

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=3)


def test_a_grant_is_one_row_per_license_type_with_the_latest_terms() -> None:
    acme = an_account()
    on_trial(acme, "cloudlinux", 1, until=LATER)
    bought(acme, "cloudlinux", 5)

    (row,) = queries.entitlements_of(acme.pk)

    assert (row.kind, row.quantity, row.used, row.unused) == ("paid", 5, 0, 5)
    assert row.valid_until is None


def test_buying_during_a_trial_keeps_key_and_servers_t4() -> None:
    acme = an_account()
    key = on_trial(acme, "kernelcare", None, until=LATER)
    server = registered(key, "web1").server

    assert bought(acme, "kernelcare", 2).pk == key.pk

    server.refresh_from_db()
    assert server.status == ServerStatus.ACTIVE
    assert used(acme, "kernelcare") == (1, 1)


def test_a_grant_below_the_running_servers_removes_the_newest_and_never_fails() -> None:
    acme = an_account()
    key = on_trial(acme, "kernelcare", None, until=LATER)
    for number in range(1, 4):
        at = NOW + timedelta(minutes=number)
        registered(key, f"web{number}", f"192.0.2.{number}", now=at)

    bought(acme, "kernelcare", 1)

    assert [row.hostname for row in queries.servers_of(acme.pk)] == ["web1"]
    assert used(acme, "kernelcare") == (1, 1)


def test_a_quantity_falls_to_the_servers_in_use_and_not_below_q6() -> None:
    acme = an_account()
    key = bought(acme, "kernelcare", 5)
    registered(key, "web1", "192.0.2.1")
    registered(key, "web2", "192.0.2.2")
    ask = {"account_id": acme.pk, "license_type": "kernelcare", "now": NOW}

    assert refusal_of(set_quantity, quantity=1, **ask).code == "keep_below_used"
    assert queries.entitlements_of(acme.pk)[0].quantity == 5

    with transaction.atomic():
        set_quantity(quantity=2, **ask)
    assert queries.entitlements_of(acme.pk)[0].unused == 0
    assert seats_in_use(account_id=acme.pk, license_type="kernelcare") == 2


def test_a_quantity_of_zero_ends_the_license_and_keeps_a_useless_key_q6() -> None:
    acme = an_account()
    key = bought(acme, "kernelcare", 1)
    with transaction.atomic():
        set_quantity(account_id=acme.pk, license_type="kernelcare", quantity=0, now=NOW)

    assert refusal_of(registered, key=key, hostname="web1").code == "license_expired"
    assert [row.public_id for row in queries.keys_of(acme.pk)] == [key.public_id]
    assert used(acme, "kernelcare") == (0, 0)


def test_a_license_that_was_never_held_can_be_neither_changed_nor_ended() -> None:
    ask = {"account_id": an_account().pk, "license_type": "kernelcare", "now": NOW}

    assert refusal_of(set_quantity, quantity=1, **ask).code == "no_license"
    assert refusal_of(end_entitlement, why="test", **ask).code == "no_license"
    assert seats_in_use(account_id=ask["account_id"], license_type="kernelcare") == 0


def test_ending_a_license_removes_its_servers_with_the_reason() -> None:
    acme = an_account()
    key = bought(acme, "kernelcare", 2)
    server = registered(key, "web1").server

    with transaction.atomic():
        removed = end_entitlement(
            account_id=acme.pk, license_type="kernelcare", now=LATER, why="unsubscribed"
        )

    server.refresh_from_db()
    assert removed == 1
    assert (server.status, server.removed_at) == (ServerStatus.REMOVED, LATER)
    assert (server.removed_why, server.alert_after) == ("unsubscribed", None)
    assert used(acme, "kernelcare") == (0, 0)
    refused = refusal_of(registered, key=key, hostname="web1", now=LATER)
    assert refused.code == "license_expired"


def test_a_key_that_outlived_its_license_works_again_after_the_next_purchase_k8() -> None:
    acme = an_account()
    key = bought(acme, "kernelcare", 1)
    with transaction.atomic():
        end_entitlement(account_id=acme.pk, license_type="kernelcare", now=NOW, why="ended")

    assert bought(acme, "kernelcare", 1).pk == key.pk

    registered(key, "web1")
    assert used(acme, "kernelcare") == (1, 1)


def test_suspension_keeps_servers_and_seats_and_restoring_gives_them_back_p7_p8() -> None:
    acme = an_account()
    zenith = an_account("Zenith")
    key = bought(acme, "kernelcare", 2)
    bought(zenith, "kernelcare", 1)
    registered(key, "web1")

    assert suspend(account_id=acme.pk, now=NOW) == 1
    assert suspend(account_id=acme.pk, now=LATER) == 0
    assert Entitlement.objects.get(account=acme).suspended_at == NOW
    assert Entitlement.objects.get(account=zenith).suspended_at is None
    assert refusal_of(registered, key=key, hostname="web2").code == "account_blocked"
    assert used(acme, "kernelcare") == (1, 1)

    assert restore(account_id=acme.pk, now=LATER) == 1
    registered(key, "web2", "192.0.2.2")
    assert used(acme, "kernelcare") == (2, 2)


def test_removing_a_server_frees_its_seat_and_the_keys_count_k10() -> None:
    acme = an_account()
    bought(acme, "cloudlinux", 5)
    key = create_key(account_id=acme.pk, license_type="cloudlinux", limit=1, actor="acme", now=NOW)
    old = registered(key, "web1", "192.0.2.1").server

    with transaction.atomic():
        gone = remove_server(account_id=acme.pk, server=old.public_id, why="moved", now=LATER)

    assert (gone.status, gone.removed_why) == (ServerStatus.REMOVED, "moved")
    registered(key, "web2", "192.0.2.2", now=LATER)
    assert used(acme, "cloudlinux") == (1, 1)


def test_removing_a_server_twice_is_refused_and_frees_one_seat_only() -> None:
    acme = an_account()
    key = bought(acme, "cloudlinux", 5)
    one = registered(key, "web1", "192.0.2.1").server
    registered(key, "web2", "192.0.2.2")
    ask = {"account_id": acme.pk, "server": one.public_id, "why": "moved", "now": NOW}
    with transaction.atomic():
        remove_server(**ask)

    assert refusal_of(remove_server, **ask).code == "server_removed"
    assert used(acme, "cloudlinux") == (1, 1)


def test_a_foreign_server_and_an_absent_one_are_refused_alike() -> None:
    server = registered(bought(an_account(), "cloudlinux", 1), "web1").server
    mallory = an_account("Mallory")
    ask = {"account_id": mallory.pk, "why": "mine", "now": NOW}

    refusals = [
        refusal_of(remove_server, server=public_id, **ask)
        for public_id in (server.public_id, "srv_nothing")
    ]

    assert {(one.code, one.message) for one in refusals} == {
        ("unknown_server", "There is no such server.")
    }
    server.refresh_from_db()
    assert server.status == ServerStatus.ACTIVE


# -- S3: KernelCare comes with Imunify360 --------------------------------------------------------


def test_kernelcare_on_a_machine_with_paid_imunify360_takes_no_seat_s3() -> None:
    acme = an_account()
    imunify, kernelcare = bought(acme, "imunify360_30", 1), bought(acme, "kernelcare", 1)
    registered(imunify, "web1.example.com", "192.0.2.1")

    by_address = registered(kernelcare, "other", "192.0.2.1").server
    by_name = registered(kernelcare, "WEB1.example.com", "192.0.2.99").server
    elsewhere = registered(kernelcare, "web2.example.com", "192.0.2.2").server

    assert (by_address.takes_seat, by_name.takes_seat, elsewhere.takes_seat) == (
        False,
        False,
        True,
    )
    assert used(acme, "kernelcare") == (1, 1)
    (row,) = [row for row in queries.entitlements_of(acme.pk) if row.product == "kernelcare"]
    assert (row.used, row.included) == (1, 2)


def test_imunify360_alone_gives_the_right_to_a_kernelcare_key_s3() -> None:
    acme = an_account()
    imunify = bought(acme, "imunify360_30", 1)
    registered(imunify, "web1", "192.0.2.1")
    key = create_key(account_id=acme.pk, license_type="kernelcare", actor="acme", now=NOW)

    assert not registered(key, "web1", "192.0.2.1").server.takes_seat

    refused = refusal_of(registered, key=key, hostname="web2", address="192.0.2.2")
    assert refused.code == "license_expired"
    key.refresh_from_db()
    assert (key.is_default, key.used) == (True, 0)


def test_a_trial_of_imunify360_includes_no_kernelcare_s3() -> None:
    """Nor does it where another band of Imunify360 is paid."""
    acme = an_account()
    imunify = on_trial(acme, "imunify360_30", 1, until=LATER)
    bought(acme, "imunify360_1", 1)
    kernelcare = bought(acme, "kernelcare", 1)
    registered(imunify, "web1", "192.0.2.1")

    assert registered(kernelcare, "web1", "192.0.2.1").server.takes_seat


def test_another_accounts_imunify360_includes_nothing_s3() -> None:
    registered(bought(an_account("Zenith"), "imunify360_30", 1), "web1", "192.0.2.1")
    kernelcare = bought(an_account(), "kernelcare", 1)

    assert registered(kernelcare, "web1", "192.0.2.1").server.takes_seat


def test_imunify360_that_comes_later_frees_the_kernelcare_seat_s3() -> None:
    acme = an_account()
    kernelcare, imunify = bought(acme, "kernelcare", 2), bought(acme, "imunify360_30", 1)
    patched = registered(kernelcare, "web1", "192.0.2.1").server
    registered(kernelcare, "web2", "192.0.2.2")

    registered(imunify, "web1", "192.0.2.1")

    patched.refresh_from_db()
    assert not patched.takes_seat
    assert used(acme, "kernelcare") == (1, 1)


def test_when_imunify360_goes_kernelcare_takes_a_free_seat_or_goes_too_s3() -> None:
    acme = an_account()
    kernelcare, imunify = bought(acme, "kernelcare", 1), bought(acme, "imunify360_30", 2)
    for number in (1, 2):
        registered(imunify, f"web{number}", f"192.0.2.{number}")
        registered(kernelcare, f"web{number}", f"192.0.2.{number}")
    assert used(acme, "kernelcare") == (0, 0)

    with transaction.atomic():
        end_entitlement(account_id=acme.pk, license_type="imunify360_30", now=LATER, why="ended")

    patched = Server.objects.filter(license_type__code="kernelcare").order_by("pk")
    assert [(row.status, row.takes_seat) for row in patched] == [
        (ServerStatus.ACTIVE, True),
        (ServerStatus.REMOVED, False),
    ]
    assert patched[1].removed_why == (
        "The Imunify360 license that included KernelCare here ended and no license was free"
    )
    assert used(acme, "kernelcare") == (1, 1)


def test_paying_an_imunify360_trial_frees_the_kernelcare_seat_s3() -> None:
    acme = an_account()
    imunify = on_trial(acme, "imunify360_30", 1, until=LATER)
    kernelcare = bought(acme, "kernelcare", 1)
    registered(imunify, "web1", "192.0.2.1")
    registered(kernelcare, "web1", "192.0.2.1")
    assert used(acme, "kernelcare") == (1, 1)

    bought(acme, "imunify360_30", 1)

    assert used(acme, "kernelcare") == (0, 0)


# -- what billing counts -------------------------------------------------------------------------


def test_servers_on_version_6_are_counted_for_the_surcharge_s1() -> None:
    acme = an_account()
    key = bought(acme, "cloudlinux", 9)
    for number, version in enumerate(["6.10", "CentOS 6.9", "el6", "8.6", "16.04", ""]):
        registered(key, f"web{number}", f"192.0.2.{number + 1}", os_version=version)

    counted = SurchargeCounter([acme.pk]).counts()

    assert counted == {
        (acme.pk, "cloudlinux"): SurchargeCounts(os6_servers=3, imunify_email_servers=0)
    }


def test_imunify_email_counts_where_the_highest_set_level_enables_it_s2() -> None:
    acme = an_account()
    key = bought(acme, "imunify360_30", 3)
    one, two, _ = (registered(key, f"web{n}", f"192.0.2.{n}").server for n in (1, 2, 3))

    def enable(enabled: bool, **level: object) -> int:
        FeatureSetting.objects.create(
            account=acme, feature="imunify_email", enabled=enabled, **level
        )
        counts = SurchargeCounter([acme.pk]).counts().get((acme.pk, "imunify360_30"))
        return counts.imunify_email_servers if counts else 0

    assert enable(True, server=one) == 1
    assert enable(False, server=two) == 1
    assert enable(True, key=key) == 3
    assert enable(False) == 0


def test_a_switch_that_is_only_thought_of_counts_as_if_it_were_set_and_reads_once(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    acme = an_account()
    key, other = bought(acme, "imunify360_30", 5), bought(acme, "imunify360_1", 1)
    one, *_ = (registered(key, f"web{n}", f"192.0.2.{n}").server for n in (1, 2, 3))
    registered(other, "mail", "192.0.2.9")
    FeatureSetting.objects.create(account=acme, feature="imunify_email", server=one, enabled=True)
    counter = SurchargeCounter([acme.pk])

    def imagined(*level: int | None, enabled: bool | None) -> dict[str, int]:
        counts = counter.counts(Imagined(Level(acme.pk, *level), enabled))
        return {code: row.imunify_email_servers for (_, code), row in counts.items()}

    def all_of_them() -> list[dict[str, int]]:
        return [
            imagined(None, one.pk, enabled=None),
            imagined(key.pk, None, enabled=True),
            imagined(key.pk, None, enabled=False),
            imagined(None, None, enabled=True),
            imagined(None, None, enabled=False),
        ]

    everywhere = {"imunify360_30": 3, "imunify360_1": 1}
    assert all_of_them() == [{}, {"imunify360_30": 3}, {}, everywhere, {}]
    with django_assert_num_queries(0):
        assert all_of_them() == [{}, {"imunify360_30": 3}, {}, everywhere, {}]


def test_a_grant_of_an_unknown_license_type_grants_nothing() -> None:
    acme = an_account()

    refused = refusal_of(
        grant,
        account_id=acme.pk,
        license_type="windows",
        kind=EntitlementKind.PAID,
        quantity=1,
        valid_until=None,
        now=NOW,
    )

    assert refused.code == "unknown_license_type"
    assert queries.entitlements_of(acme.pk) == ()
