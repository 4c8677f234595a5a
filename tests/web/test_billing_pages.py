"""Overview, invoices, unsubscribing, the profile, the sandbox."""

import re
from datetime import timedelta

import pytest
from django.test import Client

from cln import clock
from cln.accounts.models import Account, ApiSecret
from cln.billing.models import Invoice
from cln.billing.queries import subscriptions_of
from cln.enums import Role
from cln.flows.time_travel import travel_to
from cln.notifications.models import Message
from cln.notifications.queries import written
from cln.payments.gateways.sandbox import Script
from tests import pdf_text
from tests.customers import START, buys, in_debt, use_card
from tests.reselling import refunds_first
from tests.visitors import PASSWORD, a_visitor, text_of, with_licenses

pytestmark = pytest.mark.django_db

METHODS = "/console/billing/payment-methods"
GOOD_CARD = {"number": "4242424242424242", "expires": "09/29"}


class TestOverview:
    def test_it_shows_the_next_invoice_with_its_lines(self, shop: tuple[Account, Client]) -> None:
        """Q12."""
        page = text_of(shop[1].get("/console/billing"))

        assert "CloudLinux OS Shared: next invoice of 2026-02-28 $50.00" in page
        assert "5 × $10.00 for the month" in page

    def test_accrued_additions_are_named(self, shop: tuple[Account, Client]) -> None:
        """Q4, E6: on the next invoice, beside the renewal."""
        travel_to(START + timedelta(days=10))
        buys(shop[0], 3, now=clock.now())

        page = text_of(shop[1].get("/console/billing"))

        # 18 of 28 days: 3 × 10.00 × 18 / 28 = 19.29, and 8 × 10.00.
        assert "$19.29 of it is accrued so far" in page
        assert "next invoice of 2026-02-28 $99.29" in page


