"""Servers and their groups: filters, groups, watching, another license type, moving, undo."""

from datetime import timedelta

import pytest
from django.test import Client

from cln.accounts.models import Account
from cln.billing.queries import balance_cents, subscriptions_of
from cln.domain.money import money_text
from cln.enums import Role
from cln.licensing.models import ActivationKey, Entitlement, Server, ServerGroup
from cln.licensing.services import reveal
from tests.customers import START, a_customer, clock_at
from tests.licensing import registered
from tests.visitors import a_login, a_visitor, signed_in, text_of, with_licenses

pytestmark = pytest.mark.django_db
LIST = "/console/servers"
GROUPS = "/console/groups"


@pytest.fixture
def shop() -> tuple[Account, Client]:
    account, client = a_visitor()
    with_licenses(account, 5)
    return account, client


def a_server(hostname: str = "web1", address: str = "192.0.2.10") -> Server:
    return registered(
        ActivationKey.objects.get(is_default=True), hostname, address, now=START
    ).server


def a_group(client: Client, name: str = "Rack 4") -> ServerGroup:
    client.post(GROUPS, {"name": name, "description": "in the cellar"})
    return ServerGroup.objects.get(name=name)


def seats(account: Account, license_type: str) -> tuple[int, int | None]:
    """Used and held."""
    row = Entitlement.objects.get(account=account, license_type__code=license_type)
    return row.used, row.quantity


def csv_of(client: Client, **filters: str) -> str:
    answer = client.get(LIST, {**filters, "format": "csv"})
    return b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]


class TestTheList:
    def test_servers_are_filtered_by_status_group_and_day(
        self, shop: tuple[Account, Client]
    ) -> None:
        """Status as the list says it: a server that was heard never is new; overdue it is late."""
        client = shop[1]
        a_server("web1", "192.0.2.10")
        two = a_server("web2", "192.0.2.11")
        gone = a_server("web3", "192.0.2.12")
        client.post(f"{LIST}/{gone.public_id}/remove", {"license": "keep"})
        client.post(f"{LIST}/put", {"id": two.public_id, "group": "Rack 4", "confirmed": "1"})
        client.post(f"{LIST}/{two.public_id}/watch", {"period": "15"})
        clock_at(START + timedelta(minutes=30))

        def found(**filters: str) -> list[str]:
            return [line.split(",")[0] for line in csv_of(client, **filters).splitlines()[1:]]

        assert found() == ["web2", "web1"]
        assert found(status="late") == ["web2"]
        assert found(status="up") == ["web1"]
        assert found(status="silent") == []
        assert found(status="removed") == ["web3"]
        assert found(group="Rack 4") == ["web2"]
        assert found(**{"from": f"{START:%Y-%m-%d}"}) == ["web2", "web1"]
        assert found(**{"from": f"{START + timedelta(days=1):%Y-%m-%d}"}) == []
        assert found(until="2026-99-99") == ["web2", "web1"]
        clock_at(START + timedelta(hours=2))
        assert found(status="silent") == ["web2"]
        assert "web2 192.0.2.11" in text_of(client.get("/console/watch"))
        assert "web1 192.0.2.10" not in text_of(client.get("/console/watch"))

    def test_ticked_servers_go_into_a_group_that_is_new_or_there(
        self, shop: tuple[Account, Client]
    ) -> None:
        """G-3, G-5: typing a name that is new opens the group; another group takes over."""
        client = shop[1]
        one, two = a_server("web1", "192.0.2.10"), a_server("web2", "192.0.2.11")
        ids = [one.public_id, two.public_id]

        asked = text_of(client.post(f"{LIST}/put", {"id": ids}))
        assert "Add 2 servers to a group" in asked
        assert not ServerGroup.objects.exists()

        client.post(f"{LIST}/put", {"id": ids, "group": "Rack 4", "confirmed": "1"})
        client.post(f"{LIST}/put", {"id": ids[:1], "group": "Rack 5", "confirmed": "1"})

        rows = Server.objects.order_by("hostname").values_list("hostname", "group__name")
        assert list(rows) == [("web1", "Rack 5"), ("web2", "Rack 4")]

    def test_a_group_without_a_name_is_asked_for_again(self, shop: tuple[Account, Client]) -> None:
        one = a_server()

        answer = shop[1].post(f"{LIST}/put", {"id": one.public_id, "group": " ", "confirmed": "1"})

        assert answer.status_code == 422
        assert not ServerGroup.objects.exists()

    @pytest.mark.parametrize("verb", ["put", "remove"])
    def test_nothing_ticked_is_said(self, shop: tuple[Account, Client], verb: str) -> None:
        answer = shop[1].post(f"{LIST}/{verb}", follow=True)

        assert "Nothing was chosen. Tick the servers first." in text_of(answer)

    @pytest.mark.parametrize(
        ("choice", "left", "says"),
        [("keep", 5, "2 servers are removed."), ("cancel", 3, "2 licenses are cancelled.")],
    )
    def test_many_servers_are_removed_with_one_question(
        self, shop: tuple[Account, Client], choice: str, left: int, says: str
    ) -> None:
        """C-13: three at 12.00 instead of five at 10.00 saves 14.00."""
        account, client = shop
        ids = [a_server("web1", "192.0.2.10").public_id, a_server("web2", "192.0.2.11").public_id]
        asked = text_of(client.post(f"{LIST}/remove", {"id": ids}))
        assert "Remove 2 servers?" in asked
        assert "The next invoices fall by $14.00." in asked
        assert client.post(f"{LIST}/remove", {"id": ids, "confirmed": "1"}).status_code == 422
        assert seats(account, "cloudlinux") == (2, 5)

        done = client.post(
            f"{LIST}/remove", {"id": ids, "license": choice, "confirmed": "1"}, follow=True
        )

        assert says in text_of(done)
        assert seats(account, "cloudlinux") == (0, left)

    def test_servers_of_another_account_are_not_touched_in_bulk(
        self, shop: tuple[Account, Client]
    ) -> None:
        server = a_server()
        account = a_customer("Zenith")
        mallory = signed_in(a_login(account))

        for verb in ("put", "remove"):
            mallory.post(
                f"{LIST}/{verb}",
                {"id": server.public_id, "group": "x", "license": "keep", "confirmed": "1"},
            )

        server.refresh_from_db()
        assert (server.status, server.group) == ("active", None)
        assert not ServerGroup.objects.filter(account=account).exists()

    def test_a_reader_is_offered_no_action_and_may_take_none(self) -> None:
        account, client = a_visitor(role=Role.READ_SERVERS)
        with_licenses(account, 5)
        server = a_server()

        page = text_of(client.get(LIST))

        assert "Add to group" not in page
        for path in ("put", "remove", f"{server.public_id}/move", f"{server.public_id}/watch"):
            assert client.post(f"{LIST}/{path}", {"id": server.public_id}).status_code == 403
        assert client.post(GROUPS, {"name": "x"}).status_code == 403
        assert not ServerGroup.objects.exists()


