"""The alternative payment link: signed, expiring, payable without a login (P7)."""

from datetime import UTC, datetime, timedelta
from typing import ClassVar

from django.core import signing

from cln.accounts.models import Account
from cln.domain.errors import Refusal

SALT = "cln.pay-link"
LINK_LIVES = timedelta(days=60)


class BadPayLink(Refusal):
    """The link was changed on its way, or was never ours."""

    code: ClassVar[str] = "bad_pay_link"


class PayLinkExpired(Refusal):
    """The link is too old."""

    code: ClassVar[str] = "pay_link_expired"


def pay_url(*, account: Account, now: datetime) -> str:
    """The path of the account's pay page, good for 60 days."""
    expires = int((now + LINK_LIVES).timestamp())
    return f"/pay/{signing.dumps([account.public_id, expires], salt=SALT)}"


def account_of_link(*, token: str, now: datetime) -> Account:
    """Whose debt a link pays. Refusals: `bad_pay_link`, `pay_link_expired`."""
    try:
        public_id, expires = signing.loads(token, salt=SALT)
    except (signing.BadSignature, ValueError, TypeError):
        raise BadPayLink(
            "This payment link is not complete.", "Copy the whole link from our mail."
        ) from None
    if datetime.fromtimestamp(expires, UTC) <= now:
        raise PayLinkExpired("This payment link has expired.", "Sign in to pay your invoices.")
    return Account.objects.get(public_id=public_id)
