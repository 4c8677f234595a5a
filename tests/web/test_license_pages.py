"""Keys, servers, giving licenses up."""

import re
from datetime import timedelta

import pytest
from django.test import Client

from cln.accounts.models import Account
from cln.billing.queries import subscriptions_of
from cln.enums import Role
from cln.licensing.models import ActivationKey, Server
from cln.licensing.services import reveal
from cln.payments.gateways.sandbox import Script
from tests.customers import START, buys, clock_at, use_card
from tests.licensing import an_account, bought, registered
from tests.visitors import a_visitor, text_of, with_licenses

pytestmark = pytest.mark.django_db


def the_key() -> ActivationKey:
    return ActivationKey.objects.get(is_default=True)


def a_server(hostname: str = "web1.acme.example", address: str = "192.0.2.10") -> Server:
    return registered(the_key(), hostname, address, now=START).server


class TestKeys:
    def test_a_key_is_created_with_limit_note_and_range(self, shop: tuple[Account, Client]) -> None:
        answer = shop[1].post(
            "/console/keys/new/cloudlinux",
            {"limit": "3", "note": "rack 4", "cidrs": "198.51.100.0/24\n203.0.113.7"},
        )

        key = ActivationKey.objects.get(is_default=False)
        assert answer["Location"] == f"/console/keys/{key.public_id}"
        assert (key.limit, key.note) == (3, "rack 4")
        page = text_of(shop[1].get(answer["Location"]))
        assert reveal(key) in page
        assert "0 / 3" in page
        assert "198.51.100.0/24" in page

    def test_an_empty_limit_means_unlimited(self, shop: tuple[Account, Client]) -> None:
        """K-4."""
        shop[1].post("/console/keys/new/cloudlinux", {"limit": "", "note": "", "cidrs": ""})

        assert ActivationKey.objects.get(is_default=False).limit == 0

    @pytest.mark.parametrize(
        ("form", "sentence"),
        [
            ({"limit": "-1"}, "greater than or equal to 0"),
            ({"limit": "1.5"}, "Enter a whole number"),
            ({"note": "x" * 101}, "at most 100 characters"),
            ({"cidrs": "300.1.2.3/24"}, "300.1.2.3/24"),
        ],
    )
    def test_a_bad_key_form_keeps_what_was_typed_and_makes_nothing(
        self, shop: tuple[Account, Client], form: dict[str, str], sentence: str
    ) -> None:
        answer = shop[1].post("/console/keys/new/cloudlinux", {"note": "kept", **form})

        assert answer.status_code == 422
        assert sentence in text_of(answer)
        assert ActivationKey.objects.count() == 1

    def test_a_key_of_a_product_one_does_not_have_is_refused(
        self, shop: tuple[Account, Client]
    ) -> None:
        """K-1."""
        answer = shop[1].post("/console/keys/new/kernelcare", {"limit": ""})

        assert answer.status_code == 422
        assert "You have no KernelCare license." in text_of(answer)

    def test_the_limit_cannot_fall_below_the_servers_in_use(
        self, shop: tuple[Account, Client]
    ) -> None:
        a_server("web1", "192.0.2.10")
        a_server("web2", "192.0.2.11")

        answer = shop[1].post(f"/console/keys/{the_key().public_id}/edit", {"limit": "1"})

        assert answer.status_code == 422
        assert "2 servers use this key" in text_of(answer)
        assert the_key().limit == 0

    def test_a_key_is_edited(self, shop: tuple[Account, Client]) -> None:
        shop[1].post(f"/console/keys/{the_key().public_id}/edit", {"limit": "7", "note": "all"})

        assert (the_key().limit, the_key().note) == (7, "all")

    def test_the_default_key_stays_and_says_why(self, shop: tuple[Account, Client]) -> None:
        """K-2."""
        key = the_key()
        page = text_of(shop[1].get(f"/console/keys/{key.public_id}"))

        answer = shop[1].post(f"/console/keys/{key.public_id}/remove")

        assert "The default key cannot be removed" in page
        assert answer.status_code == 409
        assert the_key().removed_at is None

    def test_removing_a_key_names_its_servers_and_removes_them(
        self, shop: tuple[Account, Client]
    ) -> None:
        """K-6."""
        shop[1].post("/console/keys/new/cloudlinux", {"limit": "3"})
        key = ActivationKey.objects.get(is_default=False)
        registered(key, "web9.acme.example", "192.0.2.19", now=START)
        page = text_of(shop[1].get(f"/console/keys/{key.public_id}/remove"))
        assert "1 server loses the product: web9.acme.example 192.0.2.19" in page

        answer = shop[1].post(f"/console/keys/{key.public_id}/remove")

        assert answer["Location"] == "/console/products/cloudlinux"
        assert Server.objects.get().status == "removed"

    def test_a_refused_registration_is_shown_with_its_fix(
        self, shop: tuple[Account, Client]
    ) -> None:
        key = the_key()
        shop[1].post(f"/console/keys/{key.public_id}/edit", {"cidrs": "198.51.100.0/24"})
        answer = Client().post(
            "/api/v2/agent/register",
            {"key": reveal(key), "hostname": "far.example", "ip": "192.0.2.99"},
        )
        assert answer.status_code >= 400

        page = text_of(shop[1].get(f"/console/keys/{key.public_id}"))

        assert "far.example" in page
        assert "192.0.2.99" in page.split("Refused in the last 30 days")[1]

    def test_a_product_without_licenses_says_how_to_get_some(
        self, shop: tuple[Account, Client]
    ) -> None:
        page = text_of(shop[1].get("/console/products/kernelcare"))

        assert "You have no KernelCare license yet." in page
        assert shop[1].get("/console/products/nonsense").status_code == 404

    def test_an_order_that_is_not_paid_leads_to_its_payment(self) -> None:
        """Q3: nothing is granted yet, and a second order would be refused."""
        account, client = a_visitor()
        use_card(account, Script.DECLINE)
        buys(account, 2, "kernelcare")

        page = client.get("/console/products/kernelcare")
        again = client.get("/console/purchase/kernelcare")

        assert "Your order of 2 KernelCare licenses is not paid yet." in text_of(page)
        for answer in (page, again):
            main = answer.content.decode().partition('<div class="body">')[2]
            assert '<a href="/console/billing/invoices">See and pay</a>' in re.sub(
                r' class="btn[^"]*"', "", main
            )
        assert "You have bought KernelCare already." in text_of(client.get("/console/dashboard"))


