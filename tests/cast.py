"""The cast of stories: Acme and Mallory, the customers.

What they do goes through flows and services; what they see is written as people write it, so that
a story can be read aloud.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.db import transaction

from cln.accounts.locks import lock_account
from cln.accounts.models import Account
from cln.accounts.services import update_tax_details
from cln.billing import queries as billing
from cln.billing.models import Invoice, InvoiceLine
from cln.domain.money import format_cents, parse_amount
from cln.enums import AttemptChannel, MethodKind
from cln.flows import (
    collection,
    conversion,
    editions,
    purchase,
    subscriptions,
    trials,
)
from cln.flows.upcoming import Upcoming, upcoming_invoices
from cln.licensing import queries as licensing
from cln.licensing.models import Server, Trial
from cln.licensing.servers import Report, check_in
from cln.licensing.services import Hints, register_server, update_key
from cln.notifications.models import Message
from cln.notifications.queries import written
from cln.payments.gateways.sandbox import (
    SandboxGateway,
    Script,
    script_account,
    token_for,
)
from cln.payments.models import PaymentAttempt, PaymentMethod, SandboxCharge

if TYPE_CHECKING:
    from tests.world import World

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
        upcoming = next(
            (up for up in self.upcoming() if up.license_type == PRODUCTS[product]), None
        )
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

    def lives_in(self, country: str, vat_number: str = "", address: str = "") -> None:
        """Tell the address, and the VAT number of a business."""
        update_tax_details(
            account_id=self.account_id,
            address=address,
            country=country,
            vat_number=vat_number,
            actor=self.name,
            now=self.world.now,
        )

    def limits_key(self, product: str, to: int) -> None:
        """Let the default key register that many servers at most."""
        row = licensing.default_key_of(self.account_id, PRODUCTS[product])
        assert row is not None
        self._do(update_key, key=row.public_id, limit=to)

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

    def opens_hosted_page(self, amount: str | None = None) -> int:
        """Begin to pay the oldest open invoice at the gateway's own page, any amount (P4)."""
        with transaction.atomic(durable=True):
            account = lock_account(self.account_id)
            rows = Invoice.objects.filter(account=account, status="open")
            invoice = rows.order_by("issued_on", "id")[0]
            begun = collection.begin(
                account=account,
                invoice=invoice,
                amount_cents=parse_amount(amount) if amount else invoice.total_cents,
                channel=AttemptChannel.HOSTED,
                now=self.world.now,
            )
        return begun.attempt_id

    def pays_at_hosted_page(self, attempt_id: int) -> None:
        """Pay there; the gateway reports it twice, as webhooks do (P3)."""
        attempt = PaymentAttempt.objects.get(pk=attempt_id)
        SandboxCharge.objects.create(
            reference=attempt.public_id,
            amount_cents=attempt.amount_cents,
            currency=attempt.currency,
            at=self.world.now,
        )
        for _ in range(2):
            outcome = SandboxGateway().find_by_reference(attempt.public_id)
            collection.settle(attempt_id=attempt_id, outcome=outcome, now=self.world.now)
        self.world.nothing_more_is_due()

    # What they see; amounts and dates as people write them.

    @property
    def account(self) -> Account:
        return Account.objects.get(pk=self.account_id)

    @property
    def status(self) -> str:
        """How far asking for overdue money has come (P7)."""
        return str(self.account.dunning_state)

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
        return [_line(line) for line in self._invoices()[-1].lines]

    @property
    def all_lines(self) -> list[str]:
        """The same of every invoice."""
        return [_line(line) for row in self._invoices() for line in row.lines]

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
    def active_methods(self) -> list[str]:
        rows = PaymentMethod.objects.filter(account=self.account_id, active=True)
        return list(rows.values_list("kind", flat=True))

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
        return "\n".join(written(row))

    def pay_link(self, template: str) -> str:
        """The token of the payment link in the newest mail of a template (P7)."""
        [token] = re.findall(r"/pay/(\S+)", self.mail(template))
        return str(token)

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

    def upcoming(self) -> Sequence[Upcoming]:
        """The next invoice of each subscription (Q12)."""
        return upcoming_invoices(account_id=self.account_id)

    def upcoming_totals(self) -> list[str]:
        """The day and the total of each next invoice."""
        return [f"{up.on} {format_cents(up.total_cents)}" for up in self.upcoming()]

    def accrued(self) -> list[str]:
        """What the overview says: on your next invoice of DATE: accrued so far, and its total."""
        return [
            f"{up.on} {format_cents(up.accrued_cents)} of {format_cents(up.total_cents)}"
            for up in self.upcoming()
        ]

    def got_what_was_promised(self, promise: Upcoming) -> None:
        """An invoice that was foreseen has come on its day and is equal to the cent (Q12)."""
        if promise.on > self.world.now.date() or not promise.lines or self.status == "ended":
            return
        issued = Invoice.objects.filter(
            account=self.account_id, license_type__code=promise.license_type, issued_on=promise.on
        ).exclude(purpose="order")
        assert [row.total_cents for row in issued] == [promise.total_cents]

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


def _line(line: billing.LineRow) -> str:
    return (
        f"{line.kind} {line.quantity.normalize():f} × {format_cents(line.unit_cents)} "
        f"{line.starts_on}..{line.ends_on} {format_cents(line.amount_cents)}"
    )


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