class TestOneServer:
    def test_its_page_tells_key_times_and_what_happened(self, shop: tuple[Account, Client]) -> None:
        client = shop[1]
        server = a_server()
        client.post(f"{LIST}/{server.public_id}/watch", {"period": "360"})

        page = text_of(client.get(f"{LIST}/{server.public_id}"))

        assert reveal(ActivationKey.objects.get())[:17] in page
        assert "set how often a server is expected minutes: nothing → 360" in page
        assert "registered from 192.0.2.10" in page
        assert Server.objects.get().period == timedelta(hours=6)

    def test_its_page_says_that_its_license_is_a_trial_and_until_when(self) -> None:
        """T2: a paid license has no such line; who may not order is not sent to buy."""
        account, client = a_visitor()
        client.post("/console/trial/kernelcare")
        url = f"{LIST}/{a_server().public_id}"

        page = client.get(url)

        until = "License KernelCare trial until 2026-03-02 09:00 UTC, then it ends by itself."
        assert f"{until} Buy, and it goes on" in text_of(page)
        assert 'href="/console/purchase/kernelcare"' in page.content.decode()
        reader = text_of(signed_in(a_login(account, Role.SERVERS)).get(url))
        assert f"{until} Activation key" in reader
        with_licenses(account, 1, "kernelcare")
        assert "ends by itself" not in text_of(client.get(url))

    def test_a_time_that_is_not_offered_changes_nothing(self, shop: tuple[Account, Client]) -> None:
        server = a_server()

        answer = shop[1].post(f"{LIST}/{server.public_id}/watch", {"period": "1"}, follow=True)

        assert "Nothing was changed." in text_of(answer)
        assert Server.objects.get().period is None

    def test_its_group_is_changed_and_left(self, shop: tuple[Account, Client]) -> None:
        client, server = shop[1], a_server()
        a_group(client)
        path = f"{LIST}/{server.public_id}/group"

        client.post(path, {"group": "Rack 4"})
        assert Server.objects.get().group is not None
        assert client.post(path, {"group": "Rack 9"}).status_code == 404
        client.post(path, {"group": ""})

        assert Server.objects.get().group is None

    def test_moving_frees_the_seat_and_shows_the_command(
        self, shop: tuple[Account, Client]
    ) -> None:
        """Pain 11: the licenses stay five, and the new machine takes the one that is free."""
        account, client = shop
        server = a_server()
        asked = text_of(client.get(f"{LIST}/{server.public_id}/move"))
        assert f"-k {reveal(ActivationKey.objects.get())}" in asked
        assert seats(account, "cloudlinux") == (1, 5)

        page = text_of(client.post(f"{LIST}/{server.public_id}/move", follow=True))

        assert "The license of web1 is free for the new machine." in page
        assert f"-k {reveal(ActivationKey.objects.get())}" in page
        assert seats(account, "cloudlinux") == (0, 5)
        a_server("web2", "192.0.2.11")
        assert seats(account, "cloudlinux") == (1, 5)

    def test_a_removal_is_undone_while_a_license_is_free(
        self, shop: tuple[Account, Client]
    ) -> None:
        account, client = shop
        server = a_server()
        key = ActivationKey.objects.get()
        gone = client.post(f"{LIST}/{server.public_id}/remove", {"license": "keep"}, follow=True)
        assert "Undo the removal" in text_of(gone)
        clock_at(START + timedelta(hours=72))

        page = text_of(client.post(f"{LIST}/{server.public_id}/undo", follow=True))

        assert "web1 is back, with a license." in page
        assert "undid the removal of a server" in page
        key.refresh_from_db()
        assert (seats(account, "cloudlinux"), key.used) == ((1, 5), 1)

    def test_an_undo_that_comes_too_late_or_without_a_license_is_refused(
        self, shop: tuple[Account, Client]
    ) -> None:
        account, client = shop
        server, other = a_server("web1", "192.0.2.10"), a_server("web2", "192.0.2.11")
        path = f"{LIST}/{server.public_id}"
        assert client.post(f"{path}/undo").status_code == 409
        client.post(f"{path}/remove", {"license": "keep"})
        client.post("/console/licenses/cloudlinux/remove-unused", {"keep": "1"})
        assert "no_free_seat" in text_of(client.post(f"{path}/undo"))
        client.post(f"{LIST}/{other.public_id}/remove", {"license": "keep"})
        # The sandbox's clock goes on: the removal was a moment after START.
        clock_at(START + timedelta(hours=73))

        answer = client.post(f"{path}/undo")

        assert "cannot_put_back" in text_of(answer)
        assert "Undo the removal" not in text_of(client.get(path))
        assert seats(account, "cloudlinux") == (0, 1)

    def test_a_machine_that_registered_again_is_not_put_back_twice(
        self, shop: tuple[Account, Client]
    ) -> None:
        account, client = shop
        server = a_server()
        client.post(f"{LIST}/{server.public_id}/remove", {"license": "keep"})
        a_server()

        answer = client.post(f"{LIST}/{server.public_id}/undo")

        assert "The machine has registered again since." in text_of(answer)
        assert seats(account, "cloudlinux") == (1, 5)


