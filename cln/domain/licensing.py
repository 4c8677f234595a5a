"""Whether a server may register, and in whose seat.

The caller holds the lock of the key (or the pool), gathers the facts and obeys the answer. A key
limit caps a share of the pool; the pool is what the account has bought or tries.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import ClassVar, Self

from cln.domain.addresses import canonical_address, check_public_address, is_in_ranges
from cln.domain.errors import Refusal
from cln.domain.lines import long_date
from cln.domain.machines import NEW_MACHINE, MachineMatch, MatchStrength

NAMED_OCCUPANTS = 5


class UnknownKey(Refusal):
    """No such activation key, or a removed one."""

    code: ClassVar[str] = "unknown_key"


class AccountBlocked(Refusal):
    """The account is blocked because of an overdue invoice (P7)."""

    code: ClassVar[str] = "account_blocked"

    @classmethod
    def because_of_debt(cls) -> Self:
        """The one wording of this refusal."""
        return cls(
            "The account is blocked because of an overdue invoice.",
            "Pay the overdue invoices: the account is unblocked at once.",
        )


class AddressNotInRange(Refusal):
    """The key is limited to other addresses."""

    code: ClassVar[str] = "ip_not_in_range"


class TrialAddressUsed(Refusal):
    """The address has run a trial of this product before (T3)."""

    code: ClassVar[str] = "trial_ip_used"


class TrialExpired(Refusal):
    """The trial is over (T4)."""

    code: ClassVar[str] = "trial_expired"


class LicenseExpired(Refusal):
    """The paid period is over."""

    code: ClassVar[str] = "license_expired"


class KeyLimitReached(Refusal):
    """The key's own limit is used up."""

    code: ClassVar[str] = "key_limit_reached"


class PoolExhausted(Refusal):
    """The account's licenses are all in use."""

    code: ClassVar[str] = "pool_exhausted"


@dataclass(frozen=True, slots=True)
class Occupant:
    """A server that holds a seat."""

    hostname: str
    address: str

    def __str__(self) -> str:
        return f"{self.hostname or 'unnamed'} ({self.address})"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFacts:
    """An activation key. `limit` 0 is unlimited; `occupants` are its seated servers."""

    limit: int = 0
    cidrs: tuple[str, ...] = ()
    occupants: Sequence[Occupant] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolFacts:
    """The account's right to a license type. `quantity` None is unlimited (trials, partners);
    it is valid before `valid_until`, None is without end; `occupants` are all seated servers.
    """

    quantity: int | None
    valid_until: date | None = None
    is_trial: bool = False
    occupants: Sequence[Occupant] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationFacts:
    """A machine at the door. `key` None: no such key. `pool` None: nothing bought or tried.

    `trial_ip_used`: the address has run a trial of the product other than this very one.
    `included_with` names the paid license that covers it without a seat (S3).
    `any_address` also lets private addresses in: a sandbox runs on one machine.
    """

    product: str
    address: str
    on: date
    key: KeyFacts | None
    pool: PoolFacts | None
    match: MachineMatch = NEW_MACHINE
    is_blocked: bool = False
    trial_ip_used: bool = False
    included_with: str | None = None
    any_address: bool = False


@dataclass(frozen=True, slots=True)
class Granted:
    """The machine may run. `server_id` is the registration it continues (`strength` same) or
    supersedes (reinstall), None for a new one; `takes_seat` says that the counters grow by one.
    """

    address: str
    server_id: int | None
    strength: MatchStrength
    takes_seat: bool


def decide_registration(facts: RegistrationFacts) -> Granted:
    """Let a machine register, or say why not. The same machine never takes a second seat.

    Refusals: `unknown_key`, `account_blocked`, `bad_address`, `address_not_public`,
    `ip_not_in_range`, `license_expired`, `trial_expired`, `trial_ip_used`, `key_limit_reached`,
    `pool_exhausted`.
    """
    if facts.key is None:
        raise UnknownKey("There is no such activation key.", "Copy the key from your console.")
    if facts.is_blocked:
        raise AccountBlocked.because_of_debt()
    check_address = canonical_address if facts.any_address else check_public_address
    address = check_address(facts.address)
    if not is_in_ranges(address, facts.key.cidrs):
        raise AddressNotInRange(
            f"The activation key does not allow the address {address}.",
            f"It allows {', '.join(facts.key.cidrs)}. Add the address to the key's IP ranges.",
            address=address,
            cidrs=facts.key.cidrs,
        )
    if facts.included_with is None:
        _check_validity(facts)
    strength = facts.match.strength
    if strength is not MatchStrength.SAME:
        _check_trial_address(facts, address)
    takes_seat = strength is MatchStrength.NEW and facts.included_with is None
    if takes_seat:
        _check_key_limit(facts.key)
        _check_pool(facts)
    return Granted(address, facts.match.server_id, strength, takes_seat)


def _check_validity(facts: RegistrationFacts) -> None:
    pool = facts.pool
    if pool is None:
        raise LicenseExpired(
            f"The account has no {facts.product} license.", f"Buy {facts.product}."
        )
    if pool.valid_until is None or facts.on < pool.valid_until:
        return
    ended = long_date(pool.valid_until)
    if pool.is_trial:
        raise TrialExpired(
            f"The trial of {facts.product} ended on {ended}.",
            "Buy a license: the key stays valid and the servers come back.",
            ended_on=pool.valid_until,
        )
    raise LicenseExpired(
        f"The {facts.product} license ended on {ended}.",
        f"Buy {facts.product} again: the key stays valid.",
        ended_on=pool.valid_until,
    )


def _check_trial_address(facts: RegistrationFacts, address: str) -> None:
    if facts.trial_ip_used and facts.pool is not None and facts.pool.is_trial:
        raise TrialAddressUsed(
            f"You can register the IP: {address} under a paid license only.",
            f"Buy a license of {facts.product}: a trial of it has already run on this address.",
            address=address,
        )


def _check_key_limit(key: KeyFacts) -> None:
    if key.limit and len(key.occupants) >= key.limit:
        raise KeyLimitReached(
            f"Maximum usage count of {key.limit} reached: {_names(key.occupants)}.",
            "Remove a server you no longer use, raise the key's limit or use another key.",
            limit=key.limit,
            occupants=tuple(map(str, key.occupants)),
        )


def _check_pool(facts: RegistrationFacts) -> None:
    pool = facts.pool
    if pool is None or pool.quantity is None or len(pool.occupants) < pool.quantity:
        return
    what = "The trial covers" if pool.is_trial else "The account has"
    servers = "server" if pool.quantity == 1 else "servers"
    raise PoolExhausted(
        f"{what} {facts.product} for {pool.quantity} {servers}: {_names(pool.occupants)}.",
        "Buy a license, or remove a server you no longer use."
        if pool.is_trial
        else "Add licenses, or remove a server you no longer use.",
        quantity=pool.quantity,
        occupants=tuple(map(str, pool.occupants)),
    )


def _names(occupants: Sequence[Occupant]) -> str:
    named = ", ".join(map(str, occupants[:NAMED_OCCUPANTS]))
    more = len(occupants) - NAMED_OCCUPANTS
    used = f"used by {named}" if named else "none is left"
    return f"{used} and {more} more" if more > 0 else used
