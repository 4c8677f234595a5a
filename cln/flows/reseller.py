"""Becoming a reseller, and a reseller's deposit by hand (R1, R5).

Nothing exists before the money is certain: until then a `DepositOrder` holds what was asked for.
It is the attempt of P3: committed before the gateway is called, ended by the answer or by the
resolver, and ending it twice does nothing.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import ClassVar

from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction

from cln import faults
from cln.accounts.audit import record as audit
from cln.accounts.locks import lock_account
from cln.accounts.models import Account, DepositOrder
from cln.accounts.services import check_new_login
from cln.billing.models import Invoice
from cln.catalog import queries as catalog
from cln.domain.autopay import AutopayRule, check_autopay_rule
from cln.domain.dunning import DeclineCode, explain_decline
from cln.domain.errors import Refusal
from cln.domain.money import format_cents
from cln.enums import (
    UNFINISHED_ATTEMPT,
    AccountKind,
    AttemptChannel,
    AttemptState,
    InvoiceStatus,
    MethodKind,
)
from cln.flows import charging, deposit_notices
from cln.flows.collection import InvoiceResult, begin, finish
from cln.flows.each import each
from cln.flows.reseller_opening import open_reseller
from cln.ids import public_id
from cln.licensing.partners import not_a_reseller
from cln.payments import services as payments
from cln.payments.gateways import Charge, Outcome, gateway_named
from cln.payments.services import NoPaymentMethod, PaymentInProgress

AGREEMENT_VERSION = "2026-01"
"""The reseller agreement in force; another version than this one cannot be accepted."""
SMALLEST_TOP_UP_CENTS = 100
LARGEST_TOP_UP_CENTS = 100_000_00


class BadTopUp(Refusal):
    """The amount cannot be topped up."""

    code: ClassVar[str] = "bad_top_up"


class AgreementNotAccepted(Refusal):
    """Another agreement than the one in force was accepted, or none."""

    code: ClassVar[str] = "agreement_not_accepted"


class AlreadyReseller(Refusal):
    """The account is a reseller's."""

    code: ClassVar[str] = "already_reseller"


class InvoicesOpen(Refusal):
    """An account with open invoices cannot become a reseller's."""

    code: ClassVar[str] = "invoices_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """The agreement somebody has ticked, and from where; the time is the request's."""

    version: str
    address: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Applicant:
    """Who wants to become a reseller: the login, where bills go and in which currency ("" = the
    usual one).
    """

    email: str
    password: str
    username: str = ""
    company: str = ""
    billing_email: str = ""
    currency: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodWish:
    """The payment method that pays the deposit, and is stored when it has."""

    kind: MethodKind
    gateway: str
    token: str
    label: str
    expires_on: date | None = None
    # The account id the gateway was told when it stored the method; "" lets us choose one.
    customer: str = ""


@dataclass(frozen=True, slots=True)
class DepositResult:
    """What became of a deposit: `state` is the attempt's; `account_id` is set once it is paid."""

    order: str
    state: str
    sentence: str
    fix: str = ""
    account_id: int | None = None
    decline: str = field(default="")


def register_reseller(
    *,
    applicant: Applicant,
    deposit_cents: int,
    acceptance: Acceptance,
    method: MethodWish,
    autopay: AutopayRule | None = None,
    now: datetime,
) -> DepositResult:
    """Pay the whole deposit at once; account, login and mail exist when it has settled (R1).

    A decline leaves nothing behind but the order's state. Refusals: `bad_top_up`,
    `agreement_not_accepted`, `bad_autopay_target`, `bad_email`, `email_taken`, `bad_login`,
    `login_taken`, `weak_password`, `unknown_currency`, `gateway_absent`, `payment_in_progress`.
    """
    _check_terms(deposit_cents, acceptance)
    rule = check_autopay_rule(autopay or AutopayRule(), catalog.rules())
    gateway_named(method.gateway)
    email, username = check_new_login(
        email=applicant.email, username=applicant.username, password=applicant.password
    )
    order = DepositOrder(
        customer=method.customer or public_id("acc"),
        email=email,
        username=username,
        password=make_password(applicant.password),
        person={
            "company": applicant.company.strip(),
            "billing_email": applicant.billing_email.strip() or email,
        },
        currency=catalog.checked_currency(applicant.currency, on=now.date()),
        actor=email,
    )
    with transaction.atomic(durable=True):
        _write(order, method, rule, deposit_cents, acceptance, now=now)
    return _pay(order, now=now)


