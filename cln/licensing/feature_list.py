"""The features there are: of which product, and where they are on although nobody switched them.

What costs is told apart by name (`IMUNIFY_EMAIL`, S2): a feature that is merely listed here stands
on no invoice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

IMUNIFY_EMAIL: Final = "imunify_email"
AWP_PREMIUM: Final = "accelerate_wp_premium"
AWP_CDN: Final = "accelerate_wp_cdn"
FEATURE_PRODUCT: Final[Mapping[str, str]] = {
    AWP_PREMIUM: "cloudlinux",
    AWP_CDN: "cloudlinux",
    IMUNIFY_EMAIL: "imunify360",
}
_USUAL: Final[Mapping[str, tuple[str, ...]]] = {"cloudlinux_pro": (AWP_PREMIUM, AWP_CDN)}


def usually_on(license_type: str, *, is_reseller: bool) -> tuple[str, ...]:
    """What is on with a license type where no level is set: nothing for resellers (F-5)."""
    return () if is_reseller else _USUAL.get(license_type, ())


def of_product(feature: str, product: str) -> bool:
    """Whether servers of the product can have the feature; "" = any product."""
    return product in ("", FEATURE_PRODUCT.get(feature))
