from enum import StrEnum


class ChangeKind(StrEnum):
    PURCHASE = "purchase"
    ADD = "add"
    REMOVE = "remove"
    SWEEP = "sweep"
    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"
    FREED = "freed"


class LineKind(StrEnum):
    RECURRING = "recurring"
    PRORATION = "proration"
    SURCHARGE = "surcharge"
    ADDON = "addon"
    USAGE = "usage"
    CREDIT = "credit"
    TAX = "tax"