class TestInvoices:
    def test_a_paid_invoice_opens_into_lines_with_their_reasons(
        self, shop: tuple[Account, Client]
    ) -> None:
        page = text_of(shop[1].get("/console/billing/invoices"))

        assert "Nothing is owed." in page
        assert "CBI-000001" in page
        assert "2026-01-31 CloudLinux OS Shared $50.00 paid" in page
        assert "5 × $10.00 for the month" in page

    def test_an_invoice_has_a_page_of_its_own(self, shop: tuple[Account, Client]) -> None:
        page = text_of(shop[1].get(f"/console/billing/invoices/{Invoice.objects.get().public_id}"))

        assert "Invoice CBI-000001" in page
        assert "Total $50.00" in page

    def test_an_invoice_says_until_when_it_is_paid_back_and_asks_for_it(
        self, shop: tuple[Account, Client]
    ) -> None:
        """P10, pain 23: 30 days after 31 January."""
        url = f"/console/billing/invoices/{Invoice.objects.get().public_id}"
        page = shop[1].get(url)
        assert "Until 2026-03-02 it is paid back" in text_of(page)
        ticket = shop[1].get("/console/support?about=Refund of CBI-000001")
        assert 'href="/console/support?about=Refund of CBI-000001"' in page.content.decode()
        assert 'value="Refund of CBI-000001"' in ticket.content.decode()

        clock.move_to(START + timedelta(days=31))

        assert "it is paid back" not in text_of(shop[1].get(url))

    def test_an_invoice_and_its_credit_note_are_there_as_pdf(
        self, shop: tuple[Account, Client]
    ) -> None:
        """P10, P11."""
        refunds_first(shop[0], 5_00, now=clock.now())
        page = shop[1].get(f"/console/billing/invoices/{Invoice.objects.get().public_id}")
        links = re.findall(r'href="([^"]+\.pdf)"', page.content.decode())

        documents = [shop[1].get(link) for link in links]

        assert [one["Content-Type"] for one in documents] == ["application/pdf"] * 2
        assert [one["Content-Disposition"] for one in documents] == [
            'inline; filename="Invoice-CBI-000001.pdf"',
            'inline; filename="Credit-note-CN-000001.pdf"',
        ]
        assert "no-store" in documents[0]["Cache-Control"]
        assert "Total $50.00 Paid $50.00 Balance due $0.00" in pdf_text.text_of(
            documents[0].content
        )
        assert "Total credited $5.00" in pdf_text.text_of(documents[1].content)

    def test_the_next_twelve_months_are_listed_with_their_sum(
        self, shop: tuple[Account, Client]
    ) -> None:
        """Q12."""
        page = text_of(shop[1].get("/console/billing/upcoming"))

        assert "2026-02-28 CloudLinux OS Shared $50.00" in page
        assert "12 invoices together $600.00" in page

    def test_invoices_are_summed_by_subscription(self, shop: tuple[Account, Client]) -> None:
        """Separate invoices per subscription type (seed 001), told together (pain 19)."""
        account, client = shop
        assert "By subscription" not in text_of(client.get("/console/billing/invoices"))
        with_licenses(account, 2, "kernelcare")
        in_debt(account)

        page = client.get("/console/billing/invoices")

        says = text_of(page)
        assert "CloudLinux OS Shared 3 2026-03-31 $100.00 $150.00" in says
        assert "KernelCare 3 2026-03-31 $11.80 $17.70" in says
        assert 'href="/console/billing/invoices?type=kernelcare"' in page.content.decode()

    def test_invoices_are_found_by_number(self, shop: tuple[Account, Client]) -> None:
        assert "CBI-000001" in text_of(shop[1].get("/console/billing/invoices", {"q": "cbi-0000"}))
        assert "Nothing matches" in text_of(shop[1].get("/console/billing/invoices", {"q": "zzz"}))

    def test_settled_invoices_are_filtered_and_taken_along(
        self, shop: tuple[Account, Client]
    ) -> None:
        account, client = shop
        buys(account, 2, "kernelcare", now=START)
        travel_to(START + timedelta(days=30))
        path = "/console/billing/invoices"

        def listed(**view: str) -> list[str]:
            rows = client.get(path, {**view, "format": "csv"}).getvalue().decode().splitlines()
            return [row.split(",")[0] for row in rows[1:]]

        assert listed(sort="number") == [f"CBI-00000{number}" for number in (1, 2, 3, 4)]
        assert listed(type="kernelcare", sort="number") == ["CBI-000002", "CBI-000004"]
        assert listed(since="2026-02-01", type="cloudlinux") == ["CBI-000003"]
        assert listed(until="2026-02-01", type="cloudlinux") == ["CBI-000001"]
        assert listed(status="void") == []
        assert listed(q="kernelc", sort="number") == ["CBI-000002", "CBI-000004"]
        assert listed(since="not a day")[0] == "CBI-000004"
        view = {"type": "cloudlinux", "since": "2026-02-01", "format": "csv"}
        file = client.get(path, view).getvalue().decode().splitlines()
        assert file[0] == "Invoice,Date,License type,Total,Status"
        assert file[1:] == ["CBI-000003,2026-02-28,CloudLinux OS Shared,50.00,paid"]

    def test_an_invoice_says_what_changed_since_the_last_one(
        self, shop: tuple[Account, Client]
    ) -> None:
        """Pain 17; the differences add up: 50.00 + 19.29 + 30.00 is 99.29 (E6)."""
        account, client = shop
        travel_to(START + timedelta(days=10))
        buys(account, 3, now=clock.now())
        travel_to(START + timedelta(days=29))
        first, second = Invoice.objects.order_by("id")

        page = text_of(client.get(f"/console/billing/invoices/{second.public_id}"))
        was = text_of(client.get(f"/console/billing/invoices/{first.public_id}"))

        assert (
            "What changed since last time CBI-000001 of 2026-01-31 $50.00 "
            "8 licenses instead of 5 +$30.00 "
            "Only now: CloudLinux OS Shared, 10 Feb – 28 Feb 2026 +$19.29 "
            "This invoice $99.29"
        ) in page
        assert "What changed" not in was

    def test_the_next_invoice_stands_above_the_list_for_who_may_see_bills(
        self, shop: tuple[Account, Client]
    ) -> None:
        """Q12."""
        page = text_of(shop[1].get("/console/billing/invoices"))

        assert "Next invoice 2026-02-28 CloudLinux OS Shared $50.00" in page

    def test_what_is_owed_stands_first_and_says_why_it_was_declined(
        self, shop: tuple[Account, Client]
    ) -> None:
        """Pain 20: also where the charge was tried by itself; a paid invoice says nothing."""
        account, client = shop
        settled = text_of(client.get("/console/billing/invoices"))
        in_debt(account)

        page = text_of(client.get("/console/billing/invoices"))
        of_two = Invoice.objects.get(number="CBI-000002").public_id
        alone = text_of(client.get(f"/console/billing/invoices/{of_two}"))
        use_card(account, Script.OK, now=clock.now())

        assert "Declined on" not in settled
        assert (
            "Declined on 2026-02-28 (CBI-000002): The card has expired. "
            "Add the renewed card, or another payment method."
        ) in page
        assert "Declined on 2026-03-31 (CBI-000003): The card has expired." in page
        assert page.index("Total due $100.00") < page.index("Next invoice 2026-04-30")
        assert "Declined on 2026-02-28 (CBI-000002): The card has expired." in alone
        assert "CBI-000003" not in alone
        assert "Declined on" not in text_of(client.get("/console/billing/invoices"))

    def test_pay_now_pays_all_and_tells_the_result_of_each(
        self, shop: tuple[Account, Client]
    ) -> None:
        """P5."""
        account, client = shop
        in_debt(account)
        page = text_of(client.get("/console/billing/invoices"))
        assert "Total due $100.00" in page

        refused = text_of(client.post("/console/billing/invoices/pay", follow=True))
        assert refused.count("Invoice CBI-") == 2
        assert "Total due $100.00" in refused
        paid = text_of(client.post(METHODS, GOOD_CARD, follow=True))

        assert "Invoice CBI-000002 2026-04-01: Paid. Thank you. $50.00 paid" in paid
        assert "Invoice CBI-000003 2026-04-01: Paid. Thank you. $50.00 paid" in paid
        assert "Nothing is owed." in text_of(client.get("/console/billing/invoices"))

    def test_why_the_card_was_declined_stands_wherever_the_debt_does(
        self, shop: tuple[Account, Client]
    ) -> None:
        """The bank's word, what helps, and the day of the block (P7); gone with the debt."""
        account, client = shop
        use_card(account, Script.HARD_DECLINE)
        travel_to(START + timedelta(days=29))

        invoices = text_of(client.get("/console/billing/invoices"))
        method = text_of(client.get(METHODS))
        needs = text_of(client.get("/console/dashboard"))

        why = "The card has expired. Add the renewed card, or another payment method."
        assert f"Declined on 2026-02-28 (CBI-000002): {why}" in invoices
        assert "Without payment the account is blocked on 2026-03-30." in invoices
        assert f"Declined on 2026-02-28: {why}" in method
        assert "Save the card and pay $50.00" in method
        assert "1 unpaid invoice, overdue: $50.00; without payment the account is blocked" in needs
        assert "hard_decline was declined on 2026-02-28: The card has expired." in needs

        client.post(METHODS, GOOD_CARD)
        for page in ("/console/billing/invoices", METHODS, "/console/dashboard"):
            assert "declined on" not in text_of(client.get(page)).lower()

    def test_a_blocked_account_is_told_when_its_servers_lose_their_licenses(
        self, shop: tuple[Account, Client]
    ) -> None:
        """P7: a week after the block, then suspended, then ended."""
        account, client = shop
        use_card(account, Script.HARD_DECLINE)

        def banner(days: int) -> str:
            travel_to(START + timedelta(days=days))
            return text_of(client.get("/console/billing/invoices"))

        assert "Servers that already run lose their license on 2026-04-06." in banner(59)
        assert "Until then its servers have no license." in banner(66)
        assert "Its licenses have ended." in banner(120)
        pay = "/console/billing/invoices/pay"
        assert "not blocked any more" not in text_of(client.post(pay, follow=True))
        paid = text_of(client.post(METHODS, GOOD_CARD, follow=True))
        assert "The account is not blocked any more." in paid
        assert "This account is blocked" not in paid


