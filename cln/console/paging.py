"""Lists that are read a page at a time."""

from __future__ import annotations

from dataclasses import dataclass

from cln.licensing.queries import ServerFilter, ServerRow, count_servers, servers_of


@dataclass(frozen=True, slots=True)
class ServerPages:
    """What a Paginator needs of a list of servers: its length and slices of it."""

    account_id: int
    filters: ServerFilter

    def __len__(self) -> int:
        """How many servers there are."""
        return count_servers(self.account_id, self.filters)

    def __getitem__(self, part: slice) -> tuple[ServerRow, ...]:
        """The servers of one page."""
        begin, end = part.start or 0, part.stop
        return servers_of(self.account_id, self.filters, limit=end - begin, offset=begin)
