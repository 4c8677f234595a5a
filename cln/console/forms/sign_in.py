"""Sign-up, sign-in and password reset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from allauth.account import forms as allauth_forms
from allauth.account.internal import flows as allauth_flows
from django import forms
from django.http import HttpRequest

from cln.accounts.queries import login_of_name_or_email


class NewPersonForm(forms.Form):
    """What everybody who gets a login says."""

    password = forms.CharField(
        label="Password",
        help_text="At least 10 characters; a sentence works well.",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    company = forms.CharField(
        label="Company (optional)",
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "organization"}),
    )


class SignUpForm(NewPersonForm):
    """E-mail and password are enough."""

    email = forms.EmailField(
        label="E-mail",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email", "autofocus": True}),
    )

    def __init__(self, *args: Any, currencies: Sequence[str], **kwargs: Any) -> None:
        """Offer the currencies that there are prices in; one needs no question."""
        super().__init__(*args, **kwargs)
        if len(currencies) > 1:
            self.fields["currency"] = forms.ChoiceField(
                label="Currency of prices and invoices",
                help_text="It stays: all invoices of an account are in one currency.",
                choices=[(one, one) for one in currencies],
                required=False,
            )


class LoginForm(allauth_forms.LoginForm):  # type: ignore[misc] # allauth has no types
    """One field takes the login or the e-mail (A-2)."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        """Name the field for what it takes."""
        super().__init__(*args, **kwargs)
        self.fields["login"].label = "Login or e-mail"
        self.fields["login"].widget.attrs = {"autocomplete": "username", "autofocus": True}
        self.fields["password"].widget.attrs.pop("placeholder", None)
        self.fields["password"].help_text = ""
        self.fields["remember"].label = "Stay signed in on this computer"


class ChangePasswordForm(allauth_forms.ChangePasswordForm):  # type: ignore[misc]
    """The present password, and a new one; named as everywhere else."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        """Name the fields."""
        super().__init__(*args, **kwargs)
        self.fields["oldpassword"].label = "Current password"
        self.fields["oldpassword"].widget.attrs.pop("placeholder", None)
        _name_new_password(self)


class NewPasswordForm(allauth_forms.ResetPasswordKeyForm):  # type: ignore[misc]
    """What the mailed link of a reset leads to."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        """Name the fields."""
        super().__init__(*args, **kwargs)
        _name_new_password(self)


def _name_new_password(form: forms.Form) -> None:
    form.fields["password1"].label = "New password"
    form.fields["password1"].help_text = NewPersonForm.base_fields["password"].help_text
    form.fields["password2"].label = "New password, again"
    for name in ("password1", "password2"):
        form.fields[name].widget.attrs.pop("placeholder", None)  # the label says it, and stays


class ResetPasswordForm(forms.Form):
    """Takes the login or the e-mail; answers the same whether it exists or not."""

    login = forms.CharField(
        label="Login or e-mail",
        max_length=254,
        widget=forms.TextInput(attrs={"autocomplete": "username", "autofocus": True}),
    )

    def clean(self) -> dict[str, object]:
        """Provide the name under which allauth's view counts its rate limit."""
        cleaned = super().clean() or self.cleaned_data
        cleaned["email"] = str(cleaned.get("login", "")).lower()
        return cleaned

    def save(self, request: HttpRequest, **kwargs: object) -> str:
        """Mail a reset link if there is such a login."""
        text = str(self.cleaned_data["login"])
        login = login_of_name_or_email(text)
        if login is not None:
            generator = allauth_forms.default_token_generator
            allauth_flows.password_reset.request_password_reset(
                request, login.email, [login], generator
            )
        return text