class TestUnsubscribing:
    def test_a_cancellation_is_taken_back_where_it_was_made(
        self, shop: tuple[Account, Client]
    ) -> None:
        """Q10."""
        account, client = shop
        path = "/console/licenses/cloudlinux/unsubscribe"
        assert "Not billed: the invoice of 2026-02-28 $50.00" in text_of(client.get(path))
        assert "Take the cancellation back" not in text_of(client.get(path))

        client.post(path, {"when": "period_end"})
        page = client.get(path)
        assert "It is cancelled and ends on 2026-02-28" in text_of(page)
        assert '<input type="hidden" name="when" value="now">' in page.content.decode()
        assert "Now Ends on 2026-01-31" in text_of(page)
        keys = text_of(client.get("/console/products/cloudlinux"))
        assert "ends 2026-02-28" in keys
        assert "Take the cancellation back" in keys
        assert "Add licenses" not in keys
        assert "At the end of the paid period" not in text_of(page)
        client.post("/console/licenses/cloudlinux/resume")

        assert subscriptions_of(account.pk)[0].ends_on is None
        assert "It is cancelled" not in text_of(client.get(path))
        assert "next invoice of 2026-02-28 $50.00" in text_of(client.get("/console/billing"))

    def test_it_says_what_stays_owed_of_this_product_alone(
        self, shop: tuple[Account, Client]
    ) -> None:
        """Pain 16: unsubscribing ends what comes, not what was billed."""
        account, client = shop
        with_licenses(account, 2, "kernelcare")
        path = "/console/licenses/cloudlinux/unsubscribe"
        before = text_of(client.get(path))
        use_card(account, Script.HARD_DECLINE)
        travel_to(START + timedelta(days=29))

        page = text_of(client.get(path))

        assert "stays owed" not in before
        assert "Invoice CBI-000003 stays owed: $50.00 , due 2026-02-28." in page
        assert page.count("stays owed") == 1


