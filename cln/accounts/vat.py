"""VAT numbers, checked offline: shape and check digits, not whether the register knows them."""

import re
from typing import Any, ClassVar

from stdnum import get_cc_module
from stdnum.eu import vat as eu
from stdnum.exceptions import ValidationError

from cln.domain.errors import Refusal
from cln.domain.tax import EU_COUNTRIES

_ANY_NUMBER = re.compile(r"[A-Z0-9]{4,20}", re.ASCII)


class BadVatNumber(Refusal):
    """The text is not a VAT number of the country."""

    code: ClassVar[str] = "bad_vat_number"


class BadCountry(Refusal):
    """The text is not a country's two-letter code."""

    code: ClassVar[str] = "bad_country"


def checked_country(text: str) -> str:
    """ "de" → "DE"; empty stays empty. Refusals: `bad_country`."""
    country = text.strip().upper()
    if country and not re.fullmatch(r"[A-Z]{2}", country, re.ASCII):
        raise BadCountry(
            f"{text.strip()[:20]!r} is not a country's code.", "Write two letters, like DE."
        )
    return {"EL": "GR", "UK": "GB"}.get(country, country)


def checked_vat_number(text: str, *, country: str) -> str:
    """The number as it is written on invoices, with its country's prefix in the EU; empty stays.

    Refusals: `bad_vat_number` where it is not one of `country`.
    """
    number = re.sub(r"[\s.\-/]", "", text).upper()
    if not number:
        return ""
    if not country:
        raise BadVatNumber("A VAT number belongs to a country.", "Choose the country first.")
    try:
        return _checked(number, country)
    except ValidationError:
        raise BadVatNumber(
            f"{text.strip()[:40]!r} is not a VAT number of {country}.",
            "Write it as on your own invoices, with the country's letters before it.",
        ) from None


def _checked(number: str, country: str) -> str:
    if country in EU_COUNTRIES:
        prefix = "EL" if country == "GR" else country
        digits = number[2:] if number.startswith((prefix, country)) else number
        return eu.validate(prefix + digits)
    module: Any = get_cc_module(country.lower(), "vat")
    if module is not None:
        return str(module.validate(number))
    if not _ANY_NUMBER.fullmatch(number):
        raise ValidationError
    return number
