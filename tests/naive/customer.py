"""What a customer does: buying, giving up, changing, paying (Q1–Q14, T1, T4, P5, P9, P10)."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction

from tests.naive.life import Life, Server, Use
from tests.naive.paper import SCOPES, TRIAL_DAYS, Invoice, half_up
from tests.naive.units import Subscription, Unit

EDITIONS = {"pro": "cloudlinux_pro", "shared": "cloudlinux"}


class No(Exception):
    """The specification refuses it; the argument is the code. Nothing has changed."""


class Customer(Life):
    """The verbs of a customer; each brings the account to where the specification puts it."""

    def buy(self, license_type: str, quantity: int, interval: str | None) -> None:
        """A first purchase is paid at once (Q3); an addition waits for the next invoice (Q4)."""
        if self.is_reseller:
            raise No("paid_afterwards")
        self.must_not_be_blocked()
        one = next(iter(self.live(license_type)), None)
        siblings = [other for other in self.live() if other.scope == SCOPES[license_type]]
        running = siblings[0].interval if siblings else None
        if running and interval and interval != running:
            raise No("interval_conflict")
        if one and not one.is_granted:
            raise No("order_pending")
        if one and one.ends_on:
            raise No("subscription_ending")
        interval = running or interval or "month"
        count = self.counted(SCOPES[license_type], self.today) + quantity
        price = self.shop.unit_cents(license_type, interval, count, self.today)
        if price is None:
            raise No("price_unknown")
        if one:
            one.add(quantity, price, self.today)
        elif self.used(license_type) > quantity:
            raise No("fewer_than_servers")
        else:
            self.order(license_type, interval, quantity, price)
        self.work()

    def order(self, license_type: str, interval: str, quantity: int, price: int) -> Subscription:
        one = Subscription(license_type, interval, self.today)
        one.units = [Unit(price, self.today, 0, worth=price) for _ in range(quantity)]
        self.subscriptions.append(one)
        self.orders[len(self.invoices)] = one
        invoice = self.issue(license_type, "order", self.in_advance(one, 0, price, order=True))
        for unit in one.units:
            unit.invoice = invoice
        if invoice.owed:
            self.attempt(invoice)
        return one

    def remove_unused(self, license_type: str, keep: int | None) -> None:
        """Down to the servers in use or a chosen number not below it (Q6)."""
        one = self.granted(license_type)
        used = self.used(license_type)
        if keep is not None and keep < used:
            raise No("keep_below_used")
        if one.quantity <= (used if keep is None else keep):
            raise No("nothing_unused")
        surplus = one.quantity - (used if keep is None else keep)
        one.remove(surplus, self.today, self.shop.survives)
        self.end_if_emptied(one)
        self.work()

    def unsubscribe(self, license_type: str, now: bool) -> None:
        """To the end of what is paid, or now (Q10)."""
        one = self.granted(license_type)
        if now:
            self.end(one, self.today)
        elif one.ends_on:
            raise No("already_ending")
        else:
            one.ends_on = one.end
        self.work()

    def resume(self, license_type: str) -> None:
        """Take the cancellation back (Q10)."""
        if self.is_reseller:
            raise No("paid_afterwards")
        one = self.granted(license_type)
        if not one.ends_on:
            raise No("not_ending")
        one.ends_on = None

    def change_edition(self, edition: str) -> None:
        """All CloudLinux licenses at once (Q13)."""
        self.must_not_be_blocked()
        wanted, other = EDITIONS[edition], EDITIONS["pro" if edition == "shared" else "shared"]
        if self.live(wanted):
            raise No("same_edition")
        one = self.granted(other)
        count = self.counted(one.scope, self.today)
        price = self.shop.unit_cents(wanted, one.interval, count, self.today)
        if price is None:
            raise No("price_unknown")
        one.change_edition(wanted, price, self.today)
        for server in self.servers:
            if server.license_type == other:
                server.license_type = wanted

    def start_trial(self, license_type: str) -> None:
        """Once per product (T1)."""
        self.must_not_be_blocked()
        product = SCOPES[license_type]
        if any(one.scope == product for one in self.live()):
            raise No("already_paid")
        if product in self.trials:
            raise No("trial_already_used")
        last = self.today + timedelta(days=TRIAL_DAYS[product])
        self.trials[product] = (license_type, last)
        self.bought_last.discard(license_type)

    def register(self, host: str, license_type: str, version: str = "8") -> None:
        """A server takes a free license."""
        self.must_not_be_blocked()
        allowed = self.allowed(license_type)
        if allowed == 0:
            tried, _ = self.trials.get(SCOPES[license_type], ("", None))
            is_over = tried == license_type and license_type not in self.bought_last
            raise No("trial_expired" if is_over else "license_expired")
        if allowed is not None and self.used(license_type) >= allowed:
            raise No("pool_exhausted")
        self.servers.append(Server(host, license_type, version, self.today))
        if allowed is None and self.is_reseller:
            self.uses.append(Use(license_type, host, self.today))

    def remove_server(self, host: str, cancel: bool) -> None:
        """The server, and in the same dialog its license (Q6)."""
        server = self.server(host)
        one = self.granted(server.license_type) if cancel else None
        self.servers.remove(server)
        for use in self.uses:
            if use.name == host:
                use.until = use.until or self.today
        if one:
            one.remove(1, self.today, self.shop.survives)
            self.end_if_emptied(one)
        self.work()

    def convert(self, host: str, to: str, cancel_old: bool) -> None:
        """Another type of the same product for a server, and credit for the freed unit (Q14)."""
        server = self.server(host)
        if SCOPES[server.license_type] != SCOPES[to]:
            raise No("wrong_product")
        if server.license_type == to:
            raise No("same_license_type")
        self.must_not_be_blocked()
        old = next(iter(self.live(server.license_type, granted=True)), None)
        self.have_room(to, old.interval if old else None)
        server.license_type = to
        if self.is_reseller:
            self.recount(server)
        if cancel_old and old:
            self.free(old)
            self.end_if_emptied(old)
        self.work()

    def have_room(self, to: str, interval: str | None) -> None:
        """A free unit, an added one, a first purchase (Q14), or any number paid afterwards (R8),
        which there is none of while a subscription of before runs (R1).
        """
        new = next(iter(self.live(to)), None)
        is_full = new is None or not new.is_granted or new.quantity <= self.used(to)
        if self.is_reseller:
            if new is None or not new.is_granted:
                self.afterwards.add(to)
            elif is_full:
                raise No("paid_afterwards")
        elif is_full:
            self.buy(to, 1, interval)
            if not self.live(to, granted=True):
                raise No("conversion_unpaid")

    def recount(self, server: Server) -> None:
        """A reseller's server counts as the one type until today, as the other from it, unless a
        subscription still pays for that (R1, R8).
        """
        for use in self.uses:
            if use.name == server.host and use.until is None:
                use.until = self.today
        if not self.live(server.license_type, granted=True):
            self.uses.append(Use(server.license_type, server.host, self.today))

    def free(self, old: Subscription) -> None:
        """The unit goes for good; what was paid of its remaining days is credit (Q14)."""
        [unit] = old.remove(1, self.today, self.shop.survives)
        if unit.invoice is None:
            return
        old.units.remove(unit)
        if unit.invoice.status == "paid":
            days = Fraction((old.end - self.today).days, (old.end - old.start).days)
            left = unit.invoice.total - unit.invoice.credited
            self.change_balance(min(left, half_up(unit.price * days)))

    # The operator.

    def credit(self, cents: int) -> None:
        self.change_balance(cents)
        self.work()

    def void(self, number: int) -> None:
        """An open invoice is taken back, an order with its subscription (P11)."""
        invoice = self.invoices[number]
        self.take_back(invoice, "void")
        if number in self.orders:
            self.drop_order(self.orders[number])
        self.work()

    def write_off(self, number: int) -> None:
        """It is asked for no more; what was paid of it stays paid (P11)."""
        self.take_back(self.invoices[number], "uncollectible")
        self.work()

    def refund(self, number: int, cents: int | None, takes_licenses: bool) -> None:
        """To the method that paid, the rest is credit; whole licenses go with it (P10)."""
        invoice = self.invoices[number]
        if invoice.status != "paid":
            raise No("invoice_not_paid")
        left = invoice.total - invoice.credited
        if not cents and not left:
            raise No("bad_amount")
        if cents and cents > left:
            raise No("refund_too_large")
        cents = cents or left
        invoice.credited += cents
        rest = cents
        for n in reversed(range(len(invoice.by_card))):
            part = min(rest, invoice.by_card[n])
            invoice.by_card[n] -= part
            rest -= part
        self.change_balance(rest)
        if takes_licenses:
            self.remove_refunded(invoice)
        self.work()

    def remove_refunded(self, invoice: Invoice) -> None:
        """What was paid in advance and is paid back is had no more, nor its servers (P10)."""
        for one in self.live():
            one.units = [unit for unit in one.units if unit.invoice is not invoice or unit.layer]
            surplus = max(0, self.used(one.license_type) - one.quantity)
            running = [server for server in self.servers if server.license_type == one.license_type]
            for server in running[len(running) - surplus :]:
                self.servers.remove(server)

    # Asking.

    def is_as_billed(self) -> bool:
        """Whether nothing was added or removed in any running period.

        Which units a refund takes beside added or removed ones is not settled yet (ADR 59).
        """
        return all(unit.held and not unit.layer for one in self.live() for unit in one.units)

    def left_some(self, number: int) -> bool:
        """Whether refunds of the invoice paid whole licenses back that were left (ADR 46)."""
        invoice = self.invoices[number]
        units = sum(unit.invoice is invoice for one in self.live() for unit in one.units)
        return invoice.credited * units >= invoice.total

    def must_not_be_blocked(self) -> None:
        if self.is_blocked:
            raise No("account_blocked")

    def granted(self, license_type: str) -> Subscription:
        one = next(iter(self.live(license_type)), None)
        if one is None:
            raise No("not_subscribed")
        if not one.is_granted:
            raise No("order_pending")
        return one

    def server(self, host: str) -> Server:
        return next(one for one in self.servers if one.host == host)

    def allowed(self, license_type: str) -> int | None:
        """How many servers may run; none means any number."""
        one = next(iter(self.live(license_type, granted=True)), None)
        if one is not None:
            return one.quantity
        if license_type in self.afterwards:
            return None
        trial, last = self.trials.get(SCOPES[license_type], ("", self.today))
        if trial == license_type and self.today < last:
            return None if trial == "kernelcare" else 1
        return 0
