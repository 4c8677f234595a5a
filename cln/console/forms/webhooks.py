"""Endpoints of webhooks: where to, what of, and how long an old secret goes on."""

from __future__ import annotations

from typing import Any, Final

from django import forms

from cln.notifications.events import EventType
from cln.notifications.outbound import URL_LENGTH
from cln.notifications.webhook_secrets import OVERLAP_MOST

EVENT_GROUPS: Final = (
    (
        "Invoices",
        (
            (EventType.INVOICE_ISSUED, "An invoice is issued"),
            (EventType.INVOICE_PAID, "An invoice is paid"),
        ),
    ),
    (
        "Servers",
        (
            (EventType.SERVER_REGISTERED, "A server is registered"),
            (EventType.SERVER_REMOVED, "A server is removed"),
        ),
    ),
    (
        "Activation keys",
        (
            (EventType.KEY_CREATED, "A key is created"),
            (EventType.KEY_CHANGED, "A key is changed"),
            (EventType.KEY_REMOVED, "A key is removed"),
        ),
    ),
    (
        "IP licenses",
        (
            (EventType.IP_LICENSE_ADDED, "An IP license is added"),
            (EventType.IP_LICENSE_REMOVED, "An IP license is removed"),
        ),
    ),
    (
        "Subscriptions",
        (
            (EventType.SUBSCRIPTION_CHANGED, "A subscription changes"),
            (EventType.SUBSCRIPTION_ENDED, "A subscription ends"),
        ),
    ),
    (
        "Company",
        (
            (EventType.ACCOUNT_BLOCKED, "The account is blocked"),
            (EventType.ACCOUNT_UNBLOCKED, "The account is unblocked"),
        ),
    ),
)
EVENT_WORDS: Final = {str(event): words for _, pairs in EVENT_GROUPS for event, words in pairs}
OVERLAPS: Final = (
    (0, "Not at all: the old one may be known to others"),
    (1, "1 hour"),
    (24, "1 day"),
    (72, "3 days"),
    (168, "7 days"),
)
"""Hours, of at most OVERLAP_MOST."""
assert OVERLAPS[-1][0] * 3600 == OVERLAP_MOST.total_seconds()


class EndpointForm(forms.Form):
    """Where to send which events."""

    url = forms.CharField(
        label="Address",
        # Longer ones are refused in the words of the API.
        max_length=2 * URL_LENGTH,
        widget=forms.URLInput(attrs={"placeholder": "https://example.com/hooks", "class": "mono"}),
        help_text="Your program, reached by https:// at a public address.",
    )
    events = forms.MultipleChoiceField(
        label="What should it hear of?",
        choices=[pair for _, pairs in EVENT_GROUPS for pair in pairs],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one event."},
    )

    def event_groups(self) -> list[tuple[str, list[Any]]]:
        """The tick boxes, under the headings of their groups."""
        boxes = {str(box.data["value"]): box for box in self["events"]}
        return [(heading, [boxes[event] for event, _ in pairs]) for heading, pairs in EVENT_GROUPS]


class SecretForm(forms.Form):
    """How long the present secret signs beside the new one."""

    overlap = forms.TypedChoiceField(
        label="How long does the present secret sign beside the new one?",
        choices=OVERLAPS,
        coerce=int,
        initial=24,
        widget=forms.RadioSelect,
    )
