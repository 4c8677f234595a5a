"""IP licenses, deposit, autopayment and the reseller's invoices (I-1, I-2, R2–R6, seed 002)."""

from __future__ import annotations

import pytest
from django.test import Client

from cln.accounts.access import PERMISSIONS
from cln.accounts.models import Account
from cln.catalog.models import LicenseType, PriceList
from cln.enums import Role
from cln.flows.long_lists import begin_removal
from cln.licensing.models import ActivationKey, IpLicense, Server
from cln.licensing.server_accounts import Person, add_server_account
from cln.licensing.services import (
    Hints,
    create_key,
    register_at_address,
    register_server,
    reveal,
)
from tests.customers import START
from tests.reselling import holds_ip, registers
from tests.visitors import a_login, a_reseller_in_debt, a_reselling_visitor, signed_in, text_of
from tests.web.test_doors import access_of, pages, path_of

pytestmark = pytest.mark.django_db

PAGE = "/console/ip-licenses"
LIST = """203.0.113.10, 203.0.113.11
203.0.113.10
10.0.0.1
web1.example.com 198.51.100.7"""


@pytest.fixture
def zenith() -> tuple[Account, Client]:
    return a_reselling_visitor()


def held(account: Account) -> list[str]:
    rows = IpLicense.objects.filter(account=account, removed_at=None)
    return sorted(str(row.address) for row in rows)


def added(client: Client, addresses: str, **more: str) -> object:
    form = {"license_type": "kernelcare", "addresses": addresses}
    return client.post(f"{PAGE}/add", form | more)


def test_the_dashboard_counts_the_addresses_and_explains_no_first_steps(
    zenith: tuple[Account, Client],
) -> None:
    """Instead there is the command for a server at an address, until one was heard."""
    page = text_of(zenith[1].get("/console/dashboard"))

    assert "KernelCare 1 license, 0 checked in" in page
    assert "Your first licensed server" not in page
    assert "cln-install.sh | sh -s -- --byip" in page
    IpLicense.objects.update(registered_at=START)
    page = text_of(zenith[1].get("/console/dashboard"))
    assert "KernelCare 1 license, 1 checked in" in page
    assert "--byip" not in page


