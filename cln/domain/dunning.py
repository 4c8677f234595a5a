from enum import StrEnum


class DunningState(StrEnum):
    CURRENT = "current"
    PAST_DUE = "past_due"
    BLOCKED = "blocked"
    SUSPENDED = "suspended"
    ENDED = "ended"


class DeclineCode(StrEnum):
    OTHER = "other"
