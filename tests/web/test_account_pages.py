"""Account details, API page, reports, audit log, messages to support, becoming a reseller."""

from __future__ import annotations

import csv
from typing import ClassVar

import pytest
from django.db import transaction
from django.test import Client
from pytest_django.fixtures import Settings

from cln import clock
from cln.accounts import audit
from cln.accounts.access import Permission
from cln.accounts.models import Account, Agreement, ApiToken, AuditEntry, Login
from cln.accounts.services import create_account, rotate_api_secret
from cln.accounts.tokens import token_caller
from cln.api.auth import AuthFailed, check_token
from cln.billing.queries import balance_cents
from cln.domain.collection import DeclineCode, explain_decline
from cln.domain.errors import Refusal
from cln.domain.signed_token import digest_of
from cln.enums import AccountKind, Role
from cln.licensing.groups import add_to_group
from cln.licensing.models import ServerGroup
from cln.licensing.moves import change_key
from cln.licensing.services import create_key
from cln.notifications.models import Message, ReportSubscription
from cln.notifications.queries import written
from cln.payments.gateways.sandbox import Script, script_account
from cln.payments.models import AutopayRuleRow
from tests.customers import START, clock_at, use_card
from tests.licensing import bought, registered
from tests.receiver import listening
from tests.visitors import PASSWORD, a_login, a_visitor, signed_in, text_of, with_licenses

pytestmark = pytest.mark.django_db

PROFILE, API = "/console/profile", "/console/profile/api"
AUDIT, REPORTS = "/console/profile/audit", "/console/profile/reports"
SUPPORT, CONVERT = "/console/support", "/console/profile/convert"


@pytest.fixture
def owner() -> tuple[Account, Client]:
    return a_visitor()


class TestDetails:
    def test_everybody_says_what_they_are_called(self, owner: tuple[Account, Client]) -> None:
        reader = a_login(owner[0], Role.READ_SERVERS, name="rita")

        signed_in(reader).post(f"{PROFILE}/person", {"first_name": "Rita", "last_name": "Roe"})

        reader.refresh_from_db()
        assert (reader.first_name, reader.last_name) == ("Rita", "Roe")
        assert AuditEntry.objects.get(verb="login.updated").details == {
            "first_name": ["", "Rita"],
            "last_name": ["", "Roe"],
        }

    def test_a_change_is_kept_with_who_and_from_where(self, owner: tuple[Account, Client]) -> None:
        form = {"company": "Zen", "billing_email": ""}

        owner[1].post(PROFILE, form, headers={"x-forwarded-for": "203.0.113.9"})

        entry = AuditEntry.objects.get(verb="account.updated")
        assert (entry.actor, entry.address) == (Login.objects.get().username, "127.0.0.1")
        assert entry.details["company"] == ["Acme", "Zen"]

    def test_what_invoices_print_is_saved_and_checked(self, owner: tuple[Account, Client]) -> None:
        """P11."""
        form = {"address": "Main St 1\n10115 Berlin", "country": "de", "vat_number": "DE136695976"}

        bad = owner[1].post(f"{PROFILE}/tax", {**form, "vat_number": "DE136695977"})
        owner[1].post(f"{PROFILE}/tax", form)

        owner[0].refresh_from_db()
        assert bad.status_code == 422
        assert "is not a VAT number of DE" in text_of(bad)
        assert (owner[0].country, owner[0].vat_number) == ("DE", "DE136695976")

    def test_the_country_is_chosen_by_name_and_an_old_code_stays(
        self, owner: tuple[Account, Client]
    ) -> None:
        """P11: also one that is on no list, when something beside it is changed."""
        owner[1].post(f"{PROFILE}/tax", {"country": "AN"})

        page = owner[1].get(PROFILE).content.decode()
        owner[1].post(f"{PROFILE}/tax", {"address": "Main St 1", "country": "AN"})

        assert '<option value="DE">Germany</option>' in page
        assert '<option value="AX">Åland Islands</option>\n' in page
        assert '<option value="AN" selected>AN</option>' in page
        owner[0].refresh_from_db()
        assert (owner[0].address, owner[0].country) == ("Main St 1", "AN")
        bad = owner[1].post(f"{PROFILE}/tax", {"country": "1é"})
        assert (bad.status_code, "is not a country" in text_of(bad)) == (422, True)
        owner[0].refresh_from_db()
        assert owner[0].country == "AN"


