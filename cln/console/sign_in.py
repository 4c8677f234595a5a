"""How allauth works here: its mails go through our outbox, its links carry our own address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.views import ReauthenticateView
from django.conf import settings
from django.db import transaction
from django.urls import reverse

from cln import clock
from cln.accounts.passkeys import passkeys_of
from cln.flows.sign_up import queue_confirmation, queue_welcome
from cln.notifications.services import queue_mail
from cln.web import client_address

if TYPE_CHECKING:
    from allauth.account.models import EmailAddress, EmailConfirmationHMAC
    from django.http import HttpRequest

    from cln.accounts.models import Login

WRONG_PASSWORD = "This login or e-mail and this password do not go together."


class Reauthenticate(ReauthenticateView):  # type: ignore[misc] # allauth has no types
    """The password again; whoever has a passkey may use that instead."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Say whether there is one."""
        has_passkey = bool(passkeys_of(self.request.user.pk))
        return {**super().get_context_data(**kwargs), "has_passkey": has_passkey}


class Adapter(DefaultAccountAdapter):  # type: ignore[misc] # allauth has no types
    """Replaces what allauth would send by itself. Its other mails are not wanted: they raise."""

    # One sentence whichever name was typed, so that it does not tell which of them exist.
    error_messages: ClassVar = {
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": WRONG_PASSWORD,
        "username_password_mismatch": WRONG_PASSWORD,
        "too_many_login_attempts": "Too many failed tries. Wait five minutes, then try again.",
    }

    def send_confirmation_mail(
        self, request: HttpRequest, emailconfirmation: EmailConfirmationHMAC, signup: bool
    ) -> None:
        """Mail the confirmation link again: somebody signed in with an unconfirmed address."""
        with transaction.atomic():
            queue_confirmation(address=emailconfirmation.email_address, now=clock.now())

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """Confirm and welcome in one transaction."""
        with transaction.atomic():
            confirmed: bool = super().confirm_email(request, email_address)
            if confirmed:
                queue_welcome(login=email_address.user, now=clock.now())
        return confirmed

    def send_password_reset_mail(self, user: Login, email: str, context: dict[str, Any]) -> None:
        """Mail the reset link to the login's own address, whatever was typed."""
        now = clock.now()
        queue_mail(
            account_id=user.account_id,
            template="password_reset",
            to=user.email,
            context={"login": user.username, "url": context["password_reset_url"]},
            dedupe=f"password_reset:{user.pk}:{now.isoformat()}",
            now=now,
        )

    def get_reset_password_from_key_url(self, key: str) -> str:
        """Build the link from our configured address: a forged Host must not reach a mail."""
        path = reverse("account_reset_password_from_key", kwargs={"uidb36": "UID", "key": "KEY"})
        return settings.CLN_BASE_URL + path.replace("UID-KEY", quote(key))

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """Where somebody lands who has signed in: an operator has no dashboard."""
        usual: str = super().get_login_redirect_url(request)
        has_account = getattr(request.user, "account_id", None) is not None
        return usual if has_account else reverse("landing")

    def get_login_stages(self) -> list[str]:
        """Ask for a code after the password, where the login has a second factor."""
        return [*super().get_login_stages(), "cln.console.two_factor.TwoFactorStage"]

    def get_client_ip(self, request: HttpRequest) -> str:
        """Count rate limits by the address our own proxies saw."""
        return client_address(request)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Refuse to send around the outbox."""
        raise AssertionError(f"allauth wants to send {template_prefix}; route it to the outbox")
