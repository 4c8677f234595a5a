"""Who is in a soak: customers and resellers of both gateways, each with a browser."""

from __future__ import annotations

from dataclasses import dataclass

import requests
from django.test import Client

from cln.accounts.models import Account, Login
from cln.domain.autopay import AutopayMode, AutopayRule
from cln.flows import autopay
from tests.customers import START, buys
from tests.reselling import holds_ip
from tests.shop import open_shop
from tests.soak.mood import MoodyVendor
from tests.vendor.shop import a_payer, registers
from tests.visitors import a_login

CUSTOMERS, RESELLERS = 14, 6
TOKEN = "t" * 32


@dataclass(frozen=True)
class Person:
    """Somebody with an account, a stored method at a gateway, and a session of the console."""

    account: int
    gateway: str
    is_reseller: bool
    session: str

    def clicks(self, url: str) -> str:
        """Press a button of the console; returns the status of the answer and where it leads."""
        answer = requests.post(
            url,
            data={"csrfmiddlewaretoken": TOKEN},
            cookies={"sessionid": self.session, "csrftoken": TOKEN},
            allow_redirects=False,
            timeout=60,
        )
        return f"{answer.status_code} {answer.headers.get('Location', '')}".strip()


def people(vendor: MoodyVendor) -> list[Person]:
    """Everybody, with paid licenses, at START."""
    open_shop()
    everybody = []
    for number in range(CUSTOMERS):
        gateway = ("stripe", "paypal")[number % 2]
        account = a_payer(vendor, gateway, f"Customer{number}")
        buys(account, 1 + number % 3)
        login = a_login(account, name=f"customer{number}")
        everybody.append(Person(account.pk, gateway, False, _session(login)))
    for number in range(RESELLERS):
        gateway = ("stripe", "paypal")[number % 2]
        result = registers(vendor, gateway, 150_00, f"reseller{number}")
        assert result.account_id is not None, result
        mode = (AutopayMode.ADD_FUNDS, AutopayMode.REPAY)[number // 2 % 2]
        rule = AutopayRule(mode, 300_00 if mode is AutopayMode.ADD_FUNDS else 0)
        autopay.set_autopay(account_id=result.account_id, rule=rule, actor="soak", now=START)
        for address in range(8):
            holds_ip(result.account_id, f"203.0.{113 + number}.{address + 1}", now=START)
        login = Login.objects.get(account=Account.objects.get(pk=result.account_id))
        everybody.append(Person(result.account_id, gateway, True, _session(login)))
    return everybody


def _session(login: Login) -> str:
    """The cookie of a browser in which this person has signed in."""
    client = Client()
    client.force_login(login)
    return client.cookies["sessionid"].value
