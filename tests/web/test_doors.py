"""Who may open which page: every route, every role, another tenant's ids, a blocked account."""

import json

import pytest
from allauth.usersessions.models import UserSession
from django.apps import apps
from django.test import Client
from django.urls import URLPattern
from pytest_django import Settings

from cln.accounts import passkeys
from cln.accounts.access import PERMISSIONS
from cln.accounts.models import Account, ApiToken, Login, Passkey
from cln.accounts.tokens import create_token
from cln.backups.models import Backup
from cln.billing.models import CreditNote
from cln.billing.queries import invoices_of
from cln.domain.dunning import DunningState
from cln.enums import AccountKind, MessageKind, Role
from cln.licensing.groups import create_group
from cln.licensing.models import ActivationKey, IpLicense, Server
from cln.licensing.services import create_key
from cln.notifications import webhooks
from cln.notifications.models import Message, WebhookEndpoint
from cln.payments.models import PaymentAttempt
from cln.web import Access
from tests.authenticator import Device
from tests.backups import a_backup
from tests.customers import START, a_customer, clock_at
from tests.licensing import registered
from tests.receiver import listening
from tests.reselling import refunds_first
from tests.visitors import (
    a_login,
    a_reselling_visitor,
    a_visitor,
    routes,
    signed_in,
    text_of,
    with_licenses,
)

pytestmark = pytest.mark.django_db

# Pages that lead on: to the cart without an order, back from a gateway, to the password first.
REDIRECT = {
    "order_done",
    "invoice_by_number",
    "payment_method_back",
    "acquire",
    "payment_back",
    "api_secret",
    "new_api_token",
    "new_webhook",
    "webhook_secret",
    "two_factor_on",
    "two_factor_codes",
    "new_passkey",
}
SAME_ID = {"x-request-id": "the-same-one"}
# Whose POST is worth a password that was given lately.
GUARDED = {
    "payment_methods",
    "begin_payment_method",
    "remove_payment_method",
    "autopayment",
    "two_factor_off",
    "remove_passkey",
    "change_email",
    "invite_login",
    "edit_login",
    "invite_again",
    "remove_login",
    "convert",
    "edit_webhook",
}
# A customer has no month of a reseller's.
ABSENT = {"statement_pdf"}
ALLAUTH = {name for name in routes() if name.startswith("account_")} - {"account_signup"}


def pages() -> dict[str, URLPattern]:
    """Our own pages: not allauth's, which guard themselves, and not the machines' doors."""
    mine = {n: r for n, r in routes().items() if n not in ALLAUTH}
    return {n: r for n, r in mine.items() if "cln.console" in r.callback.__module__}


def a_group(account: Account) -> str:
    made = create_group(account_id=account.pk, name="Rack 4", actor="owner", now=START)
    return str(made.pk)


def access_of(route: URLPattern) -> Access:
    found: Access = route.callback.access  # type: ignore[attr-defined]
    return found


def path_of(route: URLPattern, **ids: str) -> str:
    names = {
        "license_type": "kernelcare",
        "code": "kernelcare",
        "product": "kernelcare",
        "message_id": "1",
        "token": "t",
        "login": "0",
        "session": "0",
        "api_token": "tok_x",
        "webhook": "whk_x",
        "event": "evt_x",
        "license": "ipl_x",
        "credit_note": "cn_x",
        "month": "2026-01",
        "gateway": "sandbox",
        "payment": "att_x",
        "public_id": "inv_x",
        "group": "0",
        "window": "0",
        "passkey": "0",
        "server_account": "0",
        "backup": "bkp_x",
        "address_list": "lst_x",
        "reference": "bkp_x",
    }
    path = str(route.pattern)
    for name, value in (names | ids).items():
        for kind in ("slug", "str", "int"):
            path = path.replace(f"<{kind}:{name}>", value)
    return f"/{path}"


def test_every_page_has_declared_who_may_open_it() -> None:
    assert len(pages()) > 25
    assert [name for name, route in pages().items() if not hasattr(route.callback, "access")] == []


