"""What is switched on a server or an IP license stays switched when something takes its place."""

from cln.licensing.models import FeatureSetting, IpLicense, Server


def copy_features(old: Server | IpLicense, new: Server | IpLicense) -> None:
    """Joins: give a new row the features of the one it replaces, which keeps its own: its days are
    billed by them (S2), and a reinstall can be undone.
    """
    column = "server" if isinstance(old, Server) else "ip_license"
    FeatureSetting.objects.bulk_create(
        FeatureSetting(
            account_id=row.account_id, feature=row.feature, enabled=row.enabled, **{column: new}
        )
        for row in FeatureSetting.objects.filter(**{column: old})
    )
