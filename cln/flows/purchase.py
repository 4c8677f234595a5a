"""Buying licenses: a first order is paid at once, an addition comes with the next invoice (Q3, Q4).

`preview` and `buy` put the same questions to the same core, so what a page promises is what the
invoice will say (Q12).
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from django.db import transaction

from cln.accounts.audit import record as audit
from cln.accounts.locks import lock_account
from cln.accounts.models import Account
from cln.billing import services as billing
from cln.billing.models import Invoice, Subscription
from cln.catalog import queries as catalog
from cln.domain.invoicing import (
    Change,
    ChangeKind,
    InvoiceDraft,
    SubscriptionFacts,
    advance,
    compose,
    fold,
    next_sweep_on,
    upcoming,
    with_change,
)
from cln.domain.pricing import Tier, list_in_force, scope_quantity
from cln.domain.rules import Rules
from cln.enums import (
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
from cln.flows.orders import PurchaseOrder, addition, checked_order
from cln.flows.request_keys import answered, remember
from cln.flows.upcoming import Upcoming, upcoming_of
from cln.licensing import entitlements as licensing
from cln.payments.services import NoPaymentMethod


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


def preview(
    *,
    account_id: int,
    license_type: str,
    quantity: int,
    interval: str | None,
    known: Facts | None = None,
    now: datetime,
) -> Preview:
    """What `buy` would charge now and on the next invoice, to the cent (Q12). Changes nothing.

    `known`: the facts of the account, where several things are previewed. Refusals: those of `buy`.
    """
    account = known.accounts[account_id] if known else Account.objects.get(pk=account_id)
    rules = catalog.rules()
    order = checked_order(
        account, license_type, quantity, interval, today=now.date(), rules=rules, known=known
    )
    subscription = order.subscription
    if subscription is None:
        return _preview_first(account, order, now=now)
    order = replace(order, facts=_caught_up(order.facts, now.date()))
    change = addition(order, change_id=NEW_CHANGE_ID, actor="", on=now.date())
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
        done, begun = answered(account=account, key=request_key, asked=asked), None
        if done is None:
            bring_current(account=account, now=now)
            rules = catalog.rules()
            order = checked_order(
                account, license_type, quantity, interval, today=now.date(), rules=rules
            )
            done = _place(account, order, actor=actor, rules=rules, now=now)
            remember(account=account, key=request_key, asked=asked, answer=done, now=now)
            begun = _begin_payment(account, done, now=now)
    return _paid(done, begun, now=now)


def _caught_up(facts: SubscriptionFacts, today: date) -> SubscriptionFacts:
    """The facts after the invoices that `buy` would issue first, if the worker is late (M5)."""
    for draft in compose(facts, today):
        facts = facts if draft.ends else advance(facts, draft)
    return facts


def _preview_first(account: Account, order: PurchaseOrder, *, now: datetime) -> Preview:
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


def _foreseen(
    account: Account, order: PurchaseOrder, draft: InvoiceDraft, taxes: Taxes
) -> Upcoming:
    return upcoming_of(
        account=account, license_type=order.license_type.code, draft=draft, taxes=taxes
    )


def _place(
    account: Account, order: PurchaseOrder, *, actor: str, rules: Rules, now: datetime
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
    account: Account, order: PurchaseOrder, subscription: Subscription, *, actor: str, now: datetime
) -> dict[str, Any]:
    change = addition(order, change_id=NEW_CHANGE_ID, actor=actor, on=now.date())
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
    account: Account, order: PurchaseOrder, *, actor: str, rules: Rules, now: datetime
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
