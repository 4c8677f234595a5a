"""PayPal's official library, set up for us, and the one call of PayPal's that it lacks."""

import json
from collections.abc import Mapping
from typing import Any

from apimatic_core.authentication.multiple.single_auth import Single
from apimatic_core.exceptions.auth_validation_exception import AuthValidationException
from apimatic_core.request_builder import RequestBuilder
from apimatic_core.response_handler import ResponseHandler
from apimatic_core.types.parameter import Parameter
from paypalserversdk.api_helper import APIHelper
from paypalserversdk.configuration import Configuration, Server
from paypalserversdk.controllers.base_controller import BaseController
from paypalserversdk.exceptions.api_exception import ApiException
from paypalserversdk.http.auth.o_auth_2 import ClientCredentialsAuthCredentials
from paypalserversdk.http.http_method_enum import HttpMethodEnum
from paypalserversdk.paypal_serversdk_client import PaypalServersdkClient

from cln.payments.gateways import GatewayUnreachable
from cln.payments.gateways.keys import PayPalKeys

_SIGNED = {
    "transmission_id": "Paypal-Transmission-Id",
    "transmission_time": "Paypal-Transmission-Time",
    "transmission_sig": "Paypal-Transmission-Sig",
    "cert_url": "Paypal-Cert-Url",
    "auth_algo": "Paypal-Auth-Algo",
}
# What reading an answer ends in that is not PayPal's, such as a proxy's page.
_NOT_PAYPALS = (ValueError, AttributeError, TypeError, KeyError)


def paypal_client(keys: PayPalKeys) -> PaypalServersdkClient:
    """The library's client without retries, at our address."""

    class At(Configuration):  # type: ignore[misc]
        """The library knows two addresses; a test's is neither."""

        def get_base_uri(self, server: Server = Server.DEFAULT) -> str:
            return keys.api_base

    credentials = ClientCredentialsAuthCredentials(
        o_auth_client_id=keys.client_id, o_auth_client_secret=keys.secret
    )
    config = At(
        timeout=keys.seconds, max_retries=0, client_credentials_auth_credentials=credentials
    )
    return PaypalServersdkClient(config=config)


def verify_webhook(
    client: PaypalServersdkClient, webhook_id: str, headers: Mapping[str, str], body: bytes
) -> bool:
    """Whether PayPal says that it signed this body for our webhook.

    The body goes back as it came, byte by byte: PayPal signs bytes. Raises GatewayUnreachable.
    """
    signed: dict[str, str] = {name: headers.get(key, "") for name, key in _SIGNED.items()}
    try:
        text = body.decode()
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    if not all(signed.values()):
        return False
    envelope = json.dumps({**signed, "webhook_id": webhook_id})
    question = f'{envelope[:-1]}, "webhook_event": {text}}}'
    try:
        answer = json.loads(_Verification(client.global_configuration).ask(question).text)
        return bool(answer["verification_status"] == "SUCCESS")
    except (ApiException, AuthValidationException, OSError, *_NOT_PAYPALS) as error:
        if isinstance(error, ApiException) and error.response_code in (400, 422):
            return False
        raise GatewayUnreachable(f"PayPal: {error}") from error


class _Verification(BaseController):  # type: ignore[misc]
    """`POST /v1/notifications/verify-webhook-signature`, called as the library calls the rest."""

    def ask(self, question: str) -> Any:
        """Send the JSON text; returns the library's answer, raises ApiException."""
        json_type = Parameter().key("Content-Type").value("application/json")
        return (
            self.new_api_call_builder.request(
                RequestBuilder()
                .server(Server.DEFAULT)
                .path("/v1/notifications/verify-webhook-signature")
                .http_method(HttpMethodEnum.POST)
                .header_param(json_type)
                .header_param(Parameter().key("accept").value("application/json"))
                .body_param(Parameter().value(question))
                .body_serializer(str)
                .auth(Single("Oauth2"))
            )
            .response(
                ResponseHandler().deserializer(APIHelper.json_deserialize).is_api_response(True)
            )
            .execute()
        )