class TestLicenseType:
    @pytest.fixture
    def bands(self) -> tuple[Account, Client, Server]:
        account, client = a_visitor()
        with_licenses(account, 2, "imunify360_30")
        server = a_server()
        Server.objects.update(users=20)
        return account, client, server

    def test_only_types_that_fit_are_offered_with_what_each_costs(
        self, bands: tuple[Account, Client, Server]
    ) -> None:
        """U-32, P-22: the first license for 250 users is charged at once."""
        page = text_of(bands[1].get(f"{LIST}/{bands[2].public_id}/license-type"))

        assert "The server has 20 users; Imunify360, single user allows 1." in page
        assert "Your first one of this type: $" in page
        assert "of its paid price becomes credit" in page

    def test_the_type_that_the_users_fit_into_most_tightly_is_recommended_pain_29(
        self, bands: tuple[Account, Client, Server]
    ) -> None:
        """20 users fit best where they are; 1 fits a smaller type, 31 need a bigger one."""
        path = f"{LIST}/{bands[2].public_id}/license-type"
        assert "recommended" not in text_of(bands[1].get(path))

        Server.objects.update(users=1)
        assert "Imunify360, single user recommended: fits 1 user " in text_of(bands[1].get(path))

        Server.objects.update(users=31)
        page = text_of(bands[1].get(path))
        assert "Imunify360, up to 250 users recommended: fits 31 users " in page
        assert page.count("recommended") == 1

        Server.objects.update(users=None)
        assert "recommended" not in text_of(bands[1].get(path))

    def test_more_users_than_the_type_allows_are_shown_with_the_way_out(
        self, bands: tuple[Account, Client, Server]
    ) -> None:
        """AI-6: on the server's page; not while they fit."""
        path = f"{LIST}/{bands[2].public_id}"
        assert "Users 20 of 30" in text_of(bands[1].get(path))

        Server.objects.update(users=31)

        page = bands[1].get(path)
        assert "Users 31 of 30 More than its license type allows." in text_of(page)
        assert f'href="{path}/license-type">Change license type' in page.content.decode()

    def test_a_server_becomes_another_type_for_what_was_announced(
        self, bands: tuple[Account, Client, Server]
    ) -> None:
        """Q14: what the page says is due is what the invoice says; the rest becomes credit."""
        account, client, server = bands
        path = f"{LIST}/{server.public_id}/license-type"
        page = text_of(client.get(path))
        announced = page.split("Your first one of this type: ")[1].split(" is charged")[0]
        credit = page.split("Cancel it. ")[1].split(" of its paid price")[0]

        done = client.post(
            path, {"license_type": "imunify360_250", "old": "cancel", "once": "one"}, follow=True
        )
        again = client.post(
            path, {"license_type": "imunify360_250", "old": "cancel", "once": "one"}
        )

        assert "web1 has its new license type. One license was added." in text_of(done)
        assert again.status_code == 422
        held = {row.license_type: row.quantity for row in subscriptions_of(account.pk)}
        assert held == {"imunify360_30": 1, "imunify360_250": 1}
        assert announced in text_of(client.get("/console/billing/invoices"))
        assert money_text(balance_cents(account.pk), "USD") == credit

    def test_a_type_that_does_not_fit_is_refused(
        self, bands: tuple[Account, Client, Server]
    ) -> None:
        answer = bands[1].post(
            f"{LIST}/{bands[2].public_id}/license-type", {"license_type": "imunify360_1"}
        )

        assert answer.status_code == 422
        assert Server.objects.get().license_type.code == "imunify360_30"


