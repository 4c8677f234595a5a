"""What was changed is told with what it had been (security §5, 18)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cln.accounts.models import Account, AuditEntry
from cln.console.words import details_text
from cln.licensing.features import set_feature
from cln.licensing.groups import create_group
from cln.licensing.services import update_key
from cln.licensing.watch_rules import set_grace, set_period
from cln.notifications.report_settings import set_report
from cln.notifications.webhooks import create_endpoint, update_endpoint
from tests.licensing import NOW, an_account, bought, registered
from tests.partners import a_reseller
from tests.world import World

pytestmark = pytest.mark.django_db


def told(account: Account, verb: str) -> list[str]:
    """The details of the account's entries of this verb, as its owner reads them."""
    rows = AuditEntry.objects.filter(account=account, verb=verb).order_by("pk")
    return [details_text(row.details) for row in rows]


def test_a_change_is_told_with_what_it_had_been() -> None:
    acme = an_account()
    who = {"account_id": acme.pk, "actor": "anna", "now": NOW}
    key = bought(acme, "kernelcare", 2)
    server = registered(key, "web1").server
    create_group(name="Rack 4", **who)

    for ranges in (["192.0.2.0/24"], ["192.0.2.0/24", "198.51.100.7"]):
        update_key(key=key.public_id, note="shop", cidrs=ranges, **who)
    for enabled in (True, None):
        set_feature(feature="imunify_email", enabled=enabled, **who)
    for hours in (6, 12):
        set_period(server=server.public_id, period=timedelta(hours=hours), **who)
        set_grace(group="Rack 4", grace=timedelta(hours=hours), **who)
    for emails in (["noc@acme.example"], []):
        set_report(product="kernelcare", is_active=bool(emails), emails=emails, **who)

    assert told(acme, "key_changed") == [
        "note: nothing → shop; IP ranges: nothing → 192.0.2.0/24",
        "IP ranges: 192.0.2.0/24 → 192.0.2.0/24, 198.51.100.7/32",
    ]
    assert told(acme, "set_feature") == ["enabled: nothing → yes", "enabled: yes → nothing"]
    minutes = ["minutes: nothing → 360", "minutes: 360 → 720"]
    assert told(acme, "server_period_set") == told(acme, "group_grace_set") == minutes
    assert told(acme, "report.changed") == [
        "to: nothing → noc@acme.example",
        "on: yes → no; to: noc@acme.example → nothing",
    ]


def test_a_changed_webhook_tells_its_host_and_never_its_path() -> None:
    acme = an_account()
    who = {"account_id": acme.pk, "actor": "anna", "now": NOW}
    row, _ = create_endpoint(url="https://a.example/s3cret", events=["key.created"], **who)

    for change in (
        {"url": "https://b.example/s3cret"},
        {"url": "https://b.example/another-s3cret"},
        {"enabled": False},
        {"events": ["key.created", "key.changed"], "enabled": True},
    ):
        update_endpoint(endpoint=row.public_id, **change, **who)

    assert told(acme, "webhook_changed") == [
        "host: a.example → b.example",
        "host: b.example; changed: url",
        "host: b.example; enabled: yes → no",
        "host: b.example; events: key.created → key.changed, key.created; enabled: no → yes",
    ]


def test_another_rule_of_autopay_is_told_with_the_one_before() -> None:
    zenith = a_reseller(World())

    zenith.sets_autopay("add_funds", "600.00")
    zenith.sets_autopay("off")

    account = Account.objects.get(pk=zenith.account_id)
    assert told(account, "set_autopay")[-2:] == [
        "mode: off → add_funds; target: 0.00 → 600.00",
        "mode: add_funds → off; target: 600.00 → 0.00",
    ]
