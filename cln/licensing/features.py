"""Features switched on an account, a key or a server; the highest level that is set wins (F-2)."""

from datetime import datetime
from typing import Any, ClassVar

from django.db import transaction

from cln.accounts.audit import record
from cln.domain.errors import Refusal
from cln.licensing.access import get_key, get_server
from cln.licensing.models import FeatureSetting
from cln.licensing.surcharges import FEATURE_PRODUCT


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
