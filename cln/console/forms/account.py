"""The login, the company, who else may sign in, and what is told to whom."""

from __future__ import annotations

from typing import Any

from django import forms

from cln.accounts.access import ROLE_NAMES
from cln.accounts.countries import country_names
from cln.accounts.passkeys import NAME_LENGTH
from cln.console.matrix import MATRIX
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


class PasskeyForm(forms.Form):
    """A passkey that the browser has made; the script of the page fills in `credential`."""

    name = forms.CharField(
        label="Name, to tell it from others (optional)",
        max_length=NAME_LENGTH,
        required=False,
        widget=forms.TextInput(attrs={"placeholder": "Office laptop"}),
    )
    credential = forms.CharField(widget=forms.HiddenInput)


class EmailForm(forms.Form):
    """Another e-mail address for a login."""

    email = forms.CharField(
        label="New e-mail address",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email", "autofocus": True}),
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


class TaxForm(forms.Form):
    """What invoices print of the company, and what decides their tax."""

    address = forms.CharField(
        label="Address",
        required=False,
        max_length=600,
        widget=forms.Textarea(attrs={"rows": 3, "autocomplete": "street-address"}),
        help_text="Street, city and postal code, as invoices should print them.",
    )
    country = forms.CharField(
        label="Country",
        required=False,
        max_length=2,
    )
    vat_number = forms.CharField(
        label="VAT number",
        required=False,
        max_length=40,
        help_text="In the EU with its letters, such as DE136695976. Empty: none.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = country_names()
        given = str(self["country"].value() or "")
        # A code that our list has not stays: saving another field changes nobody's country.
        kept = [(given, given)] if given and given not in names else []
        self.fields["country"].widget = forms.Select(
            attrs={"autocomplete": "country"},
            choices=[("", "Choose a country"), *kept, *names.items()],
        )


SCOPE_CHOICES = [(permission.value, words) for permission, words in MATRIX]


class ApiTokenForm(forms.Form):
    """A token for a program."""

    name = forms.CharField(label="What is it for?", max_length=60)
    days = forms.IntegerField(
        label="Good for how many days?", min_value=1, max_value=366, initial=90
    )
    scopes = forms.MultipleChoiceField(
        label="What may it do?",
        choices=SCOPE_CHOICES,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "A token that may do nothing is of no use."},
    )
