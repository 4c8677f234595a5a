"""The world of stories: a cast, a clock that moves, and the public doors of CLN.

It is the only helper of `tests/stories`. Every verb goes through the flows and services that pages
and agents call, with the world's present as `now`. After each one the world does once more all
that is due at that instant, and proves that nothing was billed or charged by it (M5), that every
deferred constraint holds and that the books are clean (P12).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models import Model

from cln.accounts.models import Account
from cln.accounts.services import create_account
from cln.billing import queries as billing
from cln.billing.models import Invoice, InvoiceLine, QuantityChange, Subscription, Transfer
from cln.catalog.models import (
    LicenseType,
    OperatorRules,
    PriceList,
    PriceTier,
    Product,
    SurchargeRate,
    TaxRate,
)
from cln.catalog.services import load_catalog
from cln.domain.errors import Refusal
from cln.domain.money import format_cents, parse_amount
from cln.domain.rules import Rules
from cln.enums import AttemptChannel, MethodKind
from cln.flows import (
    billing_run,
    collection,
    conversion,
    editions,
    pay_link,
    purchase,
    subscriptions,
    timeline,
    trials,
)
from cln.licensing import queries as licensing
from cln.licensing.models import Entitlement, Server, Trial
from cln.licensing.servers import Report, check_in
from cln.licensing.services import Hints, clear_trial_address, register_server
from cln.notifications.models import Message
from cln.payments.gateways.sandbox import Script, script_account, token_for
from cln.payments.models import Allocation, Payment, PaymentAttempt, SandboxCharge

GOLDEN_DIR = Path(__file__).parent / "golden"

PRODUCTS = {
    "CloudLinux OS": "cloudlinux",
    "CloudLinux OS Pro": "cloudlinux_pro",
    "KernelCare": "kernelcare",
    "Imunify360-1": "imunify360_1",
    "Imunify360-30": "imunify360_30",
    "Imunify360-250": "imunify360_250",
    "Imunify360-unlimited": "imunify360_unlimited",
    "ELS for CentOS 6": "els_centos6",
}
"""What people call the license types of the stories."""

CARDS = {
    "works": Script.OK,
    "declines": Script.DECLINE,
    "expired": Script.HARD_DECLINE,
    "times out, charged": Script.TIMEOUT_CHARGED,
    "times out, not charged": Script.TIMEOUT_NOT_CHARGED,
}
"""What a card, or the bank behind every card of an account, answers."""

BILLED = (Invoice, InvoiceLine, Transfer, PaymentAttempt, Payment, SandboxCharge)
EVERYTHING = (
    *BILLED, Account, Subscription, QuantityChange, Allocation, Entitlement, Trial, Server, Message,
)  # fmt: skip

CATALOG = (Product, LicenseType, PriceList, PriceTier, SurchargeRate)
_CATALOG: list[list[Model]] = []


def instant(text: str) -> datetime:
    """A bare date means 00:00 UTC, as in simulations."""
    at = datetime.fromisoformat(text)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def check_books() -> tuple[str, ...]:
    """Stand-in."""
    found = []
    for account in Account.objects.all():
        rows = Invoice.objects.filter(account=account, status="open")
        due = sum(row.total_cents - row.paid_cents for row in rows)
        if billing.amount_due_cents(account.pk) != due:
            found.append(f"{account} due")
        paid = sum(Payment.objects.filter(account=account).values_list("amount_cents", flat=True))
        freed = Transfer.objects.filter(account=account, kind="freed_license")
        paid += sum(freed.values_list("cents", flat=True))
        gone = sum(
            Allocation.objects.filter(account=account).values_list("amount_cents", flat=True)
        )
        if billing.balance_cents(account.pk) != paid - gone:
            found.append(f"{account} balance")
    return tuple(found)


class World:
    """The present, and who lives in it."""

    def __init__(self, *, rewrite_golden: bool = False) -> None:
        _open_shop()
        self.now = instant("2000-01-01")
        self.otto = Operator(self)
        self.customers: list[Customer] = []
        self.rewrite_golden = rewrite_golden
        self.numbers = count(1)

    def on(self, when: str) -> World:
        """Live through all that is due until a moment, and check that promises were kept (Q12)."""
        until = instant(when)
        assert until >= self.now, f"{when} is in the past of this story"
        promised = [(one, up) for one in self.customers for up in one.upcoming()]
        timeline.run_until(until, since=self.now)
        self.now = until
        for customer, promise in promised:
            customer.got_what_was_promised(promise)
        self.nothing_more_is_due()
        return self

    def wakes_up_on(self, when: str) -> World:
        """The worker was down; now it catches up, all in one go (M5)."""
        self.now = instant(when)
        timeline.run_until(self.now, since=self.now)
        self.nothing_more_is_due()
        return self

    def customer(self, name: str, card: str | None = "works", country: str = "") -> Customer:
        """A new account with a card, or without any payment method."""
        account = create_account(
            company=name.title(), billing_email=f"billing@{name}.example", now=self.now
        )
        # No verb sets the country yet: the profile page is an issue of its own.
        Account.objects.filter(pk=account.pk).update(country=country)
        customer = Customer(self, name, account.pk)
        self.customers.append(customer)
        if card is not None:
            customer.replaces_method(card)
        return customer

    def nothing_more_is_due(self) -> None:
        """Bill again: nothing is billed. Let the worker come by, twice: it charges once at most."""
        before = _counts()
        billing_run.run_due(now=self.now)
        assert _counts() == before, "billed twice"
        timeline.run_due(now=self.now)
        after = _counts()
        assert after[:2] == before[:2], "the worker billed twice"
        if after != before:
            timeline.run_due(now=self.now)
            assert _counts() == after, "charged twice"
        connection.check_constraints()
        assert check_books() == ()
        assert not Account.objects.filter(parked_at__isnull=False).exists()

    @contextmanager
    def refuses(self, code: str) -> Iterator[pytest.ExceptionInfo[Refusal]]:
        """What happens inside is refused with this code and has changed nothing at all."""
        before = self._everything()
        with pytest.raises(Refusal) as caught:
            yield caught
        assert caught.value.code == code
        assert self._everything() == before
        self.nothing_more_is_due()

    def opens_pay_link(self, token: str) -> tuple[collection.InvoiceResult, ...]:
        """Somebody without a login pays by the link of a mail (P7)."""
        account = pay_link.account_of_link(token=token, now=self.now)
        results = collection.pay_now(
            account_id=account.pk,
            channel=AttemptChannel.PAY_LINK,
            actor="pay link",
            now=self.now,
        )
        self.nothing_more_is_due()
        return results

    def _everything(self) -> list[list[tuple[Any, ...]]]:
        return [list(model.objects.order_by("pk").values_list()) for model in EVERYTHING]


def _counts() -> tuple[int, ...]:
    """How many rows of BILLED there are, in one question, for it is put after every step."""
    counted = ", ".join(f"(SELECT count(*) FROM {model._meta.db_table})" for model in BILLED)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {counted}")
        return tuple(cursor.fetchone())


def _open_shop() -> None:
    """Load the catalog: from its file once per process, then from what that made."""
    for rows in _CATALOG:
        type(rows[0])._default_manager.bulk_create(rows)
    if not _CATALOG:
        load_catalog()
        _CATALOG.extend(list(model._default_manager.all()) for model in CATALOG)


class Operator:
    """Otto, who works for the vendor."""

    def __init__(self, world: World) -> None:
        self.world = world

    def sets(self, **switches: object) -> None:
        """Override switches and day counts, by their names in `Rules`."""
        Rules.from_overrides(switches)
        OperatorRules.objects.update_or_create(id=1, defaults={"overrides": switches})

    def prices(
        self, product: str, tiers: dict[int, str], effective: str = "2011-01-01", yearly: bool = False
    ) -> None:
        """Enter a price list; the screen for it is an issue of its own."""
        price_list = PriceList.objects.create(
            license_type=LicenseType.objects.get(code=PRODUCTS[product]),
            interval="year" if yearly else "month",
            currency="USD",
            effective_on=date.fromisoformat(effective),
        )
        for start, unit in tiers.items():
            PriceTier.objects.create(
                price_list=price_list, from_quantity=start, unit_cents=parse_amount(unit)
            )

    def taxes(self, country: str, percent: int) -> None:
        """Enter the tax rate of a country."""
        TaxRate.objects.create(
            country=country, from_on=date(2000, 1, 1), basis_points=percent * 100
        )

    def clears_trial_address(self, product: str, ip: str) -> bool:
        """Let an address run a trial again (T3)."""
        row = LicenseType.objects.get(code=PRODUCTS[product])
        return clear_trial_address(product_id=row.product_id, address=ip)


class Customer:
    """Acme, or Mallory who tries things: what one account does, and what it can see."""

    def __init__(self, world: World, name: str, account_id: int) -> None:
        self.world, self.name, self.account_id = world, name, account_id
        self.secrets: dict[str, str] = {}

    # What they do. `how` names the verb's own arguments.

    def buys(
        self, product: str, servers: int = 1, monthly: bool | None = None, key: str = ""
    ) -> purchase.Bought:
        """Buy, having looked at the preview, which must turn out true (Q12)."""
        interval = None if monthly is None else "month" if monthly else "year"
        wish = {"license_type": PRODUCTS[product], "quantity": servers, "interval": interval}
        promised = purchase.preview(account_id=self.account_id, now=self.world.now, **wish)
        fresh = f"form {next(self.world.numbers)}"
        bought = self._do(purchase.buy, request_key=key or fresh, **wish)
        upcoming = next((up for up in self.upcoming() if up.license_type == PRODUCTS[product]), None)
        if upcoming is not None and not key:
            assert promised.next_invoice is not None
            assert promised.next_invoice.on == upcoming.on
            assert promised.next_invoice.total_cents == upcoming.total_cents
        return bought

    def previews(self, product: str, servers: int = 1) -> purchase.Preview:
        """Look at what a purchase would cost, without an interval: the running one, or a month."""
        return purchase.preview(
            account_id=self.account_id,
            license_type=PRODUCTS[product],
            quantity=servers,
            interval=None,
            now=self.world.now,
        )

    def adds_servers(self, product: str, servers: int) -> None:
        """Buy more of what runs already (Q4)."""
        before = len(self.invoices)
        assert self.buys(product, servers).is_addition
        assert len(self.invoices) == before

    def removes_unused(self, product: str, keep: int | None = None) -> subscriptions.Removed:
        """Press "Remove unused" (Q6)."""
        return self._do(subscriptions.remove_unused, license_type=PRODUCTS[product], keep=keep)

    def unsubscribes(self, product: str, now: bool = False) -> None:
        """End a subscription with its paid period, or now (Q10)."""
        when = "now" if now else "period_end"
        self._do(subscriptions.unsubscribe, license_type=PRODUCTS[product], when=when)

    def resumes(self, product: str) -> None:
        """Take the cancellation back (Q10)."""
        self._do(subscriptions.resume, license_type=PRODUCTS[product])

    def starts_trial(self, product: str) -> Trial:
        """Start the one trial of a product (T1)."""
        return self._do(trials.start_trial, license_type=PRODUCTS[product])

    def registers(self, hostname: str, product: str, ip: str = "", os_version: str = "") -> None:
        """Run the install command on a server, with the default key."""
        key = self.key(product)
        assert key is not None, f"{self.name} has no key of {product}"
        hints = Hints(hostname=hostname, os_version=os_version)
        self.secrets[hostname] = register_server(
            key_text=key,
            address=ip or f"198.51.100.{next(self.world.numbers)}",
            hints=hints,
            now=self.world.now,
        ).secret
        self.world.nothing_more_is_due()

    def checks_in(self, hostname: str) -> str:
        """What the license of a running server is worth right now."""
        return check_in(
            secret=self.secrets[hostname],
            address="198.51.100.250",
            report=Report(),
            now=self.world.now,
        ).state

    def removes_server(self, hostname: str, cancel_license: bool = False) -> subscriptions.Removed:
        """Remove a server, and its license in the same dialog if asked."""
        server = self._server(hostname)
        return self._do(
            subscriptions.remove_server, server=server.public_id, cancel_license=cancel_license
        )

    def changes_edition(self, edition: str) -> None:
        """Turn all CloudLinux licenses into `pro` or `shared` (Q13)."""
        self._do(editions.set_edition, edition=edition)

    def converts(self, hostname: str, to: str, cancel_old: bool = False) -> conversion.Converted:
        """Give a server another license type (Q14)."""
        return self._do(
            conversion.convert_server,
            server=self._server(hostname).public_id,
            license_type=PRODUCTS[to],
            cancel_old=cancel_old,
            request_key=f"form {next(self.world.numbers)}",
        )

    def card(self, outcome: str) -> None:
        """From now on the bank answers so, whatever the card."""
        script_account(account_id=self.account_id, outcome=CARDS[outcome])

    def replaces_method(
        self, card: str = "works", kind: MethodKind = MethodKind.CARD
    ) -> tuple[collection.InvoiceResult, ...]:
        """Enter another card or PayPal agreement (P1)."""
        return self._do(
            collection.set_payment_method,
            kind=kind,
            gateway="sandbox",
            token=token_for(CARDS[card]),
            label=f"{kind} that {card}",
            expires_on=None,
        )

    def pays_now(self) -> tuple[collection.InvoiceResult, ...]:
        """Press "Pay now" (P5)."""
        return self._do(collection.pay_now, channel=AttemptChannel.PAY_NOW)

    # What they see; amounts and dates as people write them.

    @property
    def account(self) -> Account:
        return Account.objects.get(pk=self.account_id)

    @property
    def invoices(self) -> list[str]:
        """Oldest first: day of issue, what for, total, status."""
        return [
            f"{row.issued_on} {_called(row.license_type)} {format_cents(row.total_cents)} "
            f"{row.status}"
            for row in self._invoices()
        ]

    @property
    def lines(self) -> list[str]:
        """The newest invoice: kind, quantity × price, days, amount."""
        return [
            f"{line.kind} {line.quantity.normalize():f} × {format_cents(line.unit_cents)} "
            f"{line.starts_on}..{line.ends_on} {format_cents(line.amount_cents)}"
            for line in self._invoices()[-1].lines
        ]

    @property
    def price_lists(self) -> list[str]:
        """The newest invoice: the effective day of the list that each line was priced from."""
        lines = InvoiceLine.objects.filter(invoice__account=self.account_id)
        newest = lines.filter(invoice=lines.latest("invoice_id").invoice_id)
        days = newest.order_by("position").values_list("price_list__effective_on", flat=True)
        return [str(day) for day in days]

    @property
    def charges(self) -> list[str]:
        """Oldest first: every attempt to take money: day, amount, how it ended."""
        return [
            f"{attempt.created_at.date()} {format_cents(attempt.amount_cents)} {attempt.state}"
            for attempt in PaymentAttempt.objects.filter(account=self.account_id).order_by("id")
        ]

    @property
    def money_taken(self) -> str:
        """What the gateway says it took from this customer, all in all."""
        ours = PaymentAttempt.objects.filter(account=self.account_id).values("public_id")
        taken = SandboxCharge.objects.filter(reference__in=ours)
        return format_cents(sum(taken.values_list("amount_cents", flat=True)))

    @property
    def owes(self) -> str:
        return format_cents(billing.amount_due_cents(self.account_id))

    @property
    def credit(self) -> str:
        return format_cents(billing.balance_cents(self.account_id))

    @property
    def mails(self) -> list[str]:
        """Oldest first: day and template; all of them have left."""
        rows = Message.objects.filter(account=self.account_id).order_by("id")
        assert all(row.sent_at is not None for row in rows)
        return [f"{row.created_at.date()} {row.template}" for row in rows]

    def mail(self, template: str) -> str:
        """The newest mail of a template: its subject and text."""
        row = Message.objects.filter(account=self.account_id, template=template).latest("id")
        return f"{row.subject}\n{row.body}"

    def holds(self, product: str) -> int:
        """How many licenses are paid for; 0 without a subscription."""
        return next((row.quantity for row in self.subscriptions(product)), 0)

    def subscriptions(self, product: str) -> list[billing.SubscriptionRow]:
        rows = billing.subscriptions_of(self.account_id)
        return [row for row in rows if row.license_type == PRODUCTS[product]]

    def may_run(self, product: str) -> tuple[int, int | None]:
        """Servers in use, and how many are allowed (None: any number)."""
        rows = licensing.entitlements_of(self.account_id)
        [right] = [row for row in rows if row.license_type == PRODUCTS[product]]
        return right.used, right.quantity

    def key(self, product: str) -> str | None:
        """The default key; None where nothing was ever granted."""
        row = licensing.default_key_of(self.account_id, PRODUCTS[product])
        return None if row is None else row.text

    def server_status(self, hostname: str) -> str:
        return str(self._server(hostname).status)

    def upcoming(self) -> Sequence[billing_run.Upcoming]:
        """The next invoice of each subscription (Q12)."""
        return billing_run.upcoming_invoices(account_id=self.account_id)

    def upcoming_totals(self) -> list[str]:
        """The day and the total of each next invoice."""
        return [f"{up.on} {format_cents(up.total_cents)}" for up in self.upcoming()]

    def accrued(self) -> list[str]:
        """What the overview says: on your next invoice of DATE: accrued so far, and its total."""
        return [
            f"{up.on} {format_cents(up.accrued_cents)} of {format_cents(up.total_cents)}"
            for up in self.upcoming()
        ]

    def got_what_was_promised(self, promise: billing_run.Upcoming) -> None:
        """An invoice that was foreseen and has come is equal to the cent (Q12)."""
        issued = Invoice.objects.filter(
            account=self.account_id, license_type__code=promise.license_type, issued_on=promise.on
        ).exclude(purpose="order")
        assert [row.total_cents for row in issued] in ([], [promise.total_cents])

    def all_invoices_are(self, golden: str) -> None:
        """Every invoice, as a person reads it, equals the golden file."""
        found = "\n".join(_as_read(row) for row in self._invoices())
        path = GOLDEN_DIR / golden
        if self.world.rewrite_golden:
            path.write_text(found, encoding="utf-8")
        assert found == path.read_text(encoding="utf-8")

    def _do(self, verb: Any, **how: object) -> Any:
        done = verb(account_id=self.account_id, actor=self.name, now=self.world.now, **how)
        self.world.nothing_more_is_due()
        return done

    def _invoices(self) -> tuple[billing.InvoiceRow, ...]:
        return billing.invoices_of(self.account_id, oldest_first=True)

    def _server(self, hostname: str) -> Server:
        return Server.objects.filter(hostname=hostname).latest("id")


def _called(license_type: str) -> str:
    return next(name for name, code in PRODUCTS.items() if code == license_type)


def _as_read(row: billing.InvoiceRow) -> str:
    """An invoice in fixed width."""
    head = [
        f"{row.number}  {row.license_type_name}, {row.purpose}",
        f"issued {row.issued_on}, due {row.due_on}, {row.status}; {row.currency}",
    ]
    for line in row.lines:
        numbers = f"{line.quantity.normalize():f} × {format_cents(line.unit_cents)}"
        head.append(f"  {line.title:<56}{numbers:>14}{format_cents(line.amount_cents):>10}")
        head.append(f"    {line.why}")
    sums = {"net": row.net_cents, "tax": row.tax_cents, "total": row.total_cents}
    sums |= {"paid": row.paid_cents, "still due": row.due_cents}
    feet = [f"{name:>72}{format_cents(cents):>10}" for name, cents in sums.items()]
    return "\n".join([*head, *feet]) + "\n"
