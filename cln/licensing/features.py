"""Features switched on an account, a key or a server; the highest level that is set wins (F-2)."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import Q

from cln.accounts.audit import record
from cln.domain.errors import Refusal
from cln.licensing.access import get_key, get_server
from cln.licensing.models import ActivationKey, FeatureSetting, Server
from cln.licensing.surcharges import FEATURE_PRODUCT, Imagined


class UnknownFeature(Refusal):
    """There is no such feature."""

    code: ClassVar[str] = "unknown_feature"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a feature is set: for an account, or for one of its keys or servers."""

    account_id: int
    key: ActivationKey | None = None
    server: Server | None = None

    @property
    def columns(self) -> dict[str, Any]:
        """How its settings name it."""
        return {
            "account_id": self.account_id,
            "key_id": self.key.pk if self.key else None,
            "server_id": self.server.pk if self.server else None,
        }

    @property
    def product(self) -> str:
        """The product of the key or server; "" of an account."""
        of = self.key or self.server
        return "" if of is None else of.license_type.product.code

    def above(self) -> list[tuple[str, Place]]:
        """What is stronger, the highest first."""
        if self.key is None and self.server is None:
            return []
        found = [("account", Place(self.account_id))]
        key = self.server.key if self.server else None
        if key is not None and key.removed_at is None:
            found.append(("key", Place(self.account_id, key=key)))
        return found


def place_of(*, account_id: int, key: str = "", server: str = "") -> Place:
    """The account, or one of its keys or servers by public id.

    Refusals: `unknown_key`, `unknown_server`.
    """
    return Place(
        account_id,
        get_key(account_id=account_id, public_id=key) if key else None,
        get_server(account_id=account_id, public_id=server) if server else None,
    )


def features_of(*, account_id: int, key: str = "", server: str = "") -> dict[str, bool | None]:
    """What is set at one level: the account, a key or a server by public id; None = unset.

    Refusals: `unknown_key`, `unknown_server`.
    """
    place = place_of(account_id=account_id, key=key, server=server)
    [here] = _set_at([place])
    return here


@dataclass(frozen=True, slots=True)
class FeatureLevel:
    """A feature at one level: what is set `here`, and what a higher level has decided (`inherited`,
    None = nothing), which is stronger (F-2).
    """

    feature: str
    here: bool | None
    inherited: bool | None
    from_level: str  # "account", "key" or ""

    @property
    def on(self) -> bool:
        """Whether it is enabled, as far as this level can tell."""
        return bool(self.here if self.inherited is None else self.inherited)


def levels_at(place: Place) -> tuple[FeatureLevel, ...]:
    """Each feature of the product of the place: what is set there, and what was decided above."""
    names, places = [""], [place]
    for name, above in place.above():
        names.append(name)
        places.append(above)
    here, *stronger = _set_at(places)
    found = []
    for feature, of_product in FEATURE_PRODUCT.items():
        if place.product not in ("", of_product):
            continue
        said = ((name, values[feature]) for name, values in zip(names[1:], stronger, strict=True))
        level, value = next(((lvl, on) for lvl, on in said if on is not None), ("", None))
        found.append(FeatureLevel(feature, here[feature], value, level))
    return tuple(found)


def imagined_at(place: Place, *, enabled: bool | None) -> Imagined:
    """A setting that is only thought of, for what it would cost."""
    columns = place.columns
    return Imagined(place.account_id, columns["key_id"], columns["server_id"], enabled)


def _set_at(places: Sequence[Place]) -> list[dict[str, bool | None]]:
    """What is set at each of these places; None = unset."""
    columns = ("account_id", "key_id", "server_id", "feature", "enabled")
    wanted = [Q(**place.columns) for place in places]
    rows = FeatureSetting.objects.filter(functools.reduce(operator.or_, wanted))
    known = {tuple(row[:4]): row[4] for row in rows.values_list(*columns)}
    return [
        {feature: known.get((*place.columns.values(), feature)) for feature in FEATURE_PRODUCT}
        for place in places
    ]


def set_feature(
    *,
    account_id: int,
    feature: str,
    enabled: bool | None,
    key: str = "",
    server: str = "",
    actor: str,
    now: datetime,
) -> None:
    """Switch a feature for the account, or for one key or server by public id; None unsets it.

    It costs where it is enabled on the invoice date (S2). Refusals: `unknown_feature`,
    `unknown_key`, `unknown_server`.
    """
    if feature not in FEATURE_PRODUCT:
        raise UnknownFeature(
            f"There is no feature {feature[:40]!r}.", f"Known: {', '.join(FEATURE_PRODUCT)}."
        )
    level = place_of(account_id=account_id, key=key, server=server).columns
    with transaction.atomic():
        rows = FeatureSetting.objects.filter(feature=feature, **level)
        if enabled is None:
            rows.delete()
        else:
            FeatureSetting.objects.update_or_create(
                feature=feature, **level, defaults={"enabled": enabled}
            )
        record(
            account_id=account_id,
            actor=actor,
            verb="set_feature",
            subject=f"{feature} {key or server or 'account'}",
            details={"enabled": enabled},
            now=now,
        )