class TestIpLicenses:
    def test_the_list_shows_address_type_and_when(self, zenith: tuple[Account, Client]) -> None:
        page = text_of(zenith[1].get(PAGE))

        assert "198.51.100.7" in page
        assert "KernelCare" in page
        assert "1–1 of 1" in page

    def test_the_file_of_the_view_has_the_same_rows(self, zenith: tuple[Account, Client]) -> None:
        answer = zenith[1].get(PAGE, {"format": "csv", "q": "198.51"})

        rows = b"".join(answer.streaming_content).decode().splitlines()  # type: ignore[attr-defined]
        assert rows[0].lstrip("\ufeff") == "IP,Hostname,Added,Last check-in,Type,Features"
        assert rows[1].startswith("198.51.100.7,,")
        assert len(rows) == 2

    @pytest.mark.parametrize(
        ("search", "count"), [("198.51", 1), ("::ffff:198.51.100.7", 1), ("9", 0)]
    )
    def test_a_search_finds_addresses_in_any_spelling(
        self, zenith: tuple[Account, Client], search: str, count: int
    ) -> None:
        page = text_of(zenith[1].get(PAGE, {"q": search}))

        assert ("1–1 of 1" in page) == bool(count)
        assert ("Nothing matches" in page) == (not count)

    def test_one_license_type_of_those_held_is_shown(self, zenith: tuple[Account, Client]) -> None:
        account, client = zenith
        for band, last in (("imunify360_1", 1), ("imunify360_30", 2)):
            holds_ip(account.pk, f"203.0.113.{last}", license_type=band, now=START)

        page = text_of(client.get(PAGE, {"type": "imunify360_30"}))

        assert "1–1 of 1" in page
        assert "203.0.113.2" in page
        assert "Type: all KernelCare Imunify360, single user Imunify360, up to 30 users" in page
        everything = {"all": "1", "view": "type=imunify360_30"}
        assert "Remove 1 IP license?" in text_of(client.post(f"{PAGE}/remove", everything))

    def test_one_address_is_added_at_once(self, zenith: tuple[Account, Client]) -> None:
        account, client = zenith

        assert added(client, " 203.0.113.9 ").status_code == 303  # type: ignore[attr-defined]

        assert held(account) == ["198.51.100.7", "203.0.113.9"]
        assert "1 IP license is added." in text_of(client.get(PAGE))

    def test_a_list_is_shown_first_line_by_line_and_adds_nothing(
        self, zenith: tuple[Account, Client]
    ) -> None:
        account, client = zenith

        page = text_of(added(client, LIST))

        assert "2 of 6 can be added" in page
        # 3.95 for the one held; with two more 2.95 each, and 1 of January's 31 days is left.
        assert "Your bill of this month $0.29 instead of $0.13" in page
        assert "A whole month $8.85 instead of $3.95" in page
        assert page.index("10.0.0.1 cannot") < page.index("203.0.113.10 will")
        assert "1 203.0.113.10 will be added" in page
        assert "3 203.0.113.10 left out Listed twice." in page
        assert "4 10.0.0.1 cannot be added The address 10.0.0.1 is private, not public." in page
        assert "5 web1.example.com cannot be added 'web1.example.com' is not an IP" in page
        assert "6 198.51.100.7 left out You hold it already." in page
        # 3 × 2.95, on 1 of 31 days and in a whole month; alone the one of before costs 3.95.
        assert "Your bill of this month $0.29 instead of $0.13" in page
        assert "A whole month $8.85 instead of $3.95" in page
        assert held(account) == ["198.51.100.7"]

    def test_what_a_list_costs_is_for_those_who_may_see_prices(
        self, zenith: tuple[Account, Client]
    ) -> None:
        client = signed_in(a_login(zenith[0], Role.SERVERS_AND_LICENSES))
        row = IpLicense.objects.get()

        page = text_of(added(client, LIST))
        assert "2 of 6 can be added" in page
        assert "Your bill" not in page
        assert "Your bill" not in text_of(client.post(f"{PAGE}/remove", {"id": row.public_id}))
        assert held(zenith[0]) == ["198.51.100.7"]

    def test_a_list_that_the_deposit_does_not_allow_is_refused_before_it_is_confirmed(self) -> None:
        """R3: the floor that was agreed with the reseller."""
        account, client = a_reseller_in_debt()
        Account.objects.filter(pk=account.pk).update(floor_cents=0)

        answer = added(client, LIST)

        assert answer.status_code == 422  # type: ignore[attr-defined]
        assert "Your balance is -$35.13; new licenses need $0.00 or more." in text_of(answer)
        assert held(account) == ["198.51.100.8"]

    def test_a_confirmed_list_adds_what_can_be_added_and_names_the_rest(
        self, zenith: tuple[Account, Client]
    ) -> None:
        account, client = zenith
        other = registers("nadir", now=START)
        holds_ip(other.account_id, "203.0.113.11", now=START)

        page = text_of(added(client, LIST, confirmed="1"))

        assert "1 added, 3 not" in page
        assert "203.0.113.11 203.0.113.11 has a license of KernelCare already." in page
        assert held(account) == ["198.51.100.7", "203.0.113.10"]

    def test_the_form_says_as_whom_we_see_the_visitor(self, zenith: tuple[Account, Client]) -> None:
        page = text_of(zenith[1].get(f"{PAGE}/add"))

        assert "We see this browser as 127.0.0.1 ." in page
        assert "curl http://testserver/showip" in page

    def test_500_addresses_are_checked_in_a_few_questions(
        self, zenith: tuple[Account, Client], django_assert_max_num_queries: object
    ) -> None:
        text = "\n".join(f"203.0.{i // 250 + 100}.{i % 250 + 1}" for i in range(500))
        # Half of them are the four bills: of this month and a whole one, before and after.
        with django_assert_max_num_queries(56):  # type: ignore[operator]
            page = text_of(added(zenith[1], text))

        assert "500 of 500 can be added" in page

    @pytest.mark.parametrize(
        ("addresses", "sentence"),
        [
            ("", "This field is required."),
            ("203.0.113.300", "'203.0.113.300' is not an IP address."),
            ("100.64.1.1", "(CGNAT), not public."),
            ("192.0.2.1 " * 5_001, "The list has 5,001 addresses, more than 5,000."),
        ],
    )
    def test_a_list_that_cannot_be_worked_off_is_explained(
        self, zenith: tuple[Account, Client], addresses: str, sentence: str
    ) -> None:
        answer = added(zenith[1], addresses)

        assert answer.status_code == 422  # type: ignore[attr-defined]
        assert sentence in text_of(answer)
        assert held(zenith[0]) == ["198.51.100.7"]

    def test_removing_names_the_servers_first(self, zenith: tuple[Account, Client]) -> None:
        account, client = zenith
        row = IpLicense.objects.get()

        page = text_of(client.post(f"{PAGE}/remove", {"id": row.public_id}))
        assert "Remove 1 IP license?" in page
        assert "198.51.100.7" in page
        assert "A whole month $0.00 instead of $3.95" in page
        assert held(account) == ["198.51.100.7"]

        client.post(f"{PAGE}/remove", {"id": row.public_id, "confirmed": "1"})
        assert held(account) == []

    def test_all_that_match_a_view_can_be_removed_at_once(
        self, zenith: tuple[Account, Client]
    ) -> None:
        account, client = zenith
        for last in (1, 2, 3):
            holds_ip(account.pk, f"203.0.113.{last}", now=START)

        page = text_of(client.post(f"{PAGE}/remove", {"all": "1", "view": "q=203.0.113"}))

        assert "Remove 3 IP licenses?" in page
        assert "198.51.100.7" not in page

    def test_nothing_ticked_removes_nothing(self, zenith: tuple[Account, Client]) -> None:
        zenith[1].post(f"{PAGE}/remove", {"confirmed": "1"})

        assert "Nothing was chosen." in text_of(zenith[1].get(PAGE))
        assert held(zenith[0]) == ["198.51.100.7"]

    def test_another_tenants_license_is_not_there(self, zenith: tuple[Account, Client]) -> None:
        other = registers("nadir", now=START)
        holds_ip(other.account_id, "203.0.113.99", now=START)
        foreign = IpLicense.objects.get(account=other.account_id).public_id

        assert zenith[1].get(f"{PAGE}/{foreign}/edit").status_code == 404
        zenith[1].post(f"{PAGE}/remove", {"id": foreign, "confirmed": "1"})
        assert IpLicense.objects.get(public_id=foreign).removed_at is None

    def test_a_band_of_imunify360_becomes_another_from_today(
        self, zenith: tuple[Account, Client]
    ) -> None:
        account, client = zenith
        client.post(f"{PAGE}/add", {"license_type": "imunify360_30", "addresses": "203.0.113.5"})
        row = IpLicense.objects.get(license_type__code="imunify360_30")

        page = client.get(f"{PAGE}/{row.public_id}/edit").content.decode()
        assert "imunify360_250" in page
        assert 'value="kernelcare"' not in page
        form = {"license_type": "imunify360_250", "els_allowed": "on"}
        shown = text_of(client.post(f"{PAGE}/{row.public_id}/edit", form))
        assert "Your bill of this month $1.26 instead of $0.94" in shown
        assert "A whole month $38.95 instead of $28.95" in shown
        assert IpLicense.objects.get(pk=row.pk).removed_at is None
        client.post(f"{PAGE}/{row.public_id}/edit", form | {"confirmed": "1"})

        now = IpLicense.objects.get(account=account, address="203.0.113.5", removed_at=None)
        assert (now.license_type.code, now.els_allowed) == ("imunify360_250", True)

    def test_imunify_email_is_switched_at_an_address_with_its_cost_shown_first(
        self, zenith: tuple[Account, Client]
    ) -> None:
        """F-6, S2, pain 35: a tenth of one license for the one day that is left of January."""
        account, client = zenith
        holds_ip(account.pk, "203.0.113.5", license_type="imunify360_30", now=START)
        row = IpLicense.objects.get(license_type__code="imunify360_30")
        edit, switch = f"{PAGE}/{row.public_id}/edit", f"{PAGE}/{row.public_id}/feature"

        assert "Enabled at this address the next invoices rise by $0.08" in text_of(
            client.get(edit)
        )
        client.post(switch, {"feature": "imunify_email", "enabled": "on"})

        assert "Saved. Servers follow within 24 hours." in text_of(client.get(edit))
        assert "Imunify Email</span>" in client.get(PAGE).content.decode()
        file = b"".join(client.get(PAGE, {"format": "csv"}).streaming_content).decode()  # type: ignore[attr-defined]
        assert "Imunify Email" in file
        statement = text_of(client.get("/console/billing/statement"))
        assert "1/31 license days (1 Jan – 1 Feb 2026) $0.08" in statement
        kernelcare = IpLicense.objects.get(license_type__code="kernelcare").public_id
        assert "Imunify Email" not in text_of(client.get(f"{PAGE}/{kernelcare}/edit"))

    @pytest.mark.parametrize("role", [Role.READ_SERVERS, Role.READ_BILLING, Role.SERVERS])
    def test_who_may_not_order_sees_the_list_only(
        self, zenith: tuple[Account, Client], role: Role
    ) -> None:
        client = signed_in(a_login(zenith[0], role))

        page = client.get(PAGE)
        assert "198.51.100.7" in text_of(page)
        assert f"{PAGE}/add" not in page.content.decode()
        assert added(client, "203.0.113.9").status_code == 403  # type: ignore[attr-defined]
        assert held(zenith[0]) == ["198.51.100.7"]


