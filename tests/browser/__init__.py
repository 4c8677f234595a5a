"""Journeys in a real Chromium."""

import functools
import os
import shutil


@functools.cache
def find_chromium() -> str | None:
    """Return the path of the machine's Chromium; see tools/chromium."""
    names = (os.environ.get("CLN_CHROMIUM"), "chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if name and (path := shutil.which(name))), None)