def test_the_public_pages_are_exactly_these() -> None:
    public = {name for name, route in pages().items() if access_of(route).permission is None}

    assert public == {
        "landing",
        "check_license",
        "license_lookup",
        "install",
        "prices",
        "status",
        "account_signup",
        "reseller_signup",
        "reseller_signup_back",
        "pay_link",
        "pay_link_with",
        "pay_link_back",
        "sandbox_mails",
        "sandbox_mail",
        "sandbox_clock",
        "sandbox_design",
        "sandbox_backup",
        "two_factor_sign_in",
        "passkey_sign_in",
        "confirm_new_email",
        "undo_new_email",
    }


def test_every_page_with_a_permission_sends_strangers_to_the_sign_in(client: Client) -> None:
    clock_at(START)
    ids = {"key": "key_x", "server": "srv_x", "public_id": "inv_x"}
    for name, route in pages().items():
        access = access_of(route)
        if access.permission is None:
            continue
        answer = client.generic(access.methods[0], path_of(route, **ids))
        assert answer.status_code == 302, name
        assert answer["Location"].startswith("/console/auth/login?next="), name


@pytest.mark.parametrize("role", Role)
def test_a_role_opens_exactly_the_pages_its_permissions_name(
    role: Role, settings: Settings
) -> None:
    settings.CLN_BACKUP_CREATION = True  # else the page of a new one refuses everybody
    account, client = a_visitor(role=role)
    with_licenses(account, 2, "kernelcare")
    key = ActivationKey.objects.get()
    server = registered(key, "web1", now=START).server
    [invoice] = invoices_of(account.pk)
    other = a_login(account, name="other")
    refunds_first(account, 1_00, now=START)
    note = CreditNote.objects.get().public_id
    ids = {
        "key": key.public_id,
        "server": server.public_id,
        "public_id": invoice.public_id,
        "login": str(other.pk),
        "api_token": a_token(account, other),
        **a_webhook(account),
        "payment": PaymentAttempt.objects.get().public_id,
        "group": a_group(account),
        "backup": a_backup(account.pk, server.public_id, now=START).public_id,
        "passkey": str(a_passkey(account.logins.exclude(pk=other.pk).get())),
    }

    for name, route in pages().items():
        access = access_of(route)
        if access.permission is None or "GET" not in access.methods or name in REDIRECT:
            continue
        status = client.get(path_of(route, **ids, credit_note=note)).status_code
        there = 404 if access.resellers_only or name in ABSENT else 200
        expected = there if access.permission in PERMISSIONS[role] else 403
        assert status == expected, f"{role} {name}"


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("kind", AccountKind)
def test_a_role_is_refused_at_every_address_it_may_not_use_and_nothing_changes(
    kind: AccountKind, role: Role
) -> None:
    """By each method the address answers to, with ids that are the account's own."""
    client, ids = who_has_everything(kind, role)
    before = _everything()

    refused = set()
    for name, route in pages().items():
        access = access_of(route)
        if not access.permission or access.permission in PERMISSIONS[role]:
            continue
        for method in access.methods:
            answer = client.generic(method, path_of(route, **ids))
            assert answer.status_code == 403, f"{role} {method} {name}"
            assert "which does not include this page" in text_of(answer), f"{role} {method} {name}"
            refused.add((method, name))

    assert _everything() == before
    if role is Role.FULL:
        assert not refused
    else:
        assert len(refused) >= 15, refused
        assert {method for method, _ in refused} == {"GET", "POST"}


def who_has_everything(kind: AccountKind, role: Role) -> tuple[Client, dict[str, str]]:
    """Somebody of that role, whose account has one of each thing that pages are about."""
    if kind is AccountKind.RESELLER:
        account, _ = a_reselling_visitor()
        client = signed_in(a_login(account, role, name="mona"))
        key = create_key(account_id=account.pk, license_type="kernelcare", actor="x", now=START)
    else:
        account, client = a_visitor(role=role)
        with_licenses(account, 2, "kernelcare")
        key = ActivationKey.objects.get()
    other = a_login(account, name="other")
    server = registered(key, "web1", now=START).server
    ids = {
        "key": key.public_id,
        "server": server.public_id,
        "login": str(other.pk),
        "group": a_group(account),
        "api_token": a_token(account, other),
        **a_webhook(account),
        "session": str(_session_of(other)),
        "backup": a_backup(account.pk, server.public_id, now=START).public_id,
    }
    held = IpLicense.objects.first()
    invoice = account.invoices.first()
    ids |= {"license": held.public_id} if held else {}
    return client, ids | ({"public_id": invoice.public_id} if invoice else {})


