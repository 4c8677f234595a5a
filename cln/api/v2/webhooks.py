"""Webhook endpoints and their deliveries, `/api/v2/webhooks…`."""

from __future__ import annotations

from ninja import Router

from cln.api.v2.operation import Door

router = Router(tags=["webhooks"])
door = Door(router=router, root="webhooks")
