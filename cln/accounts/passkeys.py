"""Passkeys (WebAuthn): a second factor that cannot be phished, and a way in without a password.

The browser signs a challenge that the caller kept in the session; a challenge is good for one
answer. Attestation is not asked for: which make of device somebody uses is their own matter.
Verbs open their own transaction.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from fido2.server import Fido2Server
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    AuthenticatorData,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from cln import vault
from cln.accounts.models import Login, Passkey
from cln.accounts.two_factor import fresh_codes, has_second_factor, record_for, turn_off
from cln.domain.errors import Refusal

NAME_LENGTH: Final = 60
PASSKEYS_MAX: Final = 20
_ANSWER_LENGTH_MAX: Final = 20_000
# What the library raises over bytes that are no passkey's: it has no exception of its own.
_STUMBLES: Final = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    NotImplementedError,
    RecursionError,
    struct.error,
)


class WrongPasskey(Refusal):
    """The answer of the browser does not prove a passkey that belongs here."""

    code: ClassVar[str] = "wrong_passkey"

    @classmethod
    def here(cls) -> WrongPasskey:
        """One sentence, whatever was wrong with it: it tells nobody which passkeys exist."""
        return cls(
            "This passkey was not accepted.",
            "Try again, or sign in with your password.",
        )


class TooManyPasskeys(Refusal):
    """A login keeps a limited number of passkeys."""

    code: ClassVar[str] = "too_many_passkeys"


class UnknownPasskey(Refusal):
    """This login has no such passkey."""

    code: ClassVar[str] = "unknown_passkey"


@dataclass(frozen=True, slots=True)
class PasskeyRow:
    """A passkey as its owner sees it."""

    id: int
    name: str
    added_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Challenge:
    """`options` go to the browser; `state` stays in the session until the answer comes."""

    options: str
    state: dict[str, Any]


def passkeys_of(login_id: int) -> Sequence[PasskeyRow]:
    """A login's passkeys, oldest first."""
    rows = Passkey.objects.filter(login=login_id).order_by("pk")
    return [PasskeyRow(row.pk, row.name, row.added_at, row.used_at) for row in rows]


def get_passkey(*, login: Login, passkey_id: int) -> PasskeyRow:
    """One of this login's passkeys. Refusals: `unknown_passkey`."""
    for row in passkeys_of(login.pk):
        if row.id == passkey_id:
            return row
    raise UnknownPasskey("You have no such passkey.", "Look at the list on the security page.")


def offer(*, login: Login) -> Challenge:
    """What a browser needs to make a passkey for this login; none of its devices makes two."""
    known = [_credential(row) for row in Passkey.objects.filter(login=login)]
    options, state = _server().register_begin(
        PublicKeyCredentialUserEntity(
            id=_handle(login.pk), name=login.username, display_name=login.username
        ),
        credentials=known,
        resident_key_requirement=ResidentKeyRequirement.PREFERRED,
        user_verification=UserVerificationRequirement.PREFERRED,
    )
    return Challenge(json.dumps(dict(options.public_key)), state)


def add(
    *, login: Login, name: str, state: Mapping[str, Any], answer: str, now: datetime
) -> Sequence[str]:
    """Keep the passkey a browser has made; returns recovery codes where it is the first factor.

    They are shown this once; otherwise the login has its codes already. Refusals:
    `wrong_passkey`, `too_many_passkeys`.
    """
    made = _made(state, answer)
    credential = made.credential_data
    if credential is None:
        raise WrongPasskey.here()
    with transaction.atomic():
        Login.objects.select_for_update(no_key=True).get(pk=login.pk)
        mine = Passkey.objects.filter(login=login).count()
        if mine >= PASSKEYS_MAX:
            raise TooManyPasskeys(
                f"A login keeps at most {PASSKEYS_MAX} passkeys.", "Remove one you no longer use."
            )
        is_first = not has_second_factor(login.pk)
        if Passkey.objects.filter(credential_id=credential.credential_id).exists():
            raise WrongPasskey.here()
        Passkey.objects.create(
            login=login,
            name=name.strip()[:NAME_LENGTH] or f"Passkey {mine + 1}",
            credential_id=credential.credential_id,
            credential=bytes(credential),
            signs=made.counter,
            added_at=now,
        )
        record_for(login, "passkey.added", now=now)
        return fresh_codes(login) if is_first else []


