"""The cast of stories, continued: Zenith, the reseller, and what Otto puts right for customers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cln.accounts.models import Account
from cln.billing import queries as billing
from cln.domain.autopay import AutopayMode, AutopayRule
from cln.domain.money import format_cents, parse_amount
from cln.enums import MethodKind
from cln.flows import autopay, corrections, ip_licenses, refunds, reseller
from cln.flows.collection import InvoiceResult
from cln.licensing.feature_list import IMUNIFY_EMAIL
from cln.licensing.features import Spot, set_feature
from cln.licensing.keys import create_key
from cln.licensing.models import ActivationKey, IpLicense
from cln.payments.gateways.sandbox import token_for
from cln.payments.models import PaymentAttempt
from cln.payments.reseller_table import TableRow, reseller_invoice_table
from tests.cast import CARDS, PRODUCTS, Customer

if TYPE_CHECKING:
    from tests.world import World

PASSWORD = "correct horse battery staple"
AGREED = reseller.Acceptance(version=reseller.AGREEMENT_VERSION, address="192.0.2.77")


def applies(
    world: World,
    name: str,
    deposit: str,
    *,
    card: str = "works",
    rule: AutopayRule | None = None,
    agreed: reseller.Acceptance = AGREED,
    login: str = "",
    currency: str = "",
) -> reseller.DepositResult:
    """Fill in the form of a new reseller, and pay (R1)."""
    return reseller.register_reseller(
        applicant=reseller.Applicant(
            email=f"owner@{name}.example",
            username=login,
            password=PASSWORD,
            company=name.title(),
            billing_email=f"billing@{name}.example",
            currency=currency,
        ),
        deposit_cents=parse_amount(deposit),
        acceptance=agreed,
        method=reseller.MethodWish(
            kind=MethodKind.CARD,
            gateway="sandbox",
            token=token_for(CARDS[card]),
            label=f"card that {card}",
        ),
        autopay=rule,
        now=world.now,
    )


def becomes(
    customer: Customer, deposit: str = "100.00", agreed: reseller.Acceptance = AGREED
) -> reseller.DepositResult:
    """A customer's account takes the same steps."""
    done = reseller.convert_customer(
        account_id=customer.account_id,
        deposit_cents=parse_amount(deposit),
        acceptance=agreed,
        actor=customer.name,
        now=customer.world.now,
    )
    customer.world.nothing_more_is_due()
    return done


def a_reseller(
    world: World, name: str = "zenith", deposit: str = "500.00", mode: str = "off", target: str = ""
) -> Reseller:
    """A reseller whose deposit has been paid, without autopay unless asked for."""
    rule = AutopayRule(AutopayMode(mode), parse_amount(target) if target else 0)
    done = applies(world, name, deposit, rule=rule)
    assert done.account_id is not None, done
    found = Reseller(world, name, done.account_id)
    world.customers.append(found)
    world.nothing_more_is_due()
    return found


