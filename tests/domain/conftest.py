"""Hypothesis profiles of the core's laws; choose one by HYPOTHESIS_PROFILE."""

import os

from hypothesis import settings

# The machine that runs the tests may be busy: a law is wrong or right, never slow.
settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile("ci", max_examples=200, deadline=None, derandomize=True)
settings.register_profile("deep", max_examples=5_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))
