"""Subscriptions, previews and invoices, `/api/v2/subscriptions`, `…/previews`, `…/invoices`.

All money is whole cents of the account's currency. A preview and the verb it foretells put the same
questions to the same core, so they agree to the cent (Q12).
"""

from __future__ import annotations

from typing import Annotated, Literal

from ninja import Body, Field, Query, Router

from cln.accounts.access import Permission
from cln.api.v2 import cursors, money
from cln.api.v2 import money_shapes as shapes
from cln.api.v2.body import Sent
from cln.api.v2.callers import V2Request
from cln.api.v2.cursors import PageWish
from cln.api.v2.idempotency import required_key
from cln.api.v2.operation import Door
from cln.billing import queries
from cln.flows import purchase, subscriptions
from cln.flows.upcoming import upcoming_invoices

router = Router(tags=["billing"])
door = Door(router=router, root="")
ORDER, BILLS = Permission.ORDER_LICENSES, Permission.VIEW_INVOICES
LicenseType = Annotated[str, Field(max_length=40)]
Quantity = Annotated[int, Field(ge=1, le=100_000)]
Interval = Literal["month", "year"]


class Order(Sent):
    """What is bought; without `interval` the running one, or a month."""

    license_type: LicenseType
    quantity: Quantity
    interval: Interval | None = None


class Keep(Sent):
    """How many licenses stay; null = as many as servers use."""

    keep: int | None = Field(None, ge=0, le=100_000)


class RemovalWish(Keep):
    """Of which license type licenses would be removed."""

    license_type: LicenseType


class When(Sent):
    """When a subscription ends."""

    when: Literal["period_end", "now"]


class InvoiceWish(PageWish):
    """Which invoices are asked for."""

    status: Literal["", "open", "paid", "void", "uncollectible"] = ""


@door.operation(
    "GET", "/subscriptions", needs=Permission.VIEW_PRODUCTS, answers=shapes.SubscriptionsOut
)
def list_subscriptions(request: V2Request) -> object:
    """What runs now."""
    rows = queries.subscriptions_of(request.caller.account_id)
    return {"data": [money.subscription(row) for row in rows]}


@door.operation(
    "POST", "/subscriptions", needs=ORDER, answers=shapes.BoughtOut, status=201, needs_key=True
)
def buy(request: V2Request, order: Body[Order]) -> object:
    """Buy licenses: a first order is charged at once, an addition comes with the next invoice."""
    done = purchase.buy(
        account_id=request.caller.account_id,
        license_type=order.license_type,
        quantity=order.quantity,
        interval=order.interval,
        actor=request.caller.login,
        request_key=f"api:{required_key(request)}",
        now=request.now,
    )
    return money.bought(done)


@door.operation(
    "POST",
    "/subscriptions/{license_type}/remove-unused",
    needs=ORDER,
    answers=shapes.RemovedOut,
)
def remove_unused(request: V2Request, license_type: str, keep: Body[Keep]) -> object:
    """Cut the licenses to what servers use, or to a chosen number above that."""
    done = subscriptions.remove_unused(
        account_id=request.caller.account_id,
        license_type=license_type,
        keep=keep.keep,
        actor=request.caller.login,
        now=request.now,
    )
    return {"removed": done.units, "left": done.left}


@door.operation(
    "POST",
    "/subscriptions/{license_type}/unsubscribe",
    needs=ORDER,
    answers=shapes.SubscriptionsOut,
)
def unsubscribe(request: V2Request, license_type: str, end: Body[When]) -> object:
    """End a subscription with its paid period, or now; answers what runs afterwards."""
    subscriptions.unsubscribe(
        account_id=request.caller.account_id,
        license_type=license_type,
        when=end.when,
        actor=request.caller.login,
        now=request.now,
    )
    return list_subscriptions(request)


@door.operation(
    "POST",
    "/subscriptions/{license_type}/resume",
    needs=ORDER,
    answers=shapes.SubscriptionsOut,
)
def resume(request: V2Request, license_type: str) -> object:
    """Take a cancellation back before it has come to pass; answers what runs."""
    subscriptions.resume(
        account_id=request.caller.account_id,
        license_type=license_type,
        actor=request.caller.login,
        now=request.now,
    )
    return list_subscriptions(request)


@door.operation("GET", "/previews/buy", needs=ORDER, answers=shapes.PreviewOut)
def preview_buy(request: V2Request, order: Query[Order]) -> object:
    """What buying would cost now and on the next invoice; nothing is changed."""
    return money.preview(
        purchase.preview(
            account_id=request.caller.account_id,
            license_type=order.license_type,
            quantity=order.quantity,
            interval=order.interval,
            now=request.now,
        )
    )


@door.operation("GET", "/previews/remove-unused", needs=ORDER, answers=shapes.RemovalOut)
def preview_removal(request: V2Request, wish: Query[RemovalWish]) -> object:
    """What removing licenses would save on the next invoice; nothing is changed."""
    seen = subscriptions.preview_removal(
        account_id=request.caller.account_id,
        license_type=wish.license_type,
        keep=wish.keep,
        now=request.now,
    )
    return {"removed": seen.units, "left": seen.left, "saving_cents": seen.saving_cents}


@door.operation(
    "GET", "/previews/upcoming", needs=Permission.VIEW_BILLING, answers=shapes.UpcomingsOut
)
def list_upcoming(request: V2Request) -> object:
    """The next invoice of each subscription as things stand, soonest first."""
    rows = upcoming_invoices(account_id=request.caller.account_id)
    return {"data": [money.upcoming(row) for row in rows]}


@door.operation("GET", "/invoices", needs=BILLS, answers=shapes.InvoicePage)
def list_invoices(request: V2Request, wish: Query[InvoiceWish]) -> object:
    """Invoices with their lines, the newest first."""
    kind = f"invoices:{wish.status}"
    rows = queries.invoices_after(
        request.caller.account_id,
        status=wish.status,
        after=cursors.after(request, wish, kind),
        limit=wish.limit + 1,
    )
    return cursors.page(
        request, wish, kind, rows=rows, id_of=lambda row: row.public_id, shown=money.invoice
    )


@door.operation("GET", "/invoices/{invoice}", needs=BILLS, answers=shapes.InvoiceOut)
def show_invoice(request: V2Request, invoice: str) -> object:
    """One invoice, with the reason of each line."""
    row = queries.invoice_details(account_id=request.caller.account_id, public_id=invoice)
    return money.invoice(row)


@door.operation("GET", "/invoices/{invoice}/statement", needs=BILLS, answers=shapes.StatementOut)
def show_statement(request: V2Request, invoice: str) -> object:
    """What each license added to a month's usage invoice; empty for other invoices."""
    rows = queries.usage_statement(account_id=request.caller.account_id, public_id=invoice)
    return {"data": [money.share(row) for row in rows]}
