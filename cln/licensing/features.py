"""Features switched on an account, a key, a server or an IP license; the highest level that is set
wins (F-2).

A server that lives by the IP license of its address has no level of its own: its switch is that
license's, which is what is billed.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from django.db import transaction
from django.db.models import Q

from cln.accounts.audit import record
from cln.accounts.models import Account
from cln.database.rows import among
from cln.domain.errors import Refusal
from cln.enums import AccountKind
from cln.licensing.access import get_key, get_server
from cln.licensing.feature_list import FEATURE_PRODUCT, of_product, usually_on
from cln.licensing.ip_licenses import get_ip_license
from cln.licensing.models import ActivationKey, FeatureSetting, IpLicense, Server
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
    if spot.key:
        return _of_key(get_key(account_id=account_id, public_id=spot.key))
    if spot.ip_license:
        held = get_ip_license(account_id=account_id, public_id=spot.ip_license)
        return _of_ip_license(held)
    if not spot.server:
        return Place(Level(account_id))
    row = get_server(account_id=account_id, public_id=spot.server)
    return _of_server(row, _licenses_of([row]).get(row.pk) if row.by_address else None)


def features_of(*, account_id: int, spot: Spot = ACCOUNT) -> dict[str, bool | None]:
    """What is set at one level of what its product has, None = unset.

    Refusals: `unknown_key`, `unknown_server`, `unknown_ip_license`.
    """
    place = place_of(account_id=account_id, spot=spot)
    [here] = _set_at([place.level])
    return {one: enabled for one, enabled in here.items() if of_product(one, place.product)}


def on_ip_licenses(held: Sequence[IpLicense]) -> dict[int, tuple[str, ...]]:
    """What is on at each of these IP licenses of one account, by row id."""
    return _on({row.pk: _of_ip_license(row) for row in held})


def on_keys(keys: Sequence[ActivationKey]) -> dict[int, tuple[str, ...]]:
    """What is on with each of these keys of one account, by row id."""
    return _on({row.pk: _of_key(row) for row in keys})


def on_servers(servers: Sequence[Server]) -> dict[int, tuple[str, ...]]:
    """What is on at each of these servers of one account, by row id; key and license type are
    joined.
    """
    living_by = _licenses_of([row for row in servers if row.by_address])
    return _on({row.pk: _of_server(row, living_by.get(row.pk)) for row in servers})


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
    [usual] = _usually_on({0: place}).values()
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


def _on(places: Mapping[int, Place]) -> dict[int, tuple[str, ...]]:
    """What is on at each of these places of one account, asked for all of them at once."""
    having = {pk: at for pk, at in places.items() if at.product in FEATURE_PRODUCT.values()}
    levels = {pk: [*(level for _, level in at.above), at.level] for pk, at in having.items()}
    said = _said({level for ones in levels.values() for level in ones})
    usual = _usually_on(having)
    return dict.fromkeys(places, ()) | {
        pk: tuple(
            feature
            for feature in FEATURE_PRODUCT
            if of_product(feature, at.product)
            and next(
                (said[level, feature] for level in levels[pk] if (level, feature) in said),
                feature in usual[pk],
            )
        )
        for pk, at in having.items()
    }


def _said(levels: Collection[Level]) -> dict[tuple[Level, str], bool]:
    """What is set at any of these levels of one account."""
    if not levels:
        return {}
    [account_id] = {level.account_id for level in levels}
    of_account = Q(key=None, server=None, ip_license=None)
    wanted = functools.reduce(
        operator.or_,
        (
            Q(**{f"{name}__in": among({id_ for level in levels if (id_ := level[at])})})
            for at, name in enumerate(Level._fields)
            if at
        ),
        of_account,
    )
    rows = FeatureSetting.objects.filter(wanted, account=account_id)
    return {
        (Level(*level), feature): enabled
        for *level, feature, enabled in rows.values_list(*Level._fields, "feature", "enabled")
    }


def _usually_on(places: Mapping[int, Place]) -> dict[int, tuple[str, ...]]:
    """What is on at each place where no level is set; accounts have one kind."""
    found = {pk: usually_on(at.license_type, is_reseller=False) for pk, at in places.items()}
    if not any(found.values()):
        return found
    [account_id] = {at.level.account_id for at in places.values()}
    account = Account.objects.only("kind").get(pk=account_id)
    return dict.fromkeys(found, ()) if account.kind == AccountKind.RESELLER else found


def _of_key(key: ActivationKey) -> Place:
    above, kind = [_account_of(key)], key.license_type
    level = Level(key.account_id, key_id=key.pk)
    return Place(level, kind.product.code, key.public_id, above, kind.code)


def _of_server(server: Server, lives_by: IpLicense | None) -> Place:
    if lives_by is not None:
        return _of_ip_license(lives_by)
    above, kind = [_account_of(server)], server.license_type
    if server.key is not None and server.key.removed_at is None:
        above.append(("key", Level(server.account_id, key_id=server.key_id)))
    level = Level(server.account_id, server_id=server.pk)
    return Place(level, kind.product.code, server.public_id, above, kind.code)


def _of_ip_license(held: IpLicense) -> Place:
    level = Level(held.account_id, ip_license_id=held.pk)
    return Place(level, held.product.code, held.address, [_account_of(held)])


def _account_of(row: ActivationKey | Server | IpLicense) -> tuple[str, Level]:
    return "account", Level(row.account_id)


def _licenses_of(servers: Sequence[Server]) -> dict[int, IpLicense]:
    """The IP licenses by which these servers of one account live, by the server's row id; absent
    where one has been given back meanwhile.
    """
    if not servers:
        return {}
    held = IpLicense.objects.select_related("product").filter(
        account=servers[0].account_id,
        address__in=[row.address for row in servers],
        removed_at=None,
    )
    at = {(row.license_type_id, row.address): row for row in held}
    found = {row.pk: at.get((row.license_type_id, row.address)) for row in servers}
    return {pk: one for pk, one in found.items() if one is not None}


def _set_at(levels: Sequence[Level]) -> list[dict[str, bool | None]]:
    """What is set at each of these levels; None = unset."""
    said = _said(levels)
    return [{one: said.get((level, one)) for one in FEATURE_PRODUCT} for level in levels]
