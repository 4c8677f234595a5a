"""How many servers carry a surcharge: billing asks, licensing counts (S1, S2)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Count

from cln.licensing.access import active_servers
from cln.licensing.models import FeatureSetting

IMUNIFY_EMAIL = "imunify_email"
FEATURE_PRODUCT = {IMUNIFY_EMAIL: "imunify360"}
OLD_VERSION = "6"


@dataclass(frozen=True, slots=True)
class SurchargeCounts:
    """Running servers of one license type that cost more than its price."""

    os6_servers: int
    imunify_email_servers: int


def surcharge_counts(*, account_id: int, license_type: str) -> SurchargeCounts:
    """Count the servers on version 6 (S1) and those where Imunify Email is enabled (S2)."""
    running = active_servers(account_id=account_id).filter(license_type__code=license_type)
    versions = running.values_list("os_version").annotate(Count("pk"))
    emailing = running.filter(license_type__product__code=FEATURE_PRODUCT[IMUNIFY_EMAIL])
    return SurchargeCounts(
        os6_servers=sum(count for version, count in versions if _major(version) == OLD_VERSION),
        imunify_email_servers=_enabled(
            account_id, IMUNIFY_EMAIL, emailing.values_list("pk", "key_id")
        ),
    )


def _major(version: str) -> str:
    """`6` of `6.10`, `CentOS 6.10` and `el6`; empty where no number is."""
    number = re.search(r"\d+", version)
    return number[0] if number else ""


def _enabled(account_id: int, feature: str, servers: Iterable[tuple[int, int | None]]) -> int:
    """The highest level that is set decides: account, then key, then server (facts F-2)."""
    settings: dict[tuple[int | None, int | None], bool] = {
        (key_id, server_id): enabled
        for key_id, server_id, enabled in FeatureSetting.objects.filter(
            account=account_id, feature=feature
        ).values_list("key_id", "server_id", "enabled")
    }
    if not settings:
        return 0
    return sum(
        settings.get(
            (None, None), settings.get((key_id, None), settings.get((None, server_id), False))
        )
        for server_id, key_id in servers
    )
