"""Whether a server may register, and in whose seat (T3, T4, P7, S3)."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cln.domain.addresses import AddressNotPublic, BadAddress
from cln.domain.errors import Refusal
from cln.domain.licensing import (
    AccountBlocked,
    AddressNotInRange,
    Granted,
    KeyFacts,
    KeyLimitReached,
    LicenseExpired,
    Occupant,
    PoolExhausted,
    PoolFacts,
    RegistrationFacts,
    TrialAddressUsed,
    TrialExpired,
    UnknownKey,
    decide_registration,
)
from cln.domain.machines import MachineMatch, MatchStrength
from tests.domain.make import day

ONE = Occupant("a.example", "192.0.2.10")
SAME, REINSTALL = (
    MachineMatch(7, MatchStrength.SAME),
    MachineMatch(7, MatchStrength.REINSTALL),
)
FREE_SEAT = RegistrationFacts(
    product="KernelCare",
    address="192.0.2.11",
    on=day("2026-02-12"),
    key=KeyFacts(limit=2, occupants=(ONE,)),
    pool=PoolFacts(quantity=5, valid_until=day("2026-02-28"), occupants=(ONE,)),
)
TRIAL = replace(FREE_SEAT, pool=PoolFacts(quantity=None, is_trial=True))


def refused(facts: RegistrationFacts, refusal: type[Refusal]) -> Refusal:
    """The refusal of a registration."""
    with pytest.raises(refusal) as caught:
        decide_registration(facts)
    return caught.value


def test_a_new_server_takes_a_free_seat() -> None:
    assert decide_registration(FREE_SEAT) == Granted("192.0.2.11", None, MatchStrength.NEW, True)


def test_an_address_is_granted_in_its_canonical_form() -> None:
    mapped = replace(FREE_SEAT, address="::ffff:192.0.2.11")

    assert decide_registration(mapped).address == "192.0.2.11"


@pytest.mark.parametrize("match", [SAME, REINSTALL])
def test_the_same_machine_never_takes_a_second_seat(match: MachineMatch) -> None:
    """Key and pool are full of it, and still it may come back."""
    full = replace(
        FREE_SEAT,
        key=KeyFacts(limit=1, occupants=(ONE,)),
        pool=PoolFacts(quantity=1, occupants=(ONE,)),
        match=match,
    )

    assert decide_registration(full) == Granted("192.0.2.11", 7, match.strength, False)


def test_an_unknown_key_is_refused() -> None:
    assert refused(replace(FREE_SEAT, key=None), UnknownKey).code == "unknown_key"


@pytest.mark.parametrize("match", [SAME, REINSTALL, FREE_SEAT.match])
def test_a_blocked_account_registers_nothing_p7(match: MachineMatch) -> None:
    """P7."""
    refusal = refused(replace(FREE_SEAT, is_blocked=True, match=match), AccountBlocked)

    assert refusal.code == "account_blocked"
    assert "Pay the overdue invoices" in refusal.fix


def test_a_private_address_is_refused_with_the_address_we_see() -> None:
    refusal = refused(replace(FREE_SEAT, address="10.0.0.5"), AddressNotPublic)

    assert refusal.facts["address"] == "10.0.0.5"


def test_a_sandbox_lets_private_addresses_in_but_no_nonsense() -> None:
    sandbox = replace(FREE_SEAT, any_address=True)

    assert decide_registration(replace(sandbox, address="::ffff:10.0.0.5")).address == "10.0.0.5"
    refused(replace(sandbox, address="nonsense"), BadAddress)


@pytest.mark.parametrize("match", [SAME, FREE_SEAT.match])
def test_an_address_outside_the_keys_ranges_is_refused_with_the_ranges(match: MachineMatch) -> None:
    key = KeyFacts(cidrs=("198.51.100.0/24", "2001:db8::/32"))

    refusal = refused(replace(FREE_SEAT, key=key, match=match), AddressNotInRange)

    assert refusal.code == "ip_not_in_range"
    assert "198.51.100.0/24, 2001:db8::/32" in refusal.fix


def test_an_address_inside_the_keys_ranges_is_let_in() -> None:
    key = KeyFacts(cidrs=("192.0.2.0/24",))

    assert decide_registration(replace(FREE_SEAT, key=key)).takes_seat


def test_an_address_that_ran_a_trial_needs_a_paid_license_t3() -> None:
    """T3: the seed's own sentence."""
    refusal = refused(replace(TRIAL, trial_ip_used=True), TrialAddressUsed)

    assert refusal.message == "You can register the IP: 192.0.2.11 under a paid license only."
    assert refusal.code == "trial_ip_used"
    assert decide_registration(replace(FREE_SEAT, trial_ip_used=True)).takes_seat


def test_a_reinstall_does_not_carry_a_trial_to_a_used_address_t3() -> None:
    """T3: hints can be forged, the secret cannot."""
    refused(replace(TRIAL, trial_ip_used=True, match=REINSTALL), TrialAddressUsed)

    assert decide_registration(replace(TRIAL, trial_ip_used=True, match=SAME)).server_id == 7


