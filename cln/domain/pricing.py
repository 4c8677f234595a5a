"""Volume prices: one unit price for all units, chosen by the quantity held (Q1, Q5).

A price list is dated data. The quantity that picks the tier is counted over the license type's
tier scope, so the subscriptions that share a scope make each other cheaper.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import ClassVar

from cln.domain.calendar import Interval
from cln.domain.errors import Refusal

QUANTITY_LIMIT = 100_000


class PriceUnknown(Refusal):
    """No price is in force on that day: sold on request only."""

    code: ClassVar[str] = "price_unknown"


class BadQuantity(Refusal):
    """The quantity is not a whole number from 1 to 100,000."""

    code: ClassVar[str] = "bad_quantity"


class BadPriceList(Refusal):
    """The tiers do not form a volume price list."""

    code: ClassVar[str] = "bad_price_list"


@dataclass(frozen=True, slots=True)
class Tier:
    """From this quantity on, every unit costs this many cents per interval."""

    from_quantity: int
    unit_cents: int


@dataclass(frozen=True, slots=True)
class PriceList:
    """The prices of one license type and interval from a day on; tiers ascend from 1."""

    id: int
    license_type: str
    interval: Interval
    currency: str
    effective_on: date
    tiers: tuple[Tier, ...]

    def __post_init__(self) -> None:
        """Refusals: `bad_price_list`."""
        starts = [tier.from_quantity for tier in self.tiers]
        if not starts or starts[0] != 1 or any(a >= b for a, b in pairwise(starts)):
            raise BadPriceList("Tiers start at 1 and ascend.", license_type=self.license_type)
        prices = [tier.unit_cents for tier in self.tiers]
        if prices[-1] < 0 or any(a < b for a, b in pairwise(prices)):
            raise BadPriceList(
                "A larger quantity never costs more per unit, and no price is negative.",
                license_type=self.license_type,
            )

    def unit_cents(self, quantity: int) -> int:
        """Cents per unit when `quantity` units are held."""
        return self.current_tier(quantity).unit_cents

    def current_tier(self, quantity: int) -> Tier:
        """The tier that a quantity of at least 1 falls into."""
        assert quantity >= 1, "a tier belongs to a quantity"
        return [tier for tier in self.tiers if tier.from_quantity <= quantity][-1]

    def next_tier(self, quantity: int) -> Tier | None:
        """The next cheaper step above the quantity, or None at the top."""
        return next((tier for tier in self.tiers if tier.from_quantity > quantity), None)


def list_in_force(lists: Iterable[PriceList], on: date) -> PriceList:
    """The newest list that is effective on the day; later ones of the same day win.

    Refusals: `price_unknown`.
    """
    in_force = [a_list for a_list in lists if a_list.effective_on <= on]
    if not in_force:
        raise PriceUnknown(
            "There is no public price for this license.",
            "Ask us for an offer: it is sold on request only.",
            on=on,
        )
    return max(in_force, key=lambda a_list: (a_list.effective_on, a_list.id))


def check_quantity(quantity: object) -> int:
    """The quantity, if it can be bought. Refusals: `bad_quantity`."""
    if type(quantity) is not int or not 1 <= quantity <= QUANTITY_LIMIT:
        raise BadQuantity(
            f"The quantity must be a whole number from 1 to {QUANTITY_LIMIT:,}.",
            given=str(quantity)[:40],
        )
    return quantity


@dataclass(frozen=True, slots=True)
class ScopeHolding:
    """What another subscription of the same tier scope holds; `ends_on` if it is cancelled."""

    quantity: int
    ends_on: date | None = None


def scope_quantity(own: int, others: Iterable[ScopeHolding], on: date) -> int:
    """The quantity that picks the tier on a day (Q1).

    A subscription that ends on a day no longer counts on that day.
    """
    return own + sum(
        other.quantity for other in others if other.ends_on is None or on < other.ends_on
    )


@dataclass(frozen=True, slots=True)
class SurchargeRate:
    """From this invoice date on, this many percent."""

    from_on: date
    percent: int


@dataclass(frozen=True, slots=True)
class Surcharge:
    """A percentage of the unit price for each of `servers` servers, by invoice date (S1, S2).

    `code` is stable and names the line's source; `is_addon` tells a feature the customer switched
    on (billed with every recurring line) from a premium that only renewals carry.
    """

    code: str
    title: str
    servers: int
    rates: tuple[SurchargeRate, ...]
    is_addon: bool = False

    def percent_on(self, day: date) -> int:
        """The rate of the newest schedule entry not after the day; 0 before the first."""
        begun = [rate for rate in self.rates if rate.from_on <= day]
        return max(begun, key=lambda rate: rate.from_on).percent if begun else 0


def els6_surcharge(
    *, license_type: str, servers: int, rates: tuple[SurchargeRate, ...]
) -> Surcharge | None:
    """S1: version 6 servers under the plain CloudLinux OS license; none for any other edition."""
    if license_type != "cloudlinux" or servers == 0:
        return None
    return Surcharge("els6", "Extended Lifecycle Support for version 6", servers, rates)


def imunify_email_surcharge(
    *, servers: int, rates: tuple[SurchargeRate, ...] = (SurchargeRate(date.min, 10),)
) -> Surcharge | None:
    """S2: 10 % of the Imunify360 unit price per server where Imunify Email is enabled."""
    if servers == 0:
        return None
    return Surcharge("imunify_email", "Imunify Email", servers, rates, is_addon=True)
