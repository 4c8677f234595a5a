"""What a reseller does on top: holds licenses first and pays for them afterwards (R1–R5)."""

from __future__ import annotations

from tests.naive.customer import Customer, No
from tests.naive.life import Use
from tests.naive.money import Autopay
from tests.naive.paper import SCOPES, boundary


class Reseller(Customer):
    """One account that may turn into a reseller's."""

    def become_reseller(self, deposit: int) -> None:
        """The deposit is taken at once; subscriptions run out with what is paid (R1)."""
        if self.is_reseller:
            raise No("already_reseller")
        if self.open:
            raise No("invoices_open")
        if self.bank != "ok":
            return
        self.is_reseller = True
        self.autopay = Autopay()
        self.usage_month = boundary(self.today.replace(day=1), "month", 0)
        for one in self.live():
            one.ends_on = one.end
            self.end_if_emptied(one)
        self.change_balance(deposit)
        self.work()

    def hold_ip(self, license_type: str, address: str) -> None:
        self.must_be_reseller()
        held = [use for use in self.uses if use.name == address and use.until is None]
        if any(use.license_type == license_type for use in held):
            return  # whoever asks twice holds it once, and changes nothing (facts IPL-4)
        self.must_not_be_blocked()
        if any(SCOPES[use.license_type] == SCOPES[license_type] for use in held):
            raise No("address_taken")
        self.uses.append(Use(license_type, address, self.today))

    def give_back_ip(self, license_type: str, address: str) -> None:
        use = self.ip(address)
        if use.license_type != license_type:
            raise No("unknown_ip_license")
        use.until = self.today

    def convert_ip(self, address: str, to: str) -> None:
        use = self.ip(address)
        if SCOPES[use.license_type] != SCOPES[to]:
            raise No("wrong_product")
        if use.license_type == to:
            raise No("same_license_type")
        self.must_not_be_blocked()
        use.until = self.today
        self.uses.append(Use(to, address, self.today))

    def add_funds(self, cents: int) -> None:
        """By hand; it counts when it has been taken (R5)."""
        self.must_be_reseller()
        self.top_up(cents)
        self.work()

    def set_autopay(self, mode: str, target: int) -> None:
        """Followed at once (R4)."""
        self.must_be_reseller()
        self.autopay = Autopay(mode, target)
        self.work()

    def must_be_reseller(self) -> None:
        if not self.is_reseller:
            raise No("not_a_reseller")

    def ip(self, address: str) -> Use:
        for use in self.uses:
            if use.name == address and use.until is None:
                return use
        raise No("unknown_ip_license")
