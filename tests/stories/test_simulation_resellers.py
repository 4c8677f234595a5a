"""`cln simulate` with resellers and refunds: every verb of the format (R2–R8, P10)."""

from __future__ import annotations

from typing import Any

import pytest

from cln.catalog.services import codes_on_file
from cln.flows.simulation.parsing import parse
from cln.flows.simulation.playing import play
from cln.flows.simulation.report import report
from cln.flows.simulation.tables import tables

pytestmark = pytest.mark.django_db

KERNELCARE = "license_type: kernelcare"
PRICES = """
catalog:
  - {license_type: kernelcare, interval: month, currency: USD,
     tiers: [{from: 1, unit: "31.00"}]}
  - {license_type: kernelcare_plus, interval: month, currency: USD,
     tiers: [{from: 1, unit: "62.00"}]}
"""


def simulated(*entries: str, until: str, account: str = "zenith") -> Any:
    """Play entries of Zenith the reseller, or of acme, each `DAY VERB, field: value…`."""
    lines = []
    for entry in entries:
        at, _, rest = entry.partition(" ")
        lines.append(f"  - {{at: {at}, account: {account}, do: {rest}}}")
    zenith = (
        "zenith: {kind: reseller, payment_method: card, deposit: '50.00', autopay: {mode: off}}"
    )
    head = [PRICES, "accounts:", f"  {zenith}", "  acme: {payment_method: card}", "timeline:"]
    content = "\n".join([*head, *lines, f"until: {until}"])
    return report(play(parse(content.encode(), license_types=codes_on_file())))


def totals(account: Any) -> list[tuple[str, str, str]]:
    """Day, license type and total of each document."""
    return [(one["issued"], one["license_type"], one["total"]) for one in account["invoices"]]


def test_licenses_by_ip_are_added_converted_and_removed() -> None:
    """R2, C-6: `ip` or `address`; the license type is known where there is but one."""
    result = simulated(
        f"2026-01-01 add_ip_license, {KERNELCARE}, ip: 203.0.113.1",
        f"2026-01-01 add_ip_license, {KERNELCARE}, address: 203.0.113.2",
        "2026-01-11 convert_ip_license, license_type: kernelcare_plus, ip: 203.0.113.1",
        "2026-01-21 remove_ip_license, ip: 203.0.113.2",
        f"2026-01-22 remove_ip_license, ip: 203.0.113.2, {KERNELCARE}",
        until="2026-02-01",
    )

    zenith = result["accounts"]["zenith"]
    assert totals(zenith) == [
        ("2026-02-01", "kernelcare", "30.00"),
        ("2026-02-01", "kernelcare_plus", "42.00"),
    ]
    assert zenith["invoices"][0]["lines"] == [
        {
            "kind": "usage",
            "title": "KernelCare, 1 Jan – 1 Feb 2026",
            "why": "2 × 31.00 × 30/62 license days (1 Jan – 1 Feb 2026)",
            "quantity": 0.967742,
            "unit_price": "31.00",
            "period": ["2026-01-01", "2026-02-01"],
            "amount": "30.00",
        }
    ]
    assert (zenith["balance"], zenith["due"], zenith["status"]) == ("-22.00", "22.00", "active")
    assert [(one["ip"], one["license_type"], one["removed"]) for one in zenith["ip_licenses"]] == [
        ("203.0.113.1", "kernelcare", "2026-01-11"),
        ("203.0.113.2", "kernelcare", "2026-01-21"),
        ("203.0.113.1", "kernelcare_plus", None),
    ]
    [refused] = result["refused"]
    assert (refused["do"], refused["code"]) == ("remove_ip_license", "unknown_ip_license")
    assert result["books"] == {"balanced": True}
    assert "balance -22.00, due 22.00" in tables(result)


def test_a_machine_with_a_license_by_ip_registers_without_a_key_and_checks_in() -> None:
    """R-5: it is a server of the report; without a license it is refused."""
    result = simulated(
        f"2026-01-01 add_ip_license, {KERNELCARE}, ip: 203.0.113.1",
        "2026-01-02 register_server, by_ip: true, ip: 203.0.113.1, hostname: a.example, name: s1",
        "2026-01-02 register_server, by_ip: true, ip: 203.0.113.9, name: s2",
        "2026-01-03 check_in, server: s1",
        "2026-01-04 remove_server, server: s1",
        until="2026-01-05",
    )

    assert result["accounts"]["zenith"]["servers"] == [
        {
            "name": "s1",
            "hostname": "a.example",
            "ip": "203.0.113.1",
            "license_type": "kernelcare",
            "status": "active",
        }
    ]
    assert [(one["do"], one["code"]) for one in result["refused"]] == [
        ("register_server", "unknown_ip_license"),
        ("remove_server", "unknown_server"),
    ]