class TestProfile:
    def test_who_came_from_the_cart_goes_back_to_it(self, shop: tuple[Account, Client]) -> None:
        """What an invoice will say is completed on the way; no other way back is obeyed."""
        client = shop[1]
        form = {"address": "1 Mill Lane", "country": "GB", "vat_number": ""}
        asked = client.get("/console/profile?back=cart").content.decode()
        assert asked.count('name="back" value="cart"') == 2

        ways = {
            back: client.post("/console/profile/tax", {**form, "back": back})["Location"]
            for back in ("cart", "https://elsewhere.example", "")
        }

        assert ways.pop("cart") == "/console/cart"
        assert set(ways.values()) == {"/console/profile"}

    def test_company_and_billing_address_are_saved(self, shop: tuple[Account, Client]) -> None:
        shop[1].post("/console/profile", {"company": "Zen", "billing_email": "b@zen.example"})

        shop[0].refresh_from_db()
        assert (shop[0].company, shop[0].billing_email) == ("Zen", "b@zen.example")

    def test_a_bad_address_is_refused_beside_its_field(self, shop: tuple[Account, Client]) -> None:
        answer = shop[1].post("/console/profile", {"company": "Zen", "billing_email": "no"})

        assert answer.status_code == 422
        shop[0].refresh_from_db()
        assert shop[0].company == "Acme"

    def test_the_api_secret_is_shown_once_and_after_the_password(
        self, shop: tuple[Account, Client]
    ) -> None:
        client = shop[1]
        path = "/console/profile/api-secret"
        asked = client.get(path)
        assert asked["Location"].startswith("/console/auth/again")
        assert ApiSecret.objects.count() == 0

        client.post(asked["Location"], {"password": PASSWORD})
        page = text_of(client.post(path))

        last4 = ApiSecret.objects.get().last4
        assert "it is not shown again" in page
        later = text_of(client.get(path)) + text_of(client.get("/console/profile"))
        assert f"…{last4}" in later
        secret = next(word for word in page.split() if word.endswith(last4) and len(word) == 40)
        assert secret not in later

    def test_a_role_without_account_data_sees_its_own_login_only(self) -> None:
        _, client = a_visitor(role=Role.READ_SERVERS)

        page = text_of(client.get("/console/profile"))

        assert "Read only: server management" in page
        assert "Company and invoices" not in page
        assert "API secret" not in page


class TestSandbox:
    def test_the_clock_goes_forward_and_the_work_in_between_is_done(
        self, shop: tuple[Account, Client]
    ) -> None:
        answer = shop[1].post("/sandbox/clock", {"days": "31"}, follow=True)

        assert "It is now 2026-03-03" in text_of(answer)
        assert sorted(Invoice.objects.values_list("status", "issued_on__month")) == [
            ("paid", 1),
            ("paid", 2),
        ]

    @pytest.mark.parametrize("days", ["0", "-1", "x", "401", ""])
    def test_the_clock_does_not_move_by_nonsense(
        self, shop: tuple[Account, Client], days: str
    ) -> None:
        answer = shop[1].post("/sandbox/clock", {"days": days})

        assert answer.status_code == 422
        assert clock.now() - START < timedelta(minutes=5)

    def test_mails_are_listed_and_their_links_can_be_clicked(
        self, shop: tuple[Account, Client]
    ) -> None:
        mail = Message.objects.get(template="payment_received")

        page = text_of(Client().get("/sandbox/mail", {"to": mail.to}))
        other = text_of(Client().get("/sandbox/mail", {"to": "nobody"}))
        body = Client().get(f"/sandbox/mail/{mail.pk}").content.decode()

        assert written(mail)[0] in page
        assert "No mail to “nobody” yet." in other
        assert '/console/billing/invoices">http' in body
        assert Client().get("/sandbox/mail/999999").status_code == 404

    def test_what_a_mail_says_is_text_not_markup(self) -> None:
        mail = Message.objects.create(
            template="welcome",
            to="x@x.example",
            subject="<b>s</b>",
            body='<script>x</script> http://x.example/?a=1&b="2',
            dedupe="x",
            created_at=START,
        )

        body = Client().get(f"/sandbox/mail/{mail.pk}").content.decode()

        assert "<script>x" not in body
        assert "<b>s" not in body
        assert '<a href="http://x.example/?a=1&amp;b=">' in body
