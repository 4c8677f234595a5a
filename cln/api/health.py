"""Answers for load balancers and monitors."""

from __future__ import annotations

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe


@csrf_exempt  # takes no cookie: answered before the layers for people
@require_safe
@never_cache
def healthz(_request: HttpRequest) -> JsonResponse:
    """Answer 200: this process is alive. Says nothing of the database."""
    return JsonResponse({"status": "alive"})


@csrf_exempt
@require_safe
@never_cache
def readyz(_request: HttpRequest) -> JsonResponse:
    """Answer 200 when the database answers and every migration is applied, else 503 and why."""
    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return JsonResponse({"status": "unready", "reason": "database unreachable"}, status=503)
    if missing:
        return JsonResponse({"status": "unready", "reason": "migrations missing"}, status=503)
    return JsonResponse({"status": "ready"})
