"""Passkeys: added, used as second factor, used alone, and every way they are refused."""

from __future__ import annotations

import html
import json
import random
import re
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client
from fido2.utils import websafe_decode, websafe_encode

from cln.accounts import passkeys
from cln.accounts.models import AuditEntry, Login, Passkey, RecoveryCode
from cln.accounts.passkeys import WrongPasskey
from cln.notifications.models import Message
from cln.notifications.queries import written
from tests.authenticator import Device
from tests.customers import START, a_customer, clock_at
from tests.visitors import PASSWORD, a_login, signed_in, text_of

pytestmark = pytest.mark.django_db

LOGIN, CODE, SECURITY = "/console/auth/login", "/console/auth/code", "/console/profile/security"
NEW, SIGN_IN, AGAIN = f"{SECURITY}/passkeys/new", "/console/auth/passkey", "/console/auth/again"


@pytest.fixture
def anna() -> Login:
    clock_at(START)
    return a_login(a_customer(), name="anna")


def a_browser() -> Client:
    """A browser that reached the sandbox by a name: passkeys are bound to no address."""
    return Client(HTTP_HOST="localhost:8000")


def typed_password(login: Login) -> Client:
    client = a_browser()
    client.post(LOGIN, {"login": login.username, "password": PASSWORD})
    return client


def options_of(answer: Any) -> dict[str, Any]:
    found = re.search(r'data-options="([^"]+)"', answer.content.decode())
    assert found is not None, text_of(answer)
    options: dict[str, Any] = json.loads(html.unescape(found[1]))
    return options


def adds(client: Client, device: Device, name: str = "") -> Any:
    """Give the password again, and let the device make a passkey."""
    client.post(AGAIN, {"password": PASSWORD})
    answer = device.makes(options_of(client.get(NEW)))
    return client.post(NEW, {"name": name, "credential": answer})


def with_passkey(login: Login, **device: Any) -> Device:
    mine = Device(**device)
    adds(typed_password(login), mine)
    assert Passkey.objects.filter(login=login).count() == 1
    return mine


def proves(client: Client, device: Device, path: str = SIGN_IN) -> Any:
    return client.post(path, {"credential": device.proves(options_of(client.get(path)))})


def is_in(client: Client) -> bool:
    return client.get("/console/dashboard").status_code == 200


def test_the_first_passkey_needs_a_late_password_and_brings_recovery_codes(anna: Login) -> None:
    client = typed_password(anna)
    assert client.get(NEW)["Location"].startswith(AGAIN)

    page = text_of(adds(client, Device(), "Office laptop"))

    assert len(re.findall(r"\b[a-z2-9]{5}-[a-z2-9]{5}\b", page)) == 10
    assert "Office laptop" in text_of(client.get(SECURITY))
    assert AuditEntry.objects.get(verb="passkey.added").actor == "anna"
    mail = Message.objects.get(template="security_notice")
    assert "A passkey was added: it signs in as you." in written(mail)[1]
    second = adds(client, Device())
    assert (second.status_code, Passkey.objects.count()) == (303, 2)
    assert RecoveryCode.objects.count() == 10


def test_after_the_password_the_passkey_is_asked_for(anna: Login) -> None:
    device = with_passkey(anna, sees_owner=False)
    client = typed_password(anna)
    assert not is_in(client)
    page = client.get(CODE)
    asked = options_of(page)
    assert [one["type"] for one in asked["allowCredentials"]] == ["public-key"]
    assert "autofocus" not in page.content.decode()

    proves(client, device, CODE)

    assert is_in(client)


def test_a_recovery_code_stands_in_for_the_device_that_is_lost(anna: Login) -> None:
    codes = re.findall(
        r"\b[a-z2-9]{5}-[a-z2-9]{5}\b", text_of(adds(typed_password(anna), Device()))
    )
    client = typed_password(anna)

    assert client.post(CODE, {"code": "000000"}).status_code == 422
    client.post(CODE, {"code": codes[0]})

    assert is_in(client)


def test_a_passkey_alone_signs_in_and_leads_where_one_wanted_to_go(anna: Login) -> None:
    device = with_passkey(anna)
    client = a_browser()
    answer = device.proves(options_of(client.get(f"{SIGN_IN}?next=/console/servers")))

    done = client.post(SIGN_IN, {"credential": answer, "next": "/console/servers"})

    assert (done.status_code, done["Location"]) == (302, "/console/servers")
    assert is_in(client)
    assert Passkey.objects.get().used_at is not None
    elsewhere = a_browser()
    answer = device.proves(options_of(elsewhere.get(SIGN_IN)))
    away = elsewhere.post(SIGN_IN, {"credential": answer, "next": "https://evil.example/"})
    assert away["Location"] == "/console/dashboard"


