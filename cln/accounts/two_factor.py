"""Two-factor sign-in: an authenticator app, and recovery codes for the day it is lost.

Codes are checked against the system's clock, also in a sandbox whose clock was moved: phones
follow theirs. Verbs open their own transaction.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from django.db import transaction

from cln import vault
from cln.accounts.audit import record
from cln.accounts.models import Login, RecoveryCode, TwoFactor
from cln.domain.errors import Refusal
from cln.domain.totp import matching_step

SECRET_BYTES: Final = 20
RECOVERY_CODES: Final = 10
# Without 0/o, 1/l/i: they are typed from paper.
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
_PURPOSE: Final = "recovery-code"


class WrongCode(Refusal):
    """The code is not the one the app shows now, or it was used before."""

    code: ClassVar[str] = "wrong_code"

    @classmethod
    def now(cls) -> WrongCode:
        """The refusal, with what most often helps."""
        return cls(
            "This is not the code that belongs to this moment.",
            "Type the six digits the app shows now; check that the phone's clock is right.",
        )


@dataclass(frozen=True, slots=True)
class TwoFactorRow:
    """The state of a login's second factor."""

    turned_on_at: datetime
    codes_left: int


def new_secret() -> str:
    """A secret as authenticator apps take it: base32, without padding."""
    return base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()


def two_factor_of(login_id: int) -> TwoFactorRow | None:
    """The state of a login's second factor; None where it is off."""
    row = TwoFactor.objects.filter(login=login_id).first()
    if row is None:
        return None
    left = RecoveryCode.objects.filter(login=login_id, used_at=None).count()
    return TwoFactorRow(row.turned_on_at, left)


def turn_on(*, login: Login, secret: str, code: str, at: datetime, now: datetime) -> Sequence[str]:
    """Ask this login for a code from now on; returns its recovery codes, shown this once.

    `code` proves that the app has the secret; `at` is the system's instant. Replaces an app that
    was there before. Refusals: `wrong_code`.
    """
    step = matching_step(base64.b32decode(secret), code, at=at)
    if step is None:
        raise WrongCode.now()
    with transaction.atomic():
        TwoFactor.objects.update_or_create(
            login=login,
            defaults={"cipher": vault.seal(secret), "last_step": step, "turned_on_at": now},
        )
        _record(login, "two_factor.turned_on", now=now)
        return _fresh_codes(login)


def turn_off(*, login: Login, actor: str, now: datetime) -> None:
    """The password alone is enough again; off already: nothing happens."""
    with transaction.atomic():
        deleted, _ = TwoFactor.objects.filter(login=login).delete()
        RecoveryCode.objects.filter(login=login).delete()
        if deleted:
            _record(login, "two_factor.turned_off", actor=actor, now=now)


def renew_codes(*, login: Login, now: datetime) -> Sequence[str]:
    """New recovery codes, shown this once; the old ones stop working."""
    with transaction.atomic():
        _record(login, "two_factor.codes_renewed", now=now)
        return _fresh_codes(login)


def check_code(*, login: Login, code: str, at: datetime, now: datetime) -> None:
    """Accept the app's code or a recovery code, each once. Refusals: `wrong_code`."""
    with transaction.atomic():
        factor = TwoFactor.objects.select_for_update().get(login=login)
        secret = base64.b32decode(vault.unseal(factor.cipher))
        step = matching_step(secret, code, at=at, after=factor.last_step)
        if step is not None:
            factor.last_step = step
            factor.save(update_fields=["last_step"])
            return
        codes = RecoveryCode.objects.filter(login=login, code_hash=_hash(code), used_at=None)
        if not codes.update(used_at=now):
            raise WrongCode.now()
        _record(login, "two_factor.recovery_code_used", now=now)


def _fresh_codes(login: Login) -> Sequence[str]:
    texts = ["".join(secrets.choice(_ALPHABET) for _ in range(10)) for _ in range(RECOVERY_CODES)]
    RecoveryCode.objects.filter(login=login).delete()
    RecoveryCode.objects.bulk_create(
        RecoveryCode(login=login, code_hash=_hash(text)) for text in texts
    )
    return [f"{text[:5]}-{text[5:]}" for text in texts]


def _hash(code: str) -> bytes:
    kept = "".join(letter for letter in code.lower() if letter in _ALPHABET)
    return vault.lookup_hash(_PURPOSE, kept[:40])


def _record(login: Login, verb: str, *, actor: str = "", now: datetime) -> None:
    record(
        account_id=login.account_id,
        actor=actor or login.username,
        verb=verb,
        subject=login.username,
        now=now,
    )
