"""Codes of an authenticator app, against the vectors of RFC 6238."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cln.domain.totp import code_at, matching_step, step_at

SECRET = b"12345678901234567890"


@pytest.mark.parametrize(
    ("unix", "eight_digits"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_codes_are_those_of_the_standard(unix: int, eight_digits: str) -> None:
    at = datetime.fromtimestamp(unix, UTC)

    assert code_at(SECRET, step_at(at)) == eight_digits[-6:]


AT = datetime(2026, 1, 31, 9, 0, 10, tzinfo=UTC)


@pytest.mark.parametrize(("seconds", "fits"), [(-40, True), (-41, False), (49, True), (50, False)])
def test_a_code_works_half_a_minute_around_its_own(seconds: int, fits: bool) -> None:
    code = code_at(SECRET, step_at(AT))

    step = matching_step(SECRET, code, at=AT - timedelta(seconds=-seconds))

    assert step == (step_at(AT) if fits else None)


def test_a_code_works_once() -> None:
    code = code_at(SECRET, step_at(AT))

    assert matching_step(SECRET, code, at=AT, after=step_at(AT)) is None
    assert matching_step(SECRET, code, at=AT, after=step_at(AT) - 1) == step_at(AT)


def test_blanks_between_the_digits_do_no_harm() -> None:
    code = code_at(SECRET, step_at(AT))

    assert matching_step(SECRET, f" {code[:3]} {code[3:]} ", at=AT) == step_at(AT)


@pytest.mark.parametrize("code", ["", "000000", "é", "94287082", "１２３４５６"])
def test_what_is_no_code_of_now_does_not_work(code: str) -> None:
    assert matching_step(SECRET, code, at=AT) is None