def test_a_resellers_key_and_autopay_are_played() -> None:
    """R8, R4: 31 days on a key; repay charges 20.00 at least; another rule, another charge."""
    result = simulated(
        f"2026-01-01 create_key, {KERNELCARE}, name: k1",
        "2026-01-01 register_server, key: k1, ip: 198.51.100.7, hostname: w.example, name: s1",
        "2026-01-05 set_autopay, mode: repay",
        "2026-02-20 set_autopay, mode: add_funds, target: '100.00'",
        f"2026-02-20 buy, {KERNELCARE}, quantity: 1",
        "2026-02-21 top_up, amount: '5.00'",
        until="2026-03-01",
    )

    zenith = result["accounts"]["zenith"]
    assert totals(zenith) == [
        ("2026-02-01", "kernelcare", "31.00"),
        ("2026-03-01", "kernelcare", "31.00"),
    ]
    assert [(one["at"], one["purpose"], one["amount"]) for one in zenith["payments"]] == [
        ("2026-01-01", "top_up", "50.00"),
        ("2026-02-20", "top_up", "81.00"),
        ("2026-02-21", "top_up", "5.00"),
        ("2026-03-01", "top_up", "26.00"),
    ]
    assert zenith["balance"] == "100.00"
    assert [one["code"] for one in result["refused"]] == ["paid_afterwards"]


def test_a_reseller_pays_the_debt_by_hand_or_by_link() -> None:
    """R7: pay_now and pay_link bring the deposit back to zero."""
    result = simulated(
        "2026-01-01 add_ip_license, license_type: kernelcare_plus, ip: 203.0.113.1",
        "2026-02-02 pay_now",
        "2026-03-02 pay_link",
        until="2026-03-03",
    )

    zenith = result["accounts"]["zenith"]
    assert [(one["at"], one["amount"]) for one in zenith["payments"][1:]] == [
        ("2026-02-02", "12.00"),
        ("2026-03-02", "62.00"),
    ]
    assert (zenith["balance"], zenith["due"], result["refused"]) == ("0.00", "0.00", [])


def test_a_refund_is_a_credit_note_and_a_payment_back() -> None:
    """P10: by the n-th invoice; without an amount it is all that is left."""
    result = simulated(
        f"2026-01-10 buy, {KERNELCARE}, quantity: 2",
        "2026-01-11 refund, invoice: 1, amount: '10.00'",
        "2026-01-12 refund, invoice: 1, amount: '52.01'",
        "2026-01-13 refund, invoice: 2, amount: '1.00'",
        "2026-02-20 refund, invoice: 1",
        "2026-02-20 refund, invoice: 1, reason: our fault",
        until="2026-02-21",
        account="acme",
    )

    acme = result["accounts"]["acme"]
    assert [(one["type"], one["number"], one["total"]) for one in acme["invoices"]] == [
        ("invoice", "CBI-000001", "62.00"),
        ("invoice", "CBI-000002", "62.00"),
        ("credit_note", "CN-000001", "-10.00"),
        ("credit_note", "CN-000002", "-52.00"),
    ]
    [line] = acme["invoices"][3]["lines"]
    assert (line["kind"], line["why"], line["amount"]) == (
        "credit",
        "Credit for invoice CBI-000001: our fault",
        "-52.00",
    )
    assert [(one["purpose"], one["amount"], one["status"]) for one in acme["payments"][2:]] == [
        ("refund", "-10.00", "succeeded"),
        ("refund", "-52.00", "succeeded"),
    ]
    assert [one["code"] for one in result["refused"]] == [
        "refund_too_large",
        "unknown_invoice",
        "refund_too_late",
    ]
    assert result["books"] == {"balanced": True}


def test_customers_have_no_part_in_what_is_for_resellers() -> None:
    """R2, R4, R5: refused by code, and the run goes on."""
    result = simulated(
        f"2026-01-10 add_ip_license, {KERNELCARE}, ip: 203.0.113.1",
        "2026-01-10 set_autopay, mode: repay",
        "2026-01-10 top_up, amount: '10.00'",
        until="2026-01-11",
        account="acme",
    )

    assert [one["code"] for one in result["refused"]] == ["not_a_reseller"] * 3
