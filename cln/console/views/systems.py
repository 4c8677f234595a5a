"""Machines that speak RHN: asked to tell anew what they are (rhn.md §3)."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse

from cln.accounts.access import Permission
from cln.licensing.system_actions import schedule_action
from cln.web import Request, page, redirect


@page("POST", permission=Permission.EDIT_SERVERS)
def ask(request: Request, server: str) -> HttpResponse:
    """Ask a machine to report its hardware or its packages at its next check-in."""
    schedule_action(
        account_id=request.account.pk,
        server=server,
        method=request.POST.get("method", ""),
        actor=request.login.username,
        now=request.now,
    )
    messages.success(request, "The machine is asked at its next check-in (rhn_check).")
    return redirect("server", server)
