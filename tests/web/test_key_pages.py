"""Activation keys as people manage them: lists, ranges, default, sticky tag, features, edition."""

import html
import re
from datetime import date, timedelta

import pytest
from django.test import Client

from cln.accounts.models import Account
from cln.billing.queries import subscriptions_of
from cln.enums import Role
from cln.flows.upcoming import upcoming_invoices
from cln.licensing.features import features_of
from cln.licensing.models import ActivationKey, Server
from cln.licensing.services import reveal
from tests.customers import START, a_customer, on_sale
from tests.licensing import registered
from tests.visitors import a_login, a_visitor, signed_in, text_of, with_licenses

pytestmark = pytest.mark.django_db
KEYS = "/console/keys"


@pytest.fixture
def shop() -> tuple[Account, Client]:
    account, client = a_visitor()
    with_licenses(account, 5, "kernelcare")
    return account, client


def the_default() -> ActivationKey:
    return ActivationKey.objects.get(is_default=True)


def another(client: Client, license_type: str = "kernelcare", **form: str) -> ActivationKey:
    before = set(ActivationKey.objects.values_list("pk", flat=True))
    assert client.post(f"{KEYS}/new/{license_type}", form).status_code == 303
    return ActivationKey.objects.exclude(pk__in=before).get()


def next_invoices(account: Account) -> int:
    return sum(one.total_cents for one in upcoming_invoices(account_id=account.pk))


class TestTheList:
    def test_keys_are_found_by_note_end_and_limit(self, shop: tuple[Account, Client]) -> None:
        client = shop[1]
        rack = another(client, note="rack 4", limit="3")
        free = another(client, note="free")

        def found(**filters: str) -> list[str]:
            answer = client.get("/console/products/kernelcare", {**filters, "format": "csv"})
            lines = b"".join(answer.streaming_content).decode().splitlines()[1:]  # type: ignore[attr-defined]
            return [line.split(",")[0] for line in lines]

        assert found()[0] == reveal(the_default())
        assert len(found()) == 3
        assert found(q="rack") == [reveal(rack)]
        assert found(q=reveal(free)[-4:]) == [reveal(free)]
        assert found(q=reveal(free)) == [reveal(free)]
        assert found(limits="limited") == [reveal(rack)]
        assert "0 / 3" in text_of(client.get("/console/products/kernelcare"))

    def test_many_keys_are_removed_and_the_default_stays(
        self, shop: tuple[Account, Client]
    ) -> None:
        """K-2, K-6."""
        client = shop[1]
        one, two = another(client, note="one"), another(client, note="two")
        registered(two, "web1", now=START)
        ids = [the_default().public_id, one.public_id, two.public_id]
        path = "/console/products/kernelcare/remove-keys"

        asked = text_of(client.post(path, {"id": ids}))
        assert "Remove 2 keys? 1 server loses the product." in asked
        assert ActivationKey.objects.filter(removed_at=None).count() == 3
        client.post(path, {"id": ids, "confirmed": "1"})

        assert ActivationKey.objects.get(removed_at=None).is_default
        assert Server.objects.get().status == "removed"

    def test_keys_of_another_account_stay(self, shop: tuple[Account, Client]) -> None:
        key = another(shop[1])
        mallory = signed_in(a_login(a_customer("Zenith"), name="mallory"))

        mallory.post(
            "/console/products/kernelcare/remove-keys", {"id": key.public_id, "confirmed": "1"}
        )

        key.refresh_from_db()
        assert key.removed_at is None