def convert_customer(
    *,
    account_id: int,
    deposit_cents: int,
    acceptance: Acceptance,
    autopay: AutopayRule | None = None,
    actor: str,
    now: datetime,
) -> DepositResult:
    """Turn a customer's account into a reseller's by the same steps (R1); its active payment
    method pays the deposit. Subscriptions end with their paid period, then usage is billed.

    Refusals: `bad_top_up`, `agreement_not_accepted`, `bad_autopay_target`, `already_reseller`,
    `invoices_open`, `no_payment_method`, `payment_in_progress`.
    """
    _check_terms(deposit_cents, acceptance)
    rule = check_autopay_rule(autopay or AutopayRule(), catalog.rules())
    with transaction.atomic(durable=True):
        account = lock_account(account_id)
        _check_may_convert(account)
        active = payments.active_method(account_id)
        if active is None:
            raise NoPaymentMethod(
                "There is no payment method.",
                "Add a card or a PayPal account under Payment methods.",
            )
        method = MethodWish(
            kind=MethodKind(active.kind),
            gateway=active.gateway,
            token=active.token,
            label=active.label,
            expires_on=active.expires_on,
        )
        order = DepositOrder(
            account=account, customer=account.public_id, currency=account.currency, actor=actor
        )
        _write(order, method, rule, deposit_cents, acceptance, now=now)
    return _pay(order, now=now)


def settle_order(
    *,
    order_id: int,
    outcome: Outcome | None,
    seen: DepositOrder | None = None,
    now: datetime,
) -> DepositResult:
    """End an order with what the gateway said; None = it did not answer (*unknown*, P3).

    An order that has ended stays as it ended, but money that was taken after all is never refused.
    `seen` as with `collection.settle`.
    """
    with transaction.atomic(durable=True):
        order = DepositOrder.objects.select_for_update(of=("self",)).get(pk=order_id)
        state = outcome.state if outcome is not None else AttemptState.UNKNOWN
        is_late = state is AttemptState.SUCCEEDED and order.state == AttemptState.ABANDONED
        is_overtaken = charging.is_overtaken(outcome, seen=seen or order, found=order)
        if (order.state in UNFINISHED_ATTEMPT and not is_overtaken) or is_late:
            _end(order, state, outcome, now=now)
            faults.reach("before_commit")
    faults.reach("after_commit")
    return _result(order)


def resolve_due(*, now: datetime) -> int:
    """Ask the gateway what became of deposits that never heard an answer (P3); how many."""
    due = DepositOrder.objects.filter(resolve_at__lte=now).order_by("resolve_at", "id")

    def resolve(order_id: int) -> None:
        conclude_order(order_id=order_id, now=now)

    return each(list(due.values_list("id", flat=True)), resolve)


def conclude_order(*, order_id: int, now: datetime) -> DepositResult:
    """Ask the gateway what became of a deposit, and end it (P3); silent, it is asked again."""
    order = DepositOrder.objects.get(pk=order_id)
    outcome = charging.end(
        order.gateway,
        reference=order.public_id,
        gateway_charge=order.gateway_charge,
        may_take=lambda: False,  # a stored method pays it: there is no page to approve it on
    )
    return settle_order(order_id=order_id, outcome=outcome, seen=order, now=now)


def top_up(*, account_id: int, amount_cents: int, actor: str, now: datetime) -> InvoiceResult:
    """Charge the active payment method and add the money to the deposit, at once (R5).

    Refusals: `not_a_reseller`, `bad_top_up`, `no_payment_method`, `payment_in_progress`.
    """
    check_amount(amount_cents)
    with transaction.atomic(durable=True):
        account = lock_account(account_id)
        if account.kind != AccountKind.RESELLER:
            raise not_a_reseller()
        begun = begin(
            account=account,
            invoice=None,
            amount_cents=amount_cents,
            channel=AttemptChannel.PAY_NOW,
            now=now,
        )
        audit(
            account_id=account_id,
            actor=actor,
            verb="top_up",
            subject=format_cents(amount_cents),
            now=now,
        )
    return finish(begun, now=now)


def _check_terms(deposit_cents: int, acceptance: Acceptance) -> None:
    check_amount(deposit_cents)
    if acceptance.version != AGREEMENT_VERSION:
        raise AgreementNotAccepted(
            f"The reseller agreement {AGREEMENT_VERSION} has not been accepted.",
            "Read it, tick the box and go on.",
        )