class TestApi:
    def test_the_page_has_what_whmcs_asks_for_and_no_secret(
        self, owner: tuple[Account, Client]
    ) -> None:
        secret = rotate_api_secret(account_id=owner[0].pk, actor="acme", now=START)

        page = text_of(owner[1].get(API))

        assert f"your API secret key, …{secret[-4:]}" in page
        assert Login.objects.get().username in page
        assert secret not in page

    def test_the_tester_and_the_api_agree(self, owner: tuple[Account, Client]) -> None:
        secret = rotate_api_secret(account_id=owner[0].pk, actor="acme", now=START)
        login, now = Login.objects.get().username, int(clock.system_now().timestamp())
        tokens = [
            f"{login}|{now}|{digest_of(secret, str(now))}",
            f"{login}|{now}|{digest_of(str(now), secret)}",
            f"{login}|{now - 1900}|{digest_of(secret, str(now - 1900))}",
            f"bert|{now}|{digest_of(secret, str(now))}",
        ]

        told = [text_of(owner[1].post(API, {"token": token})) for token in tokens]

        assert ["This token is good" in page for page in told] == [True, False, False, False]
        assert [_takes(token) for token in tokens] == [True, False, False, False]
        assert "Turn them round: the secret comes first." in told[1]
        assert "Make a new one for each call" in told[2]
        assert "“bert” is no login of this account." in told[3]

    def test_without_a_secret_the_tester_says_so(self, owner: tuple[Account, Client]) -> None:
        page = text_of(owner[1].post(API, {"token": "acme|1|2"}))

        assert "The account has no API secret yet." in page

    def test_a_rotated_secret_is_told_by_mail_without_it(
        self, owner: tuple[Account, Client]
    ) -> None:
        asked = owner[1].get(f"{PROFILE}/api-secret")
        owner[1].post(asked["Location"], {"password": PASSWORD})

        page = text_of(owner[1].post(f"{PROFILE}/api-secret"))

        secret = next(word for word in page.split() if len(word) == 40)
        mail = Message.objects.get(template="security_notice")
        assert "A new API secret was made" in written(mail)[1]
        assert secret not in written(mail)[1]

    def test_a_token_of_rest_v2_is_shown_once_works_and_is_revoked(
        self, owner: tuple[Account, Client]
    ) -> None:
        new, client = f"{API}/tokens/new", owner[1]
        client.post(client.get(new)["Location"], {"password": PASSWORD})
        form = {"name": "cron", "days": "30", "scopes": ["view_servers"]}

        text = next(w for w in text_of(client.post(new, form)).split() if w.startswith("cln_"))
        caller = token_caller(text, now=clock.system_now())
        page = text_of(client.get(API))
        client.post(f"{API}/tokens/{ApiToken.objects.get().public_id}/revoke")

        assert caller is not None
        assert caller.rights == {Permission.VIEW_SERVERS}
        assert "cron" in page
        assert text not in page
        assert token_caller(text, now=clock.system_now()) is None

    def test_a_token_that_may_do_nothing_is_not_made(self, owner: tuple[Account, Client]) -> None:
        new, client = f"{API}/tokens/new", owner[1]
        client.post(client.get(new)["Location"], {"password": PASSWORD})

        answer = client.post(new, {"name": "cron", "days": "30"})

        assert answer.status_code == 422
        assert ApiToken.objects.count() == 0


def _takes(token: str) -> bool:
    try:
        check_token(token, now=clock.system_now())
    except AuthFailed:
        return False
    return True