class TestOneKey:
    def test_the_tick_means_unlimited_whatever_the_number(
        self, shop: tuple[Account, Client]
    ) -> None:
        """K-4."""
        assert another(shop[1], limit="7", unlimited="on").limit == 0

    @pytest.mark.parametrize(
        ("cidrs", "sentence"),
        [
            ("", "From anywhere."),
            ("198.51.100.0/24", "Covers 256 addresses; 1 current server outside (web1)"),
            ("192.0.2.0/25 192.0.2.0/24", "Covers 256 addresses."),
            ("192.0.2.10", "Covers 1 address."),
            ("2001:db8::/32", "Covers more than 4 billion addresses; 1 current server outside"),
            ("192.0.2.1/24", "192.0.2.1/24"),
        ],
    )
    def test_ranges_say_what_they_cover_while_they_are_typed(
        self, shop: tuple[Account, Client], cidrs: str, sentence: str
    ) -> None:
        registered(the_default(), "web1", "192.0.2.10", now=START)

        page = text_of(
            shop[1].get(f"{KEYS}/ranges", {"cidrs": cidrs, "key": the_default().public_id})
        )

        assert sentence in page

    def test_a_key_says_that_it_does_not_expire(self, shop: tuple[Account, Client]) -> None:
        """Pain 10."""
        page = text_of(shop[1].get(f"{KEYS}/{the_default().public_id}"))

        assert "does not expire; it works while licenses are paid (next: 2026-02-28)." in page

    def test_another_key_becomes_the_default_and_the_old_one_can_go(
        self, shop: tuple[Account, Client]
    ) -> None:
        """Pain 30."""
        client, old = shop[1], the_default()
        new = another(client)

        client.post(f"{KEYS}/{new.public_id}/default")
        client.post(f"{KEYS}/{old.public_id}/remove")

        assert the_default().pk == new.pk
        old.refresh_from_db()
        assert old.removed_at is not None

    def test_a_sticky_tag_is_a_day_of_the_past(self, shop: tuple[Account, Client]) -> None:
        """T-1: from 2018-05-28 up to yesterday."""
        client, key = shop[1], the_default()
        path = f"{KEYS}/{key.public_id}"

        client.post(f"{path}/sticky", {"sticky_on": "2026-01-30"})
        assert "Sticky tag: 2026-01-30" in text_of(client.get(path))
        for day in ("2026-01-31", "2018-05-27"):
            refused = client.post(f"{path}/sticky", {"sticky_on": day})
            assert "bad_sticky_tag" in text_of(refused)
        assert the_default().sticky_on == date(2026, 1, 30)
        client.post(f"{path}/sticky", {"sticky_on": ""})

        assert the_default().sticky_on is None

    def test_its_servers_are_searched_and_filtered_by_day(
        self, shop: tuple[Account, Client]
    ) -> None:
        client, path = shop[1], f"{KEYS}/{the_default().public_id}"
        registered(the_default(), "web1", "192.0.2.10", now=START)
        registered(another(client), "web2", "192.0.2.11", now=START)

        assert "web2" not in text_of(client.get(path))
        assert "web1" in text_of(client.get(path, {"q": "web"}))
        tomorrow = f"{START + timedelta(days=1):%Y-%m-%d}"
        assert "Nothing matches" in text_of(client.get(path, {"from": tomorrow}))

    def test_a_reader_can_change_nothing(self) -> None:
        account, client = a_visitor(role=Role.READ_SERVERS)
        with_licenses(account, 5, "kernelcare")
        path = f"{KEYS}/{the_default().public_id}"

        page = text_of(client.get(path))

        assert "Make this key the default" not in page
        for verb in ("default", "sticky", "feature"):
            assert client.post(f"{path}/{verb}", {"sticky_on": "2026-01-01"}).status_code == 403
        assert the_default().sticky_on is None


