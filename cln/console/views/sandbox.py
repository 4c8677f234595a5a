"""Mails and the clock of a sandbox; none of this exists in production."""

import datetime as dt

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render

from cln.console.forms.sandbox import AdvanceForm
from cln.flows.time_travel import travel_to
from cln.notifications import queries
from cln.web import Request, page, posted, redirect


@page("GET", permission=None, sandbox_only=True)
def mails(request: Request) -> HttpResponse:
    """`/sandbox/mail`: everything that was written to anybody, newest first."""
    to = request.GET.get("to", "").strip()
    rows = queries.latest_mails(to=to)
    return render(request, "sandbox/mails.html", {"mails": rows, "to": to})


@page("GET", permission=None, sandbox_only=True)
def mail(request: Request, message_id: int) -> HttpResponse:
    """One mail, with its links to click."""
    row = queries.mail(message_id)
    if row is None:
        raise Http404
    return render(request, "sandbox/mail.html", {"mail": row})


@page("GET", "POST", permission=None, sandbox_only=True)
def clock(request: Request) -> HttpResponse:
    """`/sandbox/clock`: move time forward; all work that falls due on the way is done."""
    form = AdvanceForm(posted(request))
    if request.method == "POST" and form.is_valid():
        until = request.now + dt.timedelta(days=form.cleaned_data["days"])
        travel_to(until)
        messages.success(request, f"It is now {until:%Y-%m-%d}. Everything due has been done.")
        return redirect("sandbox_clock")
    return render(request, "sandbox/clock.html", {"form": form}, status=422 if form.errors else 200)
