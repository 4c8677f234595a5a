"""Each verb of the format as one call of a flow, the same one the console and the APIs make."""

from collections.abc import Callable, Mapping
from typing import Any

from cln.accounts.models import Account
from cln.billing.queries import invoices_of
from cln.domain.autopay import AutopayMode, AutopayRule
from cln.enums import AttemptChannel, MethodKind
from cln.flows import (
    autopay,
    collection,
    conversion,
    editions,
    ip_licenses,
    payment_methods,
    purchase,
    refunds,
    reseller,
    subscriptions,
    trials,
)
from cln.flows.collection import InvoiceResult
from cln.flows.pay_link import account_of_link, pay_url
from cln.flows.simulation.grammar import DEFAULT_KEY, NO_METHOD, UNSET
from cln.flows.simulation.scenario import Entry
from cln.flows.simulation.stage import ACTOR, Machine, Stage, method_of
from cln.licensing import features, keys
from cln.licensing.ip_licenses import held_at, register_by_address
from cln.licensing.models import ActivationKey, IpLicense
from cln.licensing.services import Hints, Report, check_in, register_server
from cln.payments.gateways.sandbox import script_account

NOTHING: tuple[InvoiceResult, ...] = ()


def act(stage: Stage, entry: Entry) -> tuple[InvoiceResult, ...]:
    """Do what an entry says; what is returned could not be paid, and says why.

    Raises the flow's Refusal, after which nothing has changed.
    """
    if entry.verb == "advance":
        return NOTHING
    return _ACTS[entry.verb](stage, entry) or NOTHING


def _who(stage: Stage, entry: Entry) -> dict[str, Any]:
    """Whose verb it is, by whom and when."""
    return {"account_id": stage.accounts[entry.account], "actor": ACTOR, "now": entry.at}


def _start_trial(stage: Stage, entry: Entry) -> None:
    trials.start_trial(**_who(stage, entry), license_type=entry.fields["license_type"])


def _buy(stage: Stage, entry: Entry) -> None:
    purchase.buy(
        **_who(stage, entry),
        license_type=entry.fields["license_type"],
        quantity=entry.fields["quantity"],
        interval=entry.fields.get("interval"),
        request_key=_request_key(entry),
    )


def _remove_unused(stage: Stage, entry: Entry) -> None:
    subscriptions.remove_unused(
        **_who(stage, entry),
        license_type=entry.fields["license_type"],
        keep=entry.fields.get("keep"),
    )


def _unsubscribe(stage: Stage, entry: Entry) -> None:
    subscriptions.unsubscribe(
        **_who(stage, entry),
        license_type=entry.fields["license_type"],
        when=entry.fields.get("when", "period_end"),
    )


def _set_edition(stage: Stage, entry: Entry) -> None:
    editions.set_edition(**_who(stage, entry), edition=entry.fields["edition"])


def _create_key(stage: Stage, entry: Entry) -> None:
    key = keys.create_key(**_who(stage, entry), **_but(entry.fields, "name"))
    stage.keys[entry.account, entry.fields["name"]] = key.public_id


def _update_key(stage: Stage, entry: Entry) -> None:
    changes = _but(entry.fields, "key", "license_type")
    keys.update_key(**_who(stage, entry), key=_key(stage, entry), **changes)


def _remove_key(stage: Stage, entry: Entry) -> None:
    keys.remove_key(**_who(stage, entry), key=_key(stage, entry))


def _register_server(stage: Stage, entry: Entry) -> None:
    if entry.fields.get("by_ip"):
        _register_by_ip(stage, entry)
        return
    key = ActivationKey.objects.get(public_id=_key(stage, entry))
    address = entry.fields["ip"]
    registered = register_server(
        key_text=keys.reveal(key),
        address=address,
        hints=Hints(hostname=entry.fields.get("hostname", "")),
        now=entry.at,
    )
    stage.servers[entry.account, entry.fields["name"]] = Machine(
        registered.server.public_id, registered.secret, address
    )


def _register_by_ip(stage: Stage, entry: Entry) -> None:
    held = register_by_address(
        address=entry.fields["ip"],
        license_type=entry.fields.get("license_type", ""),
        hostname=entry.fields.get("hostname", ""),
        now=entry.at,
    )
    stage.servers[entry.account, entry.fields["name"]] = Machine(held.public_id, "", held.address)


def _check_in(stage: Stage, entry: Entry) -> None:
    machine = stage.machine(entry.account, entry.fields["server"])
    if not machine.secret:
        held = IpLicense.objects.select_related("license_type").get(public_id=machine.public_id)
        code = held.license_type.code
        register_by_address(address=machine.address, license_type=code, now=entry.at)
        return
    report = Report(os_version=entry.fields.get("os_version", ""), users=entry.fields.get("users"))
    check_in(secret=machine.secret, address=machine.address, report=report, now=entry.at)


def _remove_server(stage: Stage, entry: Entry) -> None:
    subscriptions.remove_server(
        **_who(stage, entry), server=_server(stage, entry), cancel_license=False
    )


def _convert_server(stage: Stage, entry: Entry) -> None:
    conversion.convert_server(
        **_who(stage, entry),
        server=_server(stage, entry),
        license_type=entry.fields["license_type"],
        cancel_old=entry.fields.get("cancel_old", False),
        request_key=_request_key(entry),
    )


