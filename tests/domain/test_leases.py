"""Leases: how long they hold, what ends them, when they are refreshed, and each server's slot."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cln.domain.leases import (
    INCIDENT_CONTEXT,
    LEASE_CONTEXT,
    LeaseFacts,
    decide_incident,
    decide_lease,
    is_current,
    key_document,
    longest_life,
    next_check_in,
    signed_bytes,
    tag_of,
)

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
FACTS = LeaseFacts(
    server_id="srv_1", fingerprint="f" * 64, license_type="cloudlinux", features=("imunify_email",)
)
instants = st.integers(1_577_836_800_000, 3_786_912_000_000).map(
    lambda ms: datetime.fromtimestamp(ms // 1000, UTC) + timedelta(milliseconds=ms % 1000)
)
facts = st.builds(
    LeaseFacts,
    server_id=st.just("srv_1"),
    fingerprint=st.just(""),
    license_type=st.just("cloudlinux"),
    right_until=st.none() | st.dates(date(2020, 1, 1), date(2090, 1, 1)),
    stretch=st.integers(0, 365).map(lambda days: timedelta(days=days)),
)


def _at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def test_a_lease_is_fresh_for_4_hours_good_for_14_days_and_in_grace_for_14_more() -> None:
    lease = decide_lease(FACTS, kid="k1", now=NOW)

    assert (lease.server_id, lease.license_type, lease.features) == (
        "srv_1",
        "cloudlinux",
        ("imunify_email",),
    )
    assert (_at(lease.iat), lease.seq) == (NOW, lease.iat * 1000)
    assert _at(lease.refresh_after) == datetime(2026, 3, 10, 16, 0, tzinfo=UTC)
    assert _at(lease.exp) == datetime(2026, 3, 24, 12, 0, tzinfo=UTC)
    assert _at(lease.grace_until) == datetime(2026, 4, 7, 12, 0, tzinfo=UTC)


def test_the_signed_bytes_are_one_line_of_ascii_in_a_fixed_order() -> None:
    assert signed_bytes(decide_lease(FACTS, kid="k1", now=NOW)) == (
        b'{"alg":"Ed25519","exp":1774353600,"features":["imunify_email"],'
        b'"fingerprint":"' + b"f" * 64 + b'","grace_until":1775563200,"iat":1773144000,'
        b'"kid":"k1","license_type":"cloudlinux","refresh_after":1773158400,'
        b'"seq":1773144000000,"server_id":"srv_1"}'
    )


def test_a_right_that_ends_ends_the_lease_and_its_grace() -> None:
    """T4: a trial does not outlive itself because we were away."""
    ending = replace(FACTS, right_until=date(2026, 3, 12))

    lease = decide_lease(ending, kid="k1", now=NOW)

    assert _at(lease.exp) == _at(lease.grace_until) == datetime(2026, 3, 13, tzinfo=UTC)


def test_an_incident_stretches_a_lease_but_no_right() -> None:
    stretched = replace(FACTS, stretch=timedelta(days=30))
    ending = replace(stretched, right_until=date(2026, 3, 12))

    lease, short = (decide_lease(one, kid="k1", now=NOW) for one in (stretched, ending))

    assert _at(lease.exp) == NOW + timedelta(days=44)
    assert (
        _at(lease.grace_until) == NOW + timedelta(days=58) == NOW + longest_life(stretched.stretch)
    )
    assert _at(short.grace_until) == datetime(2026, 3, 13, tzinfo=UTC)


def test_a_notice_says_since_when_and_until_when_leases_stretch() -> None:
    notice = decide_incident(starts_at=NOW, stretch=timedelta(days=30), kid="k1")

    assert signed_bytes(notice) == (
        b'{"alg":"Ed25519","kid":"k1","starts_at":1773144000,"until":1775736000}'
    )
    assert LEASE_CONTEXT != INCIDENT_CONTEXT


@given(facts, instants)
def test_the_ends_of_a_lease_are_in_order_and_none_outlives_the_right(
    facts: LeaseFacts, now: datetime
) -> None:
    lease = decide_lease(facts, kid="k1", now=now)

    assert lease.refresh_after <= lease.exp <= lease.grace_until
    assert lease.grace_until <= lease.iat + longest_life(facts.stretch).total_seconds()
    if facts.right_until is not None:
        assert _at(lease.grace_until).date() <= facts.right_until + timedelta(days=1)


@given(facts, instants, st.integers(0, 10**6))
def test_a_later_lease_has_a_higher_number(facts: LeaseFacts, now: datetime, later: int) -> None:
    first = decide_lease(facts, kid="k1", now=now)
    second = decide_lease(facts, kid="k1", now=now + timedelta(milliseconds=later))

    assert first.seq <= second.seq
    assert (second.seq > first.seq) == (later > 0)


def test_the_number_of_a_lease_counts_whole_milliseconds() -> None:
    """In fractions of a second this millisecond would have the number of the one before."""
    now = datetime(2038, 6, 23, 19, 33, 29, 213000, tzinfo=UTC)

    assert decide_lease(FACTS, kid="k1", now=now).seq == 2160934409213


def test_a_lease_is_current_until_it_should_be_refreshed() -> None:
    tag = tag_of(FACTS, decide_lease(FACTS, kid="k1", now=NOW))

    def current(hours: float, facts: LeaseFacts = FACTS, kid: str = "k1") -> bool:
        return is_current(tag, facts, kid=kid, now=NOW + timedelta(hours=hours))

    assert current(0)
    assert current(3.99)
    assert not current(4)
    assert not current(-0.01)
    assert not current(1, kid="k2")


@pytest.mark.parametrize(
    "change",
    [
        {"license_type": "cloudlinux_pro"},
        {"features": ()},
        {"fingerprint": "e" * 64},
        {"stretch": timedelta(days=30)},
        {"right_until": date(2026, 4, 1)},
        {"server_id": "srv_2"},
    ],
)
def test_a_lease_that_would_say_something_else_is_not_current(change: dict[str, object]) -> None:
    tag = tag_of(FACTS, decide_lease(FACTS, kid="k1", now=NOW))

    assert not is_current(tag, replace(FACTS, **change), kid="k1", now=NOW)


@pytest.mark.parametrize("tag", ["", "*", '"1773144000"', "x" * 300, '"٣-' + "0" * 32 + '"'])
def test_a_tag_that_is_none_of_ours_is_not_current(tag: str) -> None:
    assert not is_current(tag, FACTS, kid="k1", now=NOW)


def test_a_lease_is_not_current_after_the_right_has_ended() -> None:
    ending = replace(FACTS, right_until=date(2026, 3, 10))
    late = datetime(2026, 3, 10, 23, 0, tzinfo=UTC)
    tag = tag_of(ending, decide_lease(ending, kid="k1", now=late))

    assert is_current(tag, ending, kid="k1", now=late + timedelta(minutes=59))
    assert not is_current(tag, ending, kid="k1", now=late + timedelta(hours=1))


@given(st.text(min_size=1, max_size=30), instants, st.integers(2, 48))
def test_a_server_has_its_own_slot_half_a_period_ahead_at_least(
    server_id: str, now: datetime, hours: int
) -> None:
    period = timedelta(hours=hours)

    slot = next_check_in(server_id, now=now, period=period)
    following = next_check_in(server_id, now=slot, period=period)

    assert period / 2 <= slot - now.replace(microsecond=0) < period * 3 / 2
    assert following - slot == period, "it keeps its slot"


def test_the_slots_of_many_servers_are_spread_over_the_whole_period() -> None:
    slots = [next_check_in(f"srv_{n}", now=NOW) for n in range(2_400)]

    per_ten_minutes = [0] * 24
    for slot in slots:
        per_ten_minutes[int((slot - NOW - timedelta(hours=2)).total_seconds()) // 600] += 1
    assert sum(per_ten_minutes) == 2_400
    assert min(per_ten_minutes) > 60, "100 each, were it exact"
    assert max(per_ten_minutes) < 150


def test_a_published_key_names_its_algorithm() -> None:
    document = key_document(kid="k1", public_hex="00", signs=True)

    assert json.dumps(document) == '{"kid": "k1", "alg": "Ed25519", "public": "00", "signs": true}'
