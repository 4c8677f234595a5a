"""`POST /webhooks/<gateway>`: where gateways tell what became of payments.

Any answer but 2xx makes them send it again, for days; so 200 means: kept and done.
"""

from __future__ import annotations

from django.db import OperationalError
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from cln import clock
from cln.domain.errors import Refusal
from cln.flows.webhooks import receive
from cln.payments.gateways import ForgedWebhook, GatewayUnreachable


@csrf_exempt
@require_POST
def webhook(request: HttpRequest, gateway: str) -> JsonResponse:
    """200 done; 400 forged; 404 no such gateway here; 503 try again."""
    try:
        receive(gateway=gateway, headers=request.headers, body=request.body, now=clock.now())
    except ForgedWebhook as refusal:
        return _refused(refusal, status=400)
    except Refusal as refusal:
        return _refused(refusal, status=404)
    except (GatewayUnreachable, OperationalError):
        return JsonResponse({"status": "again"}, status=503)
    return JsonResponse({"status": "done"})


def _refused(refusal: Refusal, *, status: int) -> JsonResponse:
    body = {"status": "refused", "code": refusal.code, "message": refusal.message}
    return JsonResponse(body, status=status)
