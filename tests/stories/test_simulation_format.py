"""What a simulation file may say, and where and how each mistake is told. No database."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cln.domain.autopay import AutopayMode
from cln.domain.pricing import Tier
from cln.enums import AccountKind, MethodKind
from cln.flows.simulation.parsing import parse
from cln.flows.simulation.scenario import Scenario, ScenarioError

EXAMPLE = Path(__file__).resolve().parents[2] / "docs/operator/example-scenario.yaml"
TYPES = ("kernelcare", "cloudlinux")
ENTRY = "at: 2026-01-31, account: acme, do"
BUY = f"{ENTRY}: buy, license_type: kernelcare, quantity: 5"


def _read(content: str | bytes) -> Scenario:
    raw = content.encode() if isinstance(content, str) else content
    return parse(raw, license_types=TYPES)


def _complaint(content: str | bytes) -> str:
    with pytest.raises(ScenarioError) as caught:
        _read(content)
    return str(caught.value)


def _complaint_at_mark(content: str) -> str:
    """The reason, after proving that the place told is where » stands in the content."""
    before = content[: content.index("»")]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    place, _, reason = _complaint(content.replace("»", "")).partition(": ")
    assert place == f"line {line}, column {column}"
    return reason


def _with_entries(*entries: str) -> str:
    """A file of one account."""
    lines = [f"  - {{{entry}}}" for entry in entries]
    return "\n".join(["accounts: {acme: {}}", "timeline:", *lines, "until: 2026-04-30"])


def _with_accounts(accounts: str) -> str:
    return f"accounts: {{{accounts}}}\ntimeline: []\nuntil: 2026-04-30"


def test_the_example_of_the_manual_is_read_whole() -> None:
    scenario = _read(EXAMPLE.read_bytes())

    assert scenario.settings == {"proration_survives_removal": False}
    assert scenario.prices[0].tiers == (Tier(1, 395), Tier(10, 295))
    acme, zenith = scenario.parties
    assert (acme.name, acme.kind, acme.method) == ("acme", AccountKind.CUSTOMER, MethodKind.CARD)
    assert acme.billing_email == "billing@acme.example"
    assert zenith.deposit_cents == 500_00
    assert zenith.autopay is not None
    assert (zenith.autopay.mode, zenith.autopay.target_cents) == (AutopayMode.ADD_FUNDS, 500_00)
    assert [entry.verb for entry in scenario.timeline] == [
        *("buy", "buy", "create_key", "register_server"),
        *("remove_server", "remove_unused", "gateway", "pay_now"),
    ]
    assert scenario.timeline[3].at == datetime(2026, 2, 12, 10, tzinfo=UTC)
    assert scenario.timeline[3].fields == {
        "key": "k1",
        "ip": "192.0.2.10",
        "hostname": "a.example",
        "name": "s1",
    }
    assert scenario.starts_at == datetime(2026, 1, 31, tzinfo=UTC)
    assert scenario.until == datetime(2026, 4, 30, tzinfo=UTC)


def test_words_that_yaml_takes_for_something_else_stay_words() -> None:
    scenario = _read(
        _with_accounts("'1': {kind: reseller, payment_method: none, autopay: {mode: off}}")
    )

    [party] = scenario.parties
    assert (party.name, party.method) == ("1", None)
    assert party.autopay is not None
    assert party.autopay.mode is AutopayMode.OFF


def test_an_instant_with_an_offset_is_read_in_utc() -> None:
    scenario = _read(_with_entries("at: 2026-02-01T01:30:00+02:00, do: advance"))

    assert scenario.timeline[0].at == datetime(2026, 1, 31, 23, 30, tzinfo=UTC)


def test_a_server_without_a_name_is_called_by_its_hostname_else_by_its_address() -> None:
    scenario = _read(
        _with_entries(
            f"{ENTRY}: register_server, key: default, license_type: kernelcare, ip: 192.0.2.1",
            f"{ENTRY}: register_server, key: default, license_type: kernelcare, ip: 192.0.2.2, "
            "hostname: b.example",
            f"{ENTRY}: check_in, server: 192.0.2.1, os_version: 6.10",
            f"{ENTRY}: remove_server, server: b.example",
        )
    )

    assert scenario.timeline[2].fields == {"server": "192.0.2.1", "os_version": "6.10"}
    assert scenario.timeline[3].fields == {"server": "b.example"}


NOT_YAML = {
    b"": "line 1, column 1: the file is empty",
    b"# nothing\n": "line 1, column 1: the file is empty",
    b"until: a: b": "line 1, column 9: not YAML: mapping values are not allowed in this context",
    b"a: 1\n\tb: 2": "line 2, column 1: not YAML: while scanning a plain scalar, "
    "found a tab character that violates indentation",
    b"a: 1\n---\nb: 2\n": "line 2, column 1: not YAML: expected a single document in the stream, "
    "but found another document",
    "a: ü\nb: ".encode() + b"\xff": "line 2, column 4: the file is not UTF-8 text",
    "a: ü\nb: \0".encode(): "line 2, column 4: the character U+0000 is no text",
    b"[" * 5_000: "line 1, column 21: more than 20 brackets stand within each other",
    b"just text": "line 1, column 1: the file must be a mapping of names to values, "
    "not 'just text'",
    b"accounts: &a {acme: *a}\ntimeline: []\nuntil: 2026-01-01": "line 1, column 15: "
    "account 'acme' has no field 'acme'; it has kind, payment_method, deposit, autopay",
}


@pytest.mark.parametrize(("content", "complaint"), NOT_YAML.items())
def test_a_file_that_is_no_scenario_is_refused_with_its_place(
    content: bytes, complaint: str
) -> None:
    assert _complaint(content) == complaint


PAYER = "a: {kind: reseller, payment_method: card"
BAD_AMOUNT = (
    'That is not an amount of money. Write it as text with at most two decimals, such as "12.34".'
)
WHOLE = {
    "»accounts: {a: {}}\ntimeline: []": "the file needs 'until'",
    "»accounts: {a: {}}\nuntil: 2026-01-01": "the file needs 'timeline'",
    "»timeline: []\nuntil: 2026-01-01": "the file needs 'accounts'",
    f"{_with_accounts('a: {}')}\n»timelnie: []": "the file has no field 'timelnie'; it has "
    "accounts, timeline, until, settings, catalog",
    "accounts: {a: {}}\ntimeline: »{}\nuntil: 2026-01-01": (
        "the timeline must be a list, not a mapping"
    ),
    "accounts: »{}\ntimeline: []\nuntil: 2026-01-01": "a simulation needs an account",
    _with_accounts("a: {}, b: {}, »a: {}"): "'a' stands here twice",
    _with_accounts("»'a b': {}"): "'a b' is no account name: use letters, digits, . _ and -",
    _with_accounts("a: {kind: »partner}"): "write one of customer, reseller here, not 'partner'",
    _with_accounts("a: {payment_method: »cash}"): (
        "write one of card, paypal, none here, not 'cash'"
    ),
    _with_accounts("a: {payment_method: card, deposit: »'5.00'}"): (
        "'deposit' belongs to accounts of kind reseller"
    ),
    _with_accounts("a: {kind: reseller, deposit: »'5.00'}"): (
        "a deposit needs a payment_method to be paid with"
    ),
    _with_accounts(f"{PAYER}, deposit: »500.00}}"): (
        "an amount is text in quotes, such as \"3.95\", not '500.00'"
    ),
    _with_accounts(f"{PAYER}, deposit: »'5.005'}}"): BAD_AMOUNT,
    _with_accounts("a: {kind: reseller, autopay: »{mode: add_funds, target: '50.00'}}"): (
        "The target balance must be at least 100.00. "
        "Funds are added when the balance falls below 100.00."
    ),
    f"settings: {{block_after_days: »-1}}\n{_with_accounts('a: {}')}": (
        "The setting 'block_after_days' must be a whole number, not negative."
    ),
    f"settings: {{block_after_days: »2.5}}\n{_with_accounts('a: {}')}": (
        "The setting 'block_after_days' must be a whole number, not negative."
    ),
    f"settings: {{retry_days: »[7, 3]}}\n{_with_accounts('a: {}')}": (
        "The setting 'retry_days' must be a list of whole numbers in the order of the default."
    ),
}


@pytest.mark.parametrize(("content", "complaint"), WHOLE.items())
def test_a_wrong_part_of_the_file_is_named_with_its_place(content: str, complaint: str) -> None:
    assert _complaint_at_mark(content) == complaint


def test_an_unknown_setting_is_refused_with_the_known_ones() -> None:
    said = _complaint_at_mark(f"settings: {{free_beer: »true}}\n{_with_accounts('a: {}')}")

    assert said.startswith("There is no setting 'free_beer'. Known settings: autopay_floor_cents, ")
    assert said.endswith(", yearly_proration_sweep.")


LIST = "license_type: kernelcare, interval: month, currency: USD, tiers: "
ONE = f"{LIST}[{{from: 1, unit: '1.00'}}]"
PRICES = {
    "»{license_type: kernelcare, interval: month, currency: USD}": "a price list needs 'tiers'",
    f"{{{LIST}»[]}}": "Tiers start at 1 and ascend.",
    f"{{{LIST}»[{{from: 2, unit: '1.00'}}]}}": "Tiers start at 1 and ascend.",
    f"{{{LIST}»[{{from: 1, unit: '1.00'}}, {{from: 1, unit: '0.50'}}]}}": (
        "Tiers start at 1 and ascend."
    ),
    f"{{{LIST}»[{{from: 1, unit: '1.00'}}, {{from: 5, unit: '1.50'}}]}}": (
        "A larger quantity never costs more per unit, and no price is negative."
    ),
    f"{{{LIST}[{{from: 1, unit: »3.95}}]}}": (
        "an amount is text in quotes, such as \"3.95\", not '3.95'"
    ),
    f"{{{LIST}[{{from: 1, unit: »'-3.95'}}]}}": BAD_AMOUNT,
    f"{{{LIST}[{{from: 1, »price: '3.95'}}]}}": "a tier has no field 'price'; it has from, unit",
    f"{{{LIST}[{{from: »one, unit: '3.95'}}]}}": (
        "write a whole number from 1 to 100,000 here, not 'one'"
    ),
    f"{{{LIST}»{{from: 1, unit: '3.95'}}}}": "'tiers' must be a list, not a mapping",
    f"{{{ONE}}}".replace("kernelcare", "»kernelcar"): "there is no license type 'kernelcar'",
    f"{{{ONE}}}".replace("month", "»week"): "write one of month, year here, not 'week'",
    f"{{{ONE}}}".replace("USD", "»usd"): "a currency is three capital letters, such as USD",
    f"{{effective: »2026-01-01T10:00:00Z, {ONE}}}": (
        "write a date such as 2026-01-31 here, not '2026-01-01T10:00:00Z'"
    ),
    f"{{{ONE}}}\n  - »{{{ONE}}}": "the same price list of 'kernelcare' stands here twice",
}


@pytest.mark.parametrize(("entry", "complaint"), PRICES.items())
def test_a_malformed_price_list_is_refused_with_its_place(entry: str, complaint: str) -> None:
    content = f"catalog:\n  - {entry}\n{_with_accounts('acme: {}')}"

    assert _complaint_at_mark(content) == complaint


KERNELCARE = "license_type: kernelcare"
BAD_INSTANT = "write a date or a date-time such as 2026-01-31T10:00:00Z, not"
ENTRIES = {
    "»{at: 2026-01-31, account: acme}": "an entry needs 'do'",
    "»just words": "an entry must be a mapping of names to values, not 'just words'",
    f"{{{ENTRY}: refund, invoice: »0}}": ("write a whole number from 1 to 1,000,000 here, not '0'"),
    f"{{{ENTRY}: set_autopay, mode: »monthly}}": (
        "write one of add_funds, repay, off here, not 'monthly'"
    ),
    f"»{{{ENTRY}: add_ip_license, {KERNELCARE}}}": "'add_ip_license' needs 'ip'",
    f"»{{{ENTRY}: buy, {KERNELCARE}}}": "'buy' needs 'quantity'",
    f"{{{ENTRY}: buy, license_type: »kernelcar, quantity: 1}}": (
        "there is no license type 'kernelcar'"
    ),
    f"{{{BUY}, »colour: red}}": "'buy' has no field 'colour'; it has at, do, account, "
    "license_type, quantity, interval",
    f"{{{BUY}, interval: »monthly}}": "write one of month, year here, not 'monthly'",
    f"{{{BUY}, »quantity: 6}}": "'quantity' stands here twice",
    f"»{{do: buy, account: acme, {KERNELCARE}, quantity: 5}}": "'buy' needs 'at'",
    f"»{{at: 2026-01-31, do: buy, {KERNELCARE}, quantity: 5}}": "'buy' needs 'account'",
    "{at: 2026-01-31, account: »nobody, do: pay_now}": (
        "there is no account 'nobody' under 'accounts'"
    ),
    "{at: »2026-02-30, do: advance}": f"{BAD_INSTANT} '2026-02-30'",
    "{at: »tomorrow, do: advance}": f"{BAD_INSTANT} 'tomorrow'",
    "{at: »20260131, do: advance}": f"{BAD_INSTANT} '20260131'",
    "{at: »1999-12-31, do: advance}": "the year of '1999-12-31' is not between 2000 and 2199",
    "{at: 2026-01-31, »account: acme, do: advance}": (
        "'advance' has no field 'account'; it has at, do"
    ),
    f"{{{ENTRY}: register_server, key: »k9, ip: 192.0.2.1}}": (
        "account 'acme' has created no key 'k9' before"
    ),
    f"{{{ENTRY}: register_server, key: »default, ip: 192.0.2.1}}": (
        "each license type has a default key: say which 'license_type'"
    ),
    f"»{{{ENTRY}: register_server, ip: 192.0.2.1}}": (
        "'register_server' needs 'key', or 'by_ip: true'"
    ),
    f"{{{ENTRY}: register_server, key: default, ip: 192.0.2.1, by_ip: »true}}": (
        "a server registers with a 'key' or 'by_ip', not with both"
    ),
    f"{{{ENTRY}: remove_server, server: »s1}}": (
        "account 'acme' has registered no server 's1' before"
    ),
    f"{{{ENTRY}: create_key, {KERNELCARE}, name: »default}}": (
        "account 'acme' has a key 'default' already"
    ),
    f"{{{ENTRY}: create_key, {KERNELCARE}, name: k, cidrs: »192.0.2.0/24}}": (
        "this must be a list, not '192.0.2.0/24'"
    ),
    f"{{{ENTRY}: set_payment_method, method: »card, payment_method: card}}": (
        "'method' and 'payment_method' are the same field"
    ),
    f"{{{ENTRY}: set_payment_method, method: »cash}}": (
        "write one of card, paypal, none here, not 'cash'"
    ),
}


@pytest.mark.parametrize(("entry", "complaint"), ENTRIES.items())
def test_a_malformed_entry_is_refused_with_its_place(entry: str, complaint: str) -> None:
    content = f"accounts: {{acme: {{}}}}\ntimeline:\n  - {entry}\nuntil: 2026-04-30"

    assert _complaint_at_mark(content) == complaint


def test_an_unknown_verb_is_refused_with_the_known_ones() -> None:
    said = _complaint_at_mark(_with_entries(f"{ENTRY}: »sell"))

    assert said.startswith("there is no verb 'sell'; there are start_trial, buy, remove_unused, ")


def test_an_end_before_the_last_entry_is_refused() -> None:
    content = _with_entries("at: 2026-05-01, do: advance").replace("until: ", "until: »")

    assert _complaint_at_mark(content) == "'until' is before the last entry of the timeline"


@pytest.mark.parametrize(
    "quantity", ["0", "-1", "2.5", "100001", "9" * 5_000, "five", "'5'", "010", "1e3", "[5]", "~"]
)
def test_a_quantity_that_is_no_whole_number_in_range_is_refused(quantity: str) -> None:
    said = _complaint_at_mark(_with_entries(f"{ENTRY}: buy, {KERNELCARE}, quantity: »{quantity}"))

    assert said.startswith("write a whole number from 1 to 100,000 here, not ")
    assert len(said) < 100


def test_time_that_goes_backwards_is_refused_at_the_entry_that_does() -> None:
    said = _complaint_at_mark(
        _with_entries(
            "at: 2026-02-01T10:00:00Z, do: advance",
            "at: 2026-02-01T10:00:00Z, do: advance",
            "at: »2026-02-01, do: advance",
        )
    )

    assert said == "time goes backwards: the entry before is at 2026-02-01T10:00:00Z"


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        (f"{ENTRY}: create_key, license_type: kernelcare, name: one", "key"),
        (
            f"{ENTRY}: register_server, key: default, license_type: kernelcare, ip: 192.0.2.1, "
            "name: one",
            "server",
        ),
    ],
)
def test_a_name_is_given_once_per_account(entry: str, what: str) -> None:
    said = _complaint_at_mark(_with_entries(entry, entry.replace("name: one", "name: »one")))

    assert said == f"account 'acme' has a {what} 'one' already"
