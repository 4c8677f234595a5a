"""`POST /webhooks/<gateway>`: where gateways tell what became of payments.

Any answer but 2xx makes them send it again, for days; so 200 means: kept and done.
"""

from __future__ import annotations

from django.core.exceptions import RequestDataTooBig
from django.db import OperationalError
from django.http import HttpRequest, JsonResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from cln import clock
from cln.api.arguments import BadRequestBody
from cln.domain.errors import Refusal
from cln.flows.webhooks import receive
from cln.payments.gateways import ForgedWebhook, GatewayUnreachable


@csrf_exempt
def webhook(request: HttpRequest, gateway: str) -> JsonResponse:
    """200 done; 400 forged or no body that can be read; 404 no such gateway here; 503 try again."""
    if request.method != "POST":
        answer = JsonResponse({"status": "refused", "message": "Use POST."}, status=405)
        answer["Allow"] = "POST"
        return answer
    try:
        receive(gateway=gateway, headers=request.headers, body=_body(request), now=clock.now())
    except (ForgedWebhook, BadRequestBody) as refusal:
        return _refused(refusal, status=400)
    except Refusal as refusal:
        return _refused(refusal, status=404)
    except (GatewayUnreachable, OperationalError):
        return JsonResponse({"status": "again"}, status=503)
    return JsonResponse({"status": "done"})


def _body(request: HttpRequest) -> bytes:
    """Refuses `bad_request_body`."""
    try:
        return request.body
    except (RequestDataTooBig, UnreadablePostError) as error:
        raise BadRequestBody("The body of the request cannot be read.") from error


def _refused(refusal: Refusal, *, status: int) -> JsonResponse:
    body = {"status": "refused", "code": refusal.code, "message": refusal.message}
    return JsonResponse(body, status=status)