class TestServers:
    def test_servers_are_filtered_by_product_and_by_name(
        self, shop: tuple[Account, Client]
    ) -> None:
        a_server("web1.acme.example", "192.0.2.10")
        a_server("db1.acme.example", "192.0.2.11")

        both = text_of(shop[1].get("/console/servers"))
        one = text_of(shop[1].get("/console/servers", {"q": "db1"}))
        none = text_of(shop[1].get("/console/servers", {"product": "kernelcare"}))

        mine, theirs = the_key(), bought(an_account("Other"), "cloudlinux", 1)
        registered(theirs, "elsewhere", "192.0.2.12", now=START)
        by_key = text_of(shop[1].get("/console/servers", {"q": f" {reveal(mine)} "}))
        no_key = text_of(shop[1].get("/console/servers", {"q": reveal(mine)[:-1]}))
        foreign = text_of(shop[1].get("/console/servers", {"q": reveal(theirs)}))

        assert "1–2 of 2" in both
        assert "1–2 of 2" in by_key
        assert "No server fits" in no_key
        assert "No server fits" in foreign
        assert "db1.acme.example" in one
        assert "web1.acme.example" not in one
        assert "No server fits this search and these filters." in none

    def test_htmx_gets_the_rows_alone(self, shop: tuple[Account, Client]) -> None:
        a_server()

        answer = shop[1].get("/console/servers", headers={"HX-Request": "true"})

        assert "web1.acme.example" in text_of(answer)
        assert "<html" not in answer.content.decode()

    @pytest.mark.parametrize("page", ["0", "-1", "x", "999"])
    def test_a_page_number_that_is_none_shows_a_page(
        self, shop: tuple[Account, Client], page: str
    ) -> None:
        a_server()

        assert "web1.acme.example" in text_of(shop[1].get("/console/servers", {"page": page}))

    def test_a_servers_page_shows_what_it_reported(self, shop: tuple[Account, Client]) -> None:
        server = a_server()

        page = text_of(shop[1].get(f"/console/servers/{server.public_id}"))

        assert "CloudLinux OS Shared" in page
        assert "192.0.2.10" in page

    def test_a_silent_server_says_what_helps(self, shop: tuple[Account, Client]) -> None:
        """Pain 24: the same as its mail says, and nothing while it is heard."""
        server, path = a_server(), "/console/servers/"
        before = text_of(shop[1].get(path + server.public_id))
        clock_at(START + timedelta(hours=25))

        page = text_of(shop[1].get(path + server.public_id))

        assert "This server is silent" not in before
        assert "if it is not heard before" in before
        assert "This server is silent" in page
        assert "cln-agent check-in" in page
        assert "Silent since 2026-02-01 10:00 UTC." in page

    def test_removing_a_server_asks_what_becomes_of_its_license(
        self, shop: tuple[Account, Client]
    ) -> None:
        """C-13: four at 12.00 instead of five at 10.00 saves 2.00, and the page says so."""
        server = a_server()

        page = text_of(shop[1].get(f"/console/servers/{server.public_id}/remove"))
        answer = shop[1].post(f"/console/servers/{server.public_id}/remove")

        assert "The next invoice falls by $2.00." in page
        assert "It goes on being paid, used or not: $2.00 of the next invoice." in page
        assert answer.status_code == 422
        assert "Choose one of the two." in text_of(answer)
        assert Server.objects.get().status == "active"

    @pytest.mark.parametrize(("choice", "left"), [("keep", 5), ("cancel", 4)])
    def test_the_license_is_kept_or_cancelled_as_chosen(
        self, shop: tuple[Account, Client], choice: str, left: int
    ) -> None:
        server = a_server()

        answer = shop[1].post(f"/console/servers/{server.public_id}/remove", {"license": choice})

        assert answer["Location"] == f"/console/servers/{server.public_id}"
        assert Server.objects.get().status == "removed"
        assert [row.quantity for row in subscriptions_of(shop[0].pk)] == [left]

    def test_a_cancelled_license_that_makes_the_rest_dearer_is_announced(self) -> None:
        """P-22: five Imunify360-30 at 10.00 are 50.00, four at 25.00 are 100.00."""
        account, client = a_visitor()
        with_licenses(account, 5, "imunify360_30")
        server = a_server()

        page = text_of(client.get(f"/console/servers/{server.public_id}/remove"))

        assert "The next invoice would rise by $50.00." in page

    def test_a_role_without_orders_removes_the_server_and_never_its_license(self) -> None:
        account, client = a_visitor(role=Role.SERVERS)
        with_licenses(account, 5)
        server = a_server()

        client.post(f"/console/servers/{server.public_id}/remove", {"license": "cancel"})

        assert Server.objects.get().status == "removed"
        assert [row.quantity for row in subscriptions_of(account.pk)] == [5]

    def test_removing_a_server_twice_is_refused(self, shop: tuple[Account, Client]) -> None:
        path = f"/console/servers/{a_server().public_id}/remove"
        shop[1].post(path, {"license": "keep"})

        answer = shop[1].post(path, {"license": "cancel"})

        assert answer.status_code == 409
        assert [row.quantity for row in subscriptions_of(shop[0].pk)] == [5]


