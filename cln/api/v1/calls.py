"""What every signed call of REST v1 shares: the token, the arguments, refusals in v1's words."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.http import HttpRequest, HttpResponse

from cln import clock
from cln.accounts.audit import opened_by
from cln.api.arguments import BadArgument, lenient_arguments, whole_number
from cln.api.auth import AuthFailed, caller_of
from cln.api.envelope import Answer, Verb, v1_endpoint
from cln.api.limits import check, count_stranger
from cln.api.refusals import v1_words
from cln.domain.errors import Refusal

ARGUMENT_LENGTH = 10_000
LIMIT_MOST = 2_147_483_647

ABSENT = frozenset(
    ("unknown_key", "unknown_server", "server_removed", "unknown_group", "unknown_ip_license")
)
"""Nothing to do it to: absent, removed, or another account's, which answer alike."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call whose token was good; `actor` is the login it names."""

    account_id: int
    actor: str
    arguments: Mapping[str, str]
    now: datetime

    def text(self, name: str, *others: str) -> str:
        """The argument of that name, or of another it goes by; empty where there is none."""
        texts = (self.arguments.get(one, "") for one in (name, *others))
        return next((text for text in texts if text), "")

    def present(self, name: str, *others: str) -> str:
        """A text that was sent, maybe empty. Refuses `bad_argument` where it was not."""
        if self.arguments.keys().isdisjoint((name, *others)):
            raise _required(name)
        return self.text(name, *others)

    def filled(self, name: str, *others: str) -> str:
        """A text that is not empty. Refuses `bad_argument`."""
        text = self.text(name, *others).strip()
        if not text:
            raise _required(name)
        return text

    def number(self, name: str) -> int | None:
        """A whole number, None where absent or empty. Refuses `bad_argument`."""
        return whole_number(self.arguments, name, most=LIMIT_MOST)

    def given(self, name: str, *others: str) -> str | None:
        """A text that changes something, also an empty one; None = leave it as it is."""
        if self.arguments.keys().isdisjoint((name, *others)):
            return None
        return self.text(name, *others)


def signed(
    *,
    refused: object = None,
    absent: Literal["is fine", "is refused"] = "is refused",
    verb: Verb = "",
) -> Callable[[Callable[[Call], object]], Callable[..., HttpResponse]]:
    """Make a door of a view that gets a `Call` and returns `data`, or a whole `Answer`.

    `refused` is the data of a refusal: lists stay lists and booleans stay booleans, for clients
    that do not look at `success` (M-3, IPL-9). `absent` "is fine" where taking away what is not
    there succeeds (M-6, IPL-7).
    """

    def door_of(view: Callable[[Call], object]) -> Callable[..., HttpResponse]:
        @functools.wraps(view)
        def door(request: HttpRequest) -> Answer:
            return answered(view, request, refused=refused, absent_is_fine=absent == "is fine")

        return v1_endpoint(door, verb=verb)

    return door_of


def answered(
    view: Callable[[Call], object],
    request: HttpRequest,
    *,
    refused: object,
    absent_is_fine: bool = False,
) -> Answer:
    """What a signed view answers to a request, its refusals in v1's words."""
    try:
        data = view(_call(request))
    except AuthFailed as refusal:
        check(count_stranger(request))
        return in_v1_words(refusal)
    except Refusal as refusal:
        if absent_is_fine and refusal.code in ABSENT:
            return Answer(refused, message=v1_words(refusal)[0])
        return in_v1_words(refusal, data=refused)
    return data if isinstance(data, Answer) else Answer(data)


def in_v1_words(refusal: Refusal, *, data: object = None) -> Answer:
    """A refusal as v1 says it: a sentence for people, a stable type for machines."""
    message, kind = v1_words(refusal)
    return Answer(data, success=False, message=message, type=kind)


def date_text(at: datetime | None) -> str | None:
    """`2014-04-30T11:26+0000`: no seconds, no colon in the offset (V1-11)."""
    return None if at is None else at.strftime("%Y-%m-%dT%H:%M%z")


def _call(request: HttpRequest) -> Call:
    arguments = lenient_arguments(request)
    caller = caller_of(request, arguments, now=clock.system_now())
    opened_by(caller.shown)
    for name, text in arguments.items():
        if len(text) > ARGUMENT_LENGTH or not _can_be_stored(text):
            raise BadArgument(f"“{name[:40]!a}” is too long or not text.")
    return Call(caller.account_id, caller.login, arguments, clock.now())


def _can_be_stored(text: str) -> bool:
    return "\x00" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def _required(name: str) -> BadArgument:
    return BadArgument(f"{name.replace('_', ' ').capitalize()} is required")
