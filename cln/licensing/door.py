"""One machine in front of the locked rows, as facts for the core to decide on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, overload

from django.conf import settings
from django.db.models import QuerySet, Sum

from cln.database.prepared import fetch_all, fetch_tuples
from cln.domain.licensing import KeyFacts, Occupant, PoolFacts, RegistrationFacts
from cln.domain.machines import (
    NEW_MACHINE,
    MachineCandidate,
    MachineHints,
    MachineMatch,
    MatchStrength,
    match_machine,
)
from cln.enums import EntitlementKind, ServerStatus
from cln.licensing import included
from cln.licensing.access import Pool, lock_server_account, tokens_of
from cln.licensing.models import ActivationKey, Entitlement, Server
from cln.licensing.trial_addresses import record_trial_address

OCCUPANTS_NAMED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What the machine says of itself; `secret` proves an earlier registration. `is_copy`: it
    wants a registration of its own, whatever it looks like; it was copied from another machine.
    """

    hostname: str = ""
    machine_uuid: str = ""
    os_version: str = ""
    secret: str = ""
    is_copy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """`key` and `pool` are locked; `proven` is the running server whose secret was shown,
    `moves` the running server of the key whose seat was handed to this machine.
    """

    key: ActivationKey
    pool: Pool
    address: str
    hints: Hints
    proven: Server | None
    now: datetime
    moves: Server | None = None

    def facts(self) -> RegistrationFacts:
        """Gather what `decide_registration` asks; claims the address where a trial runs (T3)."""
        license_type = self.key.license_type
        account_id, right = self.key.account_id, self.pool.entitlement
        [(blocked_on,)] = fetch_tuples(_BLOCKED, [account_id])
        return RegistrationFacts(
            product=license_type.name,
            address=self.address,
            on=self.now.date(),
            key=self._key_facts(),
            pool=None if right is None else self._pool_facts(right),
            match=self._match(),
            is_blocked=blocked_on is not None
            or (right is not None and right.suspended_at is not None),
            trial_ip_used=right is not None
            and right.kind == EntitlementKind.TRIAL
            and not record_trial_address(
                account_id=account_id,
                product_id=license_type.product_id,
                address=self.address,
                now=self.now,
            ),
            included_with=included.covering_license(
                account_id=account_id,
                product=license_type.product.code,
                hostname=self.hints.hostname,
                address=self.address,
                now=self.now,
            ),
            any_address=settings.CLN_ALLOW_PRIVATE_ADDRESSES,
        )

    def _key_facts(self) -> KeyFacts:
        """The key's own limit, or that of its server account where it leaves fewer seats."""
        key, cidrs = self.key, tuple(self.key.cidrs)
        own = Seats(key.used, lambda: self._seated().filter(key=key.pk))
        if key.server_account_id is not None:
            owner = lock_server_account(account_id=key.account_id, number=key.server_account_id)
            used = tokens_of(owner).aggregate(used=Sum("used", default=0))["used"]
            if owner.limit and (not key.limit or owner.limit - used < key.limit - key.used):
                seats = Seats(used, lambda: self._seated().filter(key__in=tokens_of(owner)))
                return KeyFacts(limit=owner.limit, cidrs=cidrs, occupants=seats)
        return KeyFacts(limit=key.limit, cidrs=cidrs, occupants=own)

    def _pool_facts(self, right: Entitlement) -> PoolFacts:
        return PoolFacts(
            quantity=right.quantity,
            valid_until=self._last_day(right),
            is_trial=right.kind == EntitlementKind.TRIAL,
            occupants=Seats(right.used, self._seated),
        )

    def _last_day(self, right: Entitlement) -> date | None:
        """The core counts days: a right that ends later today still holds today."""
        if right.valid_until is None or right.valid_until <= self.now:
            return None if right.valid_until is None else right.valid_until.date()
        return max(right.valid_until.date(), self.now.date() + timedelta(days=1))

    def _match(self) -> MachineMatch:
        """Only servers that could match are read: a key may have thousands."""
        proven = self.proven
        if self.moves is not None:
            return MachineMatch(self.moves.pk, MatchStrength.REINSTALL)
        if self.hints.is_copy:
            return NEW_MACHINE
        if proven is not None and proven.key_id != self.key.pk:
            return NEW_MACHINE
        asked = {
            "key": self.key.pk,
            "hostname": self.hints.hostname,
            "address": self.address,
            "machine_uuid": self.hints.machine_uuid,
            "proven": None if proven is None else proven.pk,
        }
        known = fetch_all(_ALIKE, asked)
        hints = MachineHints(
            proven_server_id=None if proven is None else proven.pk,
            uuid=self.hints.machine_uuid,
            hostname=self.hints.hostname,
            address=self.address,
        )
        return match_machine(hints, (MachineCandidate(**row) for row in known))

    def _seated(self) -> QuerySet[Server]:
        return Server.objects.filter(
            account=self.key.account_id,
            license_type=self.key.license_type_id,
            status=ServerStatus.ACTIVE,
            takes_seat=True,
        ).order_by("pk")


class Seats(Sequence[Occupant]):
    """Seated servers: their number comes from the counter, the first 20 are read when named."""

    def __init__(self, count: int, servers: Callable[[], QuerySet[Server]]) -> None:
        """`count` is the locked counter, `servers` makes a query, not before it is needed."""
        self._count = count
        self._servers = servers
        self._read: list[Occupant] | None = None

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Occupant: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Occupant]: ...
    def __getitem__(self, index: int | slice) -> Occupant | Sequence[Occupant]:
        """Read the occupants asked for, as far as they are named at all."""
        return self._named()[index]

    def _named(self) -> list[Occupant]:
        if self._read is None:
            rows = self._servers().values_list("hostname", "address")[:OCCUPANTS_NAMED]
            self._read = [Occupant(hostname, address) for hostname, address in rows]
        return self._read


_BLOCKED: Final = "SELECT blocked_on FROM accounts_account WHERE id = %s"
# Each branch has an index of its own, so that a key with a million servers answers as fast.
_ALIKE: Final = """
WITH alike AS (
    SELECT s.* FROM licensing_server s WHERE s.status = 'active'
      AND s.address = %(address)s::inet AND upper(s.hostname) = upper(%(hostname)s)
    UNION
    SELECT s.* FROM licensing_server s WHERE s.status = 'active'
      AND s.machine_uuid <> '' AND s.machine_uuid = %(machine_uuid)s
    UNION
    SELECT s.* FROM licensing_server s WHERE s.status = 'active' AND s.id = %(proven)s::bigint
)
SELECT id AS server_id, machine_uuid AS uuid, hostname, host(address) AS address
FROM alike WHERE key_id = %(key)s ORDER BY registered_at DESC, id DESC"""