class TestAudit:
    def test_the_log_is_searched_and_dated(self, owner: tuple[Account, Client]) -> None:
        owner[1].post(PROFILE, {"company": "Zen", "billing_email": ""})
        owner[1].post(f"{PROFILE}/person", {"first_name": "Anna", "last_name": ""})

        everything = text_of(owner[1].get(AUDIT))
        found = text_of(owner[1].get(f"{AUDIT}?q=account.updated"))
        earlier = text_of(owner[1].get(f"{AUDIT}?until=2026-01-30"))

        assert "changed the company's data" in everything
        assert "company: Acme → Zen" in everything
        assert "changed their name" in everything
        assert "1–1 of 1" in found
        assert "No entry fits" in earlier

    def test_a_list_of_two_is_no_change_of_one_into_the_other(
        self, owner: tuple[Account, Client]
    ) -> None:
        listening(owner[0], "https://hooks.example.com/x", "key.created", "key.removed")

        page = text_of(owner[1].get(AUDIT))

        assert "host: hooks.example.com; events: key.created, key.removed" in page

    def test_servers_are_named_in_the_log_and_not_those_of_others(
        self, owner: tuple[Account, Client]
    ) -> None:
        """Their ids stay as titles; one without a name is told by its address."""
        stranger = Account.objects.create(public_id="acc_x", created_at=START)
        key = bought(owner[0], "cloudlinux", 5)
        web1 = registered(key, "web1.example.com", "192.0.2.1", now=START).server
        nameless = registered(key, "", "192.0.2.2", now=START).server
        foreign = registered(bought(stranger, "cloudlinux", 1), "secret", now=START).server
        for server in (web1, nameless, foreign):
            audit.record(
                account_id=owner[0].pk,
                actor="acme",
                verb="server_removed",
                subject=server.public_id,
                now=START,
            )

        page = owner[1].get(AUDIT).content.decode()
        file = owner[1].get(f"{AUDIT}?format=csv").getvalue().decode()

        assert f'<span title="{web1.public_id}">web1.example.com</span>' in page
        assert f'<span title="{nameless.public_id}">192.0.2.2</span>' in page
        assert "secret" not in page
        assert foreign.public_id in page
        assert "removed a server,web1.example.com," in file

    def test_details_name_servers_and_keys_and_say_codes_in_words(
        self, owner: tuple[Account, Client]
    ) -> None:
        """On the log, in its file and on the server's own page; what somebody typed stays."""
        account, client = owner
        key = bought(account, "cloudlinux", 5)
        other = create_key(
            account_id=account.pk, license_type="cloudlinux", limit=1, actor="zoe", now=START
        )
        web1 = registered(other, "web1.example.com", "192.0.2.1", now=START).server
        with pytest.raises(Refusal):
            registered(other, "my_web2", "192.0.2.2", now=START)
        add_to_group(
            account_id=account.pk, name="Rack 4", servers=[web1.public_id], actor="zoe", now=START
        )
        with transaction.atomic():
            change_key(account_id=account.pk, server=web1, key=key, actor="zoe", now=START)

        window = {"starts_at": "2026-03-01T10:00", "ends_at": "2026-03-01T12:00"}
        client.post(f"/console/groups/{ServerGroup.objects.get().pk}/windows", window)
        wish = {"feature": "imunify_email", "enabled": "on"}
        client.post("/console/features/switch", wish)

        page, file = text_of(client.get(AUDIT)), client.get(f"{AUDIT}?format=csv")
        of_server = text_of(client.get(f"/console/servers/{web1.public_id}"))

        assert "why: key limit reached; hostname: my_web2" in page
        assert "servers: web1.example.com" in page
        assert "from: 2026-03-01 10:00 UTC; until: 2026-03-01 12:00 UTC" in page
        assert "Imunify Email account enabled: nothing → yes" in page
        assert f"key: …{other.last4} → …{key.last4}" in page
        assert "servers: web1.example.com" in file.getvalue().decode()
        assert f"key: …{other.last4} → …{key.last4}" in of_server

    def test_a_file_of_the_log_runs_nothing(self, owner: tuple[Account, Client]) -> None:
        owner[1].post(PROFILE, {"company": '=HYPERLINK("x")', "billing_email": ""})

        text = owner[1].get(f"{AUDIT}?q=account&format=csv").getvalue().decode()

        rows = list(csv.reader(text.splitlines()))
        assert rows[0] == ["When", "Who", "What", "To what", "Details", "From", "With"]
        assert all(not cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)

    def test_another_account_is_not_in_it(self, owner: tuple[Account, Client]) -> None:
        owner[1].post(PROFILE, {"company": "Zen", "billing_email": ""})
        stranger = signed_in(a_login(Account.objects.create(public_id="acc_x", created_at=START)))

        assert "Zen" not in text_of(stranger.get(AUDIT))


