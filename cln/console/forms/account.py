"""The login, the company, who else may sign in, and what is told to whom."""

from __future__ import annotations

from django import forms

from cln.accounts.access import ROLE_NAMES
from cln.enums import Role


class CodeForm(forms.Form):
    """A code of the authenticator app, or a recovery code."""

    code = forms.CharField(
        label="Code",
        max_length=40,
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "autofocus": True, "spellcheck": "false"}
        ),
    )


class PersonForm(forms.Form):
    """The person behind a login."""

    first_name = forms.CharField(
        label="First name",
        max_length=100,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "given-name"}),
    )
    last_name = forms.CharField(
        label="Last name",
        max_length=100,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "family-name"}),
    )


ROLE_CHOICES = [(role.value, ROLE_NAMES[role]) for role in Role]


class RoleForm(forms.Form):
    """What a sub-login may do."""

    role = forms.ChoiceField(label="Role", choices=ROLE_CHOICES)


class InviteForm(RoleForm):
    """Whom to let in."""

    email = forms.EmailField(
        label="E-mail",
        max_length=254,
        help_text="A link to choose a password is mailed there.",
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )


class TokenForm(forms.Form):
    """A signed token that is to be looked at."""

    token = forms.CharField(
        label="Token",
        max_length=600,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false", "class": "mono"}),
        help_text="The whole of it, as your program sends it: login|timestamp|hash",
    )


class ReportForm(forms.Form):
    """Whether a report is sent, and to whom."""

    on = forms.BooleanField(label="Send this report", required=False)
    emails = forms.CharField(
        label="Addresses",
        required=False,
        max_length=3000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="One a line. Empty: where invoices go.",
    )


class TicketForm(forms.Form):
    """A message to support."""

    subject = forms.CharField(label="What is it about?", max_length=150)
    text = forms.CharField(
        label="Your message",
        max_length=8000,
        widget=forms.Textarea(attrs={"rows": 8}),
        help_text="Say what you did, what you expected and what you saw. Never write a password, "
        "an API secret or a card number here.",
    )
