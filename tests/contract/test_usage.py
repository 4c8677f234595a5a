"""Usage of AccelerateWP: what servers and panels report, and what `cl/awp` tells of a month."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from cln import clock
from cln.licensing.models import AddOnSpan, Server
from cln.licensing.registration import Registration
from cln.licensing.services import unregister
from tests.customers import clock_at
from tests.licensing import bought, registered
from tests.v1 import ApiClient, a_client
from tests.v2 import problem_of, with_token

pytestmark = pytest.mark.django_db

PREMIUM = {"product": "AWP_PREMIUM", "uses": [{"primary_domain": "a.example", "username": "anna"}]}
NOBODY = {"product": "AWP_PREMIUM", "uses": []}


def on(month: int, day: int = 10) -> None:
    clock_at(datetime(2026, month, day, 12, 0, tzinfo=UTC))


@pytest.fixture
def acme() -> ApiClient:
    on(3)
    return a_client()


@pytest.fixture
def web1(acme: ApiClient) -> Registration:
    return registered(bought(acme.account, "cloudlinux", 2), "web1")


def report(secret: str, body: object) -> HttpResponse:
    return Client().post(
        "/api/v2/agent/usage",
        json.dumps(body),
        "application/json",
        headers={"Authorization": f"Bearer {secret}"},
    )


def kept(server: Registration, body: object) -> int:
    answer = report(server.secret, body)
    assert answer.status_code == 200, answer.content
    return int(answer.json()["uses"])


def month(program: ApiClient, text: str, products: str = "AWP_PREMIUM,AWP_CDN") -> Any:
    return program.data("cl/awp", products=products, yearMonth=text)


def test_the_entities_of_a_month_byte_for_byte(acme: ApiClient, web1: Registration) -> None:
    """Facts §7.10: the user may be null, the limit is of the CDN only."""
    kept(web1, {**PREMIUM, "uses": [*PREMIUM["uses"], {"primary_domain": "b.example"}]})
    cdn = {"primary_domain": "a.example", "username": "anna", "cdn_limit_type": "50 GB"}
    answer = report(web1.secret, {"product": "AWP_CDN", "uses": [cdn]})

    assert answer.content.decode() == (
        f'{{"server":"{web1.server.public_id}","product":"AWP_CDN","uses":1}}'
    )
    rows = (
        '[{"product":"AWP_CDN","primary_domain":"a.example","username":"anna",'
        '"cdn_limit_type":"50 GB"},'
        '{"product":"AWP_PREMIUM","primary_domain":"a.example","username":"anna"},'
        '{"product":"AWP_PREMIUM","primary_domain":"b.example","username":null}]'
    )
    ask = {"products": "AWP_PREMIUM,AWP_CDN", "yearMonth": "2026-03"}
    assert acme.body("cl/awp", **ask) == (
        f'{{"success":true,"message":"","type":null,"data":{rows}}}'
    )
    assert acme.body("cl/awp", **ask, envelope="0") == rows
    assert acme.body("cl/awp", **{**ask, "products": "AWP_CDN"}, envelope="0") == (
        rows[: rows.index("},") + 1] + "]"
    )
    # A refusal could not be told without its envelope.
    assert json.loads(acme.body("cl/awp", products="KC", envelope="0"))["type"] == "bad_argument"


def test_a_use_counts_in_every_month_it_touches(acme: ApiClient, web1: Registration) -> None:
    on(3, 31)
    kept(web1, PREMIUM)
    on(5, 1)
    kept(web1, NOBODY)

    entity = {"product": "AWP_PREMIUM", "primary_domain": "a.example", "username": "anna"}
    assert month(acme, "2026-02") == []
    assert month(acme, "2026-03") == month(acme, "2026-04") == month(acme, "2026-05") == [entity]
    assert month(acme, "2026-06") == []


def test_the_same_report_again_changes_nothing(acme: ApiClient, web1: Registration) -> None:
    assert kept(web1, PREMIUM) == 1
    before = list(AddOnSpan.objects.values())

    on(3, 11)
    assert kept(web1, PREMIUM) == 1

    assert list(AddOnSpan.objects.values()) == before


def test_a_changed_limit_counts_from_the_month_of_the_change(
    acme: ApiClient, web1: Registration
) -> None:
    site = {"primary_domain": "a.example", "username": "anna"}
    kept(web1, {"product": "AWP_CDN", "uses": [{**site, "cdn_limit_type": "50 GB"}]})
    on(4)
    kept(web1, {"product": "AWP_CDN", "uses": [{**site, "cdn_limit_type": "2.5 TB"}]})

    limits = [month(acme, text)[0]["cdn_limit_type"] for text in ("2026-03", "2026-04")]
    assert limits == ["50 GB", "2.5 TB"]
    assert len(month(acme, "2026-04")) == 1


def test_a_removed_server_uses_nothing_from_the_next_month_on(
    acme: ApiClient, web1: Registration
) -> None:
    kept(web1, PREMIUM)
    unregister(secret=web1.secret, now=clock.now())

    assert len(month(acme, "2026-03")) == 1
    assert month(acme, "2026-04") == []
    assert problem_of(report(web1.secret, NOBODY)) == (410, "server_removed")


def test_a_panel_reports_with_an_api_token_and_strangers_see_nothing(
    acme: ApiClient, web1: Registration
) -> None:
    panel, zenith = with_token(acme), with_token(a_client("zenith"))
    path = f"servers/{web1.server.public_id}/usage"

    assert panel.ask("PUT", path, PREMIUM) == {
        "server": web1.server.public_id, "product": "AWP_PREMIUM", "uses": 1,
    }  # fmt: skip
    assert zenith.refused("PUT", path, NOBODY) == (404, "unknown_server")
    assert len(month(acme, "2026-03")) == 1
    assert month(a_client("mallory"), "2026-03") == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "bad_argument"),
        ({"product": "KC", "uses": []}, "bad_argument"),
        ({"product": "AWP_PREMIUM", "uses": {}}, "bad_argument"),
        ({"product": "AWP_PREMIUM", "uses": [{"primary_domain": ""}]}, "bad_argument"),
        ({"product": "AWP_PREMIUM", "uses": [{"primary_domain": "a\x00"}]}, "bad_argument"),
        ({"product": "AWP_PREMIUM", "uses": [{"primary_domain": "a\nb"}]}, "bad_usage"),
        ({"product": "AWP_CDN", "uses": [{"primary_domain": "a"}]}, "bad_usage"),
        (
            {"product": "AWP_CDN", "uses": [{"primary_domain": "a", "cdn_limit_type": "3 GB"}]},
            "bad_usage",
        ),
        (
            {"product": "AWP_PREMIUM", "uses": [{"primary_domain": "a", "cdn_limit_type": "1 TB"}]},
            "bad_usage",
        ),
        ([], "bad_request_body"),
    ],
)
def test_a_report_that_is_none_changes_nothing(web1: Registration, body: Any, code: str) -> None:
    kept(web1, PREMIUM)

    assert problem_of(report(web1.secret, body)) == (400, code)

    assert [span.ended_at for span in AddOnSpan.objects.all()] == [None]


def test_accelerate_wp_runs_on_cloudlinux_only(acme: ApiClient) -> None:
    db1 = registered(bought(acme.account, "kernelcare", 1), "db1")

    assert problem_of(report(db1.secret, PREMIUM)) == (400, "bad_usage")
    assert not AddOnSpan.objects.exists()
    assert Server.objects.count() == 1


def test_a_month_and_the_products_are_said_as_papers_have_them(acme: ApiClient) -> None:
    ask = {"products": "AWP_PREMIUM,AWP_CDN", "yearMonth": "2023-12"}

    assert acme.data("cl/awp", **ask) == []
    for wrong in (
        {"products": "KC"},
        {"products": ""},
        {"yearMonth": "2023-13"},
        {"yearMonth": "0000-01"},
        {"yearMonth": "9999-12"},
        {"yearMonth": "٢٠٢٣-12"},
    ):
        assert acme.refused("cl/awp", **{**ask, **wrong}) == ("bad_argument", [])
