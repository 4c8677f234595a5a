"""IP licenses: a reseller's servers, known by where they call from (I-1, I-2, seed 002)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse

from cln.accounts.access import Permission, may
from cln.catalog.queries import products
from cln.console.address_table import address_table, chosen
from cln.console.forms.reseller import AddressesForm, AddressForm
from cln.console.tables import Selection, Table
from cln.domain.errors import Refusal
from cln.flows.address_lists import Worked, add_listed, remove_listed
from cln.flows.features import switches_of
from cln.flows.ip_licenses import (
    BillPreview,
    convert_ip_license,
    preview_addition,
    preview_conversion,
    preview_removal,
)
from cln.flows.long_lists import AT_ONCE, begin_addition, begin_removal
from cln.licensing.address_lists import (
    LISTED_MAX,
    AddressRow,
    Line,
    Verdict,
    can_become,
    held_types,
    ip_license,
    read_list,
    sold_types,
)
from cln.licensing.addresses import allow_els
from cln.licensing.features import Spot
from cln.web import Request, client_address, page, posted, redirect

SECTION = "dashboard"
LINES_SHOWN = 200


@page("GET", permission=Permission.VIEW_SERVERS, resellers_only=True)
def ip_licenses(request: Request) -> HttpResponse:
    """`/console/ip-licenses`: the list, with CSV of the view."""
    return _table(request).answer(request, "reseller/ip_licenses.html", {"section": SECTION})


@page("GET", "POST", permission=Permission.ORDER_LICENSES, resellers_only=True)
def add(request: Request) -> HttpResponse:
    """Add one address at once; a list is shown first as what would become of each line."""
    account_id = request.account.pk
    types = sold_types(account_id=account_id, now=request.now)
    wanted = {"license_type": request.GET.get("type", "")}
    form = AddressesForm(posted(request), types=types, initial=wanted)
    context: dict[str, object] = {
        "section": SECTION,
        "form": form,
        "seen_as": client_address(request),
    }
    if form.is_valid():
        wish = {
            "license_type": form.cleaned_data["license_type"],
            "text": form.cleaned_data["addresses"],
        }
        try:
            lines = read_list(account_id=account_id, **wish)
        except Refusal as refusal:
            form.add_error("addresses", f"{refusal.message} {refusal.fix}")
        else:
            if len(lines) == 1 and lines[0].verdict is Verdict.REFUSED:
                form.add_error("addresses", lines[0].why)
            elif len(lines) == 1 or "confirmed" in request.POST:
                return _added(request, lines, wish)
            else:
                context["preview"] = _preview_of_list(request, form, lines)
            context |= _dry_run(lines)
    status = 422 if form.errors else 200
    return render(request, "reseller/add_ip_licenses.html", context, status=status)


@page("POST", permission=Permission.ORDER_LICENSES, resellers_only=True)
def remove(request: Request) -> HttpResponse:
    """Give licenses back: the dialog names them, the second POST does it."""
    selection = _table(request).selection(request.POST)
    if "ids" in request.POST:  # of the dialog: more than a form has fields
        selection = Selection(ids=tuple(request.POST["ids"].split()[:LISTED_MAX]), query=None)
    rows = chosen(request.account.pk, selection)
    if not rows:
        messages.error(request, "Nothing was chosen. Tick the licenses to remove first.")
        return redirect("ip_licenses")
    if "confirmed" not in request.POST:
        named = rows[:LINES_SHOWN]
        context: dict[str, object] = {"rows": rows, "named": named}
        context |= {"unnamed": len(rows) - len(named)}
        context |= {"section": SECTION, "is_long": len(rows) > AT_ONCE}
        if may(request.login.role, Permission.VIEW_PRICES):
            context["preview"] = preview_removal(
                account_id=request.account.pk,
                licenses=[row.public_id for row in rows],
                now=request.now,
            )
        return render(request, "reseller/remove_ip_licenses.html", context)
    wish = {"rows": rows, **_who(request)}
    if len(rows) > AT_ONCE:
        return redirect("address_list", begin_removal(**wish))
    return _told(request, remove_listed(**wish), "removed")


@page("GET", "POST", permission=Permission.ORDER_LICENSES, resellers_only=True)
def edit(request: Request, license: str) -> HttpResponse:
    """What one license allows, and its type (F-6, C-6)."""
    row = ip_license(account_id=request.account.pk, public_id=license)
    types = can_become(account_id=request.account.pk, row=row, now=request.now)
    first = {"license_type": row.license_type, "els_allowed": row.els_allowed}
    form = AddressForm(posted(request), types=types, initial=first)
    preview = _preview(request, form, row) if form.is_valid() else None
    if not form.errors and form.is_bound and preview is None and _changed(request, form, row):
        messages.success(request, f"The license at {row.address} is saved.")
        return redirect("ip_licenses")
    context = {
        "section": SECTION,
        "form": form,
        "row": row,
        "preview": preview,
        "wanted": dict(types).get(form["license_type"].value(), ""),
        "switches": switches_of(
            account_id=request.account.pk, spot=Spot(ip_license=license), now=request.now
        ),
        "settable": reverse("ip_license_feature", args=[license]),
    }
    status = 422 if form.errors else 200
    return render(request, "reseller/edit_ip_license.html", context, status=status)


def _added(request: Request, lines: Sequence[Line], wish: dict[str, Any]) -> HttpResponse:
    """Add a list: a short one at once, a long one step by step."""
    who = _who(request)
    if len(lines) > AT_ONCE:
        return redirect("address_list", begin_addition(**who, **wish))
    return _told(request, add_listed(**who, **wish), "added")


def _who(request: Request) -> dict[str, Any]:
    return {
        "account_id": request.account.pk,
        "actor": request.login.username,
        "now": request.now,
    }


def _dry_run(lines: Sequence[Line]) -> dict[str, object]:
    """What would become of each line, first of those that cannot be added."""
    numbered = sorted(
        enumerate(lines, start=1), key=lambda one: one[1].verdict is not Verdict.REFUSED
    )
    return {
        "lines": lines,
        "shown": numbered[:LINES_SHOWN],
        "unshown": len(numbered[LINES_SHOWN:]),
        "count": sum(line.verdict is Verdict.ADD for line in lines),
        "is_long": len(lines) > AT_ONCE,
    }


def _preview_of_list(
    request: Request, form: AddressesForm, lines: Sequence[Line]
) -> BillPreview | None:
    """What the list would cost; None where nothing of it can be added, or prices are not shown."""
    addresses = [line.address for line in lines if line.verdict is Verdict.ADD]
    if not addresses or not may(request.login.role, Permission.VIEW_PRICES):
        return None
    try:
        return preview_addition(
            account_id=request.account.pk,
            license_type=form.cleaned_data["license_type"],
            addresses=addresses,
            now=request.now,
        )
    except Refusal as refusal:
        form.add_error("addresses", f"{refusal.message} {refusal.fix}")
        return None


def _preview(request: Request, form: AddressForm, row: AddressRow) -> BillPreview | None:
    """What another type would cost, before the click; None where nothing is to be confirmed."""
    license_type = form.cleaned_data["license_type"]
    if license_type == row.license_type or "confirmed" in request.POST:
        return None
    try:
        return preview_conversion(
            account_id=request.account.pk,
            address=row.address,
            license_type=license_type,
            now=request.now,
        )
    except Refusal as refusal:
        form.add_error("license_type", f"{refusal.message} {refusal.fix}")
        return None


def _changed(request: Request, form: AddressForm, row: AddressRow) -> bool:
    """Do what the form says; a refusal is told beside its field."""
    license_type, els_allowed = form.cleaned_data["license_type"], form.cleaned_data["els_allowed"]
    try:
        if license_type != row.license_type:
            convert_ip_license(
                account_id=request.account.pk,
                address=row.address,
                license_type=license_type,
                actor=request.login.username,
                now=request.now,
            )
        if els_allowed != row.els_allowed:
            allow_els(
                account_id=request.account.pk,
                address=row.address,
                license_type=license_type,
                allowed=els_allowed,
                actor=request.login.username,
                now=request.now,
            )
    except Refusal as refusal:
        form.add_error("license_type", f"{refusal.message} {refusal.fix}")
        return False
    return True


def _table(request: Request) -> Table[AddressRow]:
    may_edit = may(request.login.role, Permission.ORDER_LICENSES)
    return address_table(
        request.account.pk,
        products=products(),
        types=held_types(request.account.pk),
        may_edit=may_edit,
    )


def _told(request: Request, done: Sequence[Worked], verb: str) -> HttpResponse:
    """A toast of the sum; what was refused is listed on the page that follows."""
    good = sum(not one.why for one in done)
    failed = [one for one in done if one.why]
    if good:
        noun = "license is" if good == 1 else "licenses are"
        messages.success(request, f"{good} IP {noun} {verb}.")
    if not failed:
        return redirect("ip_licenses")
    context = {"section": SECTION, "failed": failed, "good": good, "verb": verb}
    return render(request, "reseller/ip_licenses_result.html", context)
