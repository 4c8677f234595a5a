"""Subscriptions, previews, invoices and what every list shares, over REST v2."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from cln.accounts.models import IdempotentRequest
from cln.billing.models import Invoice, QuantityChange
from cln.licensing.models import ActivationKey, Server
from tests.customers import START, a_customer, buys, clock_at
from tests.licensing import registered
from tests.v2 import V2Client, token_for
from tests.visitors import a_login

pytestmark = pytest.mark.django_db

ORDER = {"license_type": "kernelcare", "quantity": 5, "interval": "month"}
MEMBERS = ["data", "next_cursor"]


@pytest.fixture
def acme() -> V2Client:
    """A customer with a working card, on 2026-01-31."""
    clock_at(START)
    account = a_customer()
    a_login(account, name="anna")
    return V2Client(account, token_for(account))


def test_a_preview_is_what_the_order_then_costs_to_the_cent_q12(acme: V2Client) -> None:
    seen = acme.ask("GET", "previews/buy?license_type=kernelcare&quantity=5&interval=month")
    done = acme.ask("POST", "subscriptions", ORDER, Idempotency_Key="one")

    assert seen["due_now_cents"] == done["payment"]["amount_cents"] == 5 * seen["unit_cents"]
    assert (done["held"], done["is_addition"]) == (5, False)
    assert done["payment"]["state"] == "succeeded"
    [invoice] = acme.ask("GET", "invoices")["data"]
    assert invoice["number"] == done["invoice_number"] == done["payment"]["invoice"]
    assert invoice["total_cents"] == seen["due_now_cents"]
    assert (invoice["status"], invoice["due_cents"]) == ("paid", 0)
    [line] = invoice["lines"]
    assert (line["quantity"], line["unit_cents"]) == ("5", seen["unit_cents"])
    assert line["why"]
    assert acme.ask("GET", f"invoices/{invoice['id']}") == invoice
    assert acme.ask("GET", f"invoices/{invoice['id']}/statement") == {"data": []}


def test_an_addition_waits_for_the_next_invoice_which_was_foretold_q4(acme: V2Client) -> None:
    acme.ask("POST", "subscriptions", ORDER, Idempotency_Key="one")
    more = {"license_type": "kernelcare", "quantity": 2}
    seen = acme.ask("GET", "previews/buy?license_type=kernelcare&quantity=2")
    done = acme.ask("POST", "subscriptions", more, Idempotency_Key="two")

    assert (seen["is_addition"], seen["due_now_cents"], seen["held_after"]) == (True, 0, 7)
    assert (done["is_addition"], done["held"], done["payment"]) == (True, 7, None)
    [upcoming] = acme.ask("GET", "previews/upcoming")["data"]
    for line in upcoming["lines"] + seen["next_invoice"]["lines"]:
        del line["why"]  # only what was done says by whom
    assert upcoming == seen["next_invoice"]
    [running] = acme.ask("GET", "subscriptions")["data"]
    assert running == {
        "license_type": "kernelcare",
        "name": "KernelCare",
        "product": "kernelcare",
        "interval": "month",
        "status": "active",
        "quantity": 7,
        "anchor": "2026-01-31",
        "paid_until": "2026-02-28",
        "next_invoice_on": "2026-02-28",
        "ends_on": None,
    }


def test_removing_is_foretold_done_and_then_there_is_nothing_unused_q6(acme: V2Client) -> None:
    acme.ask("POST", "subscriptions", ORDER, Idempotency_Key="one")
    before = acme.ask("GET", "previews/upcoming")["data"][0]["total_cents"]
    seen = acme.ask("GET", "previews/remove-unused?license_type=kernelcare&keep=3")
    path = "subscriptions/kernelcare/remove-unused"

    assert acme.ask("POST", path, {"keep": 3}) == {"removed": 2, "left": 3}
    after = acme.ask("GET", "previews/upcoming")["data"][0]["total_cents"]
    assert seen == {"removed": 2, "left": 3, "saving_cents": before - after}
    assert acme.refused("POST", path, {"keep": 3}) == (409, "nothing_unused")
    refused = acme.refused("GET", "previews/remove-unused?license_type=kernelcare&keep=3")
    assert refused == (409, "nothing_unused")


def test_a_subscription_is_cancelled_and_that_is_taken_back_q10(acme: V2Client) -> None:
    acme.ask("POST", "subscriptions", ORDER, Idempotency_Key="one")
    root = "subscriptions/kernelcare"

    [ending] = acme.ask("POST", f"{root}/unsubscribe", {"when": "period_end"})["data"]
    assert ending["ends_on"] == "2026-02-28"
    assert acme.refused("POST", f"{root}/unsubscribe", {"when": "period_end"})[1] == (
        "already_ending"
    )
    [running] = acme.ask("POST", f"{root}/resume")["data"]
    assert running["ends_on"] is None
    assert acme.ask("POST", f"{root}/unsubscribe", {"when": "now"}) == {"data": []}
    assert acme.refused("POST", f"{root}/resume") == (404, "not_subscribed")


@pytest.mark.parametrize(
    ("wish", "status", "code"),
    [
        ({"quantity": 0}, 422, "bad_argument"),
        ({"quantity": 100_001}, 422, "bad_argument"),
        ({"quantity": "five"}, 422, "bad_argument"),
        ({"interval": "week"}, 422, "bad_argument"),
        ({"license_type": "nonsense"}, 422, "unknown_license_type"),
        ({"license_type": "kernelcare_plus"}, 409, "price_unknown"),
    ],
)
def test_an_order_that_cannot_be_is_refused_and_nothing_is_ordered(
    acme: V2Client, wish: dict[str, Any], status: int, code: str
) -> None:
    refused = acme.refused("POST", "subscriptions", ORDER | wish, Idempotency_Key="k")

    assert refused == (status, code)
    assert not Invoice.objects.exists()


def test_buying_needs_an_idempotency_key_that_is_a_key(acme: V2Client) -> None:
    assert acme.refused("POST", "subscriptions", ORDER) == (400, "idempotency_key_missing")
    for bad in ("", "x" * 81, "with blank", "\u00e4"):
        refused = acme.refused("POST", "subscriptions", ORDER, Idempotency_Key=bad)
        assert refused == (422, "bad_argument")
    assert not Invoice.objects.exists()


def test_the_same_key_buys_once_and_answers_the_same_bytes(acme: V2Client) -> None:
    first = acme.send("POST", "subscriptions", ORDER, Idempotency_Key="one")
    again = acme.send("POST", "subscriptions", ORDER, Idempotency_Key="one")

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert (first.get("Idempotent-Replayed"), again["Idempotent-Replayed"]) == (None, "true")
    assert QuantityChange.objects.count() == Invoice.objects.count() == 1
    assert IdempotentRequest.objects.get().key == "api:one"

    other = ORDER | {"quantity": 6}
    refused = acme.refused("POST", "subscriptions", other, Idempotency_Key="one")
    assert refused == (422, "idempotency_key_reused")
    refused = acme.refused("POST", "subscriptions/kernelcare/resume", Idempotency_Key="one")
    assert refused == (422, "idempotency_key_reused")
    assert QuantityChange.objects.count() == 1


def test_a_refused_call_may_be_tried_again_with_its_key(acme: V2Client) -> None:
    wish = {"license_type": "kernelcare", "limit": 3}
    assert acme.refused("POST", "keys", wish, Idempotency_Key="k") == (409, "no_license")
    acme.ask("POST", "subscriptions", ORDER, Idempotency_Key="one")

    made = acme.ask("POST", "keys", wish, Idempotency_Key="k")

    assert made["limit"] == 3
    assert acme.ask("POST", "keys", wish, Idempotency_Key="k") == made
    assert ActivationKey.objects.filter(limit=3).count() == 1


def test_pages_of_servers_tell_each_once_though_more_come_meanwhile(acme: V2Client) -> None:
    buys(acme.account, 10, "cloudlinux")
    key = ActivationKey.objects.get()
    for number in range(5):
        registered(key, f"web{number}", f"192.0.2.{number + 1}", START + timedelta(minutes=number))

    first = acme.ask("GET", "servers?limit=2")
    registered(key, "late", "192.0.2.99", START + timedelta(hours=1))
    second = acme.ask("GET", f"servers?limit=2&cursor={first['next_cursor']}")
    third = acme.ask("GET", f"servers?limit=2&cursor={second['next_cursor']}")

    assert list(first) == MEMBERS
    told = [row["hostname"] for page in (first, second, third) for row in page["data"]]
    assert told == ["web4", "web3", "web2", "web1", "web0"]
    assert third["next_cursor"] is None
    assert [row["hostname"] for row in acme.ask("GET", "servers?search=WEB3")["data"]] == ["web3"]


def test_a_cursor_of_another_list_filter_or_account_is_garbage(acme: V2Client) -> None:
    buys(acme.account, 10, "cloudlinux")
    for number in range(2):
        registered(ActivationKey.objects.get(), f"web{number}", f"192.0.2.{number + 1}")
    good = acme.ask("GET", "servers?limit=1")["next_cursor"]
    other = a_customer("Zenith")
    a_login(other, name="zoe")
    zenith = V2Client(other, token_for(other))

    for client, query in (
        (acme, f"servers?search=web&cursor={good}"),
        (acme, f"keys?cursor={good}"),
        (acme, f"servers?cursor={good[:-1]}"),
        (acme, f"servers?cursor={good}A"),
        (acme, "servers?cursor=%F0%9F%98%80"),
        (acme, "audit?cursor=MQ"),
        (zenith, f"servers?cursor={good}"),
    ):
        assert client.refused("GET", query) == (400, "bad_cursor"), query
    assert acme.refused("GET", "servers?cursor=%00") == (422, "bad_argument")
    assert acme.refused("GET", "servers?limit=0") == (422, "bad_argument")
    assert acme.refused("GET", "servers?limit=201") == (422, "bad_argument")


def test_a_server_is_moved_grouped_and_removed_with_its_license(acme: V2Client) -> None:
    buys(acme.account, 2, "cloudlinux")
    server = registered(ActivationKey.objects.get(), "web1").server.public_id
    other = acme.ask("POST", "keys", {"license_type": "cloudlinux", "cidrs": ["192.0.2.0/24"]})
    acme.ask("POST", "groups", {"name": "shops"})

    assert acme.ask("POST", f"servers/{server}/move", {"key": other["id"]})["key"] == other["id"]
    assert acme.ask("PUT", f"servers/{server}/group", {"group": "shops"})["group"] == "shops"
    assert acme.ask("GET", "groups") == {"data": [{"name": "shops", "description": ""}]}
    assert [row["id"] for row in acme.ask("GET", "servers?group=shops")["data"]] == [server]
    assert acme.ask("PUT", f"servers/{server}/group", {"group": None})["group"] == ""
    gone = acme.ask("DELETE", f"servers/{server}?cancel_license=true")
    assert (gone["status"], gone["licenses_cancelled"], gone["licenses_left"]) == ("removed", 1, 1)
    assert acme.refused("DELETE", f"servers/{server}") == (410, "server_removed")
    assert acme.ask("GET", f"servers/{server}")["status"] == "removed"
    assert acme.ask("GET", "servers")["data"] == []
    assert len(acme.ask("GET", "servers?with_removed=true")["data"]) == 1


def test_cancelling_with_a_server_needs_the_right_to_order(acme: V2Client) -> None:
    buys(acme.account, 2, "cloudlinux")
    server = registered(ActivationKey.objects.get(), "web1").server.public_id
    token = token_for(acme.account, scopes=["edit_servers", "view_servers"])
    worker = V2Client(acme.account, token)

    refused = worker.refused("DELETE", f"servers/{server}?cancel_license=true")

    assert refused == (403, "not_allowed")
    assert Server.objects.get().status == "active"
    assert worker.ask("DELETE", f"servers/{server}")["licenses_cancelled"] == 0


def test_a_key_lives_its_life(acme: V2Client) -> None:
    buys(acme.account, 2, "cloudlinux")
    default = ActivationKey.objects.get().public_id
    key = acme.ask("POST", "keys", {"license_type": "cloudlinux", "limit": 1, "note": "shop"})

    assert (key["limit"], key["note"], key["is_default"]) == (1, "shop", False)
    assert acme.ask("GET", f"keys/{key['id']}") == key
    assert acme.ask("PATCH", f"keys/{key['id']}", {"note": ""})["note"] == ""
    bad = {"cidrs": ["192.0.2.1/24"]}
    assert acme.refused("PATCH", f"keys/{key['id']}", bad) == (422, "bad_range")
    assert acme.refused("DELETE", f"keys/{default}") == (409, "default_key_stays")
    assert acme.ask("POST", f"keys/{key['id']}/default")["is_default"] is True
    assert acme.ask("DELETE", f"keys/{default}") == {"id": default, "servers_removed": 0}
    assert [row["id"] for row in acme.ask("GET", "keys")["data"]] == [key["id"]]


def test_a_keys_sticky_tag_is_shown_set_and_taken_away_or_nothing_changes(acme: V2Client) -> None:
    """T-1: a day of the past, of KernelCare only; with the other changes or not at all."""
    buys(acme.account, 2, "kernelcare")
    path = f"keys/{ActivationKey.objects.get().public_id}"
    assert acme.ask("GET", path)["sticky_on"] is None

    wish = {"sticky_on": "2024-02-01", "note": "frozen"}
    changed = acme.ask("PATCH", path, wish)
    assert (changed["sticky_on"], changed["note"]) == ("2024-02-01", "frozen")
    assert [row["sticky_on"] for row in acme.ask("GET", "keys")["data"]] == ["2024-02-01"]
    bad = {"sticky_on": "2018-05-27", "note": "older"}
    assert acme.refused("PATCH", path, bad) == (422, "bad_sticky_tag")
    late = {"sticky_on": "2024-02-02", "cidrs": ["192.0.2.1/24"]}
    assert acme.refused("PATCH", path, late) == (422, "bad_range")
    assert acme.ask("PATCH", path, {"limit": 3}) == changed | {"limit": 3}
    assert acme.ask("PATCH", path, {"sticky_on": None})["sticky_on"] is None


def test_the_audit_names_who_did_it_and_shows_no_secret(acme: V2Client) -> None:
    buys(acme.account, 2, "cloudlinux")
    key = acme.ask("POST", "keys", {"license_type": "cloudlinux"})

    page = acme.send("GET", "audit?verb=key_created&limit=1")

    [entry] = json.loads(page.content)["data"]
    assert (entry["actor"], entry["verb"]) == ("anna", "key_created")
    assert entry["subject"] == f"{key['id']} …{key['key'][-4:]}"
    assert key["key"] not in page.content.decode()


def test_an_unchanged_answer_is_not_sent_again(acme: V2Client) -> None:
    first = acme.send("GET", "me")
    again = acme.send("GET", "me", If_None_Match=f'"x", {first["ETag"]}')

    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    buys(acme.account, 1, "cloudlinux")
    assert acme.send("GET", "keys", If_None_Match=first["ETag"]).status_code == 200
