"""Numbers with the word they count."""


def counted(number: int, one: str, many: str = "") -> str:
    """ "1 license", "3 licenses"; `many` where an s at the end is not enough: "1 server is"."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"