def test_a_passkey_stands_in_for_the_late_password(anna: Login) -> None:
    device = with_passkey(anna)
    client = typed_password(anna)
    proves(client, device, CODE)
    assert client.get(NEW).status_code == 302

    page = text_of(client.get(AGAIN))
    proves(client, device, f"{AGAIN}/passkey")

    assert "Use a passkey instead" in page
    assert client.get(NEW).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"origin": "http://localhost.evil.example:8000"},
        {"sees_owner": False},
        {"key": Device().key},
        {"id": b"another passkey."},
        {"handle": b"somebody else"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_passkey_is_refused_with_the_wrong(anna: Login, change: dict[str, Any]) -> None:
    device = with_passkey(anna)
    client = a_browser()

    answer = proves(client, replace(device, **change))

    assert answer.status_code == 422
    assert "This passkey was not accepted." in text_of(answer)
    assert not is_in(client)
    assert Passkey.objects.get().used_at is None


def test_an_answer_works_once_and_only_where_it_was_asked_for(anna: Login) -> None:
    device = with_passkey(anna)
    first, second = a_browser(), a_browser()
    options = options_of(first.get(SIGN_IN))
    second.get(SIGN_IN)
    answer = device.proves(options)

    elsewhere = second.post(SIGN_IN, {"credential": answer})
    here = first.post(SIGN_IN, {"credential": answer})
    first.post("/console/auth/logout")
    later = first.post(SIGN_IN, {"credential": answer})

    assert [one.status_code for one in (elsewhere, here, later)] == [422, 302, 422]
    assert not is_in(second)
    assert not is_in(first)


def test_rubbish_in_place_of_an_answer_is_refused(anna: Login) -> None:
    client = a_browser()
    client.get(SIGN_IN)

    for rubbish in ("", "{}", "[]", "null", '{"rawId": 7}', "x" * 30_000, "[" * 10_000):
        assert client.post(SIGN_IN, {"credential": rubbish}).status_code == 422, rubbish[:20]
    mine = typed_password(anna)
    mine.post(AGAIN, {"password": PASSWORD})
    mine.get(NEW)
    assert mine.post(NEW, {"name": "", "credential": "{}"}).status_code == 422
    assert Passkey.objects.count() == 0


def test_a_spoilt_answer_is_refused_whatever_its_parser_stumbles_over(anna: Login) -> None:
    device, dice = with_passkey(anna), random.Random("spoilt")
    made, asked = passkeys.offer(login=anna), passkeys.ask(login=None)
    new, proof = Device().makes(json.loads(made.options)), device.proves(json.loads(asked.options))

    for _ in range(400):
        with pytest.raises(WrongPasskey):
            passkeys.check(login=None, state=asked.state, answer=spoilt(proof, dice), now=START)
        with suppress(WrongPasskey):
            passkeys.add(login=anna, name="", state=made.state, answer=spoilt(new, dice), now=START)
            Passkey.objects.latest("pk").delete()
    assert passkeys.check(login=None, state=asked.state, answer=proof, now=START) == anna


def spoilt(answer: str, dice: random.Random) -> str:
    """With a byte of one of its parts changed, added or cut off."""
    whole = json.loads(answer)
    parts = whole["response"]
    # Without a handle, as some devices answer, a proof is as good.
    name = dice.choice(sorted(parts.keys() - {"userHandle"}))
    part = bytearray(websafe_decode(parts[name]))
    at = dice.randrange(len(part))
    match dice.randrange(3):
        case 0:
            part[at] ^= dice.randrange(1, 256)
        case 1:
            part.insert(at, dice.randrange(256))
        case _:
            del part[at:]
    parts[name] = websafe_encode(bytes(part))
    return json.dumps(whole)


def test_anothers_passkey_is_no_second_factor_and_cannot_be_added_twice(anna: Login) -> None:
    with_passkey(anna)
    bert = a_login(a_customer("Globex"), name="bert")
    device = with_passkey(bert)
    client = typed_password(anna)

    assert proves(client, device, CODE).status_code == 422
    assert not is_in(client)

    carla = typed_password(a_login(a_customer("Initech"), name="carla"))
    assert adds(carla, replace(device)).status_code == 422
    assert Passkey.objects.filter(login__username="carla").count() == 0


def test_a_copy_that_counts_behind_is_refused_and_written_down(anna: Login) -> None:
    device = with_passkey(anna, counts=True)
    copy = replace(device)
    proves(a_browser(), device)
    proves(a_browser(), device)
    client = a_browser()

    refused = proves(client, copy)

    assert refused.status_code == 422
    assert not is_in(client)
    assert Passkey.objects.get().signs == 2
    assert AuditEntry.objects.get(verb="passkey.copy_refused").subject == "anna"


def test_removing_the_last_passkey_leaves_the_password_alone(anna: Login) -> None:
    device = with_passkey(anna)
    client = a_browser()
    proves(client, device)
    passkey = Passkey.objects.get()
    remove = f"{SECURITY}/passkeys/{passkey.pk}/remove"

    foreign = signed_in(a_login(a_customer("Globex"), name="bert")).post(remove)
    assert (foreign.status_code, Passkey.objects.count()) == (404, 1)
    assert "Remove the passkey" in text_of(client.get(remove))
    client.post(remove)

    assert (Passkey.objects.count(), RecoveryCode.objects.count()) == (0, 0)
    assert is_in(typed_password(anna))
    assert proves(a_browser(), device).status_code == 422


def test_a_page_opened_by_an_address_says_where_passkeys_work(client: Client) -> None:
    page = text_of(client.get(SIGN_IN, HTTP_HOST="127.0.0.1:8000"))

    assert "Passkeys work where CLN is opened as http://localhost:8000" in page
