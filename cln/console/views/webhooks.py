"""Webhooks: programs that hear what happens in the account; by the verbs of REST v2."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext

from cln.accounts.access import Permission
from cln.console.delivery_table import delivery_table
from cln.console.forms.webhooks import EndpointForm, SecretForm
from cln.console.limits import too_often
from cln.console.notices import tell_login
from cln.domain.errors import Refusal
from cln.notifications import webhooks as endpoints
from cln.notifications.queries import latest_deliveries
from cln.notifications.webhook_rows import EndpointRow
from cln.notifications.webhook_secrets import rotate_secret
from cln.web import Request, page, posted, redirect

SECTION: Final = "account"
NEEDS: Final = Permission.MANAGE_LOGINS
FIELD_OF: Final = {
    "bad_webhook_url": "url",
    "webhook_address": "url",
    "bad_webhook_events": "events",
}


@page("GET", permission=NEEDS)
def webhooks(request: Request) -> HttpResponse:
    """`/console/profile/api/webhooks`: the endpoints, each with what became of the latest event."""
    rows = endpoints.endpoints_of(request.account.pk)
    latest = latest_deliveries(request.account.pk) if rows else {}
    context = {"rows": [(row, latest.get(row.public_id)) for row in rows], "section": SECTION}
    return render(request, "webhooks/list.html", context)


@page("GET", permission=NEEDS)
def webhook(request: Request, webhook: str) -> HttpResponse:
    """One endpoint, and what was sent to it."""
    row = _endpoint(request, webhook)
    table = delivery_table(request.account.pk, webhook)
    return table.answer(request, "webhooks/details.html", {"section": SECTION, "webhook": row})


@page("GET", "POST", permission=NEEDS)
def create(request: Request) -> HttpResponse:
    """Add an endpoint and show the secret that signs, this once."""
    response: HttpResponse = _create(request)
    return response


@reauthentication_required  # type: ignore[untyped-decorator] # allauth has no types
def _create(request: Request) -> HttpResponse:
    form = EndpointForm(posted(request))
    if form.is_valid():
        try:
            row, secret = endpoints.create_endpoint(
                account_id=request.account.pk,
                actor=request.login.username,
                now=request.now,
                **form.cleaned_data,
            )
        except Refusal as refusal:
            _refuse(form, refusal)
        else:
            tell_login(request, f"A webhook was added: {row.host} hears what happens.")
            return _secret_shown(request, row, secret)
    return _form_shown(request, form)


@page("GET", "POST", permission=NEEDS, recent_sign_in=True)
def edit(request: Request, webhook: str) -> HttpResponse:
    """Another address, other events."""
    row = _endpoint(request, webhook)
    form = EndpointForm(posted(request), initial={"url": row.url, "events": row.events})
    if form.is_valid():
        try:
            changed = endpoints.update_endpoint(
                account_id=request.account.pk,
                endpoint=webhook,
                actor=request.login.username,
                now=request.now,
                **form.cleaned_data,
            )
        except Refusal as refusal:
            _refuse(form, refusal)
        else:
            _told(request, gettext("The webhook to %(host)s is saved."), changed)
            return redirect("webhook", webhook)
    return _form_shown(request, form, row)


@page("POST", permission=NEEDS)
def switch(request: Request, webhook: str) -> HttpResponse:
    """Off: what waits is called off. On again: from now on."""
    row = endpoints.update_endpoint(
        account_id=request.account.pk,
        endpoint=webhook,
        enabled=request.POST.get("on") == "1",
        actor=request.login.username,
        now=request.now,
    )
    if row.disabled_at:
        _told(request, gettext("The webhook to %(host)s is off; nothing is sent there."), row)
    else:
        _told(request, gettext("The webhook to %(host)s is on, from now on."), row)
    return redirect("webhook", webhook)


@page("POST", permission=NEEDS)
def test(request: Request, webhook: str) -> HttpResponse:
    """Send a test event."""
    limited = too_often(request, "webhook_test")
    if limited is not None:
        return limited
    endpoints.ping(account_id=request.account.pk, endpoint=webhook, now=request.now)
    messages.success(request, "A test is on its way. Reload this page in a moment to see it.")
    return redirect("webhook", webhook)


@page("POST", permission=NEEDS)
def replay(request: Request, webhook: str, event: str) -> HttpResponse:
    """Send an event once more."""
    limited = too_often(request, "webhook_test")
    if limited is not None:
        return limited
    endpoints.replay(account_id=request.account.pk, endpoint=webhook, event=event, now=request.now)
    messages.success(request, "It is sent once more, with the same id.")
    return redirect("webhook", webhook)


@page("GET", "POST", permission=NEEDS)
def secret(request: Request, webhook: str) -> HttpResponse:
    """Make a new secret and show it, this once."""
    response: HttpResponse = _secret(request, _endpoint(request, webhook))
    return response


@reauthentication_required  # type: ignore[untyped-decorator] # allauth has no types
def _secret(request: Request, row: EndpointRow) -> HttpResponse:
    form = SecretForm(posted(request))
    if form.is_valid():
        try:
            changed, text = rotate_secret(
                account_id=request.account.pk,
                endpoint=row.public_id,
                overlap=timedelta(hours=form.cleaned_data["overlap"]),
                actor=request.login.username,
                now=request.now,
            )
        except Refusal as refusal:
            _refuse(form, refusal)
        else:
            tell_login(request, f"A new secret was made for the webhook to {row.host}.")
            return _secret_shown(request, changed, text)
    context = {"section": SECTION, "form": form, "webhook": row}
    return render(request, "webhooks/secret.html", context, status=422 if form.errors else 200)


@page("GET", "POST", permission=NEEDS)
def remove(request: Request, webhook: str) -> HttpResponse:
    """Stop listening."""
    row = _endpoint(request, webhook)
    if request.method == "POST":
        endpoints.remove_endpoint(
            account_id=request.account.pk,
            endpoint=webhook,
            actor=request.login.username,
            now=request.now,
        )
        _told(request, gettext("The webhook to %(host)s is removed."), row)
        return redirect("webhooks")
    return render(request, "webhooks/remove.html", {"section": SECTION, "webhook": row})


def _endpoint(request: Request, webhook: str) -> EndpointRow:
    return endpoints.endpoint_row(account_id=request.account.pk, endpoint=webhook)


def _told(request: Request, sentence: str, row: EndpointRow) -> None:
    messages.success(request, sentence % {"host": row.host})


def _refuse(form: EndpointForm | SecretForm, refusal: Refusal) -> None:
    form.add_error(FIELD_OF.get(refusal.code), f"{refusal.message} {refusal.fix}")


def _form_shown(
    request: Request, form: EndpointForm, row: EndpointRow | None = None
) -> HttpResponse:
    context = {"section": SECTION, "form": form, "webhook": row}
    return render(request, "webhooks/form.html", context, status=422 if form.errors else 200)


def _secret_shown(request: Request, row: EndpointRow, secret: str) -> HttpResponse:
    context = {"section": SECTION, "webhook": row, "secret": secret}
    return render(request, "webhooks/new_secret.html", context)
