"""The static files of all the test's browsers, looked for once per process."""

from __future__ import annotations

from typing import Any, ClassVar

from cln.console.static_files import StaticFiles


class StaticFilesFoundOnce(StaticFiles):
    """Each test client builds the middleware anew, which would read the disk each time."""

    _found: ClassVar[dict[str, Any]] = {}

    def add_files_from_finders(self) -> None:
        """What the first one found."""
        if not self._found:
            super().add_files_from_finders()
            self._found.update(self.files)
        self.files.update(self._found)
