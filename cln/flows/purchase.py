"""Buying licenses: a first order is paid at once, an addition comes with the next invoice (Q3, Q4).

`preview` and `buy` put the same questions to the same core, so what a page promises is what the
invoice will say (Q12).
"""

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, ClassVar

from django.db import transaction

from cln.accounts.audit import record as audit
from cln.accounts.locks import lock_account
from cln.accounts.models import Account, IdempotentRequest
from cln.accounts.standing import refuse_if_blocked
from cln.billing import services as billing
from cln.billing.models import Invoice, Subscription
from cln.billing.queries import paid_subscription
from cln.catalog import queries as catalog
from cln.catalog.models import LicenseType
from cln.domain.calendar import Interval
from cln.domain.errors import Refusal
from cln.domain.invoicing import (
    Change,
    ChangeKind,
    InvoiceDraft,
    SubscriptionFacts,
    advance,
    compose,
    fold,
    next_sweep_on,
    priced_change,
    upcoming,
    with_change,
)
from cln.domain.pricing import PriceUnknown, Tier, check_quantity, list_in_force, scope_quantity
from cln.domain.quantities import check_interval
from cln.domain.rules import Rules
from cln.enums import (
    LIVE_SUBSCRIPTION,
    AccountKind,
    AttemptChannel,
    EntitlementKind,
    InvoicePurpose,
    InvoiceStatus,
)
from cln.flows import events
from cln.flows.billing_run import bring_current
from cln.flows.collection import Begun, InvoiceResult, begin, finish
from cln.flows.facts import NEW_CHANGE_ID, Facts
from cln.flows.issuing import Order as InvoiceOrder
from cln.flows.issuing import Taxes, issue
from cln.flows.upcoming import Upcoming, upcoming_of
from cln.licensing import entitlements as licensing
from cln.licensing.partners import PaidAfterwards
from cln.payments.services import NoPaymentMethod


class SubscriptionEnding(Refusal):
    """The subscription was cancelled and runs to the end of the paid period."""

    code: ClassVar[str] = "subscription_ending"


class FewerThanServers(Refusal):
    """More servers run in the trial than licenses are bought (T4)."""

    code: ClassVar[str] = "fewer_than_servers"


class RequestKeyReused(Refusal):
    """The same request key came with another order."""

    code: ClassVar[str] = "request_key_reused"


@dataclass(frozen=True, slots=True)
class Preview:
    """What a purchase would cost; cents. `next_invoice` is what will be issued if nothing else
    changes; `tiers` are those in force with `scope` = the quantity that picks the tier (Q1).
    """

    license_type: str
    interval: str
    quantity: int
    currency: str
    is_addition: bool
    held_after: int
    unit_cents: int
    due_now_cents: int
    next_invoice: Upcoming | None
    scope: int
    tiers: tuple[Tier, ...]


@dataclass(frozen=True, slots=True)
class Bought:
    """What came of a purchase. `invoice` and `payment` belong to first orders only."""

    license_type: str
    quantity: int
    held: int
    is_addition: bool
    invoice_number: str = ""
    payment: InvoiceResult | None = None


@dataclass(frozen=True, slots=True)
class _Order:
    """A checked wish: what is bought and, for an addition, the subscription that grows."""

    license_type: LicenseType
    interval: Interval
    quantity: int
    facts: SubscriptionFacts
    subscription: Subscription | None


def preview(
    *, account_id: int, license_type: str, quantity: int, interval: str | None, now: datetime
) -> Preview:
    """What `buy` would charge now and on the next invoice, to the cent (Q12). Changes nothing.

    Refusals: those of `buy`.
    """
    account = Account.objects.get(pk=account_id)
    rules = catalog.rules()
    order = _checked(account, license_type, quantity, interval, today=now.date(), rules=rules)
    subscription = order.subscription
    if subscription is None:
        return _preview_first(account, order, now=now)
    order = replace(order, facts=_caught_up(order.facts, now.date()))
    change = _addition(order, change_id=NEW_CHANGE_ID, actor="", on=now.date())
    grown = with_change(order.facts, change)
    [draft] = upcoming(grown)[:1] or [None]
    return Preview(
        license_type=license_type,
        interval=order.interval,
        quantity=quantity,
        currency=account.currency,
        is_addition=True,
        held_after=fold(grown).held,
        unit_cents=change.unit_cents,
        due_now_cents=0,
        next_invoice=_foreseen(account, order, draft, Taxes()) if draft else None,
        scope=scope_quantity(fold(grown).held, grown.others, now.date()),
        tiers=list_in_force(grown.price_lists, now.date()).tiers,
    )


