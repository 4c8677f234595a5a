"""What the operator configured for each gateway; a gateway with a missing key is absent."""

from dataclasses import dataclass

from django.conf import settings


@dataclass(frozen=True, slots=True)
class StripeKeys:
    """A Stripe account and how long to wait for it, in seconds."""

    secret_key: str
    webhook_secret: str
    api_base: str
    seconds: float


@dataclass(frozen=True, slots=True)
class PayPalKeys:
    """A PayPal REST application and how long to wait for it, in seconds."""

    client_id: str
    secret: str
    webhook_id: str
    api_base: str
    seconds: float


def stripe_keys() -> StripeKeys | None:
    """The configured Stripe account; None = absent."""
    keys = StripeKeys(
        secret_key=settings.CLN_STRIPE_SECRET_KEY,
        webhook_secret=settings.CLN_STRIPE_WEBHOOK_SECRET,
        api_base=settings.CLN_STRIPE_API_BASE,
        seconds=settings.CLN_GATEWAY_SECONDS,
    )
    return keys if keys.secret_key and keys.webhook_secret else None


def paypal_keys() -> PayPalKeys | None:
    """The configured PayPal application; None = absent."""
    keys = PayPalKeys(
        client_id=settings.CLN_PAYPAL_CLIENT_ID,
        secret=settings.CLN_PAYPAL_SECRET,
        webhook_id=settings.CLN_PAYPAL_WEBHOOK_ID,
        api_base=settings.CLN_PAYPAL_API_BASE,
        seconds=settings.CLN_GATEWAY_SECONDS,
    )
    return keys if keys.client_id and keys.secret and keys.webhook_id else None
