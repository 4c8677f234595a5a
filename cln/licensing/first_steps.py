"""How far a new account has come: something to register with, a server, its first check-in."""

from dataclasses import dataclass

from cln.licensing.models import ActivationKey, IpLicense, Server


@dataclass(frozen=True, slots=True)
class Steps:
    """The three steps of a new customer, each ticked by what is there."""

    has_license: bool
    has_registered: bool
    has_checked_in: bool

    @property
    def are_done(self) -> bool:
        """Whether a server has been heard: nothing is left to explain."""
        return self.has_registered and self.has_checked_in


def first_steps_of(account_id: int) -> Steps:
    """How far the account has come."""
    servers = Server.objects.filter(account=account_id)
    heard = servers.filter(last_check_in_at__isnull=False).exists()
    return Steps(
        has_license=heard
        or ActivationKey.objects.filter(account=account_id, removed_at=None).exists()
        or IpLicense.objects.filter(account=account_id, removed_at=None).exists(),
        has_registered=heard or servers.exists(),
        has_checked_in=heard,
    )
