"""The status page and the install page: for everybody, without a login."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.conf import settings as configured
from django.test import Client
from django.urls import resolve
from pytest_django.fixtures import Settings

from cln import clock
from cln.enums import AttemptState
from cln.licensing import watch
from cln.licensing.models import Watch
from cln.notifications.models import Message
from cln.payments.gateways.sandbox import Script
from cln.payments.models import PaymentAttempt
from tests.customers import START, a_customer, buys, clock_at
from tests.shop import open_shop
from tests.visitors import a_login, signed_in, text_of

pytestmark = pytest.mark.django_db

STATUS, INSTALL, PRICES = "/status", "/console/install", "/console/prices"


@pytest.fixture(autouse=True)
def at_work() -> None:
    """The scanner has run just now."""
    clock_at(START)
    Watch.objects.update_or_create(account=None, defaults={"scanned_at": clock.system_now()})


def the_status() -> str:
    answer = Client().get(STATUS)
    assert answer.status_code == 200
    return text_of(answer)


class TestStatus:
    def test_all_is_well_and_no_outage_was_noted(self) -> None:
        page = the_status()

        assert "All is well" in page
        assert "None was noted." in page

    def test_work_that_stands_still_is_told(self) -> None:
        Watch.objects.update(scanned_at=clock.system_now() - timedelta(minutes=6))

        page = the_status()

        assert "Not everything is well" in page
        assert "down It stands still; what is due is done when it runs again." in page

    def test_held_alerts_show_as_missing_check_ins(self) -> None:
        watch.hold(now=START)

        assert "slow Far fewer servers than usual check in; we look into it." in the_status()

    def test_a_payment_without_an_answer_and_a_mail_that_waits_are_told_without_whose(self) -> None:
        buys(a_customer("Acme", script=Script.TIMEOUT_NOT_CHARGED), 1)
        attempt = PaymentAttempt.objects.get(state=AttemptState.UNKNOWN)
        Message.objects.update(send_after=START)
        assert "Some payments" not in the_status()
        clock.move_to(START + timedelta(minutes=16))

        page = the_status()

        assert "slow Some payments wait for the gateway's answer." in page
        assert "slow Mails leave late" in page
        assert attempt.public_id not in page
        assert "Acme" not in page

    def test_outages_are_listed_the_newest_first(self) -> None:
        for days in (9, 2):
            began = START - timedelta(days=days)
            watch.note_outage(
                began_at=began, ended_at=began + timedelta(hours=1), why="CLN was down"
            )

        page = the_status()

        first, second = (
            page.index("2026-01-29 09:00 UTC 2026-01-29 10:00"),
            page.index("2026-01-22"),
        )
        assert first < second

    def test_it_is_limited_like_every_page_for_strangers(self, settings: Settings) -> None:
        settings.ACCOUNT_RATE_LIMITS = {**configured.ACCOUNT_RATE_LIMITS, "status": "1/m/key"}
        assert Client().get(STATUS).status_code == 200

        answer = Client().get(STATUS)

        assert (answer.status_code, answer["Retry-After"]) == (429, "60")


class TestPrices:
    def test_a_stranger_reads_every_step_and_what_is_sold_on_request_only(self) -> None:
        """Pain 6: the bulk price and where it begins, without signing up."""
        open_shop()

        page = text_of(Client().get(PRICES))

        steps = "1+ $14.00 $140.00 2+ $12.00 $120.00 5+ $10.00 $100.00 50+ $9.00 $90.00"
        assert "CloudLinux OS Shared free to try for 30 days" in page
        assert "KernelCare Security patches for the running kernel of a server" in page
        assert f"Licenses A month A year {steps} Price on request" in page
        assert "Price on request: CloudLinux OS Shared Pro, CloudLinux OS Solo" in page

    def test_another_currency_has_its_own_and_an_unknown_one_is_the_usual(self) -> None:
        open_shop()

        assert "1+ 12.90 EUR 129.00 EUR" in text_of(Client().get(PRICES, {"currency": "EUR"}))
        assert "1+ $14.00" in text_of(Client().get(PRICES, {"currency": "<b>"}))


class TestInstall:
    def test_every_product_has_its_commands_and_each_leads_to_a_door_of_ours(self) -> None:
        open_shop()

        page = Client().get(INSTALL).content.decode()

        found = re.findall(r'<code class="lines">(.*?)</code>', page, re.DOTALL)
        commands = [html.unescape(re.sub(r"<[^>]+>", "", one)) for one in found]
        urls = re.findall(rf"{re.escape(configured.CLN_BASE_URL)}[\w./-]*", "\n".join(commands))
        assert len(commands) == 5 * 3 + 3
        assert len(urls) == len(commands)
        for url in urls:
            path = urlsplit(url).path
            # Of KernelCare's door the setting names the stem.
            resolve(f"{path}/register_server.plain" if path == "/api/kcare" else path)
        assert all("KEY" in one or "--byip" in one for one in commands)
        assert not any("{" in one and "json" not in one for one in commands)


def test_an_operator_who_is_signed_in_finds_the_way_out() -> None:
    """They have no account, so no page but the public ones is theirs."""
    otto = signed_in(a_login(None))

    page = text_of(otto.get(STATUS))

    assert "Sign out" in page
    assert "Sign up" not in page
    otto.post("/console/auth/logout")
    assert "Sign up" in text_of(otto.get(STATUS))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/clweb/buy.html", "/console/prices"),
        ("/clweb/login.xhtml", "/console/auth/login"),
        ("/console", "/console/dashboard"),
        ("/console/", "/console/dashboard"),
        ("/console/dashboard/products", "/console/dashboard"),
        ("/console/profile/details", "/console/profile"),
    ],
)
def test_addresses_in_papers_lead_to_the_pages_of_today(old: str, new: str) -> None:
    answer = Client().get(old)

    assert (answer.status_code, answer["Location"]) == (302, new)
