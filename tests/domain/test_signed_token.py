"""Why a token fails: the first reason, and what helps."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from urllib.parse import quote

import pytest

from cln.domain.signed_token import TokenWindow, Verdict, explain

SECRET = "s3cretS3cret"
NOW = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)
TS = str(int(NOW.timestamp()))


def sha1(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def token(login: str = "acme", at: str = TS, digest: str = "") -> str:
    return f"{login}|{at}|{digest or sha1(SECRET + at)}"


def told(text: str) -> Verdict:
    return explain(
        text,
        secret=SECRET,
        logins={"acme", "anna@acme.example"},
        window=TokenWindow(max_age=1800, max_ahead=300),
        now=NOW,
    )


@pytest.mark.parametrize(
    "text",
    [token(), token("ACME"), token("anna@acme.example"), quote(token()), f" {token()}\n"],
)
def test_a_token_that_works_is_called_good(text: str) -> None:
    verdict = told(text)

    assert verdict.is_good
    assert verdict.sentence == "This token is good: the API takes it for another 30 minutes."


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("acme", "A token has three parts with | between them: login|timestamp|hash."),
        (token(at="1769850000000"), "The timestamp is in milliseconds."),
        (token(at="2026-01-31"), "The timestamp is not ten digits."),
        (token(at="１７６９８５００００"), "The timestamp is not ten digits."),
        (token(digest=sha1(SECRET + TS).upper()), "The hash has capital letters."),
        (token(digest="a" * 64), "The hash is as long as one of SHA-256."),
        (token(digest="a" * 32), "The hash is as long as one of MD5."),
        (token(digest="a" * 39), "The hash is not 40 digits of 0-9 and a-f."),
        (token("bert"), "“bert” is no login of this account."),
        (token(digest=sha1(TS + SECRET)), "The hash is of timestamp + secret."),
        (token(digest=sha1(f"{SECRET}{TS}\n")), "A line break was hashed along."),
        (token(digest=sha1(f"{SECRET} {TS}")), "A blank was hashed along."),
        (token(digest=sha1(f"{SECRET}|{TS}")), "A | was hashed along."),
        (token(digest=sha1(TS)), "The secret was empty."),
        (token(digest=sha1(SECRET)), "The timestamp was left out."),
        (
            token(digest="0" * 40),
            "The hash was made with another secret or another timestamp.",
        ),
    ],
)
def test_the_first_mistake_is_named_with_what_helps(text: str, sentence: str) -> None:
    verdict = told(text)

    assert (verdict.is_good, verdict.sentence) == (False, sentence)
    assert verdict.fix


@pytest.mark.parametrize(
    ("seconds", "sentence"),
    [
        (-1800, "This token is good: the API takes it for another less than a second."),
        (-1801, "It was signed at 2026-01-31 08:29:59 UTC and ran out 1 second ago."),
        (-90_000, "It was signed at 2026-01-30 08:00:00 UTC and ran out 1 day ago."),
        (300, "This token is good: the API takes it for another 35 minutes."),
        (301, "It was signed at 2026-01-31 09:05:01 UTC, 5 minutes from now."),
    ],
)
def test_a_token_out_of_its_time_says_by_how_much(seconds: int, sentence: str) -> None:
    assert told(token(at=str(int(TS) + seconds))).sentence == sentence
