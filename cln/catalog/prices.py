"""Price lists as the core's values, read in two queries for any number of accounts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from typing import Final

from cln.catalog.once import asked_once
from cln.database.prepared import fetch_tuples
from cln.domain.calendar import Interval
from cln.domain.pricing import PriceList, Tier

MONTHS_CHARGED_FOR_A_YEAR = 10
"""A year costs ten months until an operator sets yearly prices (product.md §1)."""


class PriceBook:
    """Every list that concerns some accounts: the general ones and their own."""

    def __init__(self, lists: Iterable[tuple[int | None, PriceList]]) -> None:
        """Take the lists with the account each belongs to; None are the general ones."""
        self._rows: defaultdict[tuple[str, str, int | None], list[PriceList]] = defaultdict(list)
        for account_id, one in lists:
            self._rows[one.license_type, one.currency, account_id].append(one)
        self._read: dict[tuple[str, Interval, str, int | None], tuple[PriceList, ...]] = {}

    def lists(
        self, *, license_type: str, interval: Interval, currency: str, account_id: int | None
    ) -> tuple[PriceList, ...]:
        """Every price list that was, is or will be in force, oldest first; empty = ask for a price.

        From the day of the account's first own list its own lists rule alone (facts R-17). Where
        no yearly list is in force yet, a year costs ten times the monthly list.
        """
        own = (license_type, currency, account_id)
        owner = account_id if own in self._rows else None
        asked = (license_type, interval, currency, owner)
        if asked not in self._read:
            general = self._rows.get((license_type, currency, None), [])
            owned = self._rows[own] if owner is not None else []
            self._read[asked] = _succeeded(
                _of_interval(general, interval), _of_interval(owned, interval)
            )
        return self._read[asked]


def price_book(*, account_ids: Sequence[int]) -> PriceBook:
    """The general price lists and those of the accounts."""
    return _book(tuple(account_ids))


@asked_once
def _book(account_ids: tuple[int, ...]) -> PriceBook:
    tiers: defaultdict[int, list[Tier]] = defaultdict(list)
    for list_id, *tier in fetch_tuples(_TIERS, (list(account_ids),)):
        tiers[list_id].append(Tier(*tier))
    rows = fetch_tuples(_LISTS, (list(account_ids),))
    return PriceBook(
        (account_id, PriceList(pk, code, Interval(interval), currency, on, tuple(tiers[pk])))
        for account_id, pk, code, interval, currency, on in rows
    )


def _of_interval(lists: Iterable[PriceList], interval: Interval) -> tuple[PriceList, ...]:
    lists = sorted(lists, key=_effective_on)
    monthly = tuple(one for one in lists if one.interval is Interval.MONTH)
    if interval is Interval.MONTH:
        return monthly
    yearly = tuple(one for one in lists if one.interval is Interval.YEAR)
    return _succeeded(tuple(_for_a_year(one) for one in monthly), yearly)


def _succeeded(older: tuple[PriceList, ...], newer: tuple[PriceList, ...]) -> tuple[PriceList, ...]:
    """`older` until the first list of `newer` comes into force, then `newer` alone."""
    if not newer:
        return older
    first = newer[0].effective_on
    return tuple(one for one in older if one.effective_on < first) + newer


def _effective_on(price_list: PriceList) -> date:
    return price_list.effective_on


def _for_a_year(monthly: PriceList) -> PriceList:
    tiers = tuple(
        Tier(tier.from_quantity, tier.unit_cents * MONTHS_CHARGED_FOR_A_YEAR)
        for tier in monthly.tiers
    )
    return replace(monthly, interval=Interval.YEAR, tiers=tiers)


# General lists, and those of some accounts.
_CONCERNED: Final = "(l.account_id IS NULL OR l.account_id = ANY(%s::bigint[]))"
_TIERS: Final = f"""
SELECT t.price_list_id, t.from_quantity, t.unit_cents
FROM catalog_pricetier t JOIN catalog_pricelist l ON l.id = t.price_list_id
WHERE {_CONCERNED} ORDER BY t.from_quantity"""
_LISTS: Final = f"""
SELECT l.account_id, l.id, c.code, l.interval, l.currency, l.effective_on
FROM catalog_pricelist l JOIN catalog_licensetype c ON c.id = l.license_type_id
WHERE {_CONCERNED}"""
