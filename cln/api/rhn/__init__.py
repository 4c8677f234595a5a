"""The protocol of the stock RHN tools: rhnreg_ks, rhn_check, rhn-profile-sync, dnf's plugin."""
