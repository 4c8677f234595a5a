"""The tokens programs sign, `login|timestamp|sha1(secret + timestamp)`, and why one fails.

`explain` is for the person who writes such a program and is signed in to the account whose secret
it is; the API itself answers every failure alike (security §3). SHA-1 can be extended: who knows a
digest of `secret‖ts` can make one of `secret‖ts‖padding‖suffix` without the secret. Strict parsing
is what stops it: a timestamp is ten ASCII digits, nothing else.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import unquote

from cln.domain.words import counted

SIGNED_TOKEN: Final = re.compile(
    r"(?P<login>[^\x00-\x1f\x7f]{1,254})\|(?P<at>[0-9]{10})\|(?P<hash>[0-9a-f]{40})"
)


@dataclass(frozen=True, slots=True)
class TokenWindow:
    """How old a token may be, and how far ahead of us its writer's clock; seconds."""

    max_age: int
    max_ahead: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the tester says: whether the API takes the token, why not, and what helps."""

    is_good: bool
    sentence: str
    fix: str = ""


def digest_of(secret: str, at: str) -> str:
    """The third part of a token."""
    return hashlib.sha1(f"{secret}{at}".encode(), usedforsecurity=False).hexdigest()


def explain(
    text: str, *, secret: str, logins: Collection[str], window: TokenWindow, now: datetime
) -> Verdict:
    """Why the API takes this token, or the first reason why not.

    `logins` are the names and addresses, in lower case, under which the account may sign.
    """
    given = text.strip()
    if "%7" in given:
        given = unquote(given)
    parts = SIGNED_TOKEN.fullmatch(given)
    if parts is None:
        return _misshapen(given)
    if parts["login"].lower() not in logins:
        return Verdict(
            False,
            f"“{parts['login'][:60]}” is no login of this account.",
            "Write the login or e-mail address of somebody under Sub-logins.",
        )
    if not hmac.compare_digest(digest_of(secret, parts["at"]), parts["hash"]):
        return _other_digest(secret, parts["at"], parts["hash"])
    return _timed(now.timestamp() - int(parts["at"]), parts["at"], window)


def _misshapen(given: str) -> Verdict:
    if given.count("|") < 2:
        return Verdict(
            False,
            "A token has three parts with | between them: login|timestamp|hash.",
            "A shell takes | for a pipe: put the token in quotes, or write %7C.",
        )
    _, at, digest = given.rsplit("|", 2)
    if not re.fullmatch(r"[0-9]{10}", at, re.ASCII):
        if re.fullmatch(r"[0-9]{13}", at, re.ASCII):
            return Verdict(
                False, "The timestamp is in milliseconds.", "Divide it by 1000, without a fraction."
            )
        return Verdict(
            False,
            "The timestamp is not ten digits.",
            "Write Unix time in whole seconds, as `date +%s` prints it.",
        )
    if re.fullmatch(r"[0-9A-Fa-f]{40}", digest, re.ASCII):
        return Verdict(False, "The hash has capital letters.", "Write it in lower case.")
    if re.fullmatch(r"[0-9A-Fa-f]{64}", digest, re.ASCII):
        return Verdict(False, "The hash is as long as one of SHA-256.", "Use SHA-1.")
    if re.fullmatch(r"[0-9A-Fa-f]{32}", digest, re.ASCII):
        return Verdict(False, "The hash is as long as one of MD5.", "Use SHA-1.")
    return Verdict(
        False,
        "The hash is not 40 digits of 0-9 and a-f.",
        "Write SHA-1 in hexadecimal; `sha1sum` adds a dash that does not belong to it.",
    )


def _other_digest(secret: str, at: str, digest: str) -> Verdict:
    mistakes = {
        digest_of(at, secret): (
            "The hash is of timestamp + secret.",
            "Turn them round: the secret comes first.",
        ),
        digest_of(secret, f"{at}\n"): (
            "A line break was hashed along.",
            "Use `printf %s` or `echo -n` instead of `echo`.",
        ),
        digest_of(f"{secret} ", at): ("A blank was hashed along.", "Put nothing between them."),
        digest_of(f"{secret}|", at): ("A | was hashed along.", "Put nothing between them."),
        digest_of("", at): ("The secret was empty.", "Set it before the hash is made."),
        digest_of(secret, ""): ("The timestamp was left out.", "Hash secret + timestamp."),
    }
    sentence, fix = mistakes.get(
        digest,
        (
            "The hash was made with another secret or another timestamp.",
            "Hash the secret directly followed by the same ten digits; if the secret is lost, "
            "make a new one.",
        ),
    )
    return Verdict(False, sentence, fix)


def _timed(age: float, at: str, window: TokenWindow) -> Verdict:
    made = f"{datetime.fromtimestamp(int(at), UTC):%Y-%m-%d %H:%M:%S} UTC"
    if age > window.max_age:
        return Verdict(
            False,
            f"It was signed at {made} and ran out {_words(age - window.max_age)} ago.",
            f"Make a new one for each call: a token is good for {_words(window.max_age)}.",
        )
    if age < -window.max_ahead:
        return Verdict(
            False,
            f"It was signed at {made}, {_words(-age)} from now.",
            "Set the clock of the machine that signs; NTP does it.",
        )
    left = _words(window.max_age - age)
    return Verdict(True, f"This token is good: the API takes it for another {left}.")


def _words(seconds: float) -> str:
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= size:
            return counted(int(seconds // size), name)
    return "less than a second"
