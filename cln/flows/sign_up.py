"""A stranger becomes a customer: account, login and the mail that confirms the address."""

import math
from datetime import datetime

from allauth.account import app_settings as allauth_settings
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.urls import reverse

from cln.accounts.audit import record
from cln.accounts.models import Login
from cln.accounts.queries import login_of_email
from cln.accounts.services import check_new_password, create_account, create_login
from cln.catalog import queries as catalog
from cln.notifications.services import queue_mail


def sign_up(
    *, email: str, password: str, company: str = "", currency: str = "", now: datetime
) -> None:
    """Open an account with its primary login, and mail the link that confirms the address.

    It is billed in `currency` for good; empty is the usual one. An address that already has a
    login gets a mail that says so, and the caller learns nothing: the page must not tell who is a
    customer. Refusals: `bad_email`, `weak_password`, `unknown_currency`.
    """
    currency = catalog.checked_currency(currency, on=now.date())
    # Before anything else, or a weak password would tell known addresses from unknown ones.
    check_new_password(password, login=Login(email=email))
    with transaction.atomic(durable=True):
        known = login_of_email(email)
        if known is not None:
            make_password(password)  # the same work, so that time tells nothing either
            queue_mail(
                account_id=known.account_id,
                template="sign_up_known",
                to=known.email,
                context={
                    "login": known.username,
                    "url": f"{settings.CLN_BASE_URL}{reverse('account_reset_password')}",
                },
                dedupe=f"sign_up_known:{known.pk}:{now:%Y-%m-%d}",
                now=now,
            )
            return
        account = create_account(company=company, currency=currency, now=now)
        login = create_login(
            account_id=account.pk, email=email, password=password, is_primary=True, now=now
        )
        address = EmailAddress.objects.get(user=login)
        queue_confirmation(address=address, now=now)
        record(
            account_id=account.pk,
            actor=login.username,
            verb="account.signed_up",
            subject=account.public_id,
            now=now,
        )


def queue_confirmation(*, address: EmailAddress, now: datetime) -> None:
    """Mail the link that confirms an address of a login. Joins."""
    path = reverse("account_confirm_email", args=[EmailConfirmationHMAC(address).key])
    queue_mail(
        account_id=address.user.account_id,
        template="confirm_email",
        to=address.email,
        context={
            "login": address.user.username,
            "url": f"{settings.CLN_BASE_URL}{path}",
            "days": math.floor(allauth_settings.EMAIL_CONFIRMATION_EXPIRE_DAYS),
        },
        dedupe=f"confirm_email:{address.pk}:{now.isoformat()}",
        now=now,
    )


def queue_welcome(*, login: Login, now: datetime) -> None:
    """Mail the first steps after the address was confirmed; once per login. Joins."""
    queue_mail(
        account_id=login.account_id,
        template="welcome",
        to=login.email,
        context={"login": login.username},
        dedupe=f"welcome:{login.pk}",
        now=now,
    )
