"""What screens and interfaces show of licenses, keys and servers: frozen rows, no locks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from django.db.models import Q, QuerySet, Subquery

from cln.catalog.queries import ids_of_product, license_types_by_id
from cln.database.prepared import columns, fetch_tuples, instance, width
from cln.domain.silence import Standing
from cln.enums import EntitlementKind, ServerStatus
from cln.licensing.access import KEYS, get_key, get_server, key_of_row
from cln.licensing.clones import clone_cases_of
from cln.licensing.features import on_servers
from cln.licensing.keys import find_key
from cln.licensing.models import ActivationKey, Entitlement, Server, ServerGroup
from cln.licensing.partners import LICENSED
from cln.licensing.restoring import put_back_until
from cln.licensing.rows import (
    EntitlementRow,
    KeyDetails,
    KeyRow,
    RefusedRow,
    ServerDetails,
    ServerRow,
    key_row,
    server_row,
)
from cln.licensing.servers import UNDO_HOURS, undo_until
from cln.licensing.standing import with_standing
from cln.licensing.system_actions import system_of
from cln.licensing.tags import tag_of
from cln.listing import count_up_to, ordered

REFUSED_SHOWN_DAYS = 30
SERVERS_NAMED = 100
"""Of a key, before it is removed: nobody reads the names of thousands."""

__all__ = [
    "SERVER_SORTS",
    "EntitlementRow",
    "KeyDetails",
    "KeyRow",
    "RefusedRow",
    "ServerDetails",
    "ServerFilter",
    "ServerRow",
    "Standing",
    "count_servers",
    "count_silent",
    "default_key_of",
    "default_keys_of",
    "entitlements_of",
    "get_key",
    "get_server",
    "has_ip_license",
    "have_ip_licenses",
    "key_details",
    "key_row",
    "keys_after",
    "keys_named",
    "keys_of",
    "refused_registrations_of",
    "reinstalls_of",
    "server_details",
    "server_row",
    "servers_after",
    "servers_named",
    "servers_of",
    "servers_removed_with",
    "trial_until",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFilter:
    """What a list of servers is narrowed to; empty values do not narrow."""

    product: str = ""
    license_type: str = ""
    key: str = ""
    group: str = ""
    search: str = ""  # in hostname and address; or a whole activation key
    registered_from: date | None = None
    registered_until: date | None = None  # this day is still in
    standing: Standing | None = None  # up, late or silent, of running servers only …
    at: datetime | None = None  # … at this instant, which it needs
    with_removed: bool = False
    removed_only: bool = False
    ids: tuple[str, ...] | None = None  # exactly these, by public id


EVERYTHING = ServerFilter()
# What lists of servers may be sorted by; nothing else reaches SQL.
SERVER_SORTS: Final[Mapping[str, str]] = {
    "name": "hostname",
    "address": "address",
    "license": "license_type__position",
    "last_check_in": "last_check_in_at",
    "registered": "registered_at",
}


def entitlements_of(account_id: int) -> tuple[EntitlementRow, ...]:
    """What the account holds or has held, in the order of the catalog."""
    included = dict(fetch_tuples(_INCLUDED, (account_id,)))
    return tuple(
        EntitlementRow(
            license_type=code,
            name=name,
            product=product,
            kind=kind,
            quantity=quantity,
            used=used,
            included=included.get(license_type_id, 0),
            valid_until=valid_until,
            is_suspended=suspended_at is not None,
        )
        for (
            license_type_id,
            code,
            name,
            product,
            kind,
            quantity,
            used,
            valid_until,
            suspended_at,
        ) in fetch_tuples(_ENTITLEMENTS, (account_id,))
    )


def keys_of(account_id: int, license_type: str | None = None) -> tuple[KeyRow, ...]:
    """The live keys, of one license type where given: default keys first, then by age."""
    found = ActivationKey.objects.filter(account=account_id, removed_at=None)
    if license_type is not None:
        found = found.filter(license_type__code=license_type)
    found = found.select_related("license_type__product")
    return tuple(map(key_row, found.order_by("license_type", "-is_default", "pk")))


def default_keys_of(account_id: int) -> dict[str, KeyRow]:
    """The keys that dashboards offer to copy, by license type: the others may be 10,000."""
    rows = map(key_row, map(key_of_row, fetch_tuples(_DEFAULT_KEYS, (account_id,))))
    return {row.license_type: row for row in rows}


def default_key_of(account_id: int, license_type: str) -> KeyRow | None:
    """The one of a license type; None before the first purchase or trial."""
    return default_keys_of(account_id).get(license_type)


def key_details(*, account_id: int, public_id: str, now: datetime) -> KeyDetails:
    """Everything the page of a key shows. Refuses `unknown_key`."""
    key = get_key(account_id=account_id, public_id=public_id)
    return KeyDetails(
        key=key_row(key),
        servers=servers_of(account_id, ServerFilter(key=public_id), limit=SERVERS_NAMED),
        count=Server.objects.filter(key=key, status=ServerStatus.ACTIVE).count(),
        refused=refused_registrations_of(account_id, now=now, key=public_id),
    )


def servers_of(
    account_id: int,
    filters: ServerFilter = EVERYTHING,
    *,
    sort: str = "registered",
    descending: bool = True,
    limit: int | None = None,
    offset: int = 0,
    with_features: bool = False,
) -> tuple[ServerRow, ...]:
    """The servers of the account, newest registration first; a page of them where limited."""
    found = ordered(_servers(account_id, filters), SERVER_SORTS, sort, descending=descending)
    if limit is None:
        return _shown(found[offset:], with_features=with_features)
    # Which rows first, then what they hold: 100,000 wide rows are not joined to show fifty.
    page = list(found.values_list("pk", flat=True)[offset : offset + limit])
    rows = {row[0]: row for row in fetch_tuples(_SERVERS, (page,))}
    return _shown((_server_of_row(rows[pk]) for pk in page), with_features=with_features)


def servers_after(
    account_id: int, filters: ServerFilter, *, after: str, limit: int
) -> tuple[ServerRow, ...]:
    """Servers in the order of their registration, newest first, beginning after the server with
    the public id `after` ("" = with the newest); rows that come meanwhile move nothing.
    """
    found = _servers(account_id, filters)
    if after:
        found = found.filter(
            pk__lt=Server.objects.filter(account=account_id, public_id=after).values("pk")
        )
    return _shown(found.order_by("-pk")[:limit])


def keys_after(account_id: int, license_type: str, *, after: str, limit: int) -> tuple[KeyRow, ...]:
    """Live keys, of one license type unless "", the newest first, beginning after the key with
    the public id `after` ("" = with the newest).
    """
    found = ActivationKey.objects.filter(account=account_id, removed_at=None)
    if license_type:
        found = found.filter(license_type__code=license_type)
    if after:
        found = found.filter(
            pk__lt=ActivationKey.objects.filter(account=account_id, public_id=after).values("pk")
        )
    found = found.select_related("license_type__product").order_by("-pk")
    return tuple(map(key_row, found[:limit]))


def keys_named(account_id: int, ids: Sequence[str]) -> dict[str, str]:
    """The last four characters of keys, also removed ones, by public id."""
    rows = ActivationKey.objects.filter(account=account_id, public_id__in=ids)
    return dict(rows.values_list("public_id", "last4"))


def servers_named(account_id: int, ids: Sequence[str]) -> dict[str, str]:
    """What servers are called, by public id: their hostname, else their address."""
    rows = Server.objects.filter(account=account_id, public_id__in=ids)
    return {
        public_id: hostname or str(address)
        for public_id, hostname, address in rows.values_list("public_id", "hostname", "address")
    }


def servers_removed_with(*, account_id: int, key: str, at: datetime) -> tuple[ServerRow, ...]:
    """The servers that the removal of a key at an instant took with it, in order."""
    rows = _server_rows().filter(
        account=account_id, key__public_id=key, status=ServerStatus.REMOVED, removed_at=at
    )
    return _shown(rows.order_by("pk"))


def count_servers(account_id: int, filters: ServerFilter = EVERYTHING) -> int:
    """How many servers `servers_of` finds, up to `listing.COUNT_MAX`."""
    return count_up_to(_servers(account_id, filters))


def count_silent(account_id: int, *, now: datetime) -> int:
    """How many running servers have been silent for longer than they may."""
    return count_servers(account_id, ServerFilter(standing=Standing.SILENT, at=now))


def server_details(*, account_id: int, public_id: str) -> ServerDetails:
    """Everything the page of a server shows. Refuses `unknown_server`."""
    server = get_server(account_id=account_id, public_id=public_id)
    history: list[ServerRow] = []
    earlier = server.supersedes_id
    while earlier is not None and len(history) < 50:
        row = _server_rows().get(pk=earlier, account=account_id)
        history += _shown([row])
        earlier = row.supersedes_id
    return ServerDetails(
        server=server_row(server),
        history=tuple(history),
        undo_until=undo_until(server),
        clone=next(iter(clone_cases_of(account_id, server=public_id)), None),
        put_back_until=put_back_until(server),
        beside=_beside(server),
        tag=tag_of(server_id=server.pk),
        system=system_of(server_id=server.pk),
    )


def trial_until(account_id: int, server: ServerRow) -> datetime | None:
    """The end of the trial a running server lives by; by its address it lives by what was paid."""
    if not server.takes_seat or server.status != ServerStatus.ACTIVE:
        return None
    trial = Entitlement.objects.filter(
        account=account_id, license_type__code=server.license_type, kind=EntitlementKind.TRIAL
    )
    return trial.values_list("valid_until", flat=True).first()


def _beside(server: Server) -> tuple[ServerRow, ...]:
    """What else runs on the machine, as far as name and address tell."""
    if not server.hostname:
        return ()
    others = _server_rows().filter(
        account=server.account_id,
        status=ServerStatus.ACTIVE,
        hostname=server.hostname,
        address=server.address,
    )
    return _shown(others.exclude(pk=server.pk).order_by("pk")[:20])


def reinstalls_of(account_id: int, *, now: datetime) -> tuple[ServerDetails, ...]:
    """Servers that took over from another registration in the last 72 hours, newest first."""
    taken_over = _server_rows().filter(
        account=account_id,
        status=ServerStatus.ACTIVE,
        supersedes__isnull=False,
        registered_at__gte=now - timedelta(hours=UNDO_HOURS),
    )
    found = list(taken_over.order_by("-registered_at", "-pk"))
    return tuple(
        ServerDetails(shown, (), undo_until(row))
        for row, shown in zip(found, _shown(found), strict=True)
    )


def refused_registrations_of(
    account_id: int, *, now: datetime, key: str = ""
) -> tuple[RefusedRow, ...]:
    """What was refused in the last 30 days, newest first; of one key where given."""
    since = now - timedelta(days=REFUSED_SHOWN_DAYS)
    rows = fetch_tuples(_REFUSED, (account_id, since, key, key))
    return tuple(
        RefusedRow(at=at, code=code, message=message, fix=fix, hostname=hostname, address=address)
        for at, code, message, fix, hostname, address in rows
    )


def has_ip_license(*, product: str, address: str) -> bool:
    """Whether an address holds a license of the product by itself (no key), and may use it (P7)."""
    return [*have_ip_licenses([address], product=product)] == [True]


def have_ip_licenses(addresses: Sequence[str], *, product: str) -> list[bool]:
    """The same for many canonical addresses, in the same order, in one question."""
    states = [str(state) for state in LICENSED]
    found = {row[0] for row in fetch_tuples(_HOLD, [list(set(addresses)), product, states])}
    return [address in found for address in addresses]


_HOLD: Final = """
SELECT host(i.address) FROM licensing_iplicense i
JOIN catalog_product p ON p.id = i.product_id
JOIN accounts_account a ON a.id = i.account_id
WHERE i.address = ANY(%s::inet[]) AND i.removed_at IS NULL
  AND p.code = %s AND a.dunning_state = ANY(%s::text[])"""


# What most pages ask: a query set takes longer to write these than PostgreSQL to answer.
_DEFAULT_KEYS: Final = f"""{KEYS}
WHERE k.account_id = %s AND k.removed_at IS NULL AND k.is_default ORDER BY k.license_type_id"""
_ENTITLEMENTS: Final = """
SELECT e.license_type_id, t.code, t.name, p.code, e.kind, e.quantity, e.used, e.valid_until,
  e.suspended_at
