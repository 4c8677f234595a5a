"""A payment vendor for tests: real HTTP, both wire formats, and a till that counts.

`with Vendor() as vendor:` serves Stripe's and PayPal's doors on one loopback address. Tests say
what the bank answers (`bank`), which answer gets lost and when (`plan`), move its clock, and
compare our books with `taken` and `given_back`, which only the vendor writes.
"""

from tests.vendor.server import Vendor
from tests.vendor.till import Fault, Taken, Verdict

__all__ = ["Fault", "Taken", "Vendor", "Verdict"]
