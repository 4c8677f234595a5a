"""What screens and interfaces show of licenses, keys and servers: frozen rows, no locks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Count, Q, QuerySet

from cln.enums import ServerStatus
from cln.licensing.access import get_key, get_server
from cln.licensing.keys import reveal
from cln.licensing.models import (
    ActivationKey,
    Entitlement,
    IpLicense,
    RefusedRegistration,
    Server,
)
from cln.licensing.surcharges import SurchargeCounts, surcharge_counts

REFUSED_SHOWN_DAYS = 30

__all__ = [
    "EntitlementRow",
    "KeyDetails",
    "KeyRow",
    "RefusedRow",
    "ServerDetails",
    "ServerFilter",
    "ServerRow",
    "SurchargeCounts",
    "count_servers",
    "count_silent",
    "default_key_of",
    "entitlements_of",
    "get_key",
    "get_server",
    "has_ip_license",
    "key_details",
    "keys_of",
    "refused_registrations_of",
    "server_details",
    "servers_of",
    "surcharge_counts",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class EntitlementRow:
    """What the account may run of a license type. `quantity` None = unlimited."""

    license_type: str
    name: str
    product: str
    kind: str
    quantity: int | None
    used: int
    included: int  # servers that run without a seat (S3)
    valid_until: datetime | None
    is_suspended: bool

    @property
    def unused(self) -> int | None:
        """Licenses without a server; None where the number is unlimited."""
        return None if self.quantity is None else self.quantity - self.used


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """An activation key in a list; `text` is the key itself, `limit` 0 = unlimited."""

    public_id: str
    text: str
    license_type: str
    license_name: str
    product: str
    limit: int
    used: int
    note: str
    cidrs: tuple[str, ...]
    sticky_on: date | None
    is_default: bool
    created_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRow:
    """A server in a list. `last_check_in_at` None = never since its registration."""

    public_id: str
    hostname: str
    address: str
    license_type: str
    license_name: str
    product: str
    key_id: str
    group: str
    status: str
    takes_seat: bool
    os_version: str
    kernel: str
    users: int | None
    registered_at: datetime
    last_check_in_at: datetime | None
    alert_after: datetime | None
    removed_at: datetime | None
    removed_why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRow:
    """A registration that was refused, with the way out."""

    at: datetime
    code: str
    message: str
    fix: str
    hostname: str
    address: str


@dataclass(frozen=True, slots=True)
class KeyDetails:
    """A key with its servers and what it refused in the last 30 days."""

    key: KeyRow
    servers: tuple[ServerRow, ...]
    refused: tuple[RefusedRow, ...]


@dataclass(frozen=True, slots=True)
class ServerDetails:
    """A server with the registrations of the same machine before it, newest first."""

    server: ServerRow
    history: tuple[ServerRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFilter:
    """What a list of servers is narrowed to; empty values do not narrow."""

    product: str = ""
    license_type: str = ""
    key: str = ""
    group: str = ""
    search: str = ""  # in hostname and address
    registered_from: date | None = None
    registered_until: date | None = None  # this day is still in
    with_removed: bool = False


EVERYTHING = ServerFilter()


def entitlements_of(account_id: int) -> tuple[EntitlementRow, ...]:
    """What the account holds or has held, in the order of the catalog."""
    rows = (
        Entitlement.objects.filter(account=account_id)
        .select_related("license_type__product")
        .order_by("license_type__product__position", "license_type__position", "pk")
    )
    included = dict(
        Server.objects.filter(account=account_id, status=ServerStatus.ACTIVE, takes_seat=False)
        .values_list("license_type")
        .annotate(Count("pk"))
    )
    return tuple(
        EntitlementRow(
            license_type=row.license_type.code,
            name=row.license_type.name,
            product=row.license_type.product.code,
            kind=row.kind,
            quantity=row.quantity,
            used=row.used,
            included=included.get(row.license_type_id, 0),
            valid_until=row.valid_until,
            is_suspended=row.suspended_at is not None,
        )
        for row in rows
    )


def keys_of(account_id: int, license_type: str | None = None) -> tuple[KeyRow, ...]:
    """The live keys, of one license type where given: default keys first, then by age."""
    found = ActivationKey.objects.filter(account=account_id, removed_at=None)
    if license_type is not None:
        found = found.filter(license_type__code=license_type)
    found = found.select_related("license_type__product")
    return tuple(map(_key_row, found.order_by("license_type", "-is_default", "pk")))


def default_key_of(account_id: int, license_type: str) -> KeyRow | None:
    """The key that dashboards offer to copy; None before the first purchase or trial."""
    return next((row for row in keys_of(account_id, license_type) if row.is_default), None)


def key_details(*, account_id: int, public_id: str, now: datetime) -> KeyDetails:
    """Everything the page of a key shows. Refuses `unknown_key`."""
    key = get_key(account_id=account_id, public_id=public_id)
    return KeyDetails(
        key=_key_row(key),
        servers=servers_of(account_id, ServerFilter(key=public_id)),
        refused=refused_registrations_of(account_id, now=now, key=public_id),
    )


def servers_of(
    account_id: int,
    filters: ServerFilter = EVERYTHING,
    *,
    limit: int | None = None,
    offset: int = 0,
) -> tuple[ServerRow, ...]:
    """The servers of the account, newest registration first; a page of them where limited."""
    found = _servers(account_id, filters).order_by("-registered_at", "-pk")
    end = None if limit is None else offset + limit
    return tuple(map(_server_row, found[offset:end]))


def count_servers(account_id: int, filters: ServerFilter = EVERYTHING) -> int:
    """How many servers `servers_of` finds."""
    return _servers(account_id, filters).count()


def count_silent(account_id: int, *, now: datetime) -> int:
    """How many running servers have been silent for longer than they may."""
    return Server.objects.filter(
        account=account_id, status=ServerStatus.ACTIVE, alert_after__lt=now
    ).count()


def server_details(*, account_id: int, public_id: str) -> ServerDetails:
    """Everything the page of a server shows. Refuses `unknown_server`."""
    server = get_server(account_id=account_id, public_id=public_id)
    history: list[ServerRow] = []
    earlier = server.supersedes_id
    while earlier is not None and len(history) < 50:
        row = _server_rows().get(pk=earlier, account=account_id)
        history.append(_server_row(row))
        earlier = row.supersedes_id
    return ServerDetails(server=_server_row(server), history=tuple(history))


def refused_registrations_of(
    account_id: int, *, now: datetime, key: str = ""
) -> tuple[RefusedRow, ...]:
    """What was refused in the last 30 days, newest first; of one key where given."""
    found = RefusedRegistration.objects.filter(
        account=account_id, at__gt=now - timedelta(days=REFUSED_SHOWN_DAYS)
    )
    if key:
        found = found.filter(key__public_id=key)
    return tuple(
        RefusedRow(
            at=row.at,
            code=row.code,
            message=row.message,
            fix=row.fix,
            hostname=row.hostname,
            address=row.address or "",
        )
        for row in found.order_by("-at", "-pk")
    )


def has_ip_license(*, product: str, address: str) -> bool:
    """Whether an address holds a license of the product by itself (no key)."""
    return IpLicense.objects.filter(
        product__code=product, address=address, removed_at=None
    ).exists()


def _servers(account_id: int, filters: ServerFilter) -> QuerySet[Server]:
    found = _server_rows().filter(account=account_id)
    if not filters.with_removed:
        found = found.filter(status=ServerStatus.ACTIVE)
    for column, value in (
        ("license_type__product__code", filters.product),
        ("license_type__code", filters.license_type),
        ("key__public_id", filters.key),
        ("group__name", filters.group),
        ("registered_at__date__gte", filters.registered_from),
        ("registered_at__date__lte", filters.registered_until),
    ):
        if value:
            found = found.filter(**{column: value})
    if filters.search:
        text = filters.search.strip()
        found = found.filter(Q(hostname__icontains=text) | Q(address__icontains=text))
    return found


def _server_rows() -> QuerySet[Server]:
    return Server.objects.select_related("license_type__product", "key", "group")


def _key_row(key: ActivationKey) -> KeyRow:
    return KeyRow(
        public_id=key.public_id,
        text=reveal(key),
        license_type=key.license_type.code,
        license_name=key.license_type.name,
        product=key.license_type.product.code,
        limit=key.limit,
        used=key.used,
        note=key.note,
        cidrs=tuple(key.cidrs),
        sticky_on=key.sticky_on,
        is_default=key.is_default,
        created_at=key.created_at,
        last_used_at=key.last_used_at,
    )


def _server_row(server: Server) -> ServerRow:
    return ServerRow(
        public_id=server.public_id,
        hostname=server.hostname,
        address=server.address,
        license_type=server.license_type.code,
        license_name=server.license_type.name,
        product=server.license_type.product.code,
        key_id="" if server.key is None else server.key.public_id,
        group="" if server.group is None else server.group.name,
        status=server.status,
        takes_seat=server.takes_seat,
        os_version=server.os_version,
        kernel=server.kernel,
        users=server.users,
        registered_at=server.registered_at,
        last_check_in_at=server.last_check_in_at,
        alert_after=server.alert_after,
        removed_at=server.removed_at,
        removed_why=server.removed_why,
    )
