"""Scripts and stylesheets, compressed once at start; pages, compressed as they leave.

A first visit costs a phone less than 150 KB. Only people's pages are compressed: what machines
read goes out byte for byte as their interface wrote it.
"""

from __future__ import annotations

import gzip
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile

WORTH_IT: Final = (".css", ".js", ".svg")
SMALL_BYTES: Final = 1_000


class StaticFiles(WhiteNoiseMiddleware):  # type: ignore[misc] # WhiteNoise has no types
    """WhiteNoise, with a compressed copy of each text file in the data directory."""

    def get_static_file(
        self, path: str, url: str, stat_cache: Mapping[str, os.stat_result] | None = None
    ) -> StaticFile:
        """Offer the compressed copy to browsers that take it."""
        found: StaticFile = super().get_static_file(path, url, stat_cache)
        small = compressed(Path(path)) if path.endswith(WORTH_IT) else None
        if small is None:
            return found
        _, _, headers = found.alternatives[-1]
        return StaticFile(path, headers, encodings={"gzip": str(small)})


def compressed(path: Path) -> Path | None:
    """The compressed copy, named for what it was made of; None where it cannot be kept."""
    stat = path.stat()
    if stat.st_size < SMALL_BYTES:
        return None
    folder = Path(settings.CLN_DATA_DIR) / "static"
    copy = folder / f"{path.name}.{stat.st_size}.{stat.st_mtime_ns}.gz"
    if copy.exists():
        return copy
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as draft:
            draft.write(gzip.compress(path.read_bytes(), 9, mtime=0))
        # Renamed into place: two web processes that start at once read a whole file.
        os.replace(draft.name, copy)
    except OSError:
        return None
    return copy


class Pages(GZipMiddleware):
    """Compress pages and CSV files; Django pads them at random, so that their length tells
    nothing about what is in them.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> Any:
        """Leave everything else as it is."""
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        if kind in ("text/html", "text/csv"):
            return super().process_response(request, response)
        return response
