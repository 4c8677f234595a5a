"""Post-paid usage: IP licenses and servers on partner keys, billed by the days held (R2, R8).

Each license counts by its days in the month over the days of the month. The line is rounded
once; the amounts shown per license are cut from it by cumulative rounding, so they add up.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from cln.domain.calendar import Period
from cln.domain.lines import TIMES, LineDraft, LineKind, product_text, span_text
from cln.domain.money import half_up, half_up_ratio
from cln.domain.pricing import PriceList, Surcharge, list_in_force
from cln.domain.rules import UsageRating

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Holding:
    """One stretch of days a license was held; `held_until` is excluded, None while held.

    `subject` names the license (an address, or a server on a partner's key): two stretches of the
    same subject count as one license.
    """

    subject: str
    held_from: date
    held_until: date | None = None


@dataclass(frozen=True, slots=True)
class UsageShare:
    """What one license adds to the line."""

    subject: str
    days: int
    quantity: Fraction
    amount_cents: int


@dataclass(frozen=True, slots=True)
class UsageTotal:
    """A month of one license type: `quantity` is the sum of the day shares."""

    month: Period
    licenses: int
    days: int
    quantity: Fraction
    unit_cents: int
    amount_cents: int
    price_list_id: int

    def draft(self, *, title: str, source: str = "usage") -> LineDraft:
        """The invoice line of this usage."""
        return LineDraft(
            kind=LineKind.USAGE,
            source=source,
            title=f"{title}, {span_text(self.month)}",
            why=self._why,
            quantity=self.quantity,
            unit_cents=self.unit_cents,
            period=self.month,
            amount_cents=self.amount_cents,
            price_list_id=self.price_list_id,
        )

    def addon(self, surcharge: Surcharge) -> LineDraft:
        """The line of an add-on to all of these licenses, by its rate on the day of the bill (S2);
        how many servers the surcharge names does not matter: they count by their days.
        """
        percent = surcharge.percent_on(self.month.end)
        return LineDraft(
            kind=LineKind.ADDON,
            source=f"{LineKind.ADDON}:{surcharge.code}",
            title=f"{surcharge.title}, {span_text(self.month)}",
            why=f"{percent} % of {self._why}",
            quantity=self.quantity,
            unit_cents=self.unit_cents,
            period=self.month,
            amount_cents=half_up(self.unit_cents * self.quantity * percent / 100),
            price_list_id=self.price_list_id,
        )

    @property
    def _why(self) -> str:
        price = product_text(self.licenses, self.unit_cents)
        if self.quantity == self.licenses:
            return f"{price} for the month {span_text(self.month)}"
        whole = self.licenses * self.month.days
        return f"{price} {TIMES} {self.days}/{whole} license days ({span_text(self.month)})"


@dataclass(frozen=True, slots=True)
class UsageLine(UsageTotal):
    """The same with what each license adds to it."""

    shares: tuple[UsageShare, ...]


def rate_usage(
    holdings: Iterable[Holding],
    month: Period,
    price_lists: Sequence[PriceList],
    mode: UsageRating = UsageRating.DAILY,
) -> UsageLine | None:
    """What a month of one license type costs; None if nothing was held for a day of it (R2).

    The tier is chosen by the number of distinct licenses held in the month. The list is the one
    in force when the month begins, or the first that came into force in it.
    Refusals: `price_unknown`.
    """
    days = days_held(holdings, month)
    total = rate_days(Counter(days.values()), month, price_lists, mode)
    if total is None:
        return None
    return UsageLine(
        month=month,
        licenses=total.licenses,
        days=total.days,
        quantity=total.quantity,
        unit_cents=total.unit_cents,
        amount_cents=total.amount_cents,
        price_list_id=total.price_list_id,
        shares=shares_of(total, list(days.items()), mode),
    )


def rate_days(
    licenses: Mapping[int, int],
    month: Period,
    price_lists: Sequence[PriceList],
    mode: UsageRating = UsageRating.DAILY,
) -> UsageTotal | None:
    """The same of how many distinct licenses were held for how many days, without the shares."""
    count = sum(licenses.values())
    if not count:
        return None
    first_on = min((prices.effective_on for prices in price_lists), default=month.start)
    prices = list_in_force(price_lists, min(max(month.start, first_on), month.end - _DAY))
    return _total(licenses, month, prices.unit_cents(count), prices.id, mode)


def part_of(
    total: UsageTotal, licenses: Mapping[int, int], mode: UsageRating = UsageRating.DAILY
) -> UsageTotal | None:
    """Some of the licenses of a total, held for so many days each, at the price of all of them;
    None where there are none.
    """
    if not sum(licenses.values()):
        return None
    return _total(licenses, total.month, total.unit_cents, total.price_list_id, mode)


def _total(
    licenses: Mapping[int, int], month: Period, unit_cents: int, list_id: int, mode: UsageRating
) -> UsageTotal:
    count = sum(licenses.values())
    days = sum(held * number for held, number in licenses.items())
    quantity = Fraction(count if mode is UsageRating.FULL_MONTH else Fraction(days, month.days))
    return UsageTotal(
        month=month,
        licenses=count,
        days=days,
        quantity=quantity,
        unit_cents=unit_cents,
        amount_cents=half_up(unit_cents * quantity),
        price_list_id=list_id,
    )


def shares_of(
    total: UsageTotal, days: Sequence[tuple[str, int]], mode: UsageRating, *, after: int = 0
) -> tuple[UsageShare, ...]:
    """What licenses add to a total, cut by cumulative rounding: `days` has their subjects and days
    in order of subject, from the first of all; the shares of the first `after` are left out.
    """
    is_whole = mode is UsageRating.FULL_MONTH
    whole = total.licenses if is_whole else total.days
    so_far = given = 0
    shares = []
    for position, (subject, held) in enumerate(days):
        so_far += 1 if is_whole else held
        upto = half_up_ratio(total.amount_cents * so_far, whole)
        if position >= after:
            part = Fraction(1) if is_whole else Fraction(held, total.month.days)
            shares.append(UsageShare(subject, held, part, upto - given))
        given = upto
    return tuple(shares)


def days_held(holdings: Iterable[Holding], month: Period) -> dict[str, int]:
    """Days of the month on which each subject was held, at least one, in order of subject."""
    stretches: dict[str, list[Holding]] = {}
    for held in holdings:
        stretches.setdefault(held.subject, []).append(held)
    days = ((subject, days_of(stretches[subject], month)) for subject in sorted(stretches))
    return {subject: count for subject, count in days if count}


def days_of(stretches: Sequence[Holding], month: Period) -> int:
    """Days of the month on which one subject was held; a day counts once, however many stretches
    touch it.
    """
    days, counted_until, end = 0, month.start, month.end
    for held in sorted(stretches, key=_held_from):
        start = held.held_from if held.held_from > counted_until else counted_until
        until = held.held_until if held.held_until is not None and held.held_until < end else end
        if start < until:
            days += (until - start).days
            counted_until = until
    return days


def _held_from(held: Holding) -> date:
    return held.held_from
