"""Forms for everybody."""

from __future__ import annotations

from django import forms


class AddressForm(forms.Form):
    """The address that is asked about."""

    ip = forms.CharField(
        label="IP address of the server",
        help_text="The public one, IPv4 or IPv6. Filled in is your own.",
        max_length=60,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
