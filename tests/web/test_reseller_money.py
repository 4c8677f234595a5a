"""A reseller's money: deposit, autopayment, invoices, a debt, nothing to buy (R2–R7)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from cln.accounts.models import Account
from cln.billing.queries import balance_cents
from cln.catalog.models import OperatorRules
from cln.domain.autopay import AutopayMode, AutopayRule
from cln.domain.dunning import DunningState
from cln.enums import Role
from cln.flows.autopay import autopay_rule
from cln.flows.usage_run import run_due
from cln.licensing.models import IpLicense
from tests import pdf_text
from tests.customers import START
from tests.visitors import a_login, a_reseller_in_debt, a_reselling_visitor, signed_in, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def zenith() -> tuple[Account, Client]:
    return a_reselling_visitor()


class TestDeposit:
    def test_a_top_up_is_charged_at_once(self, zenith: tuple[Account, Client]) -> None:
        account, client = zenith

        assert "Your balance $500.00" in text_of(client.get("/console/billing/balance"))
        client.post("/console/billing/balance", {"amount": "92.50"})

        assert balance_cents(account.pk) == 592_50
        assert "$592.50" in text_of(client.get("/console/billing/balance"))

    @pytest.mark.parametrize("amount", ["", "0", "0.001", "1e9", "-5", "abc", "NaN"])
    def test_an_amount_that_is_none_charges_nothing(
        self, zenith: tuple[Account, Client], amount: str
    ) -> None:
        answer = zenith[1].post("/console/billing/balance", {"amount": amount})

        assert answer.status_code == 422
        assert 'role="alert"' in answer.content.decode()
        assert balance_cents(zenith[0].pk) == 500_00

    def test_who_may_only_read_bills_tops_nothing_up(self, zenith: tuple[Account, Client]) -> None:
        client = signed_in(a_login(zenith[0], Role.READ_BILLING))

        assert "Top up now" not in text_of(client.get("/console/billing/balance"))
        assert client.post("/console/billing/balance", {"amount": "5"}).status_code == 403
        form = {"mode": "off", "target": ""}
        assert client.post("/console/billing/autopayment", form).status_code == 403
        assert balance_cents(zenith[0].pk) == 500_00

    def test_an_autopayment_is_tried_before_it_is_saved_r4(
        self, zenith: tuple[Account, Client]
    ) -> None:
        account, client = zenith
        form = {"mode": "add_funds", "target": "600.00"}

        page = text_of(client.post("/console/billing/autopayment", form | {"try": "1"}))
        assert "The last 3 months under this rule" in page
        assert autopay_rule(account_id=account.pk).mode is AutopayMode.OFF

        client.post("/console/billing/autopayment", form)
        saved = autopay_rule(account_id=account.pk)
        assert saved == AutopayRule(AutopayMode.ADD_FUNDS, 600_00)

    def test_a_target_below_100_is_refused_beside_its_field(
        self, zenith: tuple[Account, Client]
    ) -> None:
        form = {"mode": "add_funds", "target": "99.99"}
        answer = zenith[1].post("/console/billing/autopayment", form)

        assert answer.status_code == 422
        assert "The target balance must be at least 100.00." in text_of(answer)
        assert autopay_rule(account_id=zenith[0].pk).mode is AutopayMode.OFF

    def test_the_amounts_beside_the_rules_are_those_of_the_settings_r4(
        self, zenith: tuple[Account, Client]
    ) -> None:
        OperatorRules.objects.create(
            overrides={"autopay_floor_cents": 250_00, "autopay_minimum_cents": 35_50}
        )

        page = text_of(zenith[1].get("/console/billing/autopayment"))

        assert "Add funds: below $250.00, one charge" in page
        assert "one charge of what is missing, $35.50 at least" in page
        assert "For “Add funds” only; at least $250.00." in page

    def test_the_running_month_is_shown_per_license_r2(
        self, zenith: tuple[Account, Client]
    ) -> None:
        answer = zenith[1].get("/console/billing/statement")

        in_menu = '<a href="/console/billing/statement" aria-current="page">'
        assert in_menu in answer.content.decode()
        looked_for = zenith[1].get("/console/search", {"q": "account statement"})
        assert 'href="/console/billing/statement"' in looked_for.content.decode()
        page = text_of(answer)
        assert "1 license held this month" in page
        assert "198.51.100.7 1 of 31" in page
        assert "If nothing changes, $0.13 will be billed on 2026-02-01." in page

    def test_the_invoices_table_has_the_running_balance_r6(
        self, zenith: tuple[Account, Client]
    ) -> None:
        run_due(now=START + timedelta(days=40))
        left = balance_cents(zenith[0].pk)
        assert left < 500_00

        page = text_of(zenith[1].get("/console/billing/invoices"))

        assert "Payment received" in page
        invoice = page.index("CBI-000001 KernelCare")
        assert invoice < page.index("Invoice · PDF of CBI-000001 January 2026")
        assert invoice < page.index("Payment received")
        assert f"${left / 100:.2f}" in page
        assert "Deposit, Card that works, 2026-01-31 Deposit" in page
        assert "Reference pay_" in page

    def test_a_debt_stands_first_with_its_day_and_is_paid_by_one_click_r7(self) -> None:
        """Dashboard and balance name the day of the block; the amount due is filled in."""
        _account, client = a_reseller_in_debt()

        page = text_of(client.get("/console/dashboard"))
        assert "Balance due: $35.13; the account is blocked on 2026-03-03 Top up" in page
        page = text_of(client.get("/console/billing/balance"))
        assert "Balance due $35.13 Top up at least this much before 2026-03-03" in page
        assert 'value="35.13"' in client.get("/console/billing/balance").content.decode()

        client.post("/console/billing/balance", {"amount": "35.13"})
        assert "Balance due" not in text_of(client.get("/console/dashboard"))

    def test_a_month_that_was_billed_has_a_statement_as_pdf_r2(
        self, zenith: tuple[Account, Client]
    ) -> None:
        run_due(now=START + timedelta(days=40))

        page = zenith[1].get("/console/billing/invoices").content.decode()
        answer = zenith[1].get("/console/billing/statements/2026-01.pdf")

        assert (
            '<a class="d-inline-block me-3" href="/console/billing/statements/2026-01.pdf">' in page
        )
        assert answer["Content-Disposition"] == 'inline; filename="Statement-January-2026.pdf"'
        assert "Statement January 2026" in pdf_text.text_of(answer.content)
        for month in ("2026-03", "2026-13", "January"):
            answer = zenith[1].get(f"/console/billing/statements/{month}.pdf")
            assert (answer.status_code, "unknown_statement" in text_of(answer)) == (404, True)


@pytest.mark.parametrize(
    "path",
    [
        *("/console/purchase", "/console/purchase/kernelcare", "/console/purchase/cart/acquire"),
        *("/console/cart", "/console/cart/done"),
    ],
)
def test_a_reseller_is_told_why_there_is_nothing_to_buy(
    zenith: tuple[Account, Client], path: str
) -> None:
    """Pain 26: what the account may not do is said, not offered."""
    answer = zenith[1].get(path)

    assert answer.status_code == 403
    assert "each month is billed by what was used. Add an IP license, or" in text_of(answer)


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("/console/billing", "/console/billing/balance"),
        ("/console/billing/upcoming", "/console/billing/statement"),
    ],
)
def test_the_billing_of_customers_leads_a_reseller_to_their_own(
    zenith: tuple[Account, Client], path: str, there: str
) -> None:
    assert zenith[1].get(path)["Location"] == there


def test_a_blocked_reseller_is_led_to_where_the_block_is_lifted() -> None:
    """P7, R7: to the top-up, and told that it is the deposit."""
    account, client = a_reseller_in_debt()
    Account.objects.filter(pk=account.pk).update(
        dunning_state=DunningState.BLOCKED, blocked_on=START.date()
    )

    assert client.get("/console/dashboard")["Location"] == "/console/billing/balance"
    page = text_of(client.get("/console/billing/balance"))
    assert "This account is blocked because its deposit is below zero." in page
    assert "Top up at least this much, and everything works again at once." in page
    denied = client.post("/console/ip-licenses/add", {"addresses": "8.8.8.8"})
    assert denied.status_code == 403
    assert "The account is blocked because its deposit is below zero." in text_of(denied)
    assert IpLicense.objects.count() == 1