def check_amount(amount_cents: int) -> None:
    """Whether a deposit can grow by that much at once. Refusals: `bad_top_up`."""
    if not SMALLEST_TOP_UP_CENTS <= amount_cents <= LARGEST_TOP_UP_CENTS:
        raise BadTopUp(
            "The amount must be between "
            f"{format_cents(SMALLEST_TOP_UP_CENTS)} and {format_cents(LARGEST_TOP_UP_CENTS)}."
        )


def _check_may_convert(account: Account) -> None:
    if account.kind == AccountKind.RESELLER:
        raise AlreadyReseller("This account is a reseller's already.", "Top up its deposit.")
    if Invoice.objects.filter(account=account, status=InvoiceStatus.OPEN).exists():
        raise InvoicesOpen(
            "There are open invoices.", "Pay them first; an unpaid order lapses by itself."
        )


def _write(
    order: DepositOrder,
    method: MethodWish,
    rule: AutopayRule,
    deposit_cents: int,
    acceptance: Acceptance,
    *,
    now: datetime,
) -> None:
    """Joins: write the order that is about to be charged; it is the lock against a second one."""
    order.public_id = public_id("att")
    order.amount_cents = deposit_cents
    order.agreement_version, order.address = acceptance.version, acceptance.address
    order.autopay_mode, order.autopay_target_cents = rule.mode, rule.target_cents
    order.method_kind, order.gateway = method.kind, method.gateway
    order.token, order.label, order.expires_on = method.token, method.label, method.expires_on
    order.state = AttemptState.OPEN
    order.created_at, order.resolve_at = now, now + payments.RESOLVE_AFTER
    try:
        with transaction.atomic():
            order.save(force_insert=True)
    except IntegrityError:
        raise PaymentInProgress(
            "Your deposit is still being confirmed.",
            "Wait for its result; nothing is charged twice.",
        ) from None


def _pay(order: DepositOrder, *, now: datetime) -> DepositResult:
    """Ask the gateway, outside any transaction, and record what it said."""
    charge = Charge(
        reference=order.public_id,
        method_token=order.token,
        customer=order.customer,
        amount_cents=order.amount_cents,
        currency=order.currency,
    )

    def keep(gateway_charge: str) -> bool:
        waiting = DepositOrder.objects.filter(pk=order.pk, state__in=UNFINISHED_ATTEMPT)
        return bool(waiting.update(gateway_charge=gateway_charge))

    outcome = charging.make(order.gateway, charge, keep=keep)
    return settle_order(order_id=order.pk, outcome=outcome, now=now)


def _end(
    order: DepositOrder, state: AttemptState, outcome: Outcome | None, *, now: datetime
) -> None:
    waits = state in UNFINISHED_ATTEMPT
    late = order.created_at < now and not waits
    if state is AttemptState.SUCCEEDED:
        assert outcome is not None, "a success comes with its reference"
        order.account = open_reseller(order=order, outcome=outcome, now=now)
    order.state = state
    order.decline_code = (outcome.decline_code if outcome else None) or ""
    order.resolve_at = now + payments.RESOLVE_AFTER if waits else None
    order.finished_at = None if waits else now
    if late and state is not AttemptState.SUCCEEDED:
        deposit_notices.deposit_order_declined(order=order, now=now)
    if state in (AttemptState.SUCCEEDED, AttemptState.DECLINED):
        # One that was given up keeps them: should the money come after all, it has an owner.
        order.email = order.username = order.password = ""
        order.person = {}
    order.save()


def _result(order: DepositOrder) -> DepositResult:
    sentence, fix = "The payment is being confirmed.", "You will get a mail with the result."
    if order.state == AttemptState.SUCCEEDED:
        sentence, fix = "Your deposit is paid. Welcome.", ""
    elif order.state == AttemptState.DECLINED:
        decline = explain_decline(DeclineCode(order.decline_code))
        sentence, fix = decline.sentence, decline.fix
    elif order.state == AttemptState.ABANDONED:
        sentence, fix = "The payment did not go through; nothing was taken.", "Try again."
    return DepositResult(
        order=order.public_id,
        state=str(order.state),
        sentence=sentence,
        fix=fix,
        account_id=order.account_id if order.state == AttemptState.SUCCEEDED else None,
        decline=order.decline_code,
    )
