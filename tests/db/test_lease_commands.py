"""`cln lease-keys` and `cln lease-incident`, as operators read them."""

from __future__ import annotations

import json
import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from cln import clock
from cln.licensing.lease_keys import incident_notice, published_keys

pytestmark = pytest.mark.django_db


def said(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_the_keys_are_listed_rotated_and_withdrawn() -> None:
    first = re.fullmatch(r"(k[0-9a-f]{12})  [0-9a-f]{64}  signs\n", said("lease_keys"))
    assert first is not None

    rotated = said("lease_keys", "--rotate").splitlines()

    assert re.fullmatch(r"k\w{12}  \w{64}  signs", rotated[0])
    assert re.fullmatch(rf"{first[1]}  \w{{64}}  verifies only", rotated[1])
    with pytest.raises(CommandError, match=r"^Two keys are published; leases of k\w{12} are good"):
        said("lease_keys", "--rotate")
    assert len(said("lease_keys", "--rotate", "--withdraw-old").splitlines()) == 1


def test_withdrawing_without_a_new_key_is_refused() -> None:
    before = published_keys(now=clock.now())

    with pytest.raises(CommandError, match=r"^--withdraw-old goes with --rotate\.$"):
        said("lease_keys", "--withdraw-old")

    assert published_keys(now=clock.now()) == before


def test_an_incident_is_declared_shown_and_ended() -> None:
    assert said("lease_incident", "show") == "No incident is declared.\n"

    declared = said("lease_incident", "declare", "--days", "30", "--reason", "Fire").splitlines()

    assert re.fullmatch(
        r"Since \d{4}-\d\d-\d\d \d\d:\d\d UTC leases stretch by 30 days: Fire", declared[0]
    )
    assert json.loads(declared[1]) == {"incident": incident_notice(now=clock.now())}
    assert said("lease_incident", "show").splitlines() == declared
    with pytest.raises(CommandError, match=r"^An incident is open since .* UTC\. End it\.$"):
        said("lease_incident", "declare", "--days", "9", "--reason", "Flood")
    assert said("lease_incident", "end") == "No incident is declared.\n"
    with pytest.raises(CommandError, match=r"^No incident is declared\.$"):
        said("lease_incident", "end")


def test_an_incident_without_a_reason_is_refused() -> None:
    with pytest.raises(CommandError, match=r"^An incident has a reason"):
        said("lease_incident", "declare", "--days", "30")

    assert incident_notice(now=clock.now()) is None