class TestReports:
    def test_a_report_is_on_and_goes_where_invoices_go_until_somebody_says_otherwise(
        self, owner: tuple[Account, Client]
    ) -> None:
        page = text_of(owner[1].get(REPORTS))

        assert "KernelCare on acme@example.com where invoices go" in page

    def test_it_is_switched_off_and_readdressed(self, owner: tuple[Account, Client]) -> None:
        form = {"emails": "Ops@acme.example, night@acme.example\nops@acme.example"}

        owner[1].post(f"{REPORTS}/kernelcare", form)
        page = text_of(owner[1].get(REPORTS))

        row = ReportSubscription.objects.get()
        assert (row.active, row.emails) == (False, ["ops@acme.example", "night@acme.example"])
        assert "KernelCare off ops@acme.example, night@acme.example" in page

    @pytest.mark.parametrize(
        "emails", ["no address", "\n".join(f"a{n}@b.example" for n in range(11))]
    )
    def test_bad_addresses_change_nothing(self, owner: tuple[Account, Client], emails: str) -> None:
        answer = owner[1].post(f"{REPORTS}/kernelcare", {"on": "on", "emails": emails})

        assert answer.status_code == 422
        assert ReportSubscription.objects.count() == 0

    def test_a_reader_sees_and_does_not_change(self, owner: tuple[Account, Client]) -> None:
        client = signed_in(a_login(owner[0], Role.READ_SERVERS))

        assert client.get(REPORTS).status_code == 200
        assert client.post(f"{REPORTS}/kernelcare", {}).status_code == 403


class TestSupport:
    def test_a_message_goes_to_support_and_back_to_its_writer(
        self, owner: tuple[Account, Client], settings: Settings
    ) -> None:
        settings.CLN_SUPPORT_EMAIL = "help@cln.example"

        page = text_of(owner[1].post(SUPPORT, {"subject": "A bill", "text": "Why <b>27</b>?"}))

        ticket = Message.objects.get(template="support_ticket")
        receipt = Message.objects.get(template="support_receipt")
        reference = written(ticket)[0].split("]")[0].strip("[")
        assert reference in page
        assert (ticket.to, receipt.to) == ("help@cln.example", Login.objects.get().email)
        assert "Why <b>27</b>?" in written(ticket)[1]
        assert f"Account: Acme ({owner[0].public_id}, customer)" in written(ticket)[1]
        assert "Role: Full access" in written(ticket)[1]
        assert reference in written(receipt)[0]

    def test_without_an_address_for_support_it_says_so_and_sends_nothing(
        self, owner: tuple[Account, Client], settings: Settings
    ) -> None:
        settings.CLN_SUPPORT_EMAIL = ""

        answer = owner[1].post(SUPPORT, {"subject": "A bill", "text": "Why?"})

        assert answer.status_code == 422
        assert "no address for support" in text_of(answer)
        assert Message.objects.count() == 0

    def test_a_subject_cannot_add_a_header(
        self, owner: tuple[Account, Client], settings: Settings
    ) -> None:
        settings.CLN_SUPPORT_EMAIL = "help@cln.example"

        owner[1].post(SUPPORT, {"subject": "Hello\r\nBcc: all@x.example", "text": "Hi"})

        assert all("\n" not in written(mail)[0] for mail in Message.objects.all())

    def test_five_messages_an_hour_are_enough(
        self, owner: tuple[Account, Client], settings: Settings
    ) -> None:
        settings.CLN_SUPPORT_EMAIL = "help@cln.example"
        form = {"subject": "A bill", "text": "Why?"}

        answers = [owner[1].post(SUPPORT, form).status_code for _ in range(6)]

        assert answers == [200] * 5 + [429]
        assert Message.objects.filter(template="support_ticket").count() == 5


