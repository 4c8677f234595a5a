"""Activation keys of a product."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from cln.accounts.access import Permission, may
from cln.billing.queries import SubscriptionRow, subscriptions_of
from cln.catalog import queries as catalog
from cln.console import cards
from cln.console.forms.licenses import KeyForm, StickyForm
from cln.console.instructions import install_command
from cln.console.key_table import chosen_keys, key_table
from cln.console.server_table import server_table
from cln.console.tables import Table
from cln.domain.addresses import BadRange
from cln.domain.errors import Refusal
from cln.domain.words import counted
from cln.enums import AccountKind, SubscriptionStatus
from cln.flows.features import switches_of
from cln.licensing import queries
from cln.licensing import services as licensing
from cln.licensing.features import Spot
from cln.licensing.key_lists import remove_keys
from cln.licensing.key_ranges import coverage_of
from cln.licensing.sticky import set_sticky
from cln.web import Request, page, posted, redirect

# Products whose license types are bought side by side, each with a card of its own (U-12, U-15).
BY_TYPE = ("imunify360", "els")
FIELD_OF = {
    "bad_key_limit": "limit",
    "key_limit_below_used": "limit",
    "note_too_long": "note",
    "bad_range": "cidrs",
}


@page("GET", permission=Permission.VIEW_SERVERS)
def product(request: Request, code: str) -> HttpResponse:
    """`/console/products/<product>`: its licenses and activation keys."""
    found = next((row for row in catalog.products() if row.code == code), None)
    if found is None:
        raise Http404
    held = [
        card
        for card in cards.cards_of(request.account.pk, now=request.now)
        if card.held.product == code
    ]
    mine = {card.held.license_type for card in held}
    types = catalog.license_types(product=code, currency=request.account.currency)
    others = [row for row in types if row.code not in mine] if code in BY_TYPE else []
    keyed = [row for row in types if row.priced and row.has_keys]
    context = {
        "section": code,
        "product": found,
        "cards": held,
        "ordered": None if held else _ordered(request, code),
        "others": others,
        "keyed": keyed,
    }
    return _table(request, code).answer(request, "keys/product.html", context)


def _ordered(request: Request, code: str) -> SubscriptionRow | None:
    """The first order of a product that waits for its payment."""
    live = (row for row in subscriptions_of(request.account.pk) if row.product == code)
    return next((row for row in live if row.status == SubscriptionStatus.PENDING), None)


@page("GET", "POST", permission=Permission.CREATE_KEYS)
def create(request: Request, license_type: str) -> HttpResponse:
    """Create a further key of a license type."""
    row = catalog.get_license_type(license_type)
    form = KeyForm(posted(request))
    if request.method == "POST" and form.is_valid():
        try:
            key = licensing.create_key(
                account_id=request.account.pk,
                license_type=license_type,
                actor=request.login.username,
                now=request.now,
                **form.values(),  # type: ignore[arg-type]
            )
        except Refusal as refusal:
            refuse(form, refusal)
        else:
            return redirect("key", key.public_id)
    context = {"form": form, "title": f"New key: {row.name}", "section": row.product.code}
    return render(request, "keys/form.html", context, status=422 if form.errors else 200)


@page("GET", permission=Permission.VIEW_SERVERS)
def details(request: Request, key: str) -> HttpResponse:
    """`/console/keys/<key>`: the key, its servers, and what it refused."""
    account_id = request.account.pk
    row = queries.key_row(queries.get_key(account_id=account_id, public_id=key))
    held = {one.license_type: one for one in queries.entitlements_of(account_id)}
    paid = {one.license_type: one for one in subscriptions_of(account_id)}
    context = {
        "section": row.product,
        "key": row,
        "held": held.get(row.license_type),
        "paid": paid.get(row.license_type),
        "command": install_command(row.text),
        "refused": queries.refused_registrations_of(account_id, now=request.now, key=key),
        "sticky_form": StickyForm(initial={"sticky_on": row.sticky_on}),
        "switches": switches_of(account_id=account_id, spot=Spot(key=key), now=request.now),
        "settable": reverse("key_feature", args=[key]),
    }
    may_edit = may(request.login.role, Permission.EDIT_SERVERS)
    table = server_table(account_id, may_edit=may_edit, now=request.now, key=key)
    return table.answer(request, "keys/details.html", context)


@page("GET", "POST", permission=Permission.CREATE_KEYS)
def edit(request: Request, key: str) -> HttpResponse:
    """Change limit, note and ranges of a key."""
    row = queries.get_key(account_id=request.account.pk, public_id=key)
    now_is = {
        "limit": row.limit or None,
        "unlimited": not row.limit,
        "note": row.note,
        "cidrs": "\n".join(row.cidrs),
    }
    form = KeyForm(posted(request), initial=now_is)
    if request.method == "POST" and form.is_valid():
        try:
            licensing.update_key(
                account_id=request.account.pk,
                key=key,
                actor=request.login.username,
                now=request.now,
                **form.values(),  # type: ignore[arg-type]
            )
        except Refusal as refusal:
            refuse(form, refusal)
        else:
            return redirect("key", key)
    context = {
        "form": form,
        "title": f"Edit key …{row.last4}",
        "section": row.license_type.product.code,
        "key": key,
        "coverage": coverage_of(account_id=request.account.pk, texts=row.cidrs, key=key),
    }
    return render(request, "keys/form.html", context, status=422 if form.errors else 200)


@page("GET", "POST", permission=Permission.CREATE_KEYS)
def remove(request: Request, key: str) -> HttpResponse:
    """Remove a key and the registrations of its servers; names them first (K-6)."""
    found = queries.key_details(account_id=request.account.pk, public_id=key, now=request.now)
    if request.method == "POST":
        servers = licensing.remove_key(
            account_id=request.account.pk, key=key, actor=request.login.username, now=request.now
        )
        messages.success(request, f"The key and {counted(servers, 'registration')} are removed.")
        return redirect("product", found.key.product)
    context = {"details": found, "section": found.key.product}
    return render(request, "keys/remove.html", context)


@page("GET", permission=Permission.CREATE_KEYS)
def ranges(request: Request) -> HttpResponse:
    """What IP ranges cover while they are typed, and which servers of a key lie outside."""
    context: dict[str, object] = {}
    try:
        context["coverage"] = coverage_of(
            account_id=request.account.pk,
            texts=request.GET.get("cidrs", "").split(),
            key=request.GET.get("key", ""),
        )
    except BadRange as refusal:
        context["wrong"] = f"{refusal.message} {refusal.fix}".strip()
    return render(request, "keys/coverage.html", context)


@page("POST", permission=Permission.CREATE_KEYS)
def default(request: Request, key: str) -> HttpResponse:
    """Make a key the default one of its license type (pain 30)."""
    licensing.make_default(
        account_id=request.account.pk, key=key, actor=request.login.username, now=request.now
    )
    messages.success(request, "This is the default key now; the one before it can be removed.")
    return redirect("key", key)


@page("POST", permission=Permission.CREATE_KEYS)
def sticky(request: Request, key: str) -> HttpResponse:
    """Set or clear the sticky tag of a KernelCare key."""
    form = StickyForm(posted(request))
    queries.get_key(account_id=request.account.pk, public_id=key)
    if not form.is_valid():
        messages.error(request, "That is no day. Nothing was changed.")
        return redirect("key", key)
    set_sticky(
        account_id=request.account.pk,
        key=key,
        sticky_on=form.cleaned_data["sticky_on"],
        actor=request.login.username,
        now=request.now,
    )
    messages.success(request, "Servers that follow the key's tag take it over within 4 hours.")
    return redirect("key", key)


@page("POST", permission=Permission.CREATE_KEYS)
def remove_many(request: Request, code: str) -> HttpResponse:
    """Remove ticked keys: names them and what goes with them first (K-6)."""
    table = _table(request, code)
    rows = chosen_keys(table, request.account.pk, table.selection(request.POST))
    stays = request.account.kind != AccountKind.RESELLER
    going = [row for row in rows if not (stays and row.is_default)]
    if not going:
        messages.error(request, "Nothing to remove. The default key stays; tick others.")
        return redirect("product", code)
    if "confirmed" not in request.POST:
        servers = sum(row.used for row in going)
        context = {"section": code, "rows": going, "servers": servers, "product": code}
        return render(request, "keys/remove_many.html", context)
    done = remove_keys(
        account_id=request.account.pk,
        keys=[row.public_id for row in going],
        actor=request.login.username,
        now=request.now,
    )
    both = f"{counted(done.keys, 'key')} and {counted(done.servers, 'registration')}"
    messages.success(request, f"{both} are removed.")
    return redirect("product", code)


def _table(request: Request, product: str) -> Table[queries.KeyRow]:
    return key_table(
        request.account.pk,
        product=product,
        types=catalog.license_types(product=product),
        may_edit=may(request.login.role, Permission.CREATE_KEYS),
    )


def refuse(form: KeyForm, refusal: Refusal) -> None:
    """Show a refusal beside the field it speaks of."""
    form.add_error(FIELD_OF.get(refusal.code), f"{refusal.message} {refusal.fix}".strip())
