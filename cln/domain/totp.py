"""Codes of an authenticator app (RFC 6238: SHA-1, six digits, a new one every 30 seconds)."""

from __future__ import annotations

import hashlib
import hmac
import struct
from datetime import datetime

STEP_SECONDS = 30
DIGITS = 6
# A phone's clock may be half a minute off either way.
TOLERANCE_STEPS = 1


def step_at(at: datetime) -> int:
    """The number of the 30 seconds that an instant lies in."""
    return int(at.timestamp()) // STEP_SECONDS


def code_at(secret: bytes, step: int) -> str:
    """The six digits that the app shows in these 30 seconds."""
    digest = hmac.digest(secret, struct.pack(">Q", step), hashlib.sha1)
    offset = digest[-1] & 0x0F
    (number,) = struct.unpack(">I", digest[offset : offset + 4])
    return f"{(number & 0x7FFFFFFF) % 10**DIGITS:0{DIGITS}}"


def matching_step(secret: bytes, code: str, *, at: datetime, after: int = 0) -> int | None:
    """The step whose code this is; None for a wrong one, and for one up to step `after`.

    A code works once: whoever calls keeps the step it got and passes it the next time. All codes
    are compared, in constant time, whichever fits.
    """
    typed = "".join(code.split()).encode("utf-8", "replace")
    now = step_at(at)
    found: int | None = None
    for step in range(now - TOLERANCE_STEPS, now + TOLERANCE_STEPS + 1):
        fits = hmac.compare_digest(code_at(secret, step).encode(), typed)
        if fits and step > after and found is None:
            found = step
    return found
