from enum import StrEnum


class Interval(StrEnum):
    MONTH = "month"
    YEAR = "year"
