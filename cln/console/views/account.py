"""The account around the login: audit log, reports, messages to support."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render

from cln.accounts.access import ROLE_NAMES, Permission
from cln.accounts.people import AUDIT_SORTS, AuditFilter, AuditRow, audit_of, count_audit
from cln.console.forms.account import ReportForm, TicketForm
from cln.console.limits import too_often
from cln.console.tables import Column, Empty, Filter, Query, Table
from cln.console.words import (
    details_text,
    ids_in,
    license_types_called,
    verb_words,
    verbs_called,
    with_names,
)
from cln.domain.errors import Refusal
from cln.enums import Role
from cln.flows.subjects import subject_names, subjects_called
from cln.flows.tickets import submit_ticket
from cln.notifications.report_settings import reports_of, set_report
from cln.web import Request, client_address, page, posted, redirect


@page("GET", permission=Permission.VIEW_ACCOUNT)
def audit(request: Request) -> HttpResponse:
    """`/console/profile/audit`: who did what, when, from where and with which token."""
    table = audit_table(request.account.pk)
    return table.answer(request, "account_pages/audit.html", {"section": "account"})


AUDIT_COLUMNS: Sequence[Column[AuditRow]] = (
    Column("at", "When", lambda row: row.at),
    Column("actor", "Who", lambda row: row.actor),
    Column("verb", "What", lambda row: verb_words(row.verb)),
    Column("subject", "To what", lambda row: row.name or row.subject),
    Column("details", "Details", lambda row: details_text(row.details)),
    Column("address", "From", lambda row: row.address),
    Column("token", "With", lambda row: row.token),
)


def audit_table(account_id: int) -> Table[AuditRow]:
    """The audit log, newest first."""
    called = cache(lambda text: subjects_called(account_id=account_id, text=text))

    def read(query: Query, limit: int, offset: int) -> Sequence[AuditRow]:
        rows = audit_of(
            account_id,
            _audit_filter(query, called),
            sort=query.sort,
            descending=query.descending,
            limit=limit,
            offset=offset,
        )
        ids = [one for row in rows for one in (row.subject, *ids_in(row.details))]
        names = subject_names(account_id=account_id, subjects=ids)
        return [
            replace(
                row,
                name=names.get(row.subject, ""),
                details=with_names(row.details, names),
            )
            for row in rows
        ]

    return Table(
        name="audit",
        noun="entry",
        columns=AUDIT_COLUMNS,
        read=read,
        count=lambda query: count_audit(account_id, _audit_filter(query, called)),
        row="account_pages/audit_row.html",
        sorts=AUDIT_SORTS.keys(),
        sort="-at",
        search="Who, what, a server, a key, an address or a token",
        filters=(Filter("since", "From", is_date=True), Filter("until", "Until", is_date=True)),
        empty=Empty("Nothing was done yet", icon="clipboard-document-list"),
    )


def _audit_filter(query: Query, called: Callable[[str], list[str]]) -> AuditFilter:
    return AuditFilter(
        search=query.search,
        verbs=verbs_called(query.search) if query.search else (),
        codes=license_types_called(query.search) if query.search else (),
        subjects=called(query.search) if query.search else (),
        since=query.day("since"),
        until=query.day("until"),
    )


@page("GET", permission=Permission.REPORTING)
def reports(request: Request) -> HttpResponse:
    """`/console/profile/reports`: the reports by mail, per product."""
    context = {"section": "account", "reports": reports_of(request.account.pk)}
    return render(request, "account_pages/reports.html", context)


@page("GET", "POST", permission=Permission.EDIT_SERVERS)
def edit_report(request: Request, product: str) -> HttpResponse:
    """Switch a report on or off, and say to whom it goes."""
    row = next((one for one in reports_of(request.account.pk) if one.product == product), None)
    if row is None:
        raise Http404
    form = ReportForm(
        posted(request), initial={"on": row.is_active, "emails": "\n".join(row.emails)}
    )
    if form.is_valid():
        try:
            set_report(
                account_id=request.account.pk,
                product=product,
                is_active=form.cleaned_data["on"],
                emails=form.cleaned_data["emails"].replace(",", "\n").splitlines(),
                actor=request.login.username,
                now=request.now,
            )
        except Refusal as refusal:
            form.add_error("emails", f"{refusal.message} {refusal.fix}")
        else:
            messages.success(request, f"The report of {row.name} is saved.")
            return redirect("reports")
    context = {"section": "account", "form": form, "report": row}
    status = 422 if form.errors else 200
    return render(request, "account_pages/report.html", context, status=status)


@page("GET", "POST", permission=Permission.VIEW_PRODUCTS, open_when_blocked=True)
def ticket(request: Request) -> HttpResponse:
    """`/console/support`: write to support; the mail carries what they would ask first."""
    form = TicketForm(posted(request), initial={"subject": request.GET.get("about", "")[:150]})
    if form.is_valid():
        limited = too_often(request, "ticket")
        if limited is not None:
            return limited
        try:
            reference = submit_ticket(
                login=request.login,
                subject=form.cleaned_data["subject"],
                text=form.cleaned_data["text"],
                context=_context(request),
                now=request.now,
            )
        except Refusal as refusal:
            form.add_error(None, f"{refusal.message} {refusal.fix}")
        else:
            context = {"section": "dashboard", "reference": reference}
            return render(request, "account_pages/ticket_sent.html", context)
    told = _context(request).items()
    status = 422 if form.errors else 200
    page_context = {"section": "dashboard", "form": form, "told": told}
    return render(request, "account_pages/ticket.html", page_context, status=status)


def _context(request: Request) -> dict[str, str]:
    account = request.account
    return {
        "Account": f"{account.company or 'no company'} ({account.public_id}, {account.kind})",
        "State": account.dunning_state,
        "Role": ROLE_NAMES[Role(request.login.role)],
        "Address": client_address(request),
        "Browser": request.headers.get("User-Agent", "")[:200],
        "Request": request.request_id,
    }
