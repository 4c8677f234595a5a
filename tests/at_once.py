"""Verbs that begin at the same moment, each on a connection of its own."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from django.db import IntegrityError, connection

from cln.domain.errors import Refusal


def at_once(*verbs: Callable[[], object]) -> list[object]:
    """Run the verbs at the same moment, each on a connection of its own; refusals are answers."""
    line_up = threading.Barrier(len(verbs))

    def run(verb: Callable[[], object]) -> object:
        try:
            connection.ensure_connection()
            line_up.wait(10)
            return verb()
        except (Refusal, IntegrityError) as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(len(verbs)) as threads:
        return list(threads.map(run, verbs))
