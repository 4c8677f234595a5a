"""The dashboard: first steps, cards, what needs you."""

from datetime import timedelta

import pytest
from django.test import Client

from cln.accounts.models import Account
from cln.enums import Role
from cln.licensing.models import ActivationKey, Server
from cln.licensing.services import Report, check_in, reveal
from tests.customers import START, buys, clock_at
from tests.licensing import registered
from tests.visitors import a_login, a_visitor, signed_in, text_of, with_licenses

pytestmark = pytest.mark.django_db


def the_key() -> ActivationKey:
    return ActivationKey.objects.get(is_default=True)


def a_server(hostname: str = "web1.acme.example", address: str = "192.0.2.10") -> Server:
    return registered(the_key(), hostname, address, now=START).server


class TestDashboard:
    def test_a_new_customer_sees_three_steps_and_what_can_be_tried(self) -> None:
        _, client = a_visitor()

        page = text_of(client.get("/console/dashboard"))

        assert "Your first licensed server" in page
        assert "Free trial: 30 days on any number of servers" in page
        assert "There is no trial of Extended Lifecycle Support" in page

    def test_a_card_shows_use_next_charge_key_and_command(
        self, shop: tuple[Account, Client]
    ) -> None:
        text = reveal(the_key())

        page = text_of(shop[1].get("/console/dashboard"))

        assert "0 of 5 licenses in use" in page
        assert "Next invoice 2026-02-28: $50.00" in page
        assert text in page
        assert f"/install/cln-install.sh | sh -s -- -k {text} " in page

    def test_unused_licenses_are_priced_by_what_removing_them_saves(
        self, shop: tuple[Account, Client]
    ) -> None:
        """Five at 10.00 are 50.00; one alone costs 14.00: four unused are worth 36.00."""
        a_server()

        page = text_of(shop[1].get("/console/dashboard"))

        assert "4 unused CloudLinux OS Shared licenses = $36.00 a month" in page

    def test_licenses_that_end_anyway_are_not_offered_to_be_removed(
        self, shop: tuple[Account, Client]
    ) -> None:
        """What was added in the last period is billed once, not every month."""
        account, client = shop
        a_server()
        buys(account, 2)
        before = text_of(client.get("/console/dashboard"))
        client.post("/console/licenses/cloudlinux/unsubscribe", {"when": "period_end"})

        page = text_of(client.get("/console/dashboard"))

        assert "6 unused CloudLinux OS Shared licenses" in before
        assert "unused CloudLinux OS Shared licenses" not in page
        assert "Remove unused" not in page

    def test_a_trial_starts_with_one_click_and_shows_its_key(self) -> None:
        """T1, T2: KernelCare, 30 days, any number of servers."""
        _, client = a_visitor()

        client.post("/console/trial/kernelcare")

        page = text_of(client.get("/console/dashboard"))
        assert "on 2026-03-02 09:00 UTC , by itself: it never turns into a charge" in page
        assert "servers, no limit" in page
        assert reveal(the_key()) in page

    def test_buying_in_a_trial_says_what_becomes_of_it_and_begins_with_enough_licenses(
        self,
    ) -> None:
        """T4: three servers run in the trial, so one license would be refused."""
        _, client = a_visitor()
        client.post("/console/trial/kernelcare")
        for number in range(3):
            registered(the_key(), f"web{number}", f"192.0.2.{number + 1}", now=START)

        page = client.get("/console/purchase/kernelcare")

        assert "You are trying it on 3 servers until 2026-03-02." in text_of(page)
        assert "Add 3 to the cart" in text_of(page)
        assert "Security patches for the running kernel" in text_of(page)
        other = text_of(client.get("/console/purchase/cloudlinux"))
        assert "You are trying it" not in other
        assert "Add 1 to the cart" in other

    @pytest.mark.parametrize(
        ("role", "sees"), [(Role.READ_BILLING, True), (Role.SERVERS_AND_LICENSES, False)]
    )
    def test_the_next_invoice_stands_there_for_whoever_may_read_bills(
        self, shop: tuple[Account, Client], role: Role, sees: bool
    ) -> None:
        colleague = signed_in(a_login(shop[0], role, name="carl"))

        assert ("Next invoice" in text_of(colleague.get("/console/dashboard"))) is sees

    def test_the_first_steps_tick_themselves_until_a_server_is_heard(
        self, shop: tuple[Account, Client]
    ) -> None:
        """ux: buy or try → run the command → first check-in."""
        client = shop[1]

        def ticked() -> int:
            asked = {"HX-Request": "true", "HX-Target": "steps"}
            answer = client.get("/console/dashboard", headers=asked)
            page = answer.content.decode()
            assert "<html" not in page
            # The cards wait for it: they still say that no server uses a license.
            is_last = page.count('class="done"') == 3
            assert ("firstServer" in answer.get("HX-Trigger", "")) == is_last
            assert ("every 5s" in page) == (page.count('class="done"') < 3)
            return page.count('class="done"')

        assert ticked() == 1
        done = registered(the_key(), "web1", now=START)
        assert ticked() == 2
        check_in(secret=done.secret, address="192.0.2.10", report=Report(), now=START)
        assert ticked() == 3
        assert "Your first licensed server" not in text_of(client.get("/console/dashboard"))

    def test_kernelcare_that_imunify360_includes_is_offered_to_be_given_up(self) -> None:
        """Pain 5, S3: of three at 2.95 one is used, which alone costs 3.95: two are worth 4.90."""
        account, client = a_visitor()
        with_licenses(account, 1, "imunify360_30")
        with_licenses(account, 3, "kernelcare")
        keys = {key.license_type.code: key for key in ActivationKey.objects.all()}
        registered(keys["imunify360_30"], "web1", "192.0.2.10", now=START)
        registered(keys["kernelcare"], "web1", "192.0.2.10", now=START)
        registered(keys["kernelcare"], "web2", "192.0.2.11", now=START)

        page = text_of(client.get("/console/dashboard"))

        assert "2 unused KernelCare licenses = $4.90 a month: Imunify360 includes it on 1" in page

    def test_silent_servers_are_one_click_away(self, shop: tuple[Account, Client]) -> None:
        a_server()
        clock_at(START + timedelta(hours=25))

        page = shop[1].get("/console/dashboard")

        assert "1 server has stopped checking in" in text_of(page)
        assert 'href="/console/servers?status=silent"' in page.content.decode()

    def test_a_second_trial_is_refused_in_words(self) -> None:
        """T1: once per account and product."""
        _, client = a_visitor()
        client.post("/console/trial/kernelcare")

        answer = client.post("/console/trial/kernelcare")

        assert answer.status_code == 409
        assert "Nothing was changed. Code: trial_already_used" in text_of(answer)

    def test_a_trial_of_what_does_not_exist_is_not_found(self) -> None:
        _, client = a_visitor()

        assert client.post("/console/trial/nonsense").status_code == 404

    def test_names_typed_by_customers_are_shown_as_text(self, shop: tuple[Account, Client]) -> None:
        a_server("<script>alert(1)</script>.example"[:60])

        assert "<script>alert" not in shop[1].get("/console/servers").content.decode()
