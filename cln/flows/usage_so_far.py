"""A reseller's running month before it is billed: its sums, and its statement page by page (Q12).

The same figures as `usage_run.usage_of`, from what the database counts instead
of from every license.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from cln.accounts.models import Account
from cln.accounts.services import first_of_next_month
from cln.catalog import queries as catalog
from cln.catalog.models import LicenseType
from cln.domain.calendar import Period
from cln.domain.lines import LineDraft
from cln.domain.rules import Rules
from cln.domain.usage import UsageShare, UsageTotal, rate_days, shares_of
from cln.flows.usage_run import email_addon, month_before, prepaid, price_lists
from cln.licensing.emailing import EmailSwitches
from cln.licensing.holding_sums import Running
from cln.licensing.surcharges import Imagined

PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class NamedShare:
    """What a license adds to the month, and what people call it."""

    name: str
    share: UsageShare


@dataclass(frozen=True, slots=True)
class TypeSoFar:
    """One license type of the running month, with its add-on and a page of its licenses."""

    license_type: LicenseType
    line: UsageTotal
    addon: LineDraft | None
    shares: tuple[NamedShare, ...]
    page: int

    @property
    def first(self) -> int:
        """The number of the first license of the page."""
        return (self.page - 1) * PER_PAGE + 1

    @property
    def last(self) -> int:
        """The number of its last one."""
        return self.first + len(self.shares) - 1

    @property
    def newer(self) -> int:
        """The page before; 0 where there is none."""
        return self.page - 1

    @property
    def older(self) -> int:
        """The page after; 0 where there is none."""
        return self.page + 1 if self.last < self.line.licenses and self.shares else 0


@dataclass(frozen=True, slots=True)
class MonthSoFar:
    """What the running month would be billed if everything were given back at midnight, and what it
    will be if nothing changes until its end; cents without tax.

    Under `full_month` rating both are the whole month of every license.
    """

    types: tuple[TypeSoFar, ...]
    total_cents: int
    expected: Mapping[str, int]
    """What each license type will come to."""

    @property
    def expected_cents(self) -> int:
        """What all of them will."""
        return sum(self.expected.values())


NOTHING = MonthSoFar((), 0, {})


def month_so_far(
    *, account_id: int, license_type: str = "", page: int = 0, now: datetime
) -> MonthSoFar:
    """The running month of a reseller, without licenses; with the first `PER_PAGE` of each type on
    page 1; only of one type where given. Refuses `price_unknown`.
    """
    account = Account.objects.get(pk=account_id)
    if account.next_usage_on is None:
        return NOTHING
    month = month_before(first_of_next_month(now.date()))
    running = Running(account_id, month, prepaid(account))
    tomorrow, rules = now.date() + timedelta(days=1), catalog.rules()
    priced = _Priced(account, running, rules)
    so_far = priced.lines(tomorrow)
    return MonthSoFar(
        tuple(
            TypeSoFar(
                kind,
                one.line,
                one.addon,
                _page(running, kind, one.line, page, tomorrow, rules),
                page,
            )
            for kind, one in so_far.items()
            if license_type in ("", kind.code)
        ),
        sum(one.cents for one in so_far.values()),
        {kind.code: one.cents for kind, one in priced.lines(None).items()},
    )


def expected_cents(account: Account, *, month: Period, rules: Rules) -> int:
    """What a month that has not ended will be billed if nothing changes, this or a later one;
    cents without tax. Refuses `price_unknown`.
    """
    return expected_as_if(account, month=month, rules=rules)(None)


def expected_as_if(
    account: Account, *, month: Period, rules: Rules
) -> Callable[[Imagined | None], int]:
    """The same if a switch were set that is only thought of, read once for any number of them."""
    priced = _Priced(account, Running(account.pk, month, prepaid(account)), rules)
    return lambda imagined: sum(one.cents for one in priced.lines(None, imagined).values())


@dataclass(frozen=True, slots=True)
class _Line:
    """What a license type comes to, and its add-on."""

    line: UsageTotal
    addon: LineDraft | None

    @property
    def cents(self) -> int:
        return self.line.amount_cents + (self.addon.amount_cents if self.addon else 0)


class _Priced:
    """The sums of a running month at the prices of its account, read once."""

    def __init__(self, account: Account, running: Running, rules: Rules) -> None:
        self._running, self._rules = running, rules
        self._emails = EmailSwitches(account.pk)
        self._expected = running.days()
        self._types = catalog.license_types_by_id()
        self._prices = {pk: price_lists(account, self._types[pk]) for pk in self._expected}

    def lines(
        self, until: date | None, imagined: Imagined | None = None
    ) -> Mapping[LicenseType, _Line]:
        emailing = self._running.emailing_days(self._emails.where(imagined), until=until)
        found = {
            self._types[pk]: rate_days(
                days, self._running.month, self._prices[pk], self._rules.usage_rating
            )
            for pk, days in (self._running.days(until=until) if until else self._expected).items()
        }
        return {
            kind: _Line(
                line, email_addon(line, emailing.get(kind.pk, Counter()), rules=self._rules)
            )
            for kind, line in found.items()
            if line is not None
        }


def _page(
    running: Running, kind: LicenseType, line: UsageTotal, page: int, until: date, rules: Rules
) -> tuple[NamedShare, ...]:
    if not page:
        return ()
    held = running.first(kind.pk, page * PER_PAGE, until=until)
    days = [(one.subject, one.days) for one in held]
    after = (page - 1) * PER_PAGE
    shares = shares_of(line, days, rules.usage_rating, after=after)
    return tuple(map(NamedShare, (one.name for one in held[after:]), shares))
