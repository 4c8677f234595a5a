"""The mails CLN writes, and what each needs to be written.

Money arrives formatted ("$27.00"), dates as `date`. `base_url` is always there. Lists are
sequences of mappings whose keys stand in the comment beside them.

A mail waits as its template and its context, and is written when it leaves or is read: `checked`
is what may wait, `write` makes text of it.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

from django.conf import settings
from django.template import Context
from django.template.backends.django import Template as DjangoTemplate
from django.template.loader import get_template

MAILS: Final[Mapping[str, frozenset[str]]] = {
    "confirm_email": frozenset({"login", "url", "days"}),
    "sign_up_known": frozenset({"login", "url"}),
    "welcome": frozenset({"login"}),
    "password_reset": frozenset({"login", "url"}),
    # days: how long the link works
    "email_change_confirm": frozenset({"login", "url", "days"}),
    "email_change_known": frozenset({"login", "url"}),
    # at, address: when and from where it was confirmed
    "email_changed": frozenset({"login", "new", "at", "url", "days"}),
    "email_change_undone": frozenset({"login", "url"}),
    # lines: title, amount, why. method: label of what will be charged, "" where there is none.
    # pdf: the path of the document. tax_note: what must be said about its tax, mostly "".
    # Usage that a deposit has paid also has balance, shares (name, days, amount) and more.
    "invoice_issued": frozenset(
        {"number", "license_type", "total", "due_on", "lines", "method", "pdf", "tax_note"}
    ),
    # invoices: number, amount
    "payment_received": frozenset({"total", "method", "invoices"}),
    # cause: why, in a sentence; next_action: what to do; next_try_on: date or None
    "payment_declined": frozenset({"number", "total", "cause", "next_action", "next_try_on"}),
    # invoices: number, amount, due_on. licenses: name, quantity, used, unused
    "reminder": frozenset({"total", "invoices", "licenses", "pay_url", "blocks_on", "is_blocked"}),
    # licenses: name, unused, quantity, saving in words, url
    "unused_licenses": frozenset({"licenses"}),
    "account_blocked": frozenset({"total", "invoices", "pay_url", "suspends_on"}),
    "account_unblocked": frozenset(),
    "license_suspended": frozenset({"total", "servers", "pay_url"}),
    "subscription_ended": frozenset({"license_type", "ended_on", "why"}),
    # servers: "one server", "any number of servers"
    "trial_started": frozenset({"license_type", "ends_on", "servers"}),
    "trial_ending": frozenset({"license_type", "ends_on", "days_left"}),
    "trial_ended": frozenset({"license_type"}),
    # differences: sentences
    "books_differ": frozenset({"count", "differences", "more"}),
    "deposit_negative": frozenset({"total", "since", "pay_url", "blocks_on"}),
    "autopay_stopped": frozenset({"amount", "balance", "cause", "next_action"}),
    "reseller_welcome": frozenset({"amount", "method", "agreement", "agreed_on", "first_bill_on"}),
    "deposit_order_declined": frozenset({"amount", "cause", "next_action"}),
    # cash, credit: what goes to the payment method and to the balance, "" where nothing does
    # what: a sentence; at: the instant in words; address: where it came from
    "security_notice": frozenset({"login", "what", "at", "address"}),
    # inviter, company, role in words; url: where the password is chosen, for `days`
    "invitation": frozenset({"login", "inviter", "company", "role", "url", "days"}),
    # a ticket to our own support: who asks, and what they see
    "support_ticket": frozenset({"reference", "subject", "text", "sender", "context"}),
    "support_receipt": frozenset({"reference", "subject", "text"}),
    "refund_issued": frozenset({"number", "invoice", "total", "cash", "credit", "reason", "pdf"}),
    # older, newer: the addresses of the two machines; decide_by: datetime
    "clone_found": frozenset({"server", "license_type", "older", "newer", "decide_by", "url"}),
    # cause: what the latest try met with
    "webhook_disabled": frozenset({"host", "webhook", "since", "cause"}),
    # servers: system_id, name, last_check_in. causes: names, guess. commands: what to run
    "systems_not_checking_in": frozenset({"servers", "more", "causes", "commands"}),
    "systems_checking_in_again": frozenset({"servers", "more"}),
    "alerts_held": frozenset({"recent", "before"}),
    "alerts_released": frozenset({"since", "recent", "before"}),
    "order_void": frozenset({"number", "license_type", "total", "days"}),
}


def checked(template: str, context: Mapping[str, object]) -> Mapping[str, object]:
    """The context, if the template has all it needs."""
    missing = MAILS[template] - context.keys()
    assert not missing, f"the mail {template} needs {sorted(missing)}"
    return context


def as_json(value: object) -> dict[str, str]:
    """How `json` keeps what it does not know: a day or an instant, as `write` finds it again."""
    assert isinstance(value, date), f"a mail cannot say {value!r}"
    return {"@instant" if isinstance(value, datetime) else "@day": value.isoformat()}


def _revived(kept: object) -> object:
    """The value that was kept as JSON."""
    match kept:
        case {"@day": str(text)}:
            return date.fromisoformat(text)
        case {"@instant": str(text)}:
            return datetime.fromisoformat(text)
        case dict():
            return {name: _revived(value) for name, value in kept.items()}
        case list():
            return [_revived(value) for value in kept]
    return kept


def write(template: str, context: Mapping[str, Any]) -> tuple[str, str]:
    """Render a mail that was kept as JSON: (subject, body). The first line is the subject.

    Values are put in as they are: the mail is plain text, nothing in it is markup.
    """
    source = get_template(f"notifications/{template}.txt")
    assert isinstance(source, DjangoTemplate), "mails are Django templates"
    said = {name: _revived(value) for name, value in context.items()}
    values = Context({"base_url": settings.CLN_BASE_URL, **said}, autoescape=False)
    text = source.template.render(values)
    subject, _, body = text.partition("\n")
    # A line break in a value must not become a header.
    return " ".join(subject.split())[:200], body.strip() + "\n"
