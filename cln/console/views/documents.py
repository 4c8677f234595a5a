"""Invoices, credit notes and statements as PDF."""

from datetime import date

from django.http import HttpResponse

from cln.accounts.access import Permission
from cln.flows import documents
from cln.paper import press
from cln.paper.sheet import Sheet
from cln.web import Request, page


@page("GET", permission=Permission.VIEW_INVOICES, open_when_blocked=True)
def invoice(request: Request, public_id: str) -> HttpResponse:
    """`…/invoices/<id>.pdf`."""
    account_id = request.account.pk
    return _pdf(documents.invoice_sheet(account_id=account_id, public_id=public_id))


@page("GET", permission=Permission.VIEW_INVOICES, open_when_blocked=True)
def credit_note(request: Request, credit_note: str) -> HttpResponse:
    """`…/credit-notes/<id>.pdf`."""
    account_id = request.account.pk
    return _pdf(documents.credit_note_sheet(account_id=account_id, public_id=credit_note))


@page("GET", permission=Permission.VIEW_INVOICES, open_when_blocked=True)
def statement(request: Request, month: str) -> HttpResponse:
    """`…/statements/2026-01.pdf`: a reseller's month, license by license (R2)."""
    return _pdf(documents.statement_sheet(account_id=request.account.pk, month=_first_of(month)))


def _first_of(month: str) -> date:
    try:
        return date.fromisoformat(f"{month}-01")
    except ValueError:
        raise documents.UnknownStatement(
            "There is no statement of that month.", "Choose a month from the list."
        ) from None


def _pdf(sheet: Sheet) -> HttpResponse:
    name = "".join(
        letter if letter.isalnum() else "-" for letter in f"{sheet.title} {sheet.number}"
    )
    return HttpResponse(
        press.pdf(sheet),
        content_type="application/pdf",
        headers={"Content-Disposition": f'inline; filename="{name}.pdf"'},
    )