@pytest.mark.parametrize("role", Role)
def test_a_role_opens_exactly_the_resellers_pages_its_permissions_name(
    zenith: tuple[Account, Client], role: Role
) -> None:
    client = signed_in(a_login(zenith[0], role))
    ids = {
        "license": IpLicense.objects.get().public_id,
        "server_account": str(_server_account(zenith[0])),
        "address_list": begin_removal(account_id=zenith[0].pk, rows=(), actor="zoe", now=START),
    }
    walked = 0
    for name, route in pages().items():
        access = access_of(route)
        if not access.resellers_only or access.permission is None:
            continue
        walked += 1
        [method] = {"GET", "POST"}.intersection(access.methods[:1])
        status = client.generic(method, path_of(route, **ids)).status_code
        done = 303 if method == "POST" else 200
        expected = done if access.permission in PERMISSIONS[role] else 403
        assert status == expected, f"{role} {name}"

    assert walked == 16


def _server_account(account: Account) -> int:
    person = Person(login="sub1", email="sub1@host.example")
    return add_server_account(account_id=account.pk, person=person, actor="zoe", now=START).number
    assert held(zenith[0]) == ["198.51.100.7"]


def test_a_reseller_removes_its_default_key_on_its_page_and_among_ticked_ones(
    zenith: tuple[Account, Client],
) -> None:
    account, browser = zenith
    wish = {"account_id": account.pk, "license_type": "kernelcare", "actor": "zoe", "now": START}
    first, second, third = (create_key(**wish).public_id for _ in range(3))

    assert f"/console/keys/{first}/remove" in browser.get(f"/console/keys/{first}").content.decode()
    browser.post(f"/console/keys/{first}/remove")
    page = text_of(browser.get(f"/console/keys/{second}"))
    assert "your oldest other key takes its place" in page
    browser.post(
        "/console/products/kernelcare/remove-keys", {"id": [second, third], "confirmed": "1"}
    )

    assert not ActivationKey.objects.filter(removed_at=None).exists()


