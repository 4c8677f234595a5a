"""The embedded PostgreSQL server, used when `CLN_DATABASE_URL` names no other."""

from cln.database.server import EmbeddedServer, EmbeddedServerError

__all__ = ["EmbeddedServer", "EmbeddedServerError"]
