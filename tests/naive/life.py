"""Everything one account does, and what the specification says comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from fractions import Fraction

from tests.naive.money import Purse
from tests.naive.paper import SCOPES, Invoice, Line, boundary, half_up
from tests.naive.units import Subscription


@dataclass
class Server:
    """A machine, what it runs under, and since when it counts as a reseller's usage (R8)."""

    host: str
    license_type: str
    version: str
    since: date


@dataclass
class Use:
    """A license by IP or a server's, held by a reseller for some days (R2, R8)."""

    license_type: str
    name: str
    since: date
    until: date | None = None


@dataclass
class Life(Purse):
    """One account. Verbs answer with the refusals that are right, or none."""

    subscriptions: list[Subscription] = field(default_factory=list)
    orders: dict[int, Subscription] = field(default_factory=dict)
    trials: dict[str, tuple[str, date]] = field(default_factory=dict)
    servers: list[Server] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    has_bought: set[str] = field(default_factory=set)
    bought_last: set[str] = field(default_factory=set)
    """Types whose latest right was bought, not tried."""
    afterwards: set[str] = field(default_factory=set)
    """Types of which a reseller may run any number, and pays afterwards (R8)."""
    usage_month: date = date.max

    # The days go by.

    def live_until(self, day: date) -> None:
        """Each day the worker does what is due (M5)."""
        while self.today < day:
            self.auto_top_up(datetime.combine(self.today + timedelta(days=1), time()))
            self.today += timedelta(days=1)
            self.work()

    def sleep_until(self, day: date) -> None:
        """The worker is down, and then does all of it at once (M5)."""
        self.today = day
        self.work()

    def work(self) -> None:
        self.bill()
        self.collect()
        self.auto_top_up(datetime.combine(self.today, time()) + timedelta(seconds=1))
        for number, subscription in list(self.orders.items()):
            order = self.invoices[number]
            if self.today >= order.issued + timedelta(days=7):
                self.take_back(order, "void")
                self.drop_order(subscription)
        self.end_trials()
        if self.ask():
            self.give_up()
        self.collect()

    def bill(self) -> None:
        """Period by period, whatever is due (M5, Q9–Q11, R2)."""
        while due := sorted(
            (day, number)
            for number, one in enumerate(self.subscriptions)
            if one.is_granted and not one.is_over and (day := self.due_on(one)) <= self.today
        ):
            self.bill_one(self.subscriptions[due[0][1]])
        while self.is_reseller and boundary(self.usage_month, "month", 1) <= self.today:
            self.bill_usage()

    def due_on(self, one: Subscription) -> date:
        days = [one.end, one.ends_on or date.max]
        if self.shop.sweeps and one.interval == "year":
            days.append(one.next_sweep())
        return min(days)

    def bill_one(self, one: Subscription) -> None:
        day = self.due_on(one)
        if day == one.ends_on or (day == one.end and one.quantity == 0):
            self.end(one, day)
        elif day < one.end:
            lines = one.pending()
            invoice = self.issue(one.license_type, "sweep", lines) if lines else None
            one.bill_pending(invoice)
            one.swept += 1
        else:
            price = self.price(one, day)
            lines = [*one.pending(), *self.in_advance(one, one.k + 1, price)]
            one.renew(price, self.issue(one.license_type, "renewal", lines))

    def in_advance(self, one: Subscription, k: int, price: int, order: bool = False) -> list[Line]:
        """The coming period in full, and what servers of version 6 cost on top (Q9, S1)."""
        start, end = (boundary(one.anchor, one.interval, n) for n in (k, k + 1))
        quantity = one.quantity
        lines = [Line("recurring", Fraction(quantity), price, start, end, quantity * price)]
        old = [
            server
            for server in self.servers
            if server.license_type == one.license_type and server.version.startswith("6")
        ]
        percent = sum(self.today >= date(year, 12, 1) for year in (2020, 2021, 2022)) * 10
        if one.license_type == "cloudlinux" and old and percent and not order:
            cents = half_up(Fraction(len(old) * price * percent, 100))
            lines.append(Line("surcharge", Fraction(len(old)), price, start, end, cents))
        return lines

    def counted(self, scope: str, on: date) -> int:
        """All licenses of a tier scope on a day; what ends on it does not count (Q1)."""
        return sum(
            one.quantity
            for one in self.live()
            if one.is_granted and one.scope == scope and (one.ends_on is None or one.ends_on > on)
        )

    def price(self, one: Subscription, on: date) -> int:
        count = self.counted(one.scope, on)
        unit = self.shop.unit_cents(one.license_type, one.interval, count, on)
        assert unit is not None
        return unit

    def end(self, one: Subscription, day: date) -> None:
        """What is pending is a last invoice, and the licenses are gone (Q9, Q10)."""
        lines = one.pending(None if self.shop.survives else day)
        if lines:
            self.issue(one.license_type, "final", lines)
        one.is_over = True
        if not self.is_reseller:
            self.stop_servers(one.license_type)
            return
        self.afterwards.add(one.license_type)
        for server in self.servers:
            if server.license_type == one.license_type:
                self.uses.append(Use(one.license_type, server.host, day))

    def end_if_emptied(self, one: Subscription) -> None:
        """What a new reseller took the last license from is over (R1)."""
        if self.is_reseller and not one.quantity:
            self.end(one, self.today)

    def give_up(self) -> None:
        """Day 90: the subscriptions end, IP licenses are given up; the debt stays (P7)."""
        for one in self.live():
            if one.is_granted:
                self.end(one, self.today)
        for use in self.uses:
            use.until = use.until or self.today
        self.servers.clear()
        self.afterwards.clear()

    def stop_servers(self, license_type: str) -> None:
        self.servers = [one for one in self.servers if one.license_type != license_type]

    def end_trials(self) -> None:
        for license_type, last in self.trials.values():
            if self.today >= last and not self.live(license_type, granted=True):
                self.stop_servers(license_type)

    def bill_usage(self) -> None:
        """One invoice per license type for what was held in a month, by days (R2)."""
        month, self.usage_month = self.usage_month, boundary(self.usage_month, "month", 1)
        days = (self.usage_month - month).days
        for license_type in SCOPES:
            held: dict[str, int] = {}
            for use in self.uses:
                last = min(use.until or date.max, self.usage_month)
                if use.license_type == license_type and last > max(use.since, month):
                    span = (last - max(use.since, month)).days
                    held[use.name] = held.get(use.name, 0) + span
            if held:
                share = Fraction(sum(held.values()), days)
                quantity = Fraction(len(held)) if self.shop.full_month else share
                unit = self.shop.unit_cents(license_type, "month", len(held), month)
                assert unit is not None
                cents = half_up(unit * quantity)
                line = Line("usage", quantity, unit, month, self.usage_month, cents)
                self.issue(license_type, "usage", [line])

    # What is there.

    def live(self, license_type: str = "", granted: bool = False) -> list[Subscription]:
        return [
            one
            for one in self.subscriptions
            if not one.is_over
            and (not license_type or one.license_type == license_type)
            and (one.is_granted or not granted)
        ]

    def used(self, license_type: str) -> int:
        return sum(server.license_type == license_type for server in self.servers)

    def paid(self, invoice: Invoice) -> None:
        """A paid first order grants its licenses (Q3), and ends the trial (T4)."""
        number = self.invoices.index(invoice)
        if number in self.orders:
            one = self.orders.pop(number)
            one.is_granted = True
            self.has_bought.add(one.license_type)
            self.bought_last.add(one.license_type)

    def drop_order(self, one: Subscription) -> None:
        one.is_over = True
        self.orders = {n: other for n, other in self.orders.items() if other is not one}