def buy(
    *,
    account_id: int,
    license_type: str,
    quantity: int,
    interval: str | None,
    actor: str,
    request_key: str,
    now: datetime,
) -> Bought:
    """Buy `quantity` licenses: a first order is issued and charged, an addition is granted at
    once and billed with the next invoice (Q3, Q4). The same `request_key` never buys twice.

    `interval` None means the running one, or a month. Refusals: `unknown_license_type`,
    `price_unknown`, `bad_quantity`, `interval_conflict`, `account_blocked`, `order_pending`,
    `subscription_ending`, `fewer_than_servers`, `request_key_reused`, `paid_afterwards`.
    """
    asked = {"license_type": license_type, "quantity": quantity, "interval": interval}
    with transaction.atomic(durable=True):
        account = lock_account(account_id)
        done, begun = _answered(account, request_key, asked), None
        if done is None:
            bring_current(account=account, now=now)
            rules = catalog.rules()
            order = _checked(
                account, license_type, quantity, interval, today=now.date(), rules=rules
            )
            done = _place(account, order, actor=actor, rules=rules, now=now)
            _remember(account, request_key, asked, done, now=now)
            begun = _begin_payment(account, done, now=now)
    return _paid(done, begun, now=now)


def _checked(
    account: Account,
    code: str,
    quantity: int,
    interval: str | None,
    *,
    today: date,
    rules: Rules,
) -> _Order:
    license_type = catalog.get_license_type(code)
    quantity = check_quantity(quantity)
    if account.kind == AccountKind.RESELLER:
        raise PaidAfterwards(
            "Resellers buy nothing in advance: each month is billed by what was used.",
            "Create a key, or add an IP license.",
        )
    refuse_if_blocked(account)
    live = list(
        Subscription.objects.filter(
            account=account, product=license_type.product, status__in=LIVE_SUBSCRIPTION
        ).select_related("account", "license_type")
    )
    running = [Interval(row.interval) for row in live]
    wanted = _interval(interval) if interval else (running or [Interval.MONTH])[0]
    check_interval(product=license_type.product.name, wanted=wanted, running=running)
    own = next((row for row in live if row.license_type_id == license_type.pk), None)
    if own is None:
        facts = Facts([account], rules=rules).of_order(
            account=account,
            license_type=license_type,
            interval=wanted,
            quantity=quantity,
            today=today,
        )
        list_in_force(facts.price_lists, today)
        _check_covers_servers(account, license_type, quantity)
        return _Order(license_type, wanted, quantity, facts, None)
    _check_may_grow(own, license_type)
    facts = Facts([account], rules=rules).of(own)
    check_quantity(own.quantity + quantity)
    return _Order(license_type, wanted, quantity, facts, own)


def _check_covers_servers(account: Account, license_type: LicenseType, quantity: int) -> None:
    """A trial's servers go on under the paid licenses, so there must be enough of them (T4)."""
    used = licensing.seats_in_use(account_id=account.pk, license_type=license_type.code)
    if quantity < used:
        raise FewerThanServers(
            f"{used} servers run in your trial; {quantity} licenses are not enough for them.",
            f"Buy at least {used}, or remove servers first.",
            used=used,
        )


def _interval(text: str) -> Interval:
    try:
        return Interval(text)
    except ValueError:
        raise PriceUnknown(
            f"There is no price per {text[:20]!r}.", "Choose month or year."
        ) from None


def _check_may_grow(subscription: Subscription, license_type: LicenseType) -> None:
    paid_subscription(account_id=subscription.account_id, license_type=license_type.code)
    if subscription.ends_on is not None:
        raise SubscriptionEnding(
            f"Your {license_type.name} subscription ends on {subscription.ends_on}.",
            "Take the cancellation back first.",
        )


def _addition(order: _Order, *, change_id: int, actor: str, on: date) -> Change:
    """The change an addition makes, priced by the tier of the new total (Q5)."""
    return priced_change(
        order.facts,
        id=change_id,
        on=on,
        kind=ChangeKind.ADD,
        delta=order.quantity,
        note=f"by {actor}" if actor else "",
    )


def _caught_up(facts: SubscriptionFacts, today: date) -> SubscriptionFacts:
    """The facts after the invoices that `buy` would issue first, if the worker is late (M5)."""
    for draft in compose(facts, today):
        facts = facts if draft.ends else advance(facts, draft)
    return facts


def _preview_first(account: Account, order: _Order, *, now: datetime) -> Preview:
    today = now.date()
    [draft] = compose(order.facts, today)
    [renewal] = upcoming(advance(order.facts, draft))[:1]
    taxes = Taxes()
    return Preview(
        license_type=order.license_type.code,
        interval=order.interval,
        quantity=order.quantity,
        currency=account.currency,
        is_addition=False,
        held_after=order.quantity,
        unit_cents=draft.unit_cents,
        due_now_cents=_foreseen(account, order, draft, taxes).total_cents,
        next_invoice=_foreseen(account, order, renewal, taxes),
        scope=scope_quantity(order.quantity, order.facts.others, today),
        tiers=list_in_force(order.facts.price_lists, today).tiers,
    )


