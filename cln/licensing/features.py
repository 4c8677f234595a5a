"""Features switched on an account, a key, a server or an IP license; the highest level that is set
wins (F-2).

A server that lives by the IP license of its address has no level of its own: its switch is that
license's, which is what is billed.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from django.db import transaction
from django.db.models import Q

from cln.accounts.audit import record
from cln.accounts.models import Account
from cln.domain.errors import Refusal
from cln.enums import AccountKind
from cln.licensing.access import get_key, get_server
from cln.licensing.feature_list import FEATURE_PRODUCT, of_product, usually_on
from cln.licensing.ip_licenses import get_ip_license
from cln.licensing.models import FeatureSetting, IpLicense, Server
from cln.licensing.surcharges import Level


class UnknownFeature(Refusal):
    """There is no such feature, or not for that product."""

    code: ClassVar[str] = "unknown_feature"


@dataclass(frozen=True, slots=True)
class Spot:
    """What a feature may be set on, by public ids: the account where all are empty, else one."""

    key: str = ""
    server: str = ""
    ip_license: str = ""


ACCOUNT = Spot()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a feature is set: its row ids, its product ("" = any), what people call it, what is
    above it, the highest first, and the license type ("" where there are several).
    """

    level: Level
    product: str = ""
    name: str = "account"
    above: Sequence[tuple[str, Level]] = ()
    license_type: str = ""


def place_of(*, account_id: int, spot: Spot = ACCOUNT) -> Place:
    """What is meant. Refusals: `unknown_key`, `unknown_server`, `unknown_ip_license`."""
    of_account = Level(account_id)
    above = [("account", of_account)]
    if spot.key:
        key = get_key(account_id=account_id, public_id=spot.key)
        level, kind = of_account._replace(key_id=key.pk), key.license_type
        return Place(level, kind.product.code, spot.key, above, kind.code)
    if spot.ip_license:
        held = get_ip_license(account_id=account_id, public_id=spot.ip_license)
        return _of_ip_license(held, above)
    if not spot.server:
        return Place(of_account)
    row = get_server(account_id=account_id, public_id=spot.server)
    license_of = _license_of(row) if row.by_address else None
    if license_of is not None:
        return _of_ip_license(license_of, above)
    if row.key is not None and row.key.removed_at is None:
        above.append(("key", of_account._replace(key_id=row.key_id)))
    level, kind = of_account._replace(server_id=row.pk), row.license_type
    return Place(level, kind.product.code, spot.server, above, kind.code)


def features_of(*, account_id: int, spot: Spot = ACCOUNT) -> dict[str, bool | None]:
    """What is set at one level of what its product has, None = unset.

    Refusals: `unknown_key`, `unknown_server`, `unknown_ip_license`.
    """
    place = place_of(account_id=account_id, spot=spot)
    [here] = _set_at([place.level])
    return {one: enabled for one, enabled in here.items() if of_product(one, place.product)}


def features_on(*, account_id: int, ip_licenses: Sequence[int]) -> dict[int, tuple[str, ...]]:
    """What is enabled on IP licenses (row ids) by the account's word or their own."""
    rows = FeatureSetting.objects.filter(account=account_id, key=None, server=None)
    found = rows.filter(Q(ip_license=None) | Q(ip_license__in=ip_licenses))
    said = {(row.ip_license_id, row.feature): row.enabled for row in found}
    return {
        pk: tuple(
            feature
            for feature in FEATURE_PRODUCT
            if said.get((None, feature), said.get((pk, feature), False))
        )
        for pk in ip_licenses
    }


@dataclass(frozen=True, slots=True)
class FeatureLevel:
    """A feature at one level: what is set `here`, what a higher level has decided (`inherited`,
    None = nothing), which is stronger (F-2), and what holds where no level is set (`usual`, F-5).
    """

    feature: str
    here: bool | None
    inherited: bool | None
    from_level: str  # "account", "key" or ""
    usual: bool = False

    @property
    def on(self) -> bool:
        """Whether it is enabled, as far as this level can tell."""
        said = self.here if self.inherited is None else self.inherited
        return self.usual if said is None else said


def levels_at(place: Place) -> tuple[FeatureLevel, ...]:
    """Each feature of the product of the place: what is set there, and what was decided above."""
    names = [name for name, _ in place.above]
    here, *stronger = _set_at([place.level, *(level for _, level in place.above)])
    usual = _usual(place)
    found = []
    for feature in FEATURE_PRODUCT:
        if not of_product(feature, place.product):
            continue
        said = ((name, values[feature]) for name, values in zip(names, stronger, strict=True))
        name, value = next(((name, on) for name, on in said if on is not None), ("", None))
        found.append(FeatureLevel(feature, here[feature], value, name, feature in usual))
    return tuple(found)


def set_feature(
    *,
    account_id: int,
    feature: str,
    enabled: bool | None,
    spot: Spot = ACCOUNT,
    actor: str,
    now: datetime,
) -> None:
    """Switch a feature for the account, or for what is meant; None unsets it.

    It costs where it is enabled on the day of the bill (S2). Refusals: `unknown_feature`,
    `unknown_key`, `unknown_server`, `unknown_ip_license`.
    """
    if feature not in FEATURE_PRODUCT:
        raise UnknownFeature(
            f"There is no feature {feature[:40]!r}.", f"Known: {', '.join(FEATURE_PRODUCT)}."
        )
    place = place_of(account_id=account_id, spot=spot)
    if not of_product(feature, place.product):
        raise UnknownFeature(f"{feature} is no feature of {place.product}.")
    with transaction.atomic():
        at = place.level._asdict()
        was = FeatureSetting.objects.filter(feature=feature, **at).first()
        if enabled is None:
            FeatureSetting.objects.filter(feature=feature, **at).delete()
        else:
            FeatureSetting.objects.update_or_create(
                feature=feature, **at, defaults={"enabled": enabled}
            )
        record(
            account_id=account_id,
            actor=actor,
            verb="set_feature",
            subject=f"{feature} {place.name}",
            details={"enabled": [was and was.enabled, enabled]},
            now=now,
        )


def _usual(place: Place) -> tuple[str, ...]:
    """What is on there where no level is set."""
    if not usually_on(place.license_type, is_reseller=False):
        return ()
    account = Account.objects.only("kind").get(pk=place.level.account_id)
    return usually_on(place.license_type, is_reseller=account.kind == AccountKind.RESELLER)


def _of_ip_license(held: IpLicense, above: Sequence[tuple[str, Level]]) -> Place:
    level = Level(held.account_id, ip_license_id=held.pk)
    return Place(level, held.product.code, held.address, above)


def _license_of(server: Server) -> IpLicense | None:
    """The IP license that a server lives by; None where it has been given back meanwhile."""
    held = IpLicense.objects.select_related("product").filter(
        account=server.account_id,
        license_type=server.license_type_id,
        address=server.address,
        removed_at=None,
    )
    return held.first()


def _set_at(levels: Sequence[Level]) -> list[dict[str, bool | None]]:
    """What is set at each of these levels; None = unset."""
    wanted = (Q(**level._asdict()) for level in levels)
    rows = FeatureSetting.objects.filter(functools.reduce(operator.or_, wanted))
    columns = (*Level._fields, "feature", "enabled")
    known = {tuple(row[:-1]): row[-1] for row in rows.values_list(*columns)}
    return [{one: known.get((*level, one)) for one in FEATURE_PRODUCT} for level in levels]