class TestFeatures:
    @pytest.fixture
    def mail(self) -> tuple[Account, Client, Server]:
        account, client = a_visitor()
        with_licenses(account, 2, "imunify360_30")
        return account, client, registered(the_default(), "mail1", now=START).server

    def test_the_cost_at_the_switch_is_the_cost_on_the_invoice(
        self, mail: tuple[Account, Client, Server]
    ) -> None:
        """F-1, S2: 10 % of the license of the one server."""
        account, client, server = mail
        before = next_invoices(account)
        page = text_of(client.get(f"/console/servers/{server.public_id}"))
        said = page.split("Enabled on this server the next invoices rise by ")[1].split(" ")[0]

        client.post(
            f"/console/servers/{server.public_id}/feature",
            {"feature": "imunify_email", "enabled": "on"},
        )

        rise = next_invoices(account) - before
        assert said == f"${rise / 100:.2f}"
        assert rise > 0
        again = text_of(client.get(f"/console/servers/{server.public_id}"))
        assert f"Not set the next invoices fall by {said}" in again

    def test_what_is_set_above_is_stronger_and_says_so(
        self, mail: tuple[Account, Client, Server]
    ) -> None:
        """F-2."""
        account, client, server = mail
        client.post(
            f"/console/servers/{server.public_id}/feature",
            {"feature": "imunify_email", "enabled": "on"},
        )
        with_it = next_invoices(account)

        client.post(
            f"{KEYS}/{the_default().public_id}/feature",
            {"feature": "imunify_email", "enabled": "off"},
        )

        page = text_of(client.get(f"/console/servers/{server.public_id}"))
        assert "Disabled by the key , which is stronger than what is set here." in page
        assert next_invoices(account) < with_it
        client.post("/console/features/switch", {"feature": "imunify_email", "enabled": "on"})
        assert next_invoices(account) == with_it
        page = text_of(client.get(f"{KEYS}/{the_default().public_id}"))
        assert "Enabled by the account , which is stronger" in page

    def test_accelerate_wp_is_switched_at_each_level_and_costs_nothing(self) -> None:
        """F-5: usual with Shared Pro; without a price no line of an invoice."""
        account, client = a_visitor()
        on_sale("cloudlinux_pro", 15_00)
        with_licenses(account, 2, "cloudlinux_pro")
        server = registered(the_default(), "web1", now=START).server
        before = next_invoices(account)
        levels = {
            "/console/features": "/console/features/switch",
            f"{KEYS}/{the_default().public_id}": f"{KEYS}/{the_default().public_id}/feature",
            f"/console/servers/{server.public_id}": f"/console/servers/{server.public_id}/feature",
        }

        for page, switch in levels.items():
            said = text_of(client.get(page))
            state = "off " if page.startswith("/console/servers") else ""
            told = f"AccelerateWP Premium {state}An add-on for WordPress sites."
            assert told in said
            assert "AccelerateWP CDN" in said
            assert ("enabled, as usual with this edition" in said) is (page != "/console/features")
            for answer in ("on", "off"):
                wish = {"feature": "accelerate_wp_premium", "enabled": answer}
                assert "Saved." in text_of(client.post(switch, wish, follow=True))
                assert next_invoices(account) == before
        said = text_of(client.get(f"/console/servers/{server.public_id}"))
        assert "Disabled by the account , which is stronger than what is set here." in said
        assert "next invoices rise" not in said
        email = {"feature": "imunify_email", "enabled": "on"}
        refused = client.post(f"/console/servers/{server.public_id}/feature", email)
        assert "unknown_feature" in text_of(refused)

    def test_an_answer_that_is_none_changes_nothing(
        self, mail: tuple[Account, Client, Server]
    ) -> None:
        account, client, _ = mail

        client.post("/console/features/switch", {"feature": "imunify_email", "enabled": "maybe"})
        unknown = client.post("/console/features/switch", {"feature": "x", "enabled": "on"})

        assert "unknown_feature" in text_of(unknown)
        assert features_of(account_id=account.pk)["imunify_email"] is None

    def test_a_role_without_orders_may_not_switch_what_costs(self) -> None:
        account, client = a_visitor(role=Role.SERVERS)

        answer = client.post(
            "/console/features/switch", {"feature": "imunify_email", "enabled": "on"}
        )

        assert answer.status_code == 403
        assert features_of(account_id=account.pk)["imunify_email"] is None


class TestEdition:
    def test_the_difference_is_shown_before_and_the_way_back_after(self) -> None:
        """Q13."""
        account, client = a_visitor()
        with_licenses(account, 5)
        on_sale("cloudlinux_pro", 15_00)
        before = next_invoices(account)
        page = text_of(client.get("/console/edition"))
        assert "Your licenses are CloudLinux OS Shared already." in page
        assert "5 licenses. The rest of this period costs $" in page

        client.post("/console/edition", {"edition": "pro"})

        [row] = subscriptions_of(account.pk)
        assert (row.license_type, row.quantity) == ("cloudlinux_pro", 5)
        assert next_invoices(account) > before
        assert "5 licenses." in text_of(client.get("/console/edition"))
        client.post("/console/edition", {"edition": "shared"})
        assert [row.license_type for row in subscriptions_of(account.pk)] == ["cloudlinux"]

    def test_an_edition_without_a_public_price_leads_to_a_ticket_that_asks_for_it(self) -> None:
        account, client = a_visitor()
        with_licenses(account, 5)

        page = client.get("/console/edition").content.decode()

        assert "There is no public price for this license." in page
        [about] = re.findall(r'href="(/console/support\?about=[^"]+)"', page)
        ticket = client.get(html.unescape(about)).content.decode()
        assert 'value="Price of CloudLinux OS Shared Pro"' in ticket

    def test_without_licenses_there_is_nothing_to_change(self) -> None:
        _, client = a_visitor()

        assert client.get("/console/edition").status_code == 200
        assert client.post("/console/edition", {"edition": "pro"}).status_code == 409
