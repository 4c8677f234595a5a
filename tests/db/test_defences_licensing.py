"""What the database itself refuses of licensing, tried with raw SQL (architecture §5)."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction

from cln.accounts.models import Account
from cln.catalog.models import LicenseType
from cln.licensing.models import ActivationKey, Entitlement, IpLicense, Trial
from cln.licensing.services import create_key
from tests.licensing import NOW, an_account, bought, on_trial, registered

pytestmark = pytest.mark.django_db


def refused_by(statement: str, *values: object) -> str:
    """The constraint that refuses the statement; a failure where the database takes it."""
    with (
        pytest.raises(IntegrityError) as refused,
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement, values)
    return str(refused.value.__cause__.diag.constraint_name)  # type: ignore[union-attr]


def test_more_servers_than_a_key_allows() -> None:
    acme = an_account()
    bought(acme, "cloudlinux", 5)
    key = create_key(account_id=acme.pk, license_type="cloudlinux", limit=1, actor="acme", now=NOW)
    registered(key, "web1")

    statement = "UPDATE licensing_activationkey SET used = used + 1 WHERE id = %s"

    assert refused_by(statement, key.pk) == "key_limit_not_exceeded"
    assert ActivationKey.objects.get(pk=key.pk).used == 1


def test_a_key_limit_below_the_servers_in_use() -> None:
    acme = an_account()
    key = bought(acme, "cloudlinux", 5)
    registered(key, "web1", "192.0.2.1")
    registered(key, "web2", "192.0.2.2")

    statement = 'UPDATE licensing_activationkey SET "limit" = 1 WHERE id = %s'

    assert refused_by(statement, key.pk) == "key_limit_not_exceeded"


def test_more_servers_than_the_pool_holds() -> None:
    acme = an_account()
    registered(bought(acme, "cloudlinux", 1), "web1")

    statement = "UPDATE licensing_entitlement SET used = 2 WHERE account_id = %s"

    assert refused_by(statement, acme.pk) == "entitlement_pool_not_exceeded"
    assert Entitlement.objects.get(account=acme).used == 1


def test_a_pool_smaller_than_the_servers_in_use() -> None:
    acme = an_account()
    registered(bought(acme, "cloudlinux", 1), "web1")

    statement = "UPDATE licensing_entitlement SET quantity = 0 WHERE account_id = %s"

    assert refused_by(statement, acme.pk) == "entitlement_pool_not_exceeded"


def test_fewer_servers_than_none() -> None:
    acme = an_account()
    bought(acme, "cloudlinux", 1)

    statement = "UPDATE licensing_entitlement SET used = -1 WHERE account_id = %s"

    assert refused_by(statement, acme.pk) == "licensing_entitlement_used_check"


def test_two_pools_of_one_license_type() -> None:
    acme = an_account()
    bought(acme, "cloudlinux", 1)

    statement = """
        INSERT INTO licensing_entitlement (account_id, license_type_id, kind, quantity, used)
        SELECT account_id, license_type_id, kind, 100, 0 FROM licensing_entitlement
        WHERE account_id = %s
    """

    assert refused_by(statement, acme.pk) == "entitlement_unique"


def test_two_default_keys_of_one_license_type() -> None:
    acme = an_account()
    bought(acme, "cloudlinux", 1)
    key = create_key(account_id=acme.pk, license_type="cloudlinux", actor="acme", now=NOW)

    statement = "UPDATE licensing_activationkey SET is_default = true WHERE id = %s"

    assert refused_by(statement, key.pk) == "key_one_default"
    assert ActivationKey.objects.filter(account=acme, is_default=True).count() == 1


def test_two_keys_with_one_text() -> None:
    acme = an_account()
    one, two = bought(acme, "cloudlinux", 1), bought(acme, "kernelcare", 1)

    statement = """
        UPDATE licensing_activationkey SET lookup_hash =
        (SELECT lookup_hash FROM licensing_activationkey WHERE id = %s) WHERE id = %s
    """

    assert refused_by(statement, one.pk, two.pk) == "key_text_unique"


def test_two_trials_of_one_product_in_one_account_t1() -> None:
    acme = an_account()
    _trial(acme, "cloudlinux")

    statement = """
        INSERT INTO licensing_trial (account_id, product_id, license_type_id, started_at, ends_at)
        SELECT account_id, product_id, license_type_id, started_at, ends_at FROM licensing_trial
        WHERE account_id = %s
    """

    assert refused_by(statement, acme.pk) == "trial_once_per_product"
    assert Trial.objects.count() == 1


def test_two_trials_of_one_product_on_one_address_t3() -> None:
    acme = an_account()
    registered(on_trial(acme, "kernelcare", None, NOW.replace(year=2027)), "web1")

    statement = """
        INSERT INTO licensing_trialaddress (product_id, address, account_id, first_at)
        SELECT product_id, address, account_id, first_at FROM licensing_trialaddress
        WHERE account_id = %s
    """

    assert refused_by(statement, acme.pk) == "trial_address_unique"


def test_one_address_and_license_type_held_twice_also_by_two_accounts() -> None:
    acme, zenith = an_account(), an_account("Zenith")
    _ip_license(acme, "kernelcare", "ipl_1")
    kernelcare = LicenseType.objects.get(code="kernelcare")

    statement = """
        INSERT INTO licensing_iplicense (public_id, account_id, license_type_id, product_id,
            address, hostname, els_allowed, added_at, added_on)
        VALUES ('ipl_2', %s, %s, %s, '192.0.2.1', '', false, now(), now())
    """
    values = (zenith.pk, kernelcare.pk, kernelcare.product_id)

    assert refused_by(statement, *values) in {"ip_license_held_once", "ip_license_one_band"}
    IpLicense.objects.update(removed_at=NOW, removed_on=NOW.date())
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
    assert IpLicense.objects.filter(removed_at=None).get().account == zenith


def test_two_imunify360_bands_on_one_address() -> None:
    acme = an_account()
    _ip_license(acme, "imunify360_1", "ipl_1")
    other = LicenseType.objects.get(code="imunify360_30")

    statement = """
        INSERT INTO licensing_iplicense (public_id, account_id, license_type_id, product_id,
            address, hostname, els_allowed, added_at, added_on)
        VALUES ('ipl_2', %s, %s, %s, '192.0.2.1', '', false, now(), now())
    """

    assert refused_by(statement, acme.pk, other.pk, other.product_id) == "ip_license_one_band"


def test_a_removed_server_without_the_instant_of_its_removal() -> None:
    server = registered(bought(an_account(), "cloudlinux", 1), "web1").server

    statement = "UPDATE licensing_server SET status = 'removed' WHERE id = %s"

    assert refused_by(statement, server.pk) == "server_removed_has_instant"


def test_two_servers_with_one_secret() -> None:
    key = bought(an_account(), "cloudlinux", 2)
    one = registered(key, "web1", "192.0.2.1").server
    two = registered(key, "web2", "192.0.2.2").server

    statement = """
        UPDATE licensing_server SET secret_hash =
        (SELECT secret_hash FROM licensing_server WHERE id = %s) WHERE id = %s
    """

    assert refused_by(statement, one.pk, two.pk) == "server_secret_unique"


def test_words_outside_the_vocabulary() -> None:
    acme = an_account()
    server = registered(bought(acme, "cloudlinux", 1), "web1").server

    kind = refused_by("UPDATE licensing_entitlement SET kind = 'gift'")
    status = refused_by(
        "UPDATE licensing_server SET status = 'asleep', removed_at = now() WHERE id = %s",
        server.pk,
    )

    assert (kind, status) == ("entitlement_kind", "server_status")


def _trial(account: Account, license_type: str) -> None:
    row = LicenseType.objects.get(code=license_type)
    Trial.objects.create(
        account=account,
        product=row.product,
        license_type=row,
        started_at=NOW,
        ends_at=NOW.replace(year=2027),
    )


def _ip_license(account: Account, license_type: str, public_id: str) -> None:
    row = LicenseType.objects.get(code=license_type)
    IpLicense.objects.create(
        public_id=public_id,
        account=account,
        license_type=row,
        product=row.product,
        address="192.0.2.1",
        added_at=NOW,
        added_on=NOW.date(),
    )
