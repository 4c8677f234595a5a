"""How much, how often and how twice: sizes, rates and idempotency of REST v2."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from pytest_django import Settings

from cln import clock, rates
from cln.accounts import upkeep
from cln.accounts.models import ApiRequest
from cln.api.limits import check
from cln.api.v2 import idempotency, limits
from cln.licensing import keys
from cln.licensing.models import ActivationKey
from cln.rates import Rate
from tests.at_once import at_once
from tests.licensing import refusal_of
from tests.v1 import a_client
from tests.v2 import V2Client, a_v2_client, problem_of, with_token

KEY = {"license_type": "cloudlinux", "limit": 3}


@pytest.mark.django_db
def test_every_answer_says_where_the_account_stands(settings: Settings) -> None:
    settings.CLN_API_RATE = 3
    acme = a_v2_client()

    for left in (2, 1, 0):
        answer = acme.send("GET", "me")
        assert answer.status_code == 200
        assert (answer["RateLimit-Limit"], answer["RateLimit-Remaining"]) == ("3", str(left))
        assert int(answer["RateLimit-Reset"]) == (3 - left) * 20

    over = acme.send("GET", "me")
    assert problem_of(over) == (429, "too_many_requests")
    assert over["RateLimit-Remaining"] == "0"
    assert 1 <= int(over["Retry-After"]) <= 20


@pytest.mark.parametrize(("seconds", "wait"), [(1, "1 second"), (20, "20 seconds")])
def test_a_refusal_says_how_long_to_wait(seconds: int, wait: str) -> None:
    refusal = refusal_of(check, rate=Rate(60, 0, 60, seconds))

    assert (refusal.code, refusal.fix) == (
        "too_many_requests",
        f"Wait {wait}, and spread the calls.",
    )


@pytest.mark.django_db
def test_all_tokens_of_an_account_share_its_limit_and_others_have_their_own(
    settings: Settings,
) -> None:
    settings.CLN_API_RATE = 1
    program = a_client()
    one, two, other = with_token(program), with_token(program), a_v2_client("zenith")

    assert one.send("GET", "me").status_code == 200
    assert two.refused("GET", "me") == (429, "too_many_requests")
    assert other.send("GET", "me").status_code == 200


@pytest.mark.django_db
def test_strangers_have_a_limit_per_address_and_it_is_not_the_accounts(
    settings: Settings,
) -> None:
    settings.CLN_API_STRANGERS_RATE = 2
    acme, client = a_v2_client(), Client()

    def status(address: str) -> int:
        return client.get("/api/v2/me", REMOTE_ADDR=address).status_code

    assert [status("2001:db8:0:1::1"), status("2001:db8:0:1::2")] == [401, 401]
    assert status("2001:db8:0:1:ffff::3") == 429
    assert status("2001:db8:0:2::1") == 401
    assert status("::ffff:192.0.2.1") == status("192.0.2.1") == 401
    assert status("192.0.2.1") == 429
    assert acme.send("GET", "me").status_code == 200


@pytest.mark.django_db
def test_the_budget_comes_back_evenly_and_not_at_once(settings: Settings) -> None:
    settings.CLN_API_RATE = 2
    # Tests that committed have left who called them.
    rates.forget_idle(seconds=-86_400)
    first, second, third = (limits.count_account(7) for _ in range(3))
    assert [first.left, second.left, third.left] == [1, 0, 0]
    assert [first.wait_seconds, second.wait_seconds, third.wait_seconds] == [0, 0, 30]

    with connection.cursor() as cursor:
        cursor.execute("UPDATE api_rate SET spread_until = spread_until - 31")

    assert limits.count_account(7).wait_seconds == 0
    assert limits.count_account(7).wait_seconds == 29
    with connection.cursor() as cursor:
        cursor.execute("UPDATE api_rate SET spread_until = spread_until - 90000")
    assert rates.forget_idle(seconds=86_400) == 1


@pytest.mark.django_db(transaction=True)
def test_calls_at_once_on_connections_of_their_own_are_all_counted(settings: Settings) -> None:
    settings.CLN_API_RATE = 5

    counted = at_once(*[lambda: limits.count_account(1)] * 8)

    allowed = [rate for rate in counted if isinstance(rate, Rate) and not rate.wait_seconds]
    assert len(allowed) == 5


@pytest.mark.django_db
@pytest.mark.parametrize(("method", "path"), [("POST", "keys"), ("GET", "me"), ("POST", "cl/keys")])
def test_ten_megabytes_are_too_large(method: str, path: str) -> None:
    acme = a_v2_client()
    body = json.dumps({"license_type": "cloudlinux", "note": "x" * 10_000_000})

    answer = Client().generic(
        method,
        f"/api/v2/{path}",
        body,
        content_type="application/json",
        headers={"Authorization": f"Bearer {acme.token}"},
    )

    assert problem_of(answer) == (413, "too_large")
    assert not ActivationKey.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        ("{", "application/json", 400, "bad_request_body"),
        ("[]", "application/json", 400, "bad_request_body"),
        ("null", "application/json", 400, "bad_request_body"),
        ('{"limit":NaN}', "application/json", 400, "bad_request_body"),
        ("[" * 100_000, "application/json", 400, "bad_request_body"),
        ('{"limit":' + "9" * 5000 + "}", "application/json", 400, "bad_request_body"),
        ("license_type=cloudlinux", "application/x-www-form-urlencoded", 400, "bad_request_body"),
        ("\xff", "application/json", 400, "bad_request_body"),
        ('{"license_type":"\\u0000"}', "application/json", 422, "bad_argument"),
        ('{"license_type":"\\ud800"}', "application/json", 422, "bad_argument"),
        ('{"license_type":"cloudlinux","limit":true}', "application/json", 422, "bad_argument"),
        ('{"license_type":["cloudlinux"]}', "application/json", 422, "bad_argument"),
        ("", "application/json", 422, "bad_argument"),
    ],
)
def test_a_body_that_is_no_body_is_refused(body: str, kind: str, status: int, code: str) -> None:
    acme = a_v2_client()
    headers = {"Authorization": f"Bearer {acme.token}"}

    data = body.encode("latin-1")
    answer = Client().generic("POST", "/api/v2/keys", data, content_type=kind, headers=headers)

    assert problem_of(answer) == (status, code)
    assert not ActivationKey.objects.exists()


@pytest.mark.django_db
def test_a_key_answered_from_memory_is_sealed_there_and_forgotten_after_a_day() -> None:
    acme = a_v2_client()
    made = acme.ask("POST", "keys", KEY, Idempotency_Key="k")

    row = ApiRequest.objects.get()
    assert made["key"].encode() not in bytes(row.cipher or b"")
    assert acme.ask("POST", "keys", KEY, Idempotency_Key="k") == made
    assert upkeep.forget_requests(now=clock.system_now()) == 0
    ApiRequest.objects.update(claimed_at=clock.system_now() - timedelta(hours=25))
    assert acme.ask("POST", "keys", KEY, Idempotency_Key="k") != made
    assert upkeep.forget_requests(now=clock.system_now() + timedelta(hours=25)) == 1


@pytest.mark.django_db
def test_a_call_whose_json_was_written_anew_is_the_same_call() -> None:
    acme = a_v2_client()
    headers = {"Authorization": f"Bearer {acme.token}", "Idempotency-Key": "k"}

    def call(body: str) -> Any:
        return Client().generic(
            "POST", "/api/v2/keys", body, content_type="application/json", headers=headers
        )

    made = call('{"license_type":"cloudlinux","limit":3}')
    again = call('{ "limit": 3, "license_type": "cloudlinux" }')
    other = call('{"license_type":"cloudlinux","limit":30}')

    assert (again.status_code, again["Idempotent-Replayed"]) == (201, "true")
    assert again.content == made.content
    assert problem_of(other) == (422, "idempotency_key_reused")
    assert ActivationKey.objects.count() == 1


@pytest.mark.django_db
def test_what_is_wrong_is_named_as_it_was_sent() -> None:
    acme = a_v2_client()

    def places(method: str, path: str, body: object = None) -> list[str]:
        problem = json.loads(acme.send(method, path, body).content)
        assert problem["detail"].startswith(f"{problem['errors'][0]['where']}: ")
        return [one["where"] for one in problem["errors"]]

    assert places("POST", "webhooks", {"url": 1, "events": [2]}) == ["body.url", "body.events.0"]
    assert places("POST", "keys") == ["body"]
    assert places("POST", "keys", {}) == ["body.license_type"]
    assert places("GET", "keys?limit=0") == ["query.limit"]
    unknown = {"license_type": "cloudlinux", "limt": 3}
    assert places("POST", "keys", unknown) == ["body.limt"]
    problem = json.loads(acme.send("POST", "keys", unknown).content)
    assert problem["detail"] == "body.limt: There is no such argument."
    assert not ActivationKey.objects.exists()


@pytest.mark.django_db
def test_keys_of_two_accounts_do_not_meet() -> None:
    acme, zenith = a_v2_client(), a_v2_client("zenith")

    mine = acme.ask("POST", "keys", KEY, Idempotency_Key="k")
    theirs = zenith.ask("POST", "keys", KEY, Idempotency_Key="k")

    assert mine["id"] != theirs["id"]


@pytest.mark.django_db
def test_a_claim_whose_process_died_is_taken_over_by_the_same_call_only() -> None:
    acme = a_v2_client()
    acme.ask("POST", "keys", KEY, Idempotency_Key="k")
    died = clock.system_now() - idempotency.LEASE - timedelta(seconds=1)
    ApiRequest.objects.update(status=None, cipher=None, claimed_at=clock.system_now())
    in_progress = acme.refused("POST", "keys", KEY, Idempotency_Key="k")
    assert in_progress == (409, "request_in_progress")

    ApiRequest.objects.update(claimed_at=died)

    other = acme.refused("POST", "keys", KEY | {"limit": 4}, Idempotency_Key="k")
    assert other == (422, "idempotency_key_reused")
    assert acme.ask("POST", "keys", KEY, Idempotency_Key="k")["limit"] == 3
    assert ApiRequest.objects.get().status == 201


@pytest.mark.django_db(transaction=True)
def test_a_call_that_comes_while_the_same_is_carried_out_waits_for_no_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    acme = a_v2_client()
    inside, may_go_on = threading.Event(), threading.Event()
    insert = keys._insert

    def slow(**values: Any) -> ActivationKey:
        inside.set()
        assert may_go_on.wait(10)
        return insert(**values)

    monkeypatch.setattr(keys, "_insert", slow)

    def first() -> object:
        return acme.send("POST", "keys", KEY, Idempotency_Key="k")

    def second() -> object:
        assert inside.wait(10)
        try:
            return V2Client(acme.account, acme.token).refused(
                "POST", "keys", KEY, Idempotency_Key="k"
            )
        finally:
            may_go_on.set()

    done, refused = at_once(first, second)

    assert refused == (409, "request_in_progress")
    assert done.status_code == 201  # type: ignore[attr-defined]
    assert ActivationKey.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_same_call_eight_times_at_once_makes_one_key() -> None:
    acme = a_v2_client()

    def call() -> Callable[[], object]:
        client = V2Client(acme.account, acme.token)
        return lambda: client.send("POST", "keys", KEY, Idempotency_Key="k")

    answers: list[Any] = at_once(*[call() for _ in range(8)])

    assert {answer.status_code for answer in answers} <= {201, 409}
    bodies = {answer.content for answer in answers if answer.status_code == 201}
    assert len(bodies) == 1
    assert {problem_of(one) for one in answers if one.status_code == 409} <= {
        (409, "request_in_progress")
    }
    assert ActivationKey.objects.count() == 1
