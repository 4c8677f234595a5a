"""Post-paid usage: IP licenses and servers on partner keys, billed by the days held (R2, R8).

Each license counts by its days in the month over the days of the month. The line is rounded
once; the amounts shown per license are cut from it by cumulative rounding, so they add up.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from cln.domain.calendar import Period
from cln.domain.lines import TIMES, LineDraft, LineKind, product_text, span_text
from cln.domain.money import half_up, split_cents
from cln.domain.pricing import PriceList, list_in_force
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
class UsageLine:
    """A month of one license type: `quantity` is the sum of the day shares."""

    month: Period
    licenses: int
    quantity: Fraction
    unit_cents: int
    amount_cents: int
    price_list_id: int
    shares: tuple[UsageShare, ...]

    def draft(self, *, title: str, source: str = "usage") -> LineDraft:
        """The invoice line of this usage."""
        days = sum(share.days for share in self.shares)
        price = product_text(self.licenses, self.unit_cents)
        if self.quantity == self.licenses:
            why = f"{price} for the month {span_text(self.month)}"
        else:
            whole = self.licenses * self.month.days
            why = f"{price} {TIMES} {days}/{whole} license days ({span_text(self.month)})"
        return LineDraft(
            kind=LineKind.USAGE,
            source=source,
            title=f"{title}, {span_text(self.month)}",
            why=why,
            quantity=self.quantity,
            unit_cents=self.unit_cents,
            period=self.month,
            amount_cents=self.amount_cents,
            price_list_id=self.price_list_id,
        )


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
    if not days:
        return None
    first_on = min((prices.effective_on for prices in price_lists), default=month.start)
    prices = list_in_force(price_lists, min(max(month.start, first_on), month.end - _DAY))
    unit_cents = prices.unit_cents(len(days))
    is_whole = mode is UsageRating.FULL_MONTH
    parts = {
        subject: Fraction(1) if is_whole else Fraction(held, month.days)
        for subject, held in days.items()
    }
    quantity = sum(parts.values(), Fraction(0))
    amount_cents = half_up(unit_cents * quantity)
    cents = split_cents(amount_cents, tuple(parts.values()))
    return UsageLine(
        month=month,
        licenses=len(days),
        quantity=quantity,
        unit_cents=unit_cents,
        amount_cents=amount_cents,
        price_list_id=prices.id,
        shares=tuple(
            UsageShare(subject, days[subject], part, amount)
            for (subject, part), amount in zip(parts.items(), cents, strict=True)
        ),
    )


def days_held(holdings: Iterable[Holding], month: Period) -> dict[str, int]:
    """Days of the month on which each subject was held, at least one, in order of subject.

    A day counts once, however many stretches touch it.
    """
    counted_until: dict[str, date] = {}
    days: dict[str, int] = {}
    for held in sorted(holdings, key=lambda holding: holding.held_from):
        start = max(held.held_from, month.start, counted_until.get(held.subject, month.start))
        end = min(held.held_until or month.end, month.end)
        if start < end:
            days[held.subject] = days.get(held.subject, 0) + (end - start).days
            counted_until[held.subject] = end
    return dict(sorted(days.items()))
