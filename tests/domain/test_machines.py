"""One machine, one seat: which server is this? (security rules, section 1)"""

import pytest

from cln.domain.machines import (
    JUNK_UUIDS,
    NEW_MACHINE,
    MachineCandidate,
    MachineHints,
    MachineMatch,
    MatchStrength,
    match_machine,
    usable_uuid,
)

UUID = "4C4C4544-0042-3510-8053-B4C04F4A5A31"
OTHER_UUID = "4C4C4544-0042-3510-8053-B4C04F4A5A32"
KNOWN = MachineCandidate(server_id=7, uuid=UUID, hostname="a.example", address="192.0.2.10")
ELSEWHERE = MachineCandidate(
    server_id=8, uuid=OTHER_UUID, hostname="b.example", address="192.0.2.11"
)
REINSTALL = MachineMatch(7, MatchStrength.REINSTALL)


def test_the_same_secret_is_the_same_server_whatever_else_changed() -> None:
    hints = MachineHints(proven_server_id=7, uuid=OTHER_UUID, hostname="x", address="203.0.113.1")

    assert match_machine(hints, [ELSEWHERE, KNOWN]) == MachineMatch(7, MatchStrength.SAME)


@pytest.mark.parametrize(
    "hints",
    [
        MachineHints(uuid=UUID),
        MachineHints(uuid=f" {UUID.lower()} ", hostname="new.example", address="203.0.113.1"),
        MachineHints(hostname="a.example", address="192.0.2.10"),
        MachineHints(uuid=OTHER_UUID[::-1], hostname="A.Example.", address="192.0.2.10"),
        MachineHints(proven_server_id=99, uuid=UUID),
    ],
)
def test_hardware_or_name_and_address_make_a_reinstall(hints: MachineHints) -> None:
    assert match_machine(hints, [ELSEWHERE, KNOWN]) == REINSTALL


@pytest.mark.parametrize(
    "hints",
    [
        MachineHints(),
        MachineHints(hostname="a.example"),
        MachineHints(address="192.0.2.10"),
        MachineHints(hostname="a.example", address="192.0.2.11"),
        MachineHints(uuid="not a uuid", hostname="c.example", address="192.0.2.10"),
    ],
)
def test_weak_hints_are_a_new_machine(hints: MachineHints) -> None:
    assert match_machine(hints, [KNOWN, ELSEWHERE]) == NEW_MACHINE


def test_a_server_without_any_data_matches_nobody() -> None:
    blank = MachineCandidate(server_id=9)

    assert match_machine(MachineHints(), [blank]) == NEW_MACHINE
    assert match_machine(MachineHints(hostname="a.example"), [blank]) == NEW_MACHINE


def test_fresh_installations_behind_one_address_are_not_taken_for_each_other() -> None:
    fresh = MachineCandidate(server_id=9, hostname="localhost.localdomain", address="192.0.2.10")
    hints = MachineHints(hostname="localhost.localdomain", address="192.0.2.10")

    assert match_machine(hints, [fresh]) == NEW_MACHINE


def test_hardware_wins_over_name_and_address() -> None:
    """A new machine took over the old one's name; the old hardware registers again."""
    hints = MachineHints(uuid=UUID, hostname="b.example", address="192.0.2.11")

    assert match_machine(hints, [ELSEWHERE, KNOWN]) == REINSTALL


@pytest.mark.parametrize("junk", [*sorted(JUNK_UUIDS), "0" * 8 + "-0000-0000-0000-" + "0" * 12])
def test_junk_hardware_ids_identify_nobody(junk: str) -> None:
    board = MachineCandidate(server_id=9, uuid=junk)

    assert match_machine(MachineHints(uuid=junk.upper()), [board]) == NEW_MACHINE


@pytest.mark.parametrize(
    ("text", "uuid"),
    [
        (UUID, UUID.lower()),
        ("ffffffff-ffff-ffff-ffff-ffffffffffff", None),
        ("Not Settable", None),
        ("", None),
        (UUID.replace("-", ""), None),
    ],
)
def test_a_usable_hardware_id_is_well_formed_and_not_one_repeated_digit(
    text: str, uuid: str | None
) -> None:
    assert usable_uuid(text) == uuid
