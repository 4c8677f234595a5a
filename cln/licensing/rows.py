"""The frozen rows that screens and interfaces get of licensing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from cln.domain.silence import Standing
from cln.enums import ServerStatus
from cln.licensing.keys import reveal
from cln.licensing.models import ActivationKey, Server
from cln.licensing.standing import heard_at, patience_with
from cln.licensing.system_actions import SystemRow


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
    features: tuple[str, ...] = ()  # what is on, where the list asks for it


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRow:
    """A server in a list. `last_check_in_at` None = never since its registration; `number` is what
    partners' programs know it by (REST v2).
    """

    public_id: str
    number: int
    hostname: str
    address: str
    license_type: str
    license_name: str
    product: str
    key_id: str
    group: str
    status: str
    takes_seat: bool
    by_address: bool  # licensed by where it calls from
    os_version: str
    kernel: str
    users: int | None
    user_limit: int | None  # of its license type; None = none
    registered_at: datetime
    last_check_in_at: datetime | None
    late_after: datetime | None  # None = not running
    alert_after: datetime | None  # from then on it is silent; None = not running
    removed_at: datetime | None
    removed_why: str
    period: timedelta | None  # how often it is expected; None = as everywhere
    features: tuple[str, ...] = ()  # what is on, where the list asks for it

    def standing_at(self, now: datetime) -> Standing | None:
        """Up, late or silent; None where it is not running."""
        if self.late_after is None or self.alert_after is None:
            return None
        if now >= self.alert_after:
            return Standing.SILENT
        return Standing.LATE if now >= self.late_after else Standing.UP


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
class CloneRow:
    """Two machines with one secret, as their owner sees it."""

    server_id: str
    hostname: str
    license_type_name: str
    established_address: str
    newcomer_address: str
    found_at: datetime
    decide_by: datetime


@dataclass(frozen=True, slots=True)
class KeyDetails:
    """A key with the newest of its running servers, how many there are, and what it refused in the
    last 30 days.
    """

    key: KeyRow
    servers: tuple[ServerRow, ...]
    count: int
    refused: tuple[RefusedRow, ...]

    @property
    def unnamed(self) -> int:
        """How many of its servers are not among `servers`."""
        return self.count - len(self.servers)


@dataclass(frozen=True, slots=True)
class ServerDetails:
    """A server with the registrations of the same machine before it, newest first.

    `undo_until`: as long the earlier registration can be given its seat back; `clone`: what the
    owner has to decide about it; `put_back_until`: as long its own removal can be undone; `beside`:
    the other licenses of the same machine; `tag`: the word it gave itself; `system`: what it told
    over RHN, None of one that does not speak it.
    """

    server: ServerRow
    history: tuple[ServerRow, ...]
    undo_until: datetime | None = None
    clone: CloneRow | None = None
    put_back_until: datetime | None = None
    beside: tuple[ServerRow, ...] = ()
    tag: str = ""
    system: SystemRow | None = None


def key_row(key: ActivationKey, features: tuple[str, ...] = ()) -> KeyRow:
    """The key as lists show it; its license type is joined."""
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
        features=features,
    )


def server_row(server: Server, features: tuple[str, ...] = ()) -> ServerRow:
    """The server as lists show it; license type, key and group are joined."""
    late_after = silent_after = None
    if server.status == ServerStatus.ACTIVE:
        patience = patience_with(server)
        late_after = heard_at(server) + patience.period
        silent_after = server.alerted_at or late_after + patience.grace
    return ServerRow(
        public_id=server.public_id,
        number=server.pk,
        hostname=server.hostname,
        address=server.address,
        license_type=server.license_type.code,
        license_name=server.license_type.name,
        product=server.license_type.product.code,
        key_id="" if server.key is None else server.key.public_id,
        group="" if server.group is None else server.group.name,
        status=server.status,
        takes_seat=server.takes_seat,
        by_address=server.by_address,
        os_version=server.os_version,
        kernel=server.kernel,
        users=server.users,
        user_limit=server.license_type.user_limit,
        registered_at=server.registered_at,
        last_check_in_at=server.last_check_in_at,
        late_after=late_after,
        alert_after=silent_after,
        removed_at=server.removed_at,
        removed_why=server.removed_why,
        period=server.period,
        features=features,
    )
