"""Who sells, as the settings say today; issued invoices keep a copy of it (P11)."""

from dataclasses import asdict, dataclass

from django.conf import settings


@dataclass(frozen=True, slots=True)
class Seller:
    """The seller: address in lines separated by line breaks, ISO code of the country."""

    name: str
    address: str
    country: str
    vat_number: str

    def as_json(self) -> dict[str, str]:
        """What an invoice keeps."""
        return asdict(self)


def seller() -> Seller:
    """The seller of today."""
    lines = (line.strip() for line in settings.CLN_SELLER_ADDRESS.split(";"))
    return Seller(
        name=settings.CLN_SELLER_NAME,
        address="\n".join(line for line in lines if line),
        country=settings.CLN_SELLER_COUNTRY,
        vat_number=settings.CLN_SELLER_VAT_NUMBER,
    )