class TestConverting:
    """R1: deposit, agreement, payment."""

    CHOSEN: ClassVar[dict[str, str]] = {
        "step": "pay",
        "deposit": "250.00",
        "version": "2026-01",
        "accepted": "on",
        "mode": "add_funds",
        "target": "300",
    }

    def test_three_steps_make_a_reseller(self, owner: tuple[Account, Client]) -> None:
        first = text_of(owner[1].get(CONVERT))
        second = text_of(owner[1].post(CONVERT, {"step": "deposit", "deposit": "250.00"}))
        third = text_of(
            owner[1].post(CONVERT, {**self.CHOSEN, "step": "agreement"}),
        )
        owner[1].post(CONVERT, self.CHOSEN)

        owner[0].refresh_from_db()
        rule = AutopayRuleRow.objects.get(account=owner[0])
        assert "First deposit" in first
        assert "Reseller agreement, version 2026-01" in second
        assert "$250.00 will be charged to" in third
        assert owner[0].kind == AccountKind.RESELLER
        assert balance_cents(owner[0].pk) == 250_00
        assert (rule.mode, rule.target_cents) == ("add_funds", 300_00)
        assert Agreement.objects.get(account=owner[0]).address == "127.0.0.1"

    def test_the_charge_is_named_in_the_currency_of_the_account(self) -> None:
        clock_at(START)
        euro = create_account(
            company="Euro", billing_email="billing@euro.example", currency="EUR", now=START
        )
        use_card(euro, Script.OK, now=START)
        client = signed_in(a_login(euro, Role.FULL))

        first = text_of(client.get(CONVERT))
        page = text_of(client.post(CONVERT, {**self.CHOSEN, "step": "agreement"}))

        assert "First deposit, in EUR" in first
        assert "250.00 EUR will be charged to" in page
        assert "$" not in page

    def test_what_runs_out_is_listed_with_its_day_and_last_invoice(
        self, owner: tuple[Account, Client]
    ) -> None:
        with_licenses(owner[0], 5)

        page = text_of(owner[1].get(CONVERT))

        assert "5 CloudLinux OS Shared, until 2026-02-28 last invoice: none" in page

    def test_without_the_agreement_there_is_no_next_step(
        self, owner: tuple[Account, Client]
    ) -> None:
        answer = owner[1].post(
            CONVERT, {"step": "agreement", "deposit": "250.00", "version": "2026-01"}
        )

        assert answer.status_code == 422
        assert "Without the agreement nobody becomes a reseller." in text_of(answer)

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"version": "2020-01"}, "agreement"),
            ({"deposit": "0"}, "greater than or equal to 1"),
            ({"target": "50"}, "The target balance must be at least"),
        ],
    )
    def test_what_does_not_fit_is_told_and_nothing_is_charged(
        self, owner: tuple[Account, Client], change: dict[str, str], sentence: str
    ) -> None:
        answer = owner[1].post(CONVERT, {**self.CHOSEN, **change})

        owner[0].refresh_from_db()
        assert answer.status_code == 422
        assert sentence in text_of(answer)
        assert (owner[0].kind, balance_cents(owner[0].pk)) == (AccountKind.CUSTOMER, 0)

    def test_a_declined_card_is_told_in_plain_words(self, owner: tuple[Account, Client]) -> None:
        script_account(account_id=owner[0].pk, outcome=Script.DECLINE)

        answer = owner[1].post(CONVERT, self.CHOSEN)

        owner[0].refresh_from_db()
        assert answer.status_code == 422
        assert explain_decline(DeclineCode.INSUFFICIENT_FUNDS).sentence in text_of(answer)
        assert owner[0].kind == AccountKind.CUSTOMER
