"""Features switched on an account, a key or a server; the highest level that is set wins (F-2)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from django.db import transaction

from cln.accounts.audit import record
from cln.domain.errors import Refusal
from cln.licensing.access import get_key, get_server
from cln.licensing.models import FeatureSetting
from cln.licensing.surcharges import FEATURE_PRODUCT, Imagined


class UnknownFeature(Refusal):
    """There is no such feature."""

    code: ClassVar[str] = "unknown_feature"


def features_of(*, account_id: int, key: str = "", server: str = "") -> dict[str, bool | None]:
    """What is set at one level: the account, a key or a server by public id; None = unset.

    Refusals: `unknown_key`, `unknown_server`.
    """
    level = _level(account_id, key, server)
    known = dict(FeatureSetting.objects.filter(**level).values_list("feature", "enabled"))
    return {feature: known.get(feature) for feature in FEATURE_PRODUCT}


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


def levels_of(*, account_id: int, key: str = "", server: str = "") -> tuple[FeatureLevel, ...]:
    """Each feature of the product of a key or server (by public id), or of the account: what is set
    here and what a higher level has decided. Refusals: `unknown_key`, `unknown_server`.
    """
    product, above = _above(account_id, key, server)
    here = features_of(account_id=account_id, key=key, server=server)
    found = []
    for feature, of_product in FEATURE_PRODUCT.items():
        if product not in ("", of_product):
            continue
        said = ((level, values[feature]) for level, values in above)
        level, value = next(((lvl, on) for lvl, on in said if on is not None), ("", None))
        found.append(FeatureLevel(feature, here[feature], value, level))
    return tuple(found)


def imagined_level(
    *, account_id: int, enabled: bool | None, key: str = "", server: str = ""
) -> Imagined:
    """A setting that is only thought of, for what it would cost."""
    level = _level(account_id, key, server)
    return Imagined(account_id, level["key_id"], level["server_id"], enabled)


def _above(
    account_id: int, key: str, server: str
) -> tuple[str, list[tuple[str, dict[str, bool | None]]]]:
    """The product of a key or server, and what is set above it, the highest level first."""
    if not (key or server):
        return "", []
    above = [("account", features_of(account_id=account_id))]
    if key:
        return get_key(account_id=account_id, public_id=key).license_type.product.code, above
    row = get_server(account_id=account_id, public_id=server)
    if row.key is not None and row.key.removed_at is None:
        above.append(("key", features_of(account_id=account_id, key=row.key.public_id)))
    return row.license_type.product.code, above


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
    level = _level(account_id, key, server)
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


def _level(account_id: int, key: str, server: str) -> dict[str, Any]:
    return {
        "account_id": account_id,
        "key_id": get_key(account_id=account_id, public_id=key).pk if key else None,
        "server_id": get_server(account_id=account_id, public_id=server).pk if server else None,
    }
