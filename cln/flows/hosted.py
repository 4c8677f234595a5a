"""A gateway's own page takes the money: "Pay now" with another card, PayPal checkout (P4, R5).

Opening the page is itself an attempt: it is committed before the page is shown, and while it is
open nothing else may take money for the same thing. Opening it again shows the same page.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from django.db import transaction

from cln.accounts.locks import lock_account
from cln.accounts.models import Account
from cln.billing.models import Invoice
from cln.billing.queries import UnknownInvoice
from cln.domain.errors import Refusal
from cln.enums import UNFINISHED_ATTEMPT, AccountKind, AttemptChannel, AttemptState
from cln.flows.charging import NOTHING_TAKEN, GatewaySilent
from cln.flows.collection import InvoiceResult, conclude, result_of, settle
from cln.flows.reseller import check_amount
from cln.licensing.partners import not_a_reseller
from cln.payments import services as payments
from cln.payments.gateways import Back, Charge, GatewayUnreachable, Page, PageOver, gateway_named
from cln.payments.models import PaymentAttempt


class UnknownPayment(Refusal):
    """The account has no such payment."""

    code: ClassVar[str] = "unknown_payment"


@dataclass(frozen=True, slots=True)
class OpenPage:
    """A page to show and the attempt it makes; `payment` is the id to come back with; cents."""

    payment: str
    page: Page
    amount_cents: int
    currency: str


def open_invoice_page(
    *, account_id: int, invoice: str, gateway: str, back: Back, now: datetime
) -> OpenPage:
    """The gateway's page for what is open of an invoice (P4); `invoice` is its public id.

    Refusals: `gateway_absent`, `gateway_cannot`, `gateway_silent`, `nothing_to_pay`,
    `payment_in_progress`, `unknown_invoice`.
    """
    with transaction.atomic(durable=True):
        account = lock_account(account_id)
        row = Invoice.objects.filter(account=account, public_id=invoice).first()
        if row is None:
            raise UnknownInvoice("There is no such invoice.", "Choose one from the list.")
        due_cents = row.total_cents - row.paid_cents
        attempt = _attempt_for(account, row, due_cents, gateway, now=now)
    return _page_of(attempt, account.public_id, back, now=now)


def open_top_up_page(
    *, account_id: int, amount_cents: int, gateway: str, back: Back, now: datetime
) -> OpenPage:
    """The gateway's page that adds to a reseller's deposit, any amount (R5); cents.

    Refusals: `gateway_absent`, `gateway_cannot`, `gateway_silent`, `not_a_reseller`,
    `bad_top_up`, `payment_in_progress`.
    """
    check_amount(amount_cents)
    with transaction.atomic(durable=True):
        account = lock_account(account_id)
        if account.kind != AccountKind.RESELLER:
            raise not_a_reseller()
        attempt = _attempt_for(account, None, amount_cents, gateway, now=now)
    return _page_of(attempt, account.public_id, back, now=now)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a payment stands; `invoice` is a public id, "" for a top-up.

    `is_on_page`: the gateway's page waits for its payer, who may open it again.
    """

    payment: str
    result: InvoiceResult
    gateway: str
    invoice: str
    currency: str
    is_waiting: bool
    is_on_page: bool


def look_at(*, account_id: int, payment: str) -> Standing:
    """Where a payment of the account stands; asks nobody. Refusals: `unknown_payment`."""
    attempt = (
        PaymentAttempt.objects.filter(account_id=account_id, public_id=payment)
        .select_related("invoice")
        .first()
    )
    if attempt is None:
        raise _unknown()
    return Standing(
        payment=payment,
        result=result_of(attempt),
        gateway=attempt.gateway,
        invoice=attempt.invoice.public_id if attempt.invoice else "",
        currency=attempt.currency,
        is_waiting=attempt.state in UNFINISHED_ATTEMPT,
        is_on_page=attempt.channel == AttemptChannel.HOSTED
        and attempt.state == AttemptState.PENDING,
    )


def leave_page(*, account_id: int, payment: str, now: datetime) -> InvoiceResult:
    """The payer is back, or gave up: ask what was taken, and close the page for good.

    Coming back twice does nothing more. Refusals: `unknown_payment`.
    """
    attempt = PaymentAttempt.objects.filter(
        account_id=account_id, public_id=payment, channel=AttemptChannel.HOSTED
    ).first()
    if attempt is None:
        raise _unknown()
    if attempt.state in UNFINISHED_ATTEMPT:
        return conclude(attempt_id=attempt.pk, now=now)
    return settle(attempt_id=attempt.pk, outcome=None, now=now)


def _attempt_for(
    account: Account, invoice: Invoice | None, amount_cents: int, gateway: str, *, now: datetime
) -> PaymentAttempt:
    """The attempt whose page is open already, or a new one."""
    gateway_named(gateway)
    known = payments.unfinished_attempt(account, invoice)
    if (
        known is not None
        and known.channel == AttemptChannel.HOSTED
        and (known.gateway, known.amount_cents) == (gateway, amount_cents)
    ):
        return known
    return payments.open_hosted_attempt(
        account=account, invoice=invoice, amount_cents=amount_cents, gateway=gateway, now=now
    )


def _page_of(attempt: PaymentAttempt, customer: str, back: Back, *, now: datetime) -> OpenPage:
    """Ask the gateway for the page, and commit its id before anybody sees it."""
    charge = Charge(
        reference=attempt.public_id,
        method_token="",
        customer=customer,
        amount_cents=attempt.amount_cents,
        currency=attempt.currency,
        gateway_charge=attempt.gateway_charge,
    )
    try:
        page = gateway_named(attempt.gateway).hosted_page(charge, _back_with(attempt, back))
    except PageOver:
        raise _ended(attempt, now=now) from None
    except (GatewayUnreachable, Refusal) as error:
        if not attempt.gateway_charge:
            settle(attempt_id=attempt.pk, outcome=NOTHING_TAKEN, now=now)
        if isinstance(error, Refusal):
            raise
        raise GatewaySilent(
            "The payment page cannot be reached. Nothing was charged.",
            "Try again in several minutes.",
        ) from error
    if not payments.keep_gateway_charge(
        attempt_id=attempt.pk, gateway_charge=page.id, state=AttemptState.PENDING
    ):
        raise UnknownPayment("The payment has ended meanwhile.", "Open the page again.")
    return OpenPage(attempt.public_id, page, attempt.amount_cents, attempt.currency)


def _unknown() -> UnknownPayment:
    return UnknownPayment("There is no such payment.")


def _back_with(attempt: PaymentAttempt, back: Back) -> Back:
    urls = (back.done_url, back.cancelled_url)
    return Back(*(url.replace("{payment}", attempt.public_id) for url in urls))


def _ended(attempt: PaymentAttempt, *, now: datetime) -> Refusal:
    """A page that was paid and never left is booked now; one that came to nothing makes room."""
    result = conclude(attempt_id=attempt.pk, now=now)
    if result.state in (AttemptState.ABANDONED, AttemptState.DECLINED):
        return UnknownPayment("The payment has ended meanwhile.", "Open the page again.")
    return payments.NothingToPay(result.sentence, result.fix)