FROM licensing_entitlement e
JOIN catalog_licensetype t ON t.id = e.license_type_id
JOIN catalog_product p ON p.id = t.product_id
WHERE e.account_id = %s ORDER BY p.position, t.position, e.id"""
_INCLUDED: Final = f"""
SELECT license_type_id, count(*) FROM licensing_server
WHERE account_id = %s AND status = '{ServerStatus.ACTIVE.value}' AND NOT takes_seat
  AND NOT by_address
GROUP BY license_type_id"""
_REFUSED: Final = """
SELECT r.at, r.code, r.message, r.fix, r.hostname, coalesce(host(r.address), '')
FROM licensing_refusedregistration r LEFT JOIN licensing_activationkey k ON k.id = r.key_id
WHERE r.account_id = %s AND r.at > %s AND (%s = '' OR k.public_id = %s)
ORDER BY r.at DESC, r.id DESC"""
_SERVERS: Final = f"""
SELECT {columns(Server, "s")}, {columns(ActivationKey, "k")}, {columns(ServerGroup, "g")}
FROM licensing_server s
LEFT JOIN licensing_activationkey k ON k.id = s.key_id
LEFT JOIN licensing_servergroup g ON g.id = s.group_id
WHERE s.id = ANY(%s::bigint[])"""


def _server_of_row(row: Sequence[Any]) -> Server:
    """A row of `_SERVERS` as a server with its key and group."""
    server = instance(Server, row)
    at = width(Server)
    if server.key_id is not None:
        server.key = instance(ActivationKey, row, start=at)
    if server.group_id is not None:
        server.group = instance(ServerGroup, row, start=at + width(ActivationKey))
    return server


def _servers(account_id: int, filters: ServerFilter) -> QuerySet[Server]:
    found = _server_rows().filter(account=account_id)
    if filters.removed_only:
        found = found.filter(status=ServerStatus.REMOVED)
    elif not filters.with_removed:
        found = found.filter(status=ServerStatus.ACTIVE)
    if filters.ids is not None:
        found = found.filter(public_id__in=filters.ids)
    for column, value in (
        ("license_type__in", filters.product and ids_of_product(filters.product)),
        ("key", filters.key and _key_id(filters.key)),
        ("license_type__code", filters.license_type),
        ("group__name", filters.group),
        ("registered_at__date__gte", filters.registered_from),
        ("registered_at__date__lte", filters.registered_until),
    ):
        if value not in ("", None):
            found = found.filter(**{column: value})
    if filters.standing is not None and filters.at is not None:
        found = with_standing(found, filters.standing, now=filters.at)
    if filters.search:
        text = filters.search.strip()
        said = Q(hostname__icontains=text) | Q(address__icontains=text)
        key = find_key(text)
        found = found.filter(said if key is None else said | Q(key=key.pk))
    return found


def _key_id(public_id: str) -> Subquery:
    """Not joined: then an index gives the servers of a key in the order of its page."""
    return Subquery(ActivationKey.objects.filter(public_id=public_id).values("pk"))


def _server_rows() -> QuerySet[Server]:
    return Server.objects.select_related("key", "group")


def _shown(servers: Iterable[Server], *, with_features: bool = False) -> tuple[ServerRow, ...]:
    """As rows. There are few license types: they are put beside the servers, not joined to each."""
    found = list(servers)
    types = license_types_by_id() if found else {}
    for server in found:
        server.license_type = types[server.license_type_id]
    on = on_servers(found) if with_features else {}
    return tuple(server_row(server, on.get(server.pk, ())) for server in found)