def _foreseen(account: Account, order: _Order, draft: InvoiceDraft, taxes: Taxes) -> Upcoming:
    return upcoming_of(
        account=account, license_type=order.license_type.code, draft=draft, taxes=taxes
    )


def _place(
    account: Account, order: _Order, *, actor: str, rules: Rules, now: datetime
) -> dict[str, Any]:
    audit(
        account_id=account.pk,
        actor=actor,
        verb="buy",
        subject=order.license_type.code,
        details={"quantity": order.quantity, "interval": order.interval},
        now=now,
    )
    if order.subscription is not None:
        return _add(account, order, order.subscription, actor=actor, now=now)
    return _first_order(account, order, actor=actor, rules=rules, now=now)


def _add(
    account: Account, order: _Order, subscription: Subscription, *, actor: str, now: datetime
) -> dict[str, Any]:
    change = _addition(order, change_id=NEW_CHANGE_ID, actor=actor, on=now.date())
    billing.record_change(subscription=subscription, change=change, now=now)
    billing.plan_sweep(subscription=subscription, on=next_sweep_on(order.facts, after=now.date()))
    licensing.grant(
        account_id=account.pk,
        license_type=order.license_type.code,
        kind=EntitlementKind.PAID,
        quantity=subscription.quantity,
        valid_until=None,
        now=now,
    )
    events.subscription_changed(subscription, now=now)
    return {
        "license_type": order.license_type.code,
        "quantity": order.quantity,
        "held": subscription.quantity,
        "is_addition": True,
    }


def _first_order(
    account: Account, order: _Order, *, actor: str, rules: Rules, now: datetime
) -> dict[str, Any]:
    [draft] = compose(order.facts, now.date())
    first = Change(
        NEW_CHANGE_ID,
        now.date(),
        ChangeKind.PURCHASE,
        order.quantity,
        draft.unit_cents,
        draft.lines[0].price_list_id,
        f"by {actor}",
    )
    subscription = billing.open_subscription(
        account=account,
        license_type=order.license_type,
        interval=order.interval,
        first=first,
        now=now,
    )
    billing.apply_draft(
        subscription=subscription, draft=draft, advanced=advance(order.facts, draft)
    )
    billing.save_all([subscription])
    invoice = issue(
        order=InvoiceOrder(subscription, draft, InvoicePurpose.ORDER), rules=rules, now=now
    )
    return {
        "license_type": order.license_type.code,
        "quantity": order.quantity,
        "held": order.quantity,
        "is_addition": False,
        "invoice_number": invoice.number,
    }


def _begin_payment(account: Account, done: dict[str, Any], *, now: datetime) -> Begun | None:
    """Write the attempt in the order's own transaction, so that no worker comes first."""
    invoice = Invoice.objects.filter(number=done.get("invoice_number")).first()
    if invoice is None or invoice.status != InvoiceStatus.OPEN:
        return None
    try:
        return begin(
            account=account,
            invoice=invoice,
            amount_cents=invoice.total_cents - invoice.paid_cents,
            channel=AttemptChannel.AUTOMATIC,
            now=now,
        )
    except NoPaymentMethod:
        return None


def _paid(done: dict[str, Any], begun: Begun | None, *, now: datetime) -> Bought:
    """Charge what was begun; a repeated request only reports where its order stands."""
    if begun is not None:
        return Bought(**done, payment=finish(begun, now=now))
    invoice = Invoice.objects.filter(number=done.get("invoice_number")).first()
    if invoice is None:
        return Bought(**done)
    return Bought(**done, payment=_standing(invoice))


def _standing(invoice: Invoice) -> InvoiceResult:
    """Where the payment of an order stands, without trying anything."""
    if invoice.status != InvoiceStatus.OPEN:
        sentence, fix = f"Invoice {invoice.number} is {invoice.status}.", ""
    elif invoice.attempts.exists():
        sentence, fix = f"Invoice {invoice.number} is not paid yet.", "See it under Invoices."
    else:
        sentence = "There is no payment method."
        fix = "Add a card or a PayPal account under Payment methods; it is charged at once."
    return InvoiceResult(invoice.number, invoice.total_cents, invoice.status, sentence, fix)


def _answered(account: Account, key: str, asked: dict[str, Any]) -> dict[str, Any] | None:
    """What the same request did before. Refusals: `request_key_reused`."""
    row = IdempotentRequest.objects.filter(account=account, key=key).first()
    if row is None:
        return None
    if row.input_hash != _hash(asked):
        raise RequestKeyReused(
            "This form was sent before with another order.", "Open the page again and retry."
        )
    return dict(row.answer)


def _remember(
    account: Account,
    key: str,
    asked: dict[str, Any],
    answer: dict[str, Any],
    *,
    now: datetime,
) -> None:
    IdempotentRequest.objects.create(
        account=account, key=key, input_hash=_hash(asked), answer=answer, created_at=now
    )


def _hash(asked: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