def _everything() -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table, but for the sessions, which note that somebody was there."""
    tables = [
        model
        for model in apps.get_models()
        if model._meta.managed and model._meta.app_label not in ("sessions", "usersessions")
    ]
    return {
        str(model._meta): sorted(model._default_manager.values_list(), key=repr) for model in tables
    }


def test_a_reader_of_the_profile_cannot_change_the_company() -> None:
    account, client = a_visitor(role=Role.SERVERS)

    answer = client.post("/console/profile", {"company": "Mallory", "billing_email": ""})

    assert answer.status_code == 403
    account.refresh_from_db()
    assert account.company == "Acme"


@pytest.mark.parametrize("method", ["get", "post"])
def test_ids_of_another_tenant_and_ids_that_never_were_answer_alike(
    method: str, settings: Settings
) -> None:
    settings.CLN_BACKUP_CREATION = True
    account, _ = a_visitor("Acme")
    with_licenses(account, 2, "kernelcare")
    key = ActivationKey.objects.get()
    server = registered(key, "web1", now=START).server
    [invoice] = invoices_of(account.pk)
    login = a_login(account, name="victim")
    refunds_first(account, 1_00, now=START)
    foreign = {
        "key": key.public_id,
        "server": server.public_id,
        "public_id": invoice.public_id,
        "login": str(login.pk),
        "api_token": a_token(account, login),
        **a_webhook(account),
        "session": str(_session_of(login)),
        "credit_note": CreditNote.objects.get().public_id,
        "payment": PaymentAttempt.objects.get().public_id,
        "group": a_group(account),
        "backup": a_backup(account.pk, server.public_id, now=START).public_id,
        "passkey": str(a_passkey(login)),
    }
    absent = {
        "key": "key_never",
        "server": "srv_never",
        "public_id": "inv_never",
        "login": "999999",
        "api_token": "tok_never",
        "webhook": "whk_never",
        "event": "evt_never",
        "session": "999999",
        "credit_note": "cn_never",
        "payment": "att_never",
        "group": "999999",
        "backup": "bkp_never",
        "passkey": "999999",
    }
    mallory = signed_in(a_login(a_customer("Zenith"), name="mallory"))

    tried = 0
    for name, route in pages().items():
        needs = [part for part in foreign if f":{part}>" in str(route.pattern)]
        if not needs or method.upper() not in access_of(route).methods:
            continue
        tried += 1
        paths = [path_of(route, **ids) for ids in (foreign, absent)]
        answers = [getattr(mallory, method)(path, headers=SAME_ID) for path in paths]
        assert [answer.status_code for answer in answers] == [404, 404], name
        assert text_of(answers[0]) == text_of(answers[1]), name
    assert tried >= 3
    _all_is_as_it_was(login)


def _all_is_as_it_was(login: Login) -> None:
    """Nothing of the victim's was removed, changed or ended."""
    assert Server.objects.get().status == "active"
    assert ActivationKey.objects.get().removed_at is None
    assert Login.objects.get(pk=login.pk).role == Role.FULL
    assert UserSession.objects.filter(user=login).count() == 1
    assert ApiToken.objects.get().revoked_at is None
    assert WebhookEndpoint.objects.get().disabled_at is None
    assert Message.objects.filter(kind=MessageKind.WEBHOOK).count() == 1
    assert Passkey.objects.count() == 1
    assert [*Backup.objects.values_list("size_gb", "removed_at")] == [(50, None)]


def a_token(account: Account, login: Login) -> str:
    row, _ = create_token(
        account_id=account.pk,
        login=login.username,
        name="cron",
        scopes=["view_servers"],
        granted=PERMISSIONS[Role.FULL],
        actor=login.username,
        now=START,
    )
    return row.public_id


def a_webhook(account: Account) -> dict[str, str]:
    """An endpoint that was tested once."""
    endpoint, _ = listening(account, "https://hooks.example.com/")
    ping = webhooks.ping(account_id=account.pk, endpoint=endpoint.public_id, now=START)
    return {"webhook": endpoint.public_id, "event": ping.event}