def _set_feature(stage: Stage, entry: Entry) -> None:
    wanted, on = entry.fields["enabled"], entry.fields
    features.set_feature(
        **_who(stage, entry),
        feature=entry.fields["feature"],
        enabled=None if wanted == UNSET else wanted == "true",
        spot=features.Spot(
            key=_key(stage, entry) if "key" in on else "",
            server=_server(stage, entry) if "server" in on else "",
        ),
    )


def _set_payment_method(stage: Stage, entry: Entry) -> None:
    """Another one instead, or none any more."""
    kind = entry.fields["payment_method"]
    if kind == NO_METHOD:
        payment_methods.remove_method(**_who(stage, entry))
    else:
        collection.set_payment_method(**_who(stage, entry), **method_of(MethodKind(kind)))


def _gateway(stage: Stage, entry: Entry) -> None:
    script_account(account_id=stage.accounts[entry.account], outcome=entry.fields["outcome"])


def _pay_now(stage: Stage, entry: Entry) -> tuple[InvoiceResult, ...]:
    return _not_tried(collection.pay_now(**_who(stage, entry), channel=AttemptChannel.PAY_NOW))


def _pay_link(stage: Stage, entry: Entry) -> tuple[InvoiceResult, ...]:
    """What happens behind the link of the mail: whoever holds it pays, without a login."""
    account_id = stage.accounts[entry.account]
    link = pay_url(account=Account.objects.get(pk=account_id), now=entry.at)
    payer = account_of_link(token=link.rpartition("/")[2], now=entry.at)
    assert payer.pk == account_id, "a link pays for the account it was made for"
    return _not_tried(collection.pay_now(**_who(stage, entry), channel=AttemptChannel.PAY_LINK))


def _top_up(stage: Stage, entry: Entry) -> None:
    reseller.top_up(**_who(stage, entry), amount_cents=entry.fields["amount"])


def _set_autopay(stage: Stage, entry: Entry) -> None:
    rule = AutopayRule(AutopayMode(entry.fields["mode"]), entry.fields.get("target", 0))
    autopay.set_autopay(**_who(stage, entry), rule=rule)


def _add_ip_license(stage: Stage, entry: Entry) -> None:
    ip_licenses.add_ip_license(**_who(stage, entry), **_at_address(entry))


def _remove_ip_license(stage: Stage, entry: Entry) -> None:
    fields = _at_address(entry)
    if "license_type" not in fields:
        fields["license_type"] = held_at(
            account_id=stage.accounts[entry.account], address=fields["address"]
        )
    ip_licenses.remove_ip_license(**_who(stage, entry), **fields)


def _convert_ip_license(stage: Stage, entry: Entry) -> None:
    ip_licenses.convert_ip_license(**_who(stage, entry), **_at_address(entry))


def _at_address(entry: Entry) -> dict[str, Any]:
    return {"address": entry.fields["ip"], **_but(entry.fields, "ip")}


def _refund(stage: Stage, entry: Entry) -> None:
    """What an operator does who has the customer's word that the programs are removed."""
    account_id, number = stage.accounts[entry.account], entry.fields["invoice"]
    rows = invoices_of(account_id, oldest_first=True)
    wish = refunds.Wish(
        invoice=rows[number - 1].public_id if number <= len(rows) else "",
        amount_cents=entry.fields.get("amount"),
        reason=entry.fields.get("reason", ""),
        is_removal_certified=True,
        remove_licenses=entry.fields.get("remove_licenses", True),
    )
    refunds.refund(operator=ACTOR, account_id=account_id, wish=wish, now=entry.at)


def _not_tried(results: tuple[InvoiceResult, ...]) -> tuple[InvoiceResult, ...]:
    """A payment that could not even be tried is a refusal; a declined one is a payment."""
    return tuple(result for result in results if result.state == "refused")


def _request_key(entry: Entry) -> str:
    """Each entry is one wish, however often it is played."""
    return f"simulate:{entry.number}"


def _key(stage: Stage, entry: Entry) -> str:
    if entry.fields["key"] == DEFAULT_KEY:
        return stage.default_key(entry.account, entry.fields["license_type"])
    return stage.key(entry.account, entry.fields["key"])


def _server(stage: Stage, entry: Entry) -> str:
    return stage.machine(entry.account, entry.fields["server"]).public_id


def _but(fields: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names}


_ACTS: Mapping[str, Callable[[Stage, Entry], tuple[InvoiceResult, ...] | None]] = {
    "start_trial": _start_trial,
    "buy": _buy,
    "remove_unused": _remove_unused,
    "unsubscribe": _unsubscribe,
    "set_edition": _set_edition,
    "create_key": _create_key,
    "update_key": _update_key,
    "remove_key": _remove_key,
    "register_server": _register_server,
    "check_in": _check_in,
    "remove_server": _remove_server,
    "convert_server": _convert_server,
    "set_feature": _set_feature,
    "set_payment_method": _set_payment_method,
    "gateway": _gateway,
    "pay_now": _pay_now,
    "pay_link": _pay_link,
    "top_up": _top_up,
    "set_autopay": _set_autopay,
    "add_ip_license": _add_ip_license,
    "remove_ip_license": _remove_ip_license,
    "convert_ip_license": _convert_ip_license,
    "refund": _refund,
}
