"""Two-factor sign-in: an authenticator app or passkeys, and recovery codes if they are lost.

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
from cln.accounts.models import Login, Passkey, RecoveryCode, TwoFactor
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
    """The state of a login's second factor: an app, passkeys, or both."""

    app_since: datetime | None
    passkeys: int
    codes_left: int


def new_secret() -> str:
    """A secret as authenticator apps take it: base32, without padding."""
    return base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()


def two_factor_of(login_id: int) -> TwoFactorRow | None:
    """The state of a login's second factor; None where it is off."""
    app = TwoFactor.objects.filter(login=login_id).first()
    passkeys = Passkey.objects.filter(login=login_id).count()
    if app is None and not passkeys:
        return None
    left = RecoveryCode.objects.filter(login=login_id, used_at=None).count()
    return TwoFactorRow(app.turned_on_at if app else None, passkeys, left)


def has_second_factor(login_id: int) -> bool:
    """Whether the password alone does not sign this login in."""
    return two_factor_of(login_id) is not None


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
        record_for(login, "two_factor.turned_on", now=now)
        return fresh_codes(login)


def turn_off(*, login: Login, actor: str, now: datetime) -> None:
    """The password alone is enough again: app, passkeys and codes go; off already: nothing."""
    with transaction.atomic():
        factors = (TwoFactor, Passkey, RecoveryCode)
        if sum(factor.objects.filter(login=login).delete()[0] for factor in factors):
            record_for(login, "two_factor.turned_off", actor=actor, now=now)


def forget_factors_since(*, login: Login, since: datetime) -> None:
    """Joins: take away app and passkeys that came at `since` or later; the last takes the codes."""
    TwoFactor.objects.filter(login=login, turned_on_at__gte=since).delete()
    Passkey.objects.filter(login=login, added_at__gte=since).delete()
    if not has_second_factor(login.pk):
        RecoveryCode.objects.filter(login=login).delete()


def renew_codes(*, login: Login, now: datetime) -> Sequence[str]:
    """New recovery codes, shown this once; the old ones stop working."""
    with transaction.atomic():
        record_for(login, "two_factor.codes_renewed", now=now)
        return fresh_codes(login)


def check_code(*, login: Login, code: str, at: datetime, now: datetime) -> None:
    """Accept the app's code or a recovery code, each once. Refusals: `wrong_code`."""
    with transaction.atomic():
        app = TwoFactor.objects.select_for_update().filter(login=login).first()
        if app is not None and _is_of(app, code, at=at):
            return
        codes = RecoveryCode.objects.filter(login=login, code_hash=_hash(code), used_at=None)
        if not codes.update(used_at=now):
            raise WrongCode.now()
        record_for(login, "two_factor.recovery_code_used", now=now)


def _is_of(app: TwoFactor, code: str, *, at: datetime) -> bool:
    """Joins: accept a code of the app, once."""
    secret = base64.b32decode(vault.unseal(app.cipher))
    step = matching_step(secret, code, at=at, after=app.last_step)
    if step is not None:
        app.last_step = step
        app.save(update_fields=["last_step"])
    return step is not None


def fresh_codes(login: Login) -> Sequence[str]:
    """Joins: new recovery codes in place of the old ones."""
    texts = ["".join(secrets.choice(_ALPHABET) for _ in range(10)) for _ in range(RECOVERY_CODES)]
    RecoveryCode.objects.filter(login=login).delete()
    RecoveryCode.objects.bulk_create(
        RecoveryCode(login=login, code_hash=_hash(text)) for text in texts
    )
    return [f"{text[:5]}-{text[5:]}" for text in texts]


def _hash(code: str) -> bytes:
    kept = "".join(letter for letter in code.lower() if letter in _ALPHABET)
    return vault.lookup_hash(_PURPOSE, kept[:40])


def record_for(login: Login, verb: str, *, actor: str = "", now: datetime) -> None:
    """Joins: write down what was done to a login."""
    record(
        account_id=login.account_id,
        actor=actor or login.username,
        verb=verb,
        subject=login.username,
        now=now,
    )
