"""Settings of the tests: the real ones, with a cheap password hash and a known secret."""

import os

os.environ.setdefault("CLN_SECRET_KEY", "tests-only-" + "k3" * 30)
os.environ["CLN_MODE"] = "sandbox"

from cln.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
MIDDLEWARE = [
    name.replace("cln.console.static_files.StaticFiles", "tests.static_files.StaticFilesFoundOnce")
    for name in MIDDLEWARE  # noqa: F405
]
