"""Activation keys of a product."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render

from cln.accounts.access import Permission
from cln.catalog import queries as catalog
from cln.console import cards
from cln.console.forms.licenses import KeyForm
from cln.domain.errors import Refusal
from cln.licensing import queries
from cln.licensing import services as licensing
from cln.web import Request, page, posted, redirect

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
    keys = [row for row in queries.keys_of(request.account.pk) if row.product == code]
    context = {
        "section": code,
        "product": found,
        "cards": held,
        "keys": keys,
        "license_types": catalog.license_types(product=code, currency=request.account.currency),
    }
    return render(request, "keys/product.html", context)


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
    found = queries.key_details(account_id=request.account.pk, public_id=key, now=request.now)
    product = next(row for row in catalog.products() if row.code == found.key.product)
    context = {
        "section": found.key.product,
        "details": found,
        "command": cards.install_command(product.install_command, found.key.text),
    }
    return render(request, "keys/details.html", context)


@page("GET", "POST", permission=Permission.CREATE_KEYS)
def edit(request: Request, key: str) -> HttpResponse:
    """Change limit, note and ranges of a key."""
    row = queries.get_key(account_id=request.account.pk, public_id=key)
    now_is = {"limit": row.limit or None, "note": row.note, "cidrs": "\n".join(row.cidrs)}
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
    context = {"form": form, "title": "Edit key", "section": row.license_type.product.code}
    return render(request, "keys/form.html", context, status=422 if form.errors else 200)


@page("GET", "POST", permission=Permission.CREATE_KEYS)
def remove(request: Request, key: str) -> HttpResponse:
    """Remove a key and the registrations of its servers; names them first (K-6)."""
    found = queries.key_details(account_id=request.account.pk, public_id=key, now=request.now)
    if request.method == "POST":
        servers = licensing.remove_key(
            account_id=request.account.pk, key=key, actor=request.login.username, now=request.now
        )
        messages.success(request, f"The key and {servers} registrations are removed.")
        return redirect("product", found.key.product)
    context = {"details": found, "section": found.key.product}
    return render(request, "keys/remove.html", context)


def refuse(form: KeyForm, refusal: Refusal) -> None:
    """Show a refusal beside the field it speaks of."""
    form.add_error(FIELD_OF.get(refusal.code), f"{refusal.message} {refusal.fix}".strip())