def test_a_trial_is_over_on_its_end_day_t4() -> None:
    """T4."""
    last_day = PoolFacts(quantity=1, valid_until=day("2026-02-13"), is_trial=True)
    over = PoolFacts(quantity=1, valid_until=day("2026-02-12"), is_trial=True)

    assert decide_registration(replace(FREE_SEAT, pool=last_day)).takes_seat
    refusal = refused(replace(FREE_SEAT, pool=over), TrialExpired)
    assert refusal.code == "trial_expired"
    assert refusal.message == "The trial of KernelCare ended on 12 Feb 2026."


def test_a_license_is_over_on_its_end_day() -> None:
    over = replace(FREE_SEAT, pool=PoolFacts(quantity=5, valid_until=day("2026-02-12")))

    assert refused(over, LicenseExpired).code == "license_expired"
    assert refused(replace(over, match=SAME), LicenseExpired).code == "license_expired"


def test_an_account_without_the_license_is_told_to_buy_it() -> None:
    refusal = refused(replace(FREE_SEAT, pool=None), LicenseExpired)

    assert refusal.message == "The account has no KernelCare license."


def test_a_full_key_names_the_server_that_holds_the_seat_and_the_fix() -> None:
    full = replace(FREE_SEAT, key=KeyFacts(limit=1, occupants=(ONE,)))

    refusal = refused(full, KeyLimitReached)

    assert refusal.message == "Maximum usage count of 1 reached: used by a.example (192.0.2.10)."
    assert refusal.facts == {"limit": 1, "occupants": ("a.example (192.0.2.10)",)}
    assert "raise the key's limit" in refusal.fix


def test_a_full_pool_names_the_servers_that_hold_it() -> None:
    occupants = (ONE, Occupant("", "192.0.2.20"))
    full = replace(FREE_SEAT, pool=PoolFacts(quantity=2, occupants=occupants))

    refusal = refused(full, PoolExhausted)

    assert refusal.code == "pool_exhausted"
    assert refusal.message == (
        "The account has KernelCare for 2 servers: "
        "used by a.example (192.0.2.10), unnamed (192.0.2.20)."
    )
    assert refusal.fix.startswith("Add licenses")


def test_a_trial_of_one_server_offers_to_buy_t2() -> None:
    """T2."""
    pool = PoolFacts(quantity=1, is_trial=True, occupants=(ONE,))

    refusal = refused(replace(FREE_SEAT, pool=pool), PoolExhausted)

    assert refusal.message.startswith("The trial covers KernelCare for 1 server: ")
    assert refusal.fix.startswith("Buy a license")


def test_a_long_list_of_occupants_is_cut() -> None:
    occupants = tuple(Occupant(f"s{number}.example", "192.0.2.1") for number in range(7))
    full = replace(FREE_SEAT, key=KeyFacts(limit=7, occupants=occupants))

    refusal = refused(full, KeyLimitReached)

    assert refusal.message.endswith("s4.example (192.0.2.1) and 2 more.")
    assert len(refusal.facts["occupants"]) == 7  # type: ignore[arg-type]


def test_a_pool_of_nothing_says_that_none_is_left() -> None:
    refusal = refused(replace(FREE_SEAT, pool=PoolFacts(quantity=0)), PoolExhausted)

    assert refusal.message == "The account has KernelCare for 0 servers: none is left."


@pytest.mark.parametrize("limit", [0, 3])
def test_an_unlimited_pool_and_a_key_below_its_limit_let_in(limit: int) -> None:
    """T2: KernelCare trials and partners' keys (R8) are not counted."""
    facts = replace(
        FREE_SEAT, key=KeyFacts(limit=limit, occupants=(ONE, ONE)), pool=PoolFacts(quantity=None)
    )

    assert decide_registration(facts).takes_seat


def test_kernelcare_under_imunify_takes_no_seat_s3() -> None:
    """S3: whether or not KernelCare itself is bought or full."""
    covered = replace(
        FREE_SEAT,
        included_with="Imunify360",
        key=KeyFacts(limit=1, occupants=(ONE,)),
        pool=None,
    )

    assert decide_registration(covered) == Granted("192.0.2.11", None, MatchStrength.NEW, False)


@given(
    limit=st.integers(0, 5),
    used=st.integers(0, 6),
    quantity=st.none() | st.integers(0, 5),
    held=st.integers(0, 6),
    match=st.sampled_from([FREE_SEAT.match, SAME, REINSTALL]),
)
def test_a_seat_is_only_taken_where_key_and_pool_have_one(
    limit: int, used: int, quantity: int | None, held: int, match: MachineMatch
) -> None:
    facts = replace(
        FREE_SEAT,
        key=KeyFacts(limit=limit, occupants=(ONE,) * used),
        pool=PoolFacts(quantity=quantity, occupants=(ONE,) * held),
        match=match,
    )
    has_seat = (limit == 0 or used < limit) and (quantity is None or held < quantity)

    try:
        granted = decide_registration(facts)
    except (KeyLimitReached, PoolExhausted):
        assert match.strength is MatchStrength.NEW
        assert not has_seat
    else:
        assert granted.takes_seat == (match.strength is MatchStrength.NEW)
        assert has_seat or not granted.takes_seat
