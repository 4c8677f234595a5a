"""The embedded PostgreSQL server, used when `CLN_DATABASE_URL` names no other."""

from cln.database.cluster import EmbeddedServerError
from cln.database.server import EmbeddedServer

__all__ = ["EmbeddedServer", "EmbeddedServerError"]
