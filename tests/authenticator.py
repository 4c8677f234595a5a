"""A device that holds passkeys, as browsers talk to it: ECDSA keys, one per login."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from fido2.cose import ES256
from fido2.utils import sha256, websafe_decode, websafe_encode
from fido2.webauthn import (
    AttestationObject,
    AttestedCredentialData,
    AuthenticatorData,
    CollectedClientData,
)

ORIGIN = "http://localhost:8000"
FLAG = AuthenticatorData.FLAG


@dataclass
class Device:
    """`sees_owner`: it checks finger or PIN. `counts`: it counts its signatures."""

    origin: str = ORIGIN
    sees_owner: bool = True
    counts: bool = False
    signs: int = 0
    id: bytes = field(default_factory=lambda: os.urandom(16))
    key: Any = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    handle: bytes = b""

    def makes(self, options: dict[str, Any]) -> str:
        """Answer `navigator.credentials.create`."""
        self.handle = websafe_decode(options["user"]["id"])
        public = ES256.from_cryptography_key(self.key.public_key())
        credential = AttestedCredentialData.create(b"\0" * 16, self.id, public)
        data = self._data(options["rp"]["id"], FLAG.AT, bytes(credential))
        made = AttestationObject.create("none", data, {})
        client = self._client("webauthn.create", options)
        return self._answer(clientDataJSON=client, attestationObject=bytes(made))

    def proves(self, options: dict[str, Any]) -> str:
        """Answer `navigator.credentials.get`."""
        self.signs += self.counts
        data = self._data(options["rpId"], FLAG(0), b"")
        client = self._client("webauthn.get", options)
        signature = self.key.sign(bytes(data) + sha256(client), ec.ECDSA(SHA256()))
        return self._answer(
            clientDataJSON=client,
            authenticatorData=bytes(data),
            signature=signature,
            userHandle=self.handle,
        )

    def _data(self, host: str, flag: Any, credential: bytes) -> AuthenticatorData:
        flags = FLAG.UP | flag | (FLAG.UV if self.sees_owner else FLAG(0))
        return AuthenticatorData.create(sha256(host.encode()), flags, self.signs, credential)

    def _client(self, kind: str, options: dict[str, Any]) -> bytes:
        challenge = websafe_decode(options["challenge"])
        return bytes(CollectedClientData.create(kind, challenge, self.origin))

    def _answer(self, **parts: bytes) -> str:
        response = {name: websafe_encode(part) for name, part in parts.items()}
        name = websafe_encode(self.id)
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": response})