class TestGroups:
    def test_a_group_is_opened_renamed_and_removed_and_its_servers_stay(
        self, shop: tuple[Account, Client]
    ) -> None:
        """G-1, G-2, G-6."""
        client, server = shop[1], a_server()
        group = a_group(client)
        client.post(f"{LIST}/{server.public_id}/group", {"group": "Rack 4"})
        assert client.post(GROUPS, {"name": "Rack 4"}).status_code == 422
        a_group(client, "Rack 5")
        taken = client.post(f"{GROUPS}/{group.pk}/edit", {"name": "Rack 5"})
        assert "There is a group “Rack 5” already." in text_of(taken)

        client.post(f"{GROUPS}/{group.pk}/edit", {"name": "Cellar", "description": ""})
        page = text_of(client.get(GROUPS))
        assert "Cellar — 1 1 hour (usual)" in page
        assert "web1" in text_of(client.get(f"{GROUPS}/{group.pk}"))

        client.post(f"{GROUPS}/{group.pk}/remove")

        assert list(ServerGroup.objects.values_list("name", flat=True)) == ["Rack 5"]
        row = Server.objects.get()
        assert (row.status, row.group) == ("active", None)

    def test_servers_are_taken_out_of_a_group(self, shop: tuple[Account, Client]) -> None:
        """G-4."""
        client, server = shop[1], a_server()
        group = a_group(client)
        client.post(f"{LIST}/{server.public_id}/group", {"group": "Rack 4"})

        client.post(f"{GROUPS}/{group.pk}/take-out", {"id": server.public_id})

        assert Server.objects.get().group is None

    def test_grace_and_windows_are_set_and_cancelled(self, shop: tuple[Account, Client]) -> None:
        client = shop[1]
        group = a_group(client)
        path = f"{GROUPS}/{group.pk}"

        client.post(f"{path}/grace", {"grace": "240"})
        client.post(
            f"{path}/windows",
            {"starts_at": "2026-02-01T22:00", "ends_at": "2026-02-02T02:00", "note": "kernel"},
        )
        page = text_of(client.get(path))
        assert "2026-02-01 22:00 – 2026-02-02 02:00 UTC kernel" in page
        group.refresh_from_db()
        assert group.grace == timedelta(hours=4)
        assert "Rack 4 4 hours" in text_of(client.get("/console/watch"))

        bad = client.post(
            f"{path}/windows", {"starts_at": "2026-02-02T02:00", "ends_at": "2026-02-01T22:00"}
        )
        assert bad.status_code == 422
        assert "A maintenance window ends after it begins" in text_of(bad)
        client.post(f"{path}/windows/{group.windows.get().pk}/cancel")
        assert not group.windows.exists()

    def test_a_group_of_another_account_is_not_found(self, shop: tuple[Account, Client]) -> None:
        group = a_group(shop[1])
        mallory = signed_in(a_login(a_customer("Zenith"), name="mallory"))

        for path in ("", "/edit", "/remove"):
            assert mallory.get(f"{GROUPS}/{group.pk}{path}").status_code == 404
        for path in ("/edit", "/remove", "/take-out", "/grace", "/windows", "/windows/1/cancel"):
            answer = mallory.post(f"{GROUPS}/{group.pk}{path}", {"name": "x", "grace": ""})
            assert answer.status_code == 404
        assert ServerGroup.objects.get().name == "Rack 4"