def ask(*, login: Login | None) -> Challenge:
    """What a browser needs to prove a passkey: one of this login's, or any it knows for us (None).

    A passkey in place of the password must have seen its owner (finger, face or PIN); one that
    follows the password need not.
    """
    known = None
    if login is not None:
        known = [_credential(row) for row in Passkey.objects.filter(login=login)]
    options, state = _server().authenticate_begin(known, user_verification=_verification(login))
    return Challenge(json.dumps(dict(options.public_key)), state)


def check(*, login: Login | None, state: Mapping[str, Any], answer: str, now: datetime) -> Login:
    """Whose passkey has answered; with `login`, it must be theirs. Refusals: `wrong_passkey`.

    A passkey that counts its signatures and falls behind was copied: it is refused, and that is
    written down.
    """
    parsed = _parsed(AuthenticationResponse, answer)
    with transaction.atomic():
        found = Passkey.objects.select_for_update(of=("self",))
        row = found.select_related("login").filter(credential_id=parsed.raw_id).first()
        handle = parsed.response.user_handle
        if row is None or (login is not None and row.login_id != login.pk):
            raise WrongPasskey.here()
        if handle and handle != _handle(row.login_id):
            raise WrongPasskey.here()
        _verify(state, row, parsed)
        signs = parsed.response.authenticator_data.counter
        is_copy = max(signs, row.signs) > 0 and signs <= row.signs
        if not is_copy:
            row.signs, row.used_at = signs, now
            row.save(update_fields=["signs", "used_at"])
            return row.login
        record_for(row.login, "passkey.copy_refused", now=now)
    raise WrongPasskey.here()


def remove(*, login: Login, passkey_id: int, now: datetime) -> str:
    """Forget a passkey and return its name; with the last factor go the recovery codes.

    Refusals: `unknown_passkey`.
    """
    with transaction.atomic():
        name = get_passkey(login=login, passkey_id=passkey_id).name
        Passkey.objects.filter(login=login, pk=passkey_id).delete()
        record_for(login, "passkey.removed", now=now)
        if not has_second_factor(login.pk):
            turn_off(login=login, actor=login.username, now=now)
    return name


def home() -> str:
    """Our address in the form in which passkeys work."""
    parts = urlsplit(settings.CLN_BASE_URL)
    return f"{parts.scheme}://{_host()}{f':{parts.port}' if parts.port else ''}"


def is_possible_at(host: str) -> bool:
    """Whether a browser that shows this host name would make or use a passkey for us."""
    name = urlsplit(f"//{host}").hostname or ""
    return name == _host()


def _server() -> Fido2Server:
    return Fido2Server(
        PublicKeyCredentialRpEntity(name="CLN", id=_host()), verify_origin=_is_our_origin
    )


def _host() -> str:
    """The name passkeys are bound to. Browsers bind none to an address, so a sandbox that was
    started without a name is reached as localhost."""
    host = urlsplit(settings.CLN_BASE_URL).hostname or "localhost"
    try:
        ip_address(host)
    except ValueError:
        return host
    return "localhost"


def _is_our_origin(origin: str) -> bool:
    if urlsplit(settings.CLN_BASE_URL).hostname == _host():
        return origin == home()
    return urlsplit(origin).hostname == _host()  # a sandbox, reached by any way and port


def _verification(login: Login | None) -> UserVerificationRequirement:
    levels = UserVerificationRequirement
    return levels.REQUIRED if login is None else levels.PREFERRED


def _handle(login_id: int) -> bytes:
    """What a device knows a login by: says nothing about the person."""
    return vault.lookup_hash("passkey-handle", str(login_id))


def _credential(row: Passkey) -> AttestedCredentialData:
    return AttestedCredentialData(bytes(row.credential))


def _parsed(shape: Any, answer: str) -> Any:
    """Bytes of a stranger: whatever a parser stumbles over is the stranger's mistake."""
    if len(answer) > _ANSWER_LENGTH_MAX:
        raise WrongPasskey.here()
    try:
        parsed = shape.from_dict(json.loads(answer))
    except _STUMBLES:
        raise WrongPasskey.here() from None
    if not isinstance(parsed, shape):
        raise WrongPasskey.here()
    return parsed


def _made(state: Mapping[str, Any], answer: str) -> AuthenticatorData:
    parsed = _parsed(RegistrationResponse, answer)
    try:
        return _server().register_complete(state, parsed)
    except _STUMBLES:
        raise WrongPasskey.here() from None


def _verify(state: Mapping[str, Any], row: Passkey, parsed: AuthenticationResponse) -> None:
    try:
        _server().authenticate_complete(state, [_credential(row)], parsed)
    except _STUMBLES:
        raise WrongPasskey.here() from None
