"""Lists say of each row what its own page says: which features are on (F-2, F-5, U-13, U-30)."""

from __future__ import annotations

from itertools import product

import pytest

from cln.flows import ip_licenses
from cln.licensing import queries
from cln.licensing.address_lists import AddressFilter
from cln.licensing.address_lists import ip_licenses as held_by
from cln.licensing.features import ACCOUNT, Spot, set_feature
from cln.licensing.key_lists import KeyFilter, list_keys
from cln.licensing.models import ActivationKey
from cln.licensing.services import Hints, register_at_address
from tests.licensing import NOW, an_account, bought, registered
from tests.v1 import a_client

pytestmark = pytest.mark.django_db
ANSWERS = (None, True, False)
EMAIL, PREMIUM, CDN = "imunify_email", "accelerate_wp_premium", "accelerate_wp_cdn"


def servers_with(account_id: int) -> dict[str, tuple[str, ...]]:
    rows = queries.servers_of(account_id, limit=50, with_features=True)
    return {row.hostname: row.features for row in rows}


def keys_with(account_id: int) -> dict[str, tuple[str, ...]]:
    rows = list_keys(account_id, KeyFilter(product="imunify360"), limit=50)
    return {row.public_id: row.features for row in rows}


def test_the_highest_level_that_is_set_decides_in_lists_too() -> None:
    account = an_account()
    key, other = bought(account, "imunify360_30", 3), bought(account, "cloudlinux", 1)
    server = registered(key, "web1", "192.0.2.1").server
    registered(key, "web2", "192.0.2.2")
    registered(other, "db1", "192.0.2.3")
    spots = (ACCOUNT, Spot(key=key.public_id), Spot(server=server.public_id))

    for answers in product(ANSWERS, repeat=3):
        for spot, enabled in zip(spots, answers, strict=True):
            who = {"account_id": account.pk, "actor": "anna", "now": NOW}
            set_feature(feature=EMAIL, enabled=enabled, spot=spot, **who)

        def on(*levels: bool | None) -> tuple[str, ...]:
            return (EMAIL,) if next((one for one in levels if one is not None), False) else ()

        assert servers_with(account.pk) == {
            "web1": on(*answers),
            "web2": on(*answers[:2]),
            "db1": (),
        }
        assert keys_with(account.pk) == {key.public_id: on(*answers[:2])}


def test_a_key_that_is_gone_decides_nothing() -> None:
    account = an_account()
    key = bought(account, "imunify360_30", 1)
    who = {"account_id": account.pk, "actor": "anna", "now": NOW}
    server = registered(key, "web1").server
    set_feature(feature=EMAIL, enabled=False, spot=Spot(key=key.public_id), **who)
    set_feature(feature=EMAIL, enabled=True, spot=Spot(server=server.public_id), **who)
    assert servers_with(account.pk) == {"web1": ()}

    ActivationKey.objects.filter(pk=key.pk).update(removed_at=NOW)

    assert servers_with(account.pk) == {"web1": (EMAIL,)}


def test_what_is_usual_with_an_edition_is_on_until_a_level_says_no() -> None:
    account = an_account()
    registered(bought(account, "cloudlinux_pro", 1), "web1")
    assert servers_with(account.pk) == {"web1": (PREMIUM, CDN)}

    set_feature(account_id=account.pk, feature=CDN, enabled=False, actor="anna", now=NOW)

    assert servers_with(account.pk) == {"web1": (PREMIUM,)}


def test_a_server_by_address_has_what_its_ip_license_has() -> None:
    account = a_client().account
    who = {"account_id": account.pk, "actor": "z", "now": NOW}
    ip_licenses.add_ip_license(license_type="imunify360_30", address="192.0.2.1", **who)
    register_at_address(
        address="192.0.2.1", product="imunify360", hints=Hints(hostname="web1"), now=NOW
    )
    [held] = held_by(account.pk, AddressFilter(), limit=9)
    assert (tuple(held.features), servers_with(account.pk)) == ((), {"web1": ()})

    set_feature(feature=EMAIL, enabled=True, spot=Spot(ip_license=held.public_id), **who)
    set_feature(feature=PREMIUM, enabled=True, **who)

    [held] = held_by(account.pk, AddressFilter(), limit=9)
    assert (tuple(held.features), servers_with(account.pk)) == ((EMAIL,), {"web1": (EMAIL,)})
