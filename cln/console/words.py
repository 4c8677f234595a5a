"""The audit log's verbs and details, and features, as people read them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from django.utils.translation import gettext

from cln.catalog.queries import license_types_by_id

FEATURES: Final = {
    "accelerate_wp_cdn": "AccelerateWP CDN",
    "accelerate_wp_premium": "AccelerateWP Premium",
    "imunify_email": "Imunify Email",
}
VERBS: Final = {
    "ip_license_added": "added an IP license",
    "ip_license_changed": "changed an IP license",
    "ip_license_removed": "removed an IP license",
    "account.signed_up": "signed up",
    "account.updated": "changed the company's data",
    "api_secret.rotated": "made a new API secret",
    "buy": "bought licenses",
    "pay_now": "paid",
    "remove_licenses": "removed licenses",
    "resume": "took a cancellation back",
    "server_changed_key": "moved a server to another key",
    "server_converted": "gave a server another license type",
    "server_removed": "removed a server",
    "server_put_back": "undid the removal of a server",
    "server_period_set": "set how often a server is expected",
    "set_autopay": "changed autopay",
    "set_edition": "changed the CloudLinux edition",
    "set_feature": "switched a feature",
    "set_payment_method": "stored a payment method",
    "start_trial": "started a trial",
    "top_up": "topped the deposit up",
    "unsubscribe": "unsubscribed",
    "became_reseller": "became a reseller",
    "login.invited": "invited a sub-login",
    "login.invited_again": "sent an invitation again",
    "login.role_changed": "gave a sub-login another role",
    "login.removed": "removed a sub-login",
    "login.updated": "changed their name",
    "report.changed": "changed a report",
    "ticket.submitted": "wrote to support",
    "system_action_scheduled": "asked a machine to tell itself anew",
    "webhook_created": "added a webhook",
    "webhook_changed": "changed a webhook",
    "webhook_removed": "removed a webhook",
    "webhook_secret_rotated": "made a new secret for a webhook",
    "two_factor.turned_on": "turned two-factor sign-in on",
    "two_factor.turned_off": "turned two-factor sign-in off",
    "two_factor.codes_renewed": "made new recovery codes",
    "two_factor.recovery_code_used": "signed in with a recovery code",
}

NAMES: Final = {
    "by_ip": "by IP",
    "cidrs": "IP ranges",
    "code": "why",
    "els_allowed": "CL6/CL7 repositories",
    "size_gb": "GB",
}
"""Details whose own names do not read as words."""
CODED: Final = frozenset({"code", "method", "role", "scopes", "when"})
"""Details that hold a code of ours, never what somebody typed."""
_INSTANT: Final = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(?::\d\d)?\+00:00")
_ID: Final = re.compile(r"\b(?:srv|bkp|key)_\w+")
NAMED_MAX: Final = 20
"""So many of the ids of an entry are looked up; a row is cut before it has shown them."""


def feature_names(features: Sequence[str]) -> str:
    """What is on, as files say it: "Imunify Email", "" for nothing."""
    return ", ".join(FEATURES[one] for one in features)


def verb_words(verb: str) -> str:
    """ "key.created" → "key created", and a sentence for those people meet most."""
    return gettext(VERBS.get(verb, verb.replace(".", " ").replace("_", " ")))


def verbs_called(text: str) -> list[str]:
    """Verbs whose sentence on the page has `text` in it; those without one are called as the log
    keeps them.
    """
    return [verb for verb in VERBS if text.lower() in verb_words(verb).lower()]


def license_types_called(text: str) -> list[str]:
    """Codes of license types whose name has `text` in it, by which entries name them."""
    types = license_types_by_id().values()
    return [row.code for row in types if text.lower() in row.name.lower()]


def subject_words(subject: str) -> str:
    """What something was done to: license types and features by their names; an account's own id
    says nothing to whoever reads its log.
    """
    what, blank, rest = re.sub(r"^(?:key|tok)_\w+ (?=…)|^acc_\w+$", "", subject).partition(" ")
    names = FEATURES | {row.code: row.name for row in license_types_by_id().values()}
    return f"{names.get(what, what)}{blank}{rest}"


def details_text(details: Mapping[str, object]) -> str:
    """{"role": ["billing", "full"], "on": True} → "role: billing → full; on: yes"."""
    return "; ".join(
        f"{NAMES.get(name) or name.replace('_', ' ')}: {_said(name, value)}"
        for name, value in details.items()
    )


def ids_in(details: Mapping[str, object]) -> list[str]:
    """The ids of servers, backups and keys in an entry's details."""
    return _ID.findall(details_text(details))[:NAMED_MAX]


def with_names(details: Mapping[str, object], names: Mapping[str, str]) -> dict[str, object]:
    """The same details with things called by `names` instead of their ids."""

    def named(value: object) -> object:
        if isinstance(value, list):
            return [named(one) for one in value]
        if isinstance(value, str):
            return _ID.sub(lambda found: names.get(found[0], found[0]), value)
        return value

    return {name: named(value) for name, value in details.items()}


def _said(name: str, value: object) -> str:
    said = _value(value)
    return said.replace("_", " ") if name in CODED else said


def _value(value: object) -> str:
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if isinstance(value, list) and len(value) == 2 and not any(isinstance(v, list) for v in value):
        return f"{_value(value[0])} → {_value(value[1])}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_value, value)) or gettext("none")
    return gettext("nothing") if value in (None, "") else _INSTANT.sub(r"\1 \2 UTC", str(value))