def a_passkey(login: Login) -> int:
    challenge = passkeys.offer(login=login)
    answer = Device().makes(json.loads(challenge.options))
    passkeys.add(login=login, name="mine", state=challenge.state, answer=answer, now=START)
    return Passkey.objects.get().pk


def _session_of(login: Login) -> int:
    signed_in(login)
    return UserSession.objects.get(user=login).pk


@pytest.mark.parametrize("state", [DunningState.BLOCKED, DunningState.SUSPENDED])
def test_a_blocked_account_sees_billing_support_and_its_own_security(state: DunningState) -> None:
    """P7: the console is limited to billing and support."""
    account, client = a_visitor()
    with_licenses(account, 2, "kernelcare")
    Account.objects.filter(pk=account.pk).update(dunning_state=state, blocked_on=START.date())

    opened = {
        name
        for name, route in pages().items()
        if access_of(route).permission
        and "GET" in access_of(route).methods
        and not access_of(route).resellers_only
        and client.get(path_of(route, key="k", server="s", public_id="i")).status_code
        not in (302, 403)
    }

    documents = {"invoice", "invoice_by_number", "invoice_pdf", "credit_note_pdf", "statement_pdf"}
    security = {"security", "two_factor_off", "two_factor_codes", "submit_ticket"}
    security |= {"remove_passkey", "passkey_again"}
    assert opened == {
        *{"billing", "upcoming", "invoices", "payment_methods", "remove_payment_method"},
        *{"payment", "payment_back", "payment_method_back"},
        *documents,
        *security,
    }
    page = text_of(client.get("/console/billing/invoices"))
    assert "blocked because an invoice is overdue" in page
    assert client.get("/console/dashboard")["Location"] == "/console/billing/invoices"
    denied = client.post("/console/trial/cloudlinux")
    assert denied.status_code == 403
    assert "everything works again at once" in text_of(denied)


def test_a_blocked_account_is_explained_to_a_login_that_sees_no_bills() -> None:
    """P7."""
    account, client = a_visitor(role=Role.SERVERS)
    Account.objects.filter(pk=account.pk).update(
        dunning_state=DunningState.BLOCKED, blocked_on=START.date()
    )

    answer = client.get("/console/dashboard")

    assert answer.status_code == 403
    assert "The account is blocked because an invoice is overdue." in text_of(answer)


@pytest.mark.parametrize("path", ["/sandbox/mail", "/sandbox/mail/1", "/sandbox/clock"])
def test_the_sandbox_does_not_exist_in_production(
    client: Client, settings: object, path: str
) -> None:
    settings.CLN_MODE = "production"  # type: ignore[attr-defined]

    assert client.get(path).status_code == 404
    assert client.post(path, {"days": "31"}).status_code == 404


def test_wrong_methods_are_refused_with_the_right_ones() -> None:
    _, client = a_visitor()

    answer = client.get("/console/cart/pay")

    assert (answer.status_code, answer["Allow"]) == (405, "POST")
    assert "This address only takes what a button sends" in text_of(answer)


def test_a_login_without_account_is_told_where_it_belongs() -> None:
    clock_at(START)
    client = signed_in(a_login(None, name="otto"))

    assert Login.objects.get().is_staff
    assert client.get("/console/dashboard").status_code == 403


def test_what_is_worth_a_password_is_exactly_this() -> None:
    guarded = {name for name, route in pages().items() if access_of(route).recent_sign_in}

    assert guarded == GUARDED


def test_what_is_worth_a_password_asks_for_it_again_after_half_an_hour() -> None:
    account, client = a_visitor()
    other = a_login(account, name="other")
    session = client.session
    for record in session["account_authentication_methods"]:
        record["at"] -= 1801
    session.save()

    for name in GUARDED - {"autopayment"}:  # a reseller's
        answer = client.post(path_of(pages()[name], login=str(other.pk)))
        assert answer.status_code == 303, name
        assert answer["Location"].startswith("/console/auth/again?next=%2Fconsole%2F"), name

    assert Login.objects.get(pk=other.pk).is_active
    assert account.payment_methods.count() == 1