class Reseller(Customer):
    """Zenith, who pays afterwards for what was used."""

    def holds_ip(self, product: str, *addresses: str) -> None:
        """Add IP licenses (R2)."""
        for address in addresses:
            self._do(ip_licenses.add_ip_license, license_type=PRODUCTS[product], address=address)

    def gives_back(self, product: str, address: str) -> None:
        """Remove an IP license."""
        self._do(ip_licenses.remove_ip_license, license_type=PRODUCTS[product], address=address)

    def converts_ip(self, address: str, to: str) -> None:
        """Give an address another license type (C-6)."""
        self._do(ip_licenses.convert_ip_license, license_type=PRODUCTS[to], address=address)

    def switches_email(
        self, enabled: bool | None, *, product: str = "", host: str = "", ip: str = ""
    ) -> None:
        """Switch Imunify Email on the default key, a server, an IP license or the account (F-1)."""
        of = self.account_id
        spot = Spot()
        if product:
            keys = ActivationKey.objects.filter(account=of, license_type__code=PRODUCTS[product])
            spot = Spot(key=keys.get(is_default=True, removed_at=None).public_id)
        elif host:
            spot = Spot(server=self._server(host).public_id)
        elif ip:
            held = IpLicense.objects.get(account=of, address=ip, removed_at=None)
            spot = Spot(ip_license=held.public_id)
        self._do(set_feature, feature=IMUNIFY_EMAIL, enabled=enabled, spot=spot)

    def creates_key(self, product: str) -> None:
        """Create a key without having bought anything (R8)."""
        self._do(create_key, license_type=PRODUCTS[product])

    def tops_up(self, amount: str) -> InvoiceResult:
        """Add funds by hand (R5)."""
        done: InvoiceResult = self._do(reseller.top_up, amount_cents=parse_amount(amount))
        return done

    def sets_autopay(self, mode: str, target: str = "0.00") -> None:
        """Choose how the deposit is topped up (R4)."""
        rule = AutopayRule(AutopayMode(mode), parse_amount(target))
        self._do(autopay.set_autopay, rule=rule)

    @property
    def deposit(self) -> str:
        """The balance, which may be negative (R3)."""
        return self.credit

    @property
    def tries(self) -> list[str]:
        """Oldest first: every attempt to take money with its hour, amount and end."""
        rows = PaymentAttempt.objects.filter(account=self.account_id).order_by("id")
        return [
            f"{row.created_at:%m-%d %H:%M} {format_cents(row.amount_cents)} {row.state}"
            for row in rows
        ]

    @property
    def statement(self) -> list[str]:
        """The newest invoice: each license, its days and its part of the amount (R2)."""
        rows = billing.usage_statement(
            account_id=self.account_id, public_id=self._invoices()[-1].public_id
        )
        return [f"{row.name} {row.days} {format_cents(row.amount_cents)}" for row in rows]

    @property
    def table(self) -> list[str]:
        """The invoices table (R6): day, type, what changed, what was left."""
        return [_row(row) for row in reseller_invoice_table(self.account_id)]


def refunds_to(
    world: World, customer: Customer, number: int, amount: str | None = None, **how: Any
) -> refunds.Refunded:
    """Otto refunds the n-th invoice, after the preview has said the same (P10)."""
    wish = a_wish(customer, number, amount, **how)
    promised = refunds.preview_refund(account_id=customer.account_id, wish=wish, now=world.now)
    done = refunds.refund(operator="otto", account_id=customer.account_id, wish=wish, now=world.now)
    assert (done.total_cents, done.cash_cents, done.licenses) == (
        promised.total_cents,
        sum(cents for _, cents in promised.cash),
        promised.licenses,
    )
    world.nothing_more_is_due()
    return done


def a_wish(customer: Customer, number: int, amount: str | None = None, **how: Any) -> refunds.Wish:
    """What Otto would give back of the n-th invoice; the removal is certified unless said."""
    rows = billing.invoices_of(customer.account_id, oldest_first=True)
    how.setdefault("is_removal_certified", True)
    cents = None if amount is None else parse_amount(amount)
    return refunds.Wish(invoice=rows[number - 1].public_id, amount_cents=cents, **how)


def credits(world: World, customer: Customer, amount: str) -> None:
    """Otto gives account credit."""
    corrections.grant_credit(
        operator="otto",
        account_id=customer.account_id,
        amount_cents=parse_amount(amount),
        reason="goodwill",
        now=world.now,
    )
    world.nothing_more_is_due()


def corrects(
    world: World, verb: Any, customer: Customer, number: int, reason: str = "typo"
) -> None:
    """Otto voids or writes off the n-th invoice."""
    rows = billing.invoices_of(customer.account_id, oldest_first=True)
    verb(
        operator="otto",
        account_id=customer.account_id,
        invoice=rows[number - 1].public_id,
        reason=reason,
        now=world.now,
    )
    world.nothing_more_is_due()


def floor(reseller_: Reseller, amount: str) -> None:
    """Agree on how far below zero new licenses are given; the page for it is yet to come."""
    Account.objects.filter(pk=reseller_.account_id).update(floor_cents=parse_amount(amount))


def _row(row: TableRow) -> str:
    details = ", ".join(
        f"{one.title} × {one.quantity.normalize():f}: {format_cents(one.subtotal_cents)}"
        for one in row.details
    )
    return (
        f"{row.created_at.date()} {row.type} {row.pay_period[0]} {format_cents(row.total_cents)} "
        f"{format_cents(row.balance_after_cents)} [{details}]"
    )
