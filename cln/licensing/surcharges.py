"""How many servers carry a surcharge: billing asks, licensing counts (S1, S2)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Count, QuerySet

from cln.database.rows import among
from cln.enums import ServerStatus
from cln.licensing.models import FeatureSetting, Server

IMUNIFY_EMAIL = "imunify_email"
FEATURE_PRODUCT = {IMUNIFY_EMAIL: "imunify360"}
OLD_VERSION = "6"


@dataclass(frozen=True, slots=True)
class SurchargeCounts:
    """Running servers of one license type that cost more than its price."""

    os6_servers: int
    imunify_email_servers: int


@dataclass(frozen=True, slots=True)
class Imagined:
    """A switch of Imunify Email that is only thought of: on a level, None = unset there."""

    account_id: int
    key_id: int | None
    server_id: int | None
    enabled: bool | None


def surcharge_counts(
    *, account_ids: Sequence[int], imagined: Imagined | None = None
) -> dict[tuple[int, str], SurchargeCounts]:
    """Count, by account and license type, the servers on version 6 (S1) and those where Imunify
    Email is enabled (S2); pairs without either are absent. `imagined`: as if that were set.
    """
    old, emailing = _old_versions(account_ids), _emailing(account_ids, imagined)
    return {
        pair: SurchargeCounts(os6_servers=old[pair], imunify_email_servers=emailing[pair])
        for pair in {*old, *emailing}
    }


def _old_versions(account_ids: Sequence[int]) -> Counter[tuple[int, str]]:
    counted = (
        _running(account_ids)
        .filter(os_version__contains=OLD_VERSION)
        .values_list("account_id", "license_type__code", "os_version")
        .annotate(Count("pk"))
    )
    old: Counter[tuple[int, str]] = Counter()
    for account_id, license_type, version, count in counted:
        if major_version(version) == OLD_VERSION:
            old[account_id, license_type] += count
    return old


def _emailing(account_ids: Sequence[int], imagined: Imagined | None) -> Counter[tuple[int, str]]:
    """The highest level that is set decides: account, then key, then server (facts F-2)."""
    settings = _settings(account_ids, imagined)
    emailing: Counter[tuple[int, str]] = Counter()
    if not settings:
        return emailing
    servers = _running({account_id for account_id, _, _ in settings}).filter(
        license_type__product__code=FEATURE_PRODUCT[IMUNIFY_EMAIL]
    )

    def above(account_id: int, key_id: int | None) -> bool | None:
        by_account = settings.get((account_id, None, None))
        return settings.get((account_id, key_id, None)) if by_account is None else by_account

    # Counted by key: an account may have 100,000 servers, of which few are set one by one.
    by_key = servers.values_list("account_id", "key_id", "license_type__code")
    for account_id, key_id, license_type, count in by_key.annotate(Count("pk")):
        if above(account_id, key_id):
            emailing[account_id, license_type] += count
    alone = {server_id for (_, _, server_id), enabled in settings.items() if server_id and enabled}
    for account_id, key_id, license_type in by_key.filter(pk__in=alone) if alone else ():
        if above(account_id, key_id) is None:
            emailing[account_id, license_type] += 1
    return emailing


def _settings(
    account_ids: Sequence[int], imagined: Imagined | None
) -> dict[tuple[int, int | None, int | None], bool]:
    """By account, key and server, as if `imagined` were set."""
    rows = FeatureSetting.objects.filter(account__in=among(account_ids), feature=IMUNIFY_EMAIL)
    settings: dict[tuple[int, int | None, int | None], bool] = {
        (account_id, key_id, server_id): enabled
        for account_id, key_id, server_id, enabled in rows.values_list(
            "account_id", "key_id", "server_id", "enabled"
        )
    }
    if imagined is not None:
        level = (imagined.account_id, imagined.key_id, imagined.server_id)
        settings.pop(level, None)
        if imagined.enabled is not None:
            settings[level] = imagined.enabled
    return settings


def _running(account_ids: Iterable[int]) -> QuerySet[Server]:
    """Those that live by an IP license are billed with it, whatever they run (R2)."""
    return Server.objects.filter(
        account__in=among(account_ids), status=ServerStatus.ACTIVE, by_address=False
    )


def major_version(version: str) -> str:
    """`6` of `6.10`, `CentOS 6.10` and `el6`; empty where no number is."""
    number = re.search(r"\d+", version)
    return number[0] if number else ""
