"""`cln simulate`: timelines through the flows of production, and what they come to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cln.catalog.services import codes_on_file
from cln.flows.simulation.parsing import parse
from cln.flows.simulation.playing import play
from cln.flows.simulation.report import report
from cln.flows.simulation.tables import tables

pytestmark = pytest.mark.django_db

EXAMPLE = Path(__file__).resolve().parents[2] / "docs/operator/example-scenario.yaml"
KERNELCARE = "license_type: kernelcare"
PRICES = """
catalog:
  - {license_type: kernelcare, interval: month, currency: USD,
     tiers: [{from: 1, unit: "3.95"}, {from: 10, unit: "2.95"}]}
"""


def _simulate(*entries: str, until: str, before: str = PRICES, method: str = "card") -> Any:
    """Play entries of the account acme, each `DAY VERB, field: value…`, and report."""
    lines = []
    for entry in entries:
        at, _, rest = entry.partition(" ")
        lines.append(f"  - {{at: {at}, account: acme, do: {rest}}}")
    content = "\n".join(
        [
            before,
            f"accounts: {{acme: {{payment_method: {method}}}}}",
            "timeline:",
            *lines,
            f"until: {until}",
        ]
    )
    return report(play(parse(content.encode(), license_types=codes_on_file())))


def _lines(invoice: Any) -> list[tuple[str, int, str, list[str], str]]:
    names = ("kind", "quantity", "unit_price", "period", "amount")
    return [tuple(line[name] for name in names) for line in invoice["lines"]]


@pytest.fixture
def example() -> Any:
    """What came of the example of the manual."""
    return report(play(parse(EXAMPLE.read_bytes(), license_types=codes_on_file())))


def test_the_example_of_the_manual_bills_to_the_cent(example: Any) -> None:
    acme = example["accounts"]["acme"]
    first, last = acme["invoices"]
    # Five for February at 3.95; nothing of it comes back when they are given up (Q6).
    assert _lines(first) == [("recurring", 5, "3.95", ["2026-01-31", "2026-02-28"], "19.75")]
    # Three held from the 10th to the 14th: 3 × 3.95 × 4/28 = 1.69 (Q7), and no renewal (Q9).
    assert _lines(last) == [("proration", 3, "3.95", ["2026-02-10", "2026-02-14"], "1.69")]
    assert {name: last[name] for name in list(last)[1:-1]} == {
        "issued": "2026-02-28",
        "due": "2026-02-28",
        "type": "invoice",
        "status": "paid",
        "license_type": "kernelcare",
        "currency": "USD",
        "net": "1.69",
        "tax": "0.00",
        "total": "1.69",
        "amount_due": "0.00",
    }
    assert acme["payments"] == [
        {
            "at": at,
            "purpose": "invoice",
            "invoice": invoice["number"],
            "method": "card",
            "amount": amount,
            "status": "succeeded",
        }
        for at, invoice, amount in (
            ("2026-01-31", first, "19.75"),
            ("2026-02-28", last, "1.69"),
        )
    ]


def test_the_example_of_the_manual_leaves_what_its_timeline_says(example: Any) -> None:
    acme, zenith = example["accounts"]["acme"], example["accounts"]["zenith"]
    assert acme["subscriptions"] == [
        {
            "license_type": "kernelcare",
            "interval": "month",
            "quantity": 0,
            "anchor": "2026-01-31",
            "paid_until": "2026-02-28",
            "status": "ended",
        }
    ]
    assert [(key["name"], key["limit"], key["used"], key["default"]) for key in acme["keys"]] == [
        ("default", 0, 0, True),
        ("k1", 2, 0, False),
    ]
    assert acme["servers"] == [
        {
            "name": "s1",
            "hostname": "a.example",
            "ip": "192.0.2.10",
            "license_type": "kernelcare",
            "status": "removed",
        }
    ]
    assert (acme["status"], acme["balance"], acme["due"]) == ("active", "0.00", "0.00")
    assert (zenith["balance"], zenith["due"], zenith["invoices"]) == ("500.00", "0.00", [])
    assert [(one["purpose"], one["amount"]) for one in zenith["payments"]] == [("top_up", "500.00")]
    assert (example["refused"], example["books"]) == ([], {"balanced": True})


def test_added_licenses_are_prorated_beside_the_renewal() -> None:
    told = _simulate(
        f"2026-01-31 buy, {KERNELCARE}, interval: month, quantity: 5",
        f"2026-02-10 buy, {KERNELCARE}, quantity: 3",
        until="2026-03-30",
    )

    acme = told["accounts"]["acme"]
    # Q4, Q9: 3 × 3.95 × 18/28 = 7.617…; 8 × 3.95 for the month that ends on 31 March (M2).
    assert _lines(acme["invoices"][1]) == [
        ("proration", 3, "3.95", ["2026-02-10", "2026-02-28"], "7.62"),
        ("recurring", 8, "3.95", ["2026-02-28", "2026-03-31"], "31.60"),
    ]
    assert acme["invoices"][1]["total"] == "39.22"
    assert acme["subscriptions"][0]["paid_until"] == "2026-03-31"
    assert [mail["at"] for mail in acme["emails"] if mail["template"] == "invoice_issued"] == [
        "2026-01-31",
        "2026-02-28",
    ]
    assert {mail["to"] for mail in acme["emails"]} == {"billing@acme.example"}


def test_a_renewal_comes_before_the_purchase_of_its_day() -> None:
    told = _simulate(
        f"2026-01-10 buy, {KERNELCARE}, quantity: 5",
        f"2026-02-10 buy, {KERNELCARE}, quantity: 1",
        until="2026-03-10",
    )

    second, third = told["accounts"]["acme"]["invoices"][1:]
    assert _lines(second) == [("recurring", 5, "3.95", ["2026-02-10", "2026-03-10"], "19.75")]
    assert _lines(third) == [
        ("proration", 1, "3.95", ["2026-02-10", "2026-03-10"], "3.95"),
        ("recurring", 6, "3.95", ["2026-03-10", "2026-04-10"], "23.70"),
    ]


def test_the_end_includes_what_is_due_at_it() -> None:
    buy = f"2026-01-10 buy, {KERNELCARE}, quantity: 1"

    assert len(_simulate(buy, until="2026-02-09")["accounts"]["acme"]["invoices"]) == 1


def test_a_refused_verb_is_listed_with_its_code_and_the_run_goes_on() -> None:
    told = _simulate(
        f"2026-01-10T10:30:00Z buy, {KERNELCARE}, quantity: 2, interval: month",
        f"2026-01-11 buy, {KERNELCARE}, quantity: 1, interval: year",
        f"2026-01-12T08:00:00Z create_key, {KERNELCARE}, name: k1, cidrs: [nonsense]",
        "2026-01-13 register_server, key: k1, ip: 192.0.2.1, name: s1",
        "2026-01-13 remove_server, server: s1",
        f"2026-01-14 register_server, key: default, {KERNELCARE}, ip: 10.0.0.256, name: s2",
        f"2026-01-15 buy, {KERNELCARE}, quantity: 1",
        until="2026-01-20",
    )

    assert [(one["at"], one["do"], one["code"]) for one in told["refused"]] == [
        ("2026-01-11", "buy", "interval_conflict"),
        ("2026-01-12T08:00:00Z", "create_key", "bad_range"),
        ("2026-01-13", "register_server", "unknown_key"),
        ("2026-01-13", "remove_server", "unknown_server"),
        ("2026-01-14", "register_server", "bad_address"),
    ]
    assert all(one["account"] == "acme" and one["message"] for one in told["refused"])
    assert told["accounts"]["acme"]["subscriptions"][0]["quantity"] == 3
    assert told["accounts"]["acme"]["servers"] == []


def test_an_unpaid_account_is_reminded_blocked_and_freed_by_its_payment_link() -> None:
    told = _simulate(
        f"2026-01-01 buy, {KERNELCARE}, quantity: 1",
        "2026-01-15 gateway, outcome: hard_decline",
        f"2026-03-05 buy, {KERNELCARE}, quantity: 1",
        "2026-03-06 gateway, outcome: ok",
        "2026-03-06 pay_link",
        f"2026-03-06 buy, {KERNELCARE}, quantity: 1",
        until="2026-03-06",
    )

    acme = told["accounts"]["acme"]
    # A hard decline stops the automatic attempts (P2); day 30 after 1 February blocks (P7).
    assert [(one["at"], one["status"]) for one in acme["payments"]] == [
        ("2026-01-01", "succeeded"),
        ("2026-02-01", "declined"),
        ("2026-03-01", "declined"),
        ("2026-03-06", "succeeded"),
        ("2026-03-06", "succeeded"),
    ]
    mails = [(one["at"], one["template"]) for one in acme["emails"]]
    for day in ("2026-02-08", "2026-02-15", "2026-02-22", "2026-03-01"):
        assert (day, "reminder") in mails
    assert ("2026-03-03", "account_blocked") in mails
    assert [(one["at"], one["code"]) for one in told["refused"]] == [
        ("2026-03-05", "account_blocked")
    ]
    assert (acme["status"], acme["due"]) == ("active", "0.00")
    assert acme["subscriptions"][0]["quantity"] == 2


@pytest.mark.parametrize(
    ("outcome", "statuses"),
    [
        ("decline", ["declined"]),
        # P3: the resolver asks ten minutes later, before anything else is tried.
        ("timeout_charged", ["succeeded"]),
        ("timeout_not_charged", ["declined"]),
    ],
)
def test_the_gateway_does_what_the_file_tells_it(outcome: str, statuses: list[str]) -> None:
    told = _simulate(
        f"2026-01-01 gateway, outcome: {outcome}",
        f"2026-01-01 buy, {KERNELCARE}, quantity: 1",
        until="2026-01-02",
    )

    assert [one["status"] for one in told["accounts"]["acme"]["payments"]] == statuses


def test_paying_without_a_payment_method_is_refused_and_with_a_new_one_done() -> None:
    told = _simulate(
        f"2026-01-01 buy, {KERNELCARE}, quantity: 1",
        "2026-01-02 pay_now",
        "2026-01-03 set_payment_method, method: paypal",
        until="2026-01-03",
        method="none",
    )

    acme = told["accounts"]["acme"]
    assert [(one["do"], one["code"]) for one in told["refused"]] == [
        ("pay_now", "no_payment_method")
    ]
    # P1: changing the method retries at once what is due.
    assert [(one["at"], one["method"], one["status"]) for one in acme["payments"]] == [
        ("2026-01-03", "paypal", "succeeded")
    ]
    assert acme["invoices"][0]["status"] == "paid"


def test_the_settings_of_the_file_are_the_rules_of_the_run() -> None:
    entries = (
        f"2026-01-01 buy, {KERNELCARE}, quantity: 1",
        f"2026-01-11 buy, {KERNELCARE}, quantity: 1",
        f"2026-01-21 remove_unused, {KERNELCARE}, keep: 1",
    )
    switched = f"settings: {{proration_survives_removal: true}}\n{PRICES}"

    told = _simulate(*entries, until="2026-02-01", before=switched)

    # Q7 with its switch on: 21 of 31 days, not 10.
    assert _lines(told["accounts"]["acme"]["invoices"][1])[0] == (
        *("proration", 1, "3.95"),
        ["2026-01-11", "2026-02-01"],
        "2.68",
    )


def test_a_price_list_with_a_day_begins_with_the_first_renewal_after_it() -> None:
    later = """
      - {license_type: kernelcare, interval: month, currency: USD, effective: 2026-01-20,
         tiers: [{from: 1, unit: "3.00"}]}
    """
    told = _simulate(
        f"2026-01-01 buy, {KERNELCARE}, quantity: 1",
        until="2026-02-01",
        before=PRICES + later.replace("      -", "  -"),
    )

    # Q1: a new list is taken at the first renewal on or after its day.
    invoices = told["accounts"]["acme"]["invoices"]
    assert [invoice["total"] for invoice in invoices] == ["3.95", "3.00"]


def test_the_other_verbs_of_customers_go_through_their_flows() -> None:
    told = _simulate(
        "2026-01-01 start_trial, license_type: cloudlinux",
        "2026-01-02 register_server, key: default, license_type: cloudlinux, ip: 192.0.2.1, "
        "hostname: a.example",
        "2026-01-03 check_in, server: a.example, os_version: 8.10, users: 30",
        "2026-01-04 buy, license_type: cloudlinux, quantity: 2",
        "2026-01-05 set_edition, edition: pro",
        "2026-01-05 set_feature, feature: imunify_email, enabled: true",
        f"2026-01-06 buy, {KERNELCARE}, quantity: 2",
        f"2026-01-07 create_key, {KERNELCARE}, name: k1, limit: 1",
        "2026-01-08 update_key, key: k1, limit: 5, note: rack 4",
        f"2026-01-08 create_key, {KERNELCARE}, name: k2",
        "2026-01-09 remove_key, key: k2",
        f"2026-01-10 unsubscribe, {KERNELCARE}, when: now",
        "2026-01-10 buy, license_type: imunify360_1, quantity: 1",
        "2026-01-10 register_server, key: default, license_type: imunify360_1, ip: 192.0.2.2, "
        "hostname: b.example",
        "2026-01-10 convert_server, server: b.example, license_type: imunify360_30, "
        "cancel_old: true",
        "2026-01-10 set_payment_method, method: none",
        f"2026-01-10 buy, {KERNELCARE}, quantity: 9",
        until="2026-01-10",
    )

    acme = told["accounts"]["acme"]
    # The catalog has no price of Shared Pro: it is sold on request only.
    assert [(one["do"], one["code"]) for one in told["refused"]] == [
        ("set_edition", "price_unknown")
    ]
    assert [(one["license_type"], one["status"]) for one in acme["subscriptions"]] == [
        ("cloudlinux", "active"),
        ("kernelcare", "ended"),
        ("kernelcare", "pending"),
        ("imunify360_1", "active"),
        ("imunify360_30", "active"),
    ]
    assert [(one["name"], one["limit"]) for one in acme["keys"] if not one["default"]] == [
        ("k1", 5)
    ]
    assert [(one["name"], one["license_type"], one["status"]) for one in acme["servers"]] == [
        ("a.example", "cloudlinux", "active"),
        ("b.example", "imunify360_30", "active"),
    ]
    # 12.00 of 35.55 are credit for what was freed on its first day; there is no card for the rest.
    assert acme["invoices"][-1]["amount_due"] == "23.55"


def test_the_tables_tell_people_the_same() -> None:
    text = tables(
        _simulate(
            f"2026-01-31 buy, {KERNELCARE}, quantity: 5",
            f"2026-02-01 buy, {KERNELCARE}, quantity: 1, interval: year",
            until="2026-02-28",
        )
    )

    lines = text.splitlines()
    assert lines[0] == "acme: active, balance 0.00, due 0.00"
    assert "  kernelcare    month            5  2026-01-31  2026-03-31  active" in lines
    [refused] = [line for line in lines if line.startswith("  2026-02-01, acme, buy: ")]
    assert refused.endswith(" (interval_conflict)")
    assert lines[-1] == "Books: balanced"
