"""How many servers carry a surcharge: billing asks, licensing counts (S1, S2)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

from django.db.models import Count, QuerySet

from cln.catalog.queries import ids_of_product, license_types_by_id
from cln.database.prepared import fetch_tuples
from cln.database.rows import among
from cln.enums import ServerStatus
from cln.licensing.feature_list import FEATURE_PRODUCT, IMUNIFY_EMAIL
from cln.licensing.models import OLD_VERSIONS, Server

OLD_VERSION = "6"


class Level(NamedTuple):
    """Where a feature is set, by row ids: on an account, or on one of its keys, servers or IP
    licenses (F-1).
    """

    account_id: int
    key_id: int | None = None
    server_id: int | None = None
    ip_license_id: int | None = None


Settings = dict[Level, bool]
"""Whether the feature is on, where it is set."""


@dataclass(frozen=True, slots=True)
class SurchargeCounts:
    """Running servers of one license type that cost more than its price."""

    os6_servers: int
    imunify_email_servers: int


@dataclass(frozen=True, slots=True)
class Imagined:
    """A switch of Imunify Email that is only thought of: on a level, None = unset there."""

    level: Level
    enabled: bool | None


class SurchargeCounter:
    """The servers of some accounts that cost more, counted once for any number of what-ifs."""

    def __init__(self, account_ids: Sequence[int]) -> None:
        """Read what is set, and the servers on version 6 (S1)."""
        self._settings = settings_of(account_ids)
        self._old = _old_versions(account_ids)
        self._of_accounts = cache(_of_accounts)
        self._of_keys = cache(_of_keys)
        self._alone = cache(_alone)

    def counts(self, imagined: Imagined | None = None) -> dict[tuple[int, str], SurchargeCounts]:
        """Count, by account and license type, the servers on version 6 (S1) and those where Imunify
        Email is enabled (S2); pairs without either are absent. `imagined`: as if that were set.
        """
        emailing = self._emailing(as_if(self._settings, imagined))
        return {
            pair: SurchargeCounts(self._old[pair], emailing[pair])
            for pair in {*self._old, *emailing}
        }

    def _emailing(self, settings: Settings) -> Counter[tuple[int, str]]:
        """The highest level that is set decides: account, then key, then server (facts F-2)."""
        on = [level for level, enabled in settings.items() if enabled]
        accounts = frozenset(level.account_id for level in on if level == Level(level.account_id))
        # Those of keys and servers whose account has not decided; IP licenses are usage (R2).
        below = [level for level in on if Level(level.account_id) not in settings]
        keys = frozenset(level.key_id for level in below if level.key_id)
        alone = frozenset(level.server_id for level in below if level.server_id)
        emailing: Counter[tuple[int, str]] = Counter()
        for account_id, license_type, count in self._of_accounts(accounts):
            emailing[account_id, license_type] += count
        for account_id, license_type, count in self._of_keys(keys):
            emailing[account_id, license_type] += count
        for account_id, key_id, license_type in self._alone(alone):
            if Level(account_id, key_id) not in settings:
                emailing[account_id, license_type] += 1
        return emailing


# As the index `server_old_version` has it: an account may have 100,000 servers.
_OLD_VERSIONS: Final = f"""
SELECT counted.account_id, t.code, counted.servers
FROM (
    SELECT account_id, license_type_id, count(*) AS servers FROM licensing_server
    WHERE status = 'active' AND NOT by_address AND os_version ~ '{OLD_VERSIONS}'
        AND account_id = ANY(%s::bigint[])
    GROUP BY account_id, license_type_id
) AS counted JOIN catalog_licensetype t ON t.id = counted.license_type_id"""


def _old_versions(account_ids: Sequence[int]) -> Counter[tuple[int, str]]:
    rows = fetch_tuples(_OLD_VERSIONS, (list(account_ids),)) if account_ids else ()
    return Counter({(account_id, code): servers for account_id, code, servers in rows})


def _of_accounts(account_ids: frozenset[int]) -> Sequence[tuple[int, str, int]]:
    return _by_type(_emailers().filter(account__in=among(account_ids))) if account_ids else ()


def _of_keys(key_ids: frozenset[int]) -> Sequence[tuple[int, str, int]]:
    return _by_type(_emailers().filter(key__in=among(key_ids))) if key_ids else ()


def _alone(server_ids: frozenset[int]) -> Sequence[tuple[int, int | None, str]]:
    """Account, key and license type of each of these servers."""
    if not server_ids:
        return ()
    found = _emailers().filter(pk__in=among(server_ids))
    return tuple(found.values_list("account_id", "key_id", "license_type__code"))


def _by_type(servers: QuerySet[Server]) -> Sequence[tuple[int, str, int]]:
    """How many there are by account and license type."""
    grouped = servers.values_list("account_id", "license_type_id").order_by()
    counted = list(grouped.annotate(count=Count("*")))
    types = license_types_by_id() if counted else {}
    return tuple(
        (account_id, types[license_type_id].code, count)
        for account_id, license_type_id, count in counted
    )


_SETTINGS: Final = f"""
SELECT {", ".join(Level._fields)}, enabled FROM licensing_featuresetting
WHERE feature = %s AND account_id = ANY(%s::bigint[])"""


def settings_of(account_ids: Sequence[int]) -> Settings:
    """Where these accounts have switched Imunify Email, on any level."""
    rows = fetch_tuples(_SETTINGS, (IMUNIFY_EMAIL, list(account_ids))) if account_ids else ()
    return {Level(*level): enabled for *level, enabled in rows}


def as_if(settings: Settings, imagined: Imagined | None) -> Settings:
    """What would be set after `imagined`."""
    if imagined is None:
        return settings
    others = {known: enabled for known, enabled in settings.items() if known != imagined.level}
    return others if imagined.enabled is None else {**others, imagined.level: imagined.enabled}


def _emailers() -> QuerySet[Server]:
    """Those of the product that has the feature."""
    return _running().filter(license_type__in=ids_of_product(FEATURE_PRODUCT[IMUNIFY_EMAIL]))


def _running() -> QuerySet[Server]:
    """Those that live by an IP license are billed with it, whatever they run (R2)."""
    return Server.objects.filter(status=ServerStatus.ACTIVE, by_address=False)


def major_version(version: str) -> str:
    """`6` of `6.10`, `CentOS 6.10` and `el6`; empty where no number is."""
    number = re.search(r"\d+", version)
    return number[0] if number else ""
