"""The systemid checksum: the published vector, and what must not pass."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cln.domain.systemid import SIGNED_FIELDS, SystemId, agrees, checksum

SECRET = "0123456789abcdef" * 4
ISSUED = SystemId(
    system_id="ID-1000010001",
    os_release="8.10",
    operating_system="cloudlinux",
    architecture="x86_64-redhat-linux",
    username="acme",
    type="REAL",
)


def test_the_checksum_is_the_one_of_the_reference_server_tv_2() -> None:
    assert checksum(SECRET, ISSUED) == (
        "1dbece4bba1168a4941df97f7007d0ad3feb8d534c2afd9e556ad57daa382148"
    )


def test_a_document_as_it_was_issued_agrees() -> None:
    assert agrees(ISSUED, given=checksum(SECRET, ISSUED), known=ISSUED, secret=SECRET)


def test_a_document_from_before_an_upgrade_agrees() -> None:
    upgraded = replace(ISSUED, os_release="9.4")

    assert agrees(ISSUED, given=checksum(SECRET, ISSUED), known=upgraded, secret=SECRET)


@pytest.mark.parametrize("name", SIGNED_FIELDS)
def test_a_changed_value_does_not_agree(name: str) -> None:
    forged = replace(ISSUED, **{name: ISSUED.values()[name] + "x"})

    assert not agrees(forged, given=checksum(SECRET, ISSUED), known=ISSUED, secret=SECRET)


@pytest.mark.parametrize(
    "moved",
    [
        {"system_id": "ID-10000100018", "os_release": ".10"},
        {"os_release": "8.1", "operating_system": "0cloudlinux"},
        {"operating_system": "cloudlinuxx86", "architecture": "_64-redhat-linux"},
        {"architecture": "x86_64-redhat-linuxacm", "username": "e"},
        {"username": "acmeR", "type": "EAL"},
    ],
)
def test_a_byte_moved_between_signed_fields_keeps_the_checksum_and_does_not_agree(
    moved: dict[str, str],
) -> None:
    forged = replace(ISSUED, **moved)

    assert checksum(SECRET, forged) == checksum(SECRET, ISSUED)
    assert not agrees(forged, given=checksum(SECRET, ISSUED), known=ISSUED, secret=SECRET)


@pytest.mark.parametrize("given", ["", "0" * 64, "é"])
def test_another_checksum_does_not_agree(given: str) -> None:
    assert not agrees(ISSUED, given=given, known=ISSUED, secret=SECRET)


def test_the_secret_of_another_server_does_not_agree() -> None:
    assert not agrees(ISSUED, given=checksum("f" * 64, ISSUED), known=ISSUED, secret=SECRET)
