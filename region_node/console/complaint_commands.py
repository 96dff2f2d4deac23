"""The forms of a complaint besides those of its answer: classify, return, settle, and the customer's decisions."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from typing import TypeVar

from gateway.api.region.v1.complaint_pb2 import Complaint, ReturnReason
from gateway.api.region.v1.complaint_service_pb2 import (
    AcceptResolutionRequest,
    AcceptResolutionResponse,
    ClassifyComplaintRequest,
    ClassifyComplaintResponse,
    ExpediteComplaintRequest,
    ExpediteComplaintResponse,
    RefuseResolutionRequest,
    RefuseResolutionResponse,
    ReturnComplaintRequest,
    ReturnComplaintResponse,
    SettleRemedyRequest,
    SettleRemedyResponse,
    WithdrawComplaintRequest,
    WithdrawComplaintResponse,
)
from gateway.errors import invalid
from gateway.web.console.entries import Entry, Field, Group, entry, value_chosen
from gateway.web.console.pages import Form, Visit
from gateway.web.console.parts import Option
from gateway.web.enum_words import told_word
from gateway.wording.complaints import state_word
from gateway.wording.languages import translated
from gateway.wording.terms import category_name, learned
from gateway.wording.words import word
from region_node.care.complaints import rules
from region_node.care.complaints.steps import ACCEPT, CLASSIFY, EXPEDITE, REFUSE, RETURN, SETTLE, WITHDRAW
from region_node.console import rpcs
from region_node.console.requesters import CHANNEL, channel_field, requester_of
from region_node.console.steps import with_sent

_ID = "id"
_CATEGORY, _REASON, _TEXT, _RATING = "category", "reason", "text", "rating"
_REGULATOR, _OTHERWISE = "to_regulator", "otherwise"
_OF_STAFF, _OF_CUSTOMER = (CLASSIFY, RETURN, SETTLE), (ACCEPT, REFUSE, EXPEDITE, WITHDRAW)
_WAIT = timedelta(seconds=15)
R = TypeVar("R", AcceptResolutionRequest, RefuseResolutionRequest, WithdrawComplaintRequest, ExpediteComplaintRequest)
_Answer = (
    AcceptResolutionResponse
    | ClassifyComplaintResponse
    | ExpediteComplaintResponse
    | RefuseResolutionResponse
    | ReturnComplaintResponse
    | SettleRemedyResponse
    | WithdrawComplaintResponse
)


def groups(visit: Visit, complaint: Complaint, offered: Collection[str]) -> Sequence[Group]:
    """The forms of the steps that the complaint allows."""
    headings = ((translated("For the customer"), _OF_CUSTOMER), (translated("Work on the complaint"), _OF_STAFF))
    found = [
        Group(heading, [_entry(visit, each, complaint) for each in _shown(visit, offered, steps)])
        for heading, steps in headings
    ]
    return [each for each in found if each.entries]


def _shown(visit: Visit, offered: Collection[str], steps: Sequence[str]) -> Sequence[str]:
    return with_sent(visit, [each for each in steps if each in offered], steps)


def _entry(visit: Visit, step: str, complaint: Complaint) -> Entry:
    made: Mapping[str, Callable[[], tuple[str, Sequence[Field]]]] = {
        CLASSIFY: lambda: (translated("Set the category"), _classification(complaint)),
        RETURN: lambda: (translated("Return it: other work than this region's"), _returning()),
        SETTLE: lambda: (translated("Settle the money that was refused"), _settlement()),
        ACCEPT: lambda: (translated("The customer accepts the resolution"), [_rating()]),
        REFUSE: lambda: (translated("The customer refuses the resolution"), _refusal()),
        EXPEDITE: lambda: (translated("The customer asks for haste"), []),
        WITHDRAW: lambda: (translated("The customer withdraws the complaint"), [_text(_REASON, translated("Reason"))]),
    }
    heading, fields = made[step]()
    if step in _OF_CUSTOMER:
        fields = [*fields, channel_field()]
    return entry(visit, step, heading, translated("Send"), fields)


def _text(name: str, label: str, *, is_required: bool = True) -> Field:
    return Field(name, "text", label, longest=rules.NOTE_LIMIT, is_required=is_required)


def _classification(complaint: Complaint) -> Sequence[Field]:
    codes = [each.code for each in learned().complaint_categories if each.code != complaint.request.category]
    options = [Option(each, category_name(each)) for each in codes]
    is_known = not rules.is_unclassified(complaint)
    label = translated("Reason, which the customer may read")
    return [
        Field(_CATEGORY, "choice", translated("Category"), options=options),
        _text(_REASON, label, is_required=is_known),
    ]


def _returning() -> Sequence[Field]:
    reasons = [each for each in ReturnReason.values() if each not in rules.NOT_SAID]
    named = [(told_word(ReturnReason.DESCRIPTOR, each), ReturnReason.Name(each)) for each in reasons]
    options = [Option(said, word(name, "RETURN_REASON_")) for said, name in named]
    text = _text(_TEXT, translated("Explanation for the coordinator and the other regions"))
    return [Field(_REASON, "choice", translated("Reason"), options=options), text]


def _settlement() -> Sequence[Field]:
    label = translated("How it was settled otherwise; empty to order the money again")
    return [_text(_OTHERWISE, label, is_required=False)]


def _rating() -> Field:
    options = [Option(str(each), str(each)) for each in range(1, rules.HIGHEST_RATING + 1)]
    return Field(_RATING, "choice", translated("Satisfaction, 5 is the best"), options=options, is_required=False)


def _refusal() -> Sequence[Field]:
    regulator = translated("The customer wants the regulator")
    return [_text(_REASON, translated("Reason")), Field(_REGULATOR, "tick", regulator, is_required=False)]


def _asked(visit: Visit, request: R) -> R:
    """The request of a decision of the customer, with its ids, the person and the wait."""
    request.request_id, request.ticket_id = visit.request_id, visit.names[_ID]
    request.requester.CopyFrom(requester_of(visit))
    request.wait.FromTimedelta(_WAIT)
    return request


def _classifying(visit: Visit) -> ClassifyComplaintRequest:
    return ClassifyComplaintRequest(
        request_id=visit.request_id,
        ticket_id=visit.names[_ID],
        category=visit.form.text(_CATEGORY),
        reason=visit.form.text(_REASON),
    )


def _giving_back(visit: Visit) -> ReturnComplaintRequest:
    return ReturnComplaintRequest(
        request_id=visit.request_id,
        ticket_id=visit.names[_ID],
        reason=ReturnReason.ValueType(value_chosen(visit, _REASON, ReturnReason.DESCRIPTOR)),
        text=visit.form.text(_TEXT),
    )


def _settling(visit: Visit) -> SettleRemedyRequest:
    request = SettleRemedyRequest(request_id=visit.request_id, ticket_id=visit.names[_ID])
    if otherwise := visit.form.text(_OTHERWISE):
        request.otherwise = otherwise
    else:
        request.again.SetInParent()
    return request


def _accepting(visit: Visit) -> AcceptResolutionRequest:
    said = visit.form.text(_RATING)
    if said and said not in [str(each) for each in range(1, rules.HIGHEST_RATING + 1)]:
        raise invalid(_RATING, "is not chosen", "未选择")
    return _asked(visit, AcceptResolutionRequest(rating=int(said or 0)))


def _refusing(visit: Visit) -> RefuseResolutionRequest:
    reason, regulator = visit.form.text(_REASON), bool(visit.form.text(_REGULATOR))
    return _asked(visit, RefuseResolutionRequest(reason=reason, to_regulator=regulator))


def _withdrawing(visit: Visit) -> WithdrawComplaintRequest:
    return _asked(visit, WithdrawComplaintRequest(reason=visit.form.text(_REASON)))


def _expediting(visit: Visit) -> ExpediteComplaintRequest:
    return _asked(visit, ExpediteComplaintRequest())


def _done(_: Visit, answer: _Answer) -> str:
    return translated("Done. The complaint is now: {state}.", state=state_word(answer.complaint.state))


FORMS: Sequence[Form] = (
    Form.of(CLASSIFY, rpcs.CLASSIFY_COMPLAINT, _classifying, _done, (_CATEGORY, _REASON)),
    Form.of(RETURN, rpcs.RETURN_COMPLAINT, _giving_back, _done, (_REASON, _TEXT)),
    Form.of(SETTLE, rpcs.SETTLE_REMEDY, _settling, _done, (_OTHERWISE,)),
    Form.of(ACCEPT, rpcs.ACCEPT_RESOLUTION, _accepting, _done, (_RATING, CHANNEL)),
    Form.of(REFUSE, rpcs.REFUSE_RESOLUTION, _refusing, _done, (_REASON, _REGULATOR, CHANNEL)),
    Form.of(WITHDRAW, rpcs.WITHDRAW_COMPLAINT, _withdrawing, _done, (_REASON, CHANNEL)),
    Form.of(EXPEDITE, rpcs.EXPEDITE_COMPLAINT, _expediting, _done, (CHANNEL,)),
)