class TestGivingUp:
    def test_unused_licenses_are_removed_down_to_the_servers(
        self, shop: tuple[Account, Client]
    ) -> None:
        """Q6."""
        a_server()
        page = text_of(shop[1].get("/console/licenses/cloudlinux/remove-unused"))
        assert "1 of 5 are in use, 4 unused ." in page
        assert "With 4 gone and 1 left" in page
        assert "CloudLinux OS Shared, invoice of 2026-02-28 $50.00 $14.00" in page
        assert "the next invoice falls by $36.00" in page

        shop[1].post("/console/licenses/cloudlinux/remove-unused", {"keep": ""})

        assert [row.quantity for row in subscriptions_of(shop[0].pk)] == [1]
        # 50.00 − 36.00, as promised.
        assert "next invoice of 2026-02-28 $14.00" in text_of(shop[1].get("/console/billing"))

    def test_the_figures_of_another_number_are_shown_before_it_is_chosen(
        self, shop: tuple[Account, Client]
    ) -> None:
        """Q6, Q12: one more license than the four is a tier cheaper."""
        path = "/console/licenses/cloudlinux/remove-unused"

        page = text_of(shop[1].get(path, {"keep": "4"}))
        refused = shop[1].get(path, {"keep": "9"})

        assert (
            "With 1 gone and 4 left CloudLinux OS Shared, invoice of 2026-02-28 $50.00 $48.00"
            in page
        )
        assert refused.status_code == 422
        assert "There is nothing to remove: 5 held, 0 in use." in text_of(refused)
        assert [row.quantity for row in subscriptions_of(shop[0].pk)] == [5]

    @pytest.mark.parametrize("keep", ["0", "9", "-1", "x"])
    def test_a_number_to_keep_that_does_not_fit_changes_nothing(
        self, shop: tuple[Account, Client], keep: str
    ) -> None:
        a_server()

        answer = shop[1].post("/console/licenses/cloudlinux/remove-unused", {"keep": keep})

        assert answer.status_code == 422
        assert [row.quantity for row in subscriptions_of(shop[0].pk)] == [5]

    def test_a_subscription_is_cancelled_and_the_cancellation_taken_back(
        self, shop: tuple[Account, Client]
    ) -> None:
        """Q10."""
        path = "/console/licenses/cloudlinux"
        page = text_of(shop[1].get(f"{path}/unsubscribe"))
        assert "Paid until 2026-02-28" in page
        assert (
            "At the end of the paid period Ends on 2026-02-28 Last invoice none "
            "Not billed: the invoice of 2026-02-28 $50.00" in page
        )
        shop[1].post(f"{path}/unsubscribe", {"when": "period_end"})
        [row] = subscriptions_of(shop[0].pk)
        assert str(row.ends_on) == "2026-02-28"
        assert "ends 2026-02-28" in text_of(shop[1].get("/console/dashboard"))

        shop[1].post(f"{path}/resume")

        [row] = subscriptions_of(shop[0].pk)
        assert row.ends_on is None

    def test_a_subscription_can_end_now(self, shop: tuple[Account, Client]) -> None:
        shop[1].post("/console/licenses/cloudlinux/unsubscribe", {"when": "now"})

        assert subscriptions_of(shop[0].pk) == ()

    def test_an_end_that_is_not_offered_is_refused(self, shop: tuple[Account, Client]) -> None:
        answer = shop[1].post("/console/licenses/cloudlinux/unsubscribe", {"when": "yesterday"})

        assert answer.status_code == 422
        assert subscriptions_of(shop[0].pk)[0].ends_on is None

    @pytest.mark.parametrize("page", ["remove-unused", "unsubscribe"])
    def test_what_one_does_not_have_cannot_be_given_up(
        self, shop: tuple[Account, Client], page: str
    ) -> None:
        answer = shop[1].get(f"/console/licenses/kernelcare/{page}")

        assert answer.status_code == 409
        assert "not_subscribed" in text_of(answer)
