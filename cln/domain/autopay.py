from enum import StrEnum


class AutopayMode(StrEnum):
    ADD_FUNDS = "add_funds"
    REPAY = "repay"
    OFF = "off"
