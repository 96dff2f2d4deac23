"""The forms of the commands on an order that staff of the region have taken in themselves."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TypeVar

from gateway.api.region.v1.order_pb2 import Order
from gateway.api.region.v1.order_service_pb2 import (
    CancelOrderRequest,
    CancelOrderResponse,
    ConfirmOrderRequest,
    ConfirmOrderResponse,
    ExpediteOrderRequest,
    ExpediteOrderResponse,
    SupplementOrderRequest,
    SupplementOrderResponse,
)
from gateway.errors import invalid
from gateway.web.console.entries import Entry, Field, Group, entry
from gateway.web.console.order_parts import order_state
from gateway.web.console.pages import Form, Visit
from gateway.web.console.parts import Option
from gateway.wording.languages import translated
from region_node.business.orders import rules
from region_node.console import papers, rpcs
from region_node.console.papers import Papers
from region_node.console.requesters import CHANNEL, channel_field, requester_of
from region_node.console.steps import with_sent
from region_node.node.rules import OF_STAFF
from region_node.requests.checks import TEXT_LIMIT

_ID = "id"
_SUPPLEMENT, _CONFIRM, _EXPEDITE, _CANCEL = "supplement", "confirm", "expedite", "cancel"
_KNOWN = (_SUPPLEMENT, _CONFIRM, _EXPEDITE, _CANCEL)
_AGREED, _NOTE, _REASON = "agreed", "note", "reason"
_YES, _NO = "yes", "no"
_WAIT = timedelta(seconds=15)
R = TypeVar("R", SupplementOrderRequest, ConfirmOrderRequest, ExpediteOrderRequest, CancelOrderRequest)
_Answer = SupplementOrderResponse | ConfirmOrderResponse | ExpediteOrderResponse | CancelOrderResponse


def group(visit: Visit, counted: Papers, order: Order) -> Group:
    """The forms of the commands that the order allows the person now."""
    offered = rules.commands_of(order, visit.person.region, f"{OF_STAFF}{visit.person.name}")
    entries = [_entry(visit, each, counted, order) for each in with_sent(visit, offered, _KNOWN)]
    return Group(translated("For the customer"), entries)


def _entry(visit: Visit, command: str, counted: Papers, order: Order) -> Entry:
    send = translated("Send")
    if command == _SUPPLEMENT:
        note = Field(_NOTE, "text", translated("Remark"), longest=rules.NOTE_LIMIT, is_required=False)
        fields = [*counted.fields(visit, order.documents_requested), note, channel_field()]
        return entry(visit, command, translated("Bring the documents"), send, fields, papers.concerns)
    if command == _CONFIRM:
        answers = [Option(_YES, translated("agrees")), Option(_NO, translated("does not agree"))]
        fields = [
            Field(_AGREED, "choice", translated("The customer"), options=answers),
            Field(_NOTE, "text", translated("Remark"), longest=rules.NOTE_LIMIT, is_required=False),
            channel_field(),
        ]
        return entry(visit, command, translated("Pass on the customer's answer"), send, fields)
    if command == _EXPEDITE:
        return entry(visit, command, translated("Ask for haste"), send, [channel_field()])
    reason = Field(_REASON, "text", translated("Reason"), longest=TEXT_LIMIT)
    return entry(visit, command, translated("Cancel the order"), send, [reason, channel_field()])


def _asked(visit: Visit, request: R) -> R:
    """The request of a command, with its ids, the person and the wait."""
    request.request_id, request.order_id = visit.request_id, visit.names[_ID]
    request.requester.CopyFrom(requester_of(visit))
    request.wait.FromTimedelta(_WAIT)
    return request


def _supplementing(counted: Papers, visit: Visit) -> SupplementOrderRequest:
    return _asked(visit, SupplementOrderRequest(documents=counted.documents(visit), note=visit.form.text(_NOTE)))


def _confirming(visit: Visit) -> ConfirmOrderRequest:
    said = visit.form.text(_AGREED)
    if said not in (_YES, _NO):
        raise invalid(_AGREED, "is not chosen", "未选择")
    return _asked(visit, ConfirmOrderRequest(agreed=said == _YES, note=visit.form.text(_NOTE)))


def _expediting(visit: Visit) -> ExpediteOrderRequest:
    return _asked(visit, ExpediteOrderRequest())


def _cancelling(visit: Visit) -> CancelOrderRequest:
    return _asked(visit, CancelOrderRequest(reason=visit.form.text(_REASON)))


def _done(_: Visit, answer: _Answer) -> str:
    return translated("Done. The order is now: {state}.", state=order_state(answer.order.state))


def forms(counted: Papers) -> Sequence[Form]:
    """The form of each command."""

    def supplementing(visit: Visit) -> SupplementOrderRequest:
        return _supplementing(counted, visit)

    taken = (_NOTE, CHANNEL, papers.SEEN)
    return (
        Form.of(_SUPPLEMENT, rpcs.SUPPLEMENT_ORDER, supplementing, _done, taken, (papers.PREFIX,)),
        Form.of(_CONFIRM, rpcs.CONFIRM_ORDER, _confirming, _done, (_AGREED, _NOTE, CHANNEL)),
        Form.of(_EXPEDITE, rpcs.EXPEDITE_ORDER, _expediting, _done, (CHANNEL,)),
        Form.of(_CANCEL, rpcs.CANCEL_ORDER, _cancelling, _done, (_REASON, CHANNEL)),
    )