def test_removing_a_server_says_what_goes_on_being_billed(zenith: tuple[Account, Client]) -> None:
    """Seed 001, R8: an IP license stays and is billed; a server with a key stops being billed."""
    account, client = zenith
    by_address = register_at_address(address="198.51.100.7", hints=Hints(hostname="n1"), now=START)
    key = create_key(account_id=account.pk, license_type="kernelcare", actor="zoe", now=START)
    by_key = register_server(
        key_text=reveal(key), address="198.51.100.9", hints=Hints(hostname="n2"), now=START
    )

    def page_of(server: Server, more: str = "") -> str:
        return text_of(client.get(f"/console/servers/{server.public_id}{more}"))

    assert "KernelCare by IP license" in text_of(client.get("/console/servers"))
    assert "KernelCare by IP license" in page_of(by_address.server)
    assert "Its IP license stays, and stays billed" in page_of(by_address.server, "/remove")
    assert "Its billing stops today" in page_of(by_key.server, "/remove")
    both = [by_address.server.public_id, by_key.server.public_id]
    page = text_of(client.post("/console/servers/remove", {"id": both}))
    assert "with an activation key stop being billed today. IP licenses stay" in page


def test_a_license_is_removed_from_its_own_page(zenith: tuple[Account, Client]) -> None:
    account, client = zenith
    row = IpLicense.objects.get(account=account)
    assert (
        f'name="ids" value="{row.public_id}"'
        in client.get(f"{PAGE}/{row.public_id}/edit").content.decode()
    )

    asked = text_of(client.post(f"{PAGE}/remove", {"ids": row.public_id}))

    assert "The server at this address loses the product." in asked
    assert held(account) == ["198.51.100.7"]


def test_a_reseller_sees_the_prices_of_their_own(zenith: tuple[Account, Client]) -> None:
    """P-25: an account may have price lists that nobody else sees."""
    account, client = zenith
    own = PriceList.objects.create(
        license_type=LicenseType.objects.get(code="kernelcare"),
        account=account,
        interval="month",
        currency="USD",
        effective_on=START.date(),
    )
    own.tiers.create(from_quantity=1, unit_cents=1_11)

    page = text_of(client.get("/console/prices"))

    assert "1+ $1.11" in page
    assert "These are the prices of your account." in page
    assert "$1.11" not in text_of(Client().get("/console/prices"))
