"""The page of an order: its state, what came with it, its way hop by hop, and its review."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.federation.v1.configuration_pb2 import CharacteristicSpecification, ValueType
from gateway.api.region.v1.catalogue_service_pb2 import GetBusinessGuideRequest, GetBusinessGuideResponse
from gateway.api.region.v1.order_pb2 import Order, OrderRequest
from gateway.api.region.v1.order_service_pb2 import (
    GetOrderProofRequest,
    GetOrderProofResponse,
    GetOrderRequest,
    ReviewDecision,
    ReviewOrderRequest,
    ReviewOrderResponse,
)
from gateway.api.region.v1.proof_pb2 import ProofKind, SignedProof
from gateway.api.types.v1.types_pb2 import Document
from gateway.errors import Refused, invalid
from gateway.time.clock import from_timestamp
from gateway.values.money import in_major_units, minor_units_of
from gateway.web.console.entries import CURRENCY, Group
from gateway.web.console.frames import Link, Refusal, refusal_of
from gateway.web.console.order_parts import ORDER_BADGES, order_state, order_state_cell, waits_for, way_of
from gateway.web.console.pages import Calling, Form, Shown, View, Visit, unless_refused
from gateway.web.console.parts import Event, Fact, Option, due_cell
from gateway.web.console.ticket import course_table, facts_table, filled, known, state_and_facts
from gateway.web.enum_words import number_of, told_word
from gateway.web.tables import Cell, Table
from gateway.wording.languages import enumerated, in_language, translated
from gateway.wording.refusals import told_error
from gateway.wording.terms import (
    business_name,
    characteristic_label,
    choice_name,
    material_name,
    named,
    region_name,
)
from gateway.wording.times import instant_of, told_if_set, told_time
from gateway.wording.words import change_reason, value_word
from region_node.business.orders import rules
from region_node.console import complaint, order_commands, rpcs
from region_node.console.guides import RPCS, Sold, read_named
from region_node.console.lists import pages_of
from region_node.console.papers import Papers
from region_node.console.words import ORDERS, applicant_name, number_fact, order_path, submitted_by

_ID, _HOPS, _SIGNED = "id", "hops", "signed"
_TICKET = "ticket_id"  # the characteristic of an order of money for a complaint
_REVIEW, _DECISION, _NOTE, _DOCUMENTS = "review", "decision", "note", "documents"
_PROOFS, _PROOF_PAGES = 500, 4  # of a page by gRPC, and pages of these
_LONGEST_NOTE = 1000  # characters, as in the contract


@dataclass(frozen=True)
class _Found:
    order: Order = field(repr=False)
    guide: GetBusinessGuideResponse | Refused = field(repr=False)
    sold: Sold
    """In the home region."""
    proofs: Sequence[GetOrderProofResponse] | Refused = field(repr=False)


@dataclass(frozen=True)
class _Check:
    """A value that is chosen or not."""

    option: Option
    is_chosen: bool


@dataclass(frozen=True)
class _Review:
    """The form by which staff decide."""

    heading: str
    request_id: str
    decision: str
    decisions: Sequence[_Check]
    missing: str
    """Why a return is not offered; empty where it is, or where it would decide nothing."""
    documents: str
    materials: Sequence[_Check]
    note_label: str
    note: str = field(repr=False)
    longest_note: int
    send: str


@dataclass(frozen=True)
class _Page:
    """The page as `order.html.j2` shows it, in its order."""

    state: Cell
    business: str
    waits_for: str
    due: Cell
    problem_heading: str
    problem: str = field(repr=False)
    """The reason of a refusal, a failure or a hold, or the limit that the order exceeds; empty for none."""
    facts_heading: str
    facts: Sequence[Fact]
    quote_heading: str
    quote: Sequence[Fact]
    tables: Sequence[Table]
    timeline_heading: str
    hops: Link
    hops_refused: Refusal | None
    hops_more: str
    """A text where the order has more envelopes than the page; empty without."""
    timeline: Sequence[Event]
    review: _Review | None
    review_of_others: str
    """Why this person does not decide, where another member of staff does; else empty."""
    commands: Group


async def _read(visit: Visit, calling: Calling) -> _Found:
    answer = await calling.ask(rpcs.GET_ORDER, GetOrderRequest(order_id=visit.names[_ID]))
    asked = GetBusinessGuideRequest(business=answer.order.request.business)
    guide = await unless_refused(calling.ask(rpcs.GET_BUSINESS_GUIDE, asked))
    sold = await read_named(calling, guide, answer.order.home_region)
    proofs: Sequence[GetOrderProofResponse] | Refused = ()
    if visit.query.text(_HOPS) == _SIGNED:
        request = GetOrderProofRequest(order_id=answer.order.id, page_size=_PROOFS)
        proofs = await unless_refused(pages_of(calling, rpcs.GET_ORDER_PROOF, request, _PROOF_PAGES))
    return _Found(answer.order, guide, sold, proofs)


def _show(counted: Papers, visit: Visit, found: _Found) -> Shown:
    order = found.order
    pages = [] if isinstance(found.proofs, Refused) else found.proofs
    signed = [each for page in pages for each in page.proofs]
    person = visit.person
    waits_here, is_own = rules.is_work_of(order, person.region), rules.had_part(order, person.region, person.name)
    page = _Page(
        state=order_state_cell(order),
        business=business_name(order.request.business),
        waits_for=waits_for(order.awaiting),
        due=due_cell(order.awaiting.due_time, visit.now),
        problem_heading=translated("Reason"),
        problem=told_error(order.error),
        facts_heading=translated("Order"),
        facts=_facts(visit, order),
        quote_heading=translated("Quote"),
        quote=_quote(order) if order.HasField("quote") else (),
        tables=filled(_tables(order, found.guide, found.sold)),
        timeline_heading=translated("Course"),
        hops=_hops(visit, order),
        hops_refused=refusal_of(found.proofs) if isinstance(found.proofs, Refused) else None,
        hops_more=translated("There are more envelopes than these {count}.", count=len(signed))
        if pages and pages[-1].next_page_token
        else "",
        timeline=_timeline(order, signed),
        review=_review_form(visit, found) if waits_here and not is_own else None,
        review_of_others=_of_others() if waits_here and is_own else "",
        commands=order_commands.group(visit, counted, order),
    )
    return Shown("order.html.j2", order.id, page, ORDERS, _file(page), _lacking(page))


def _file(page: _Page) -> Sequence[Table]:
    """The page as tables: facts and quote, what came with the order and of it, and its course."""
    facts = [
        Fact(translated("Business"), page.business),
        Fact(translated("Waits for"), page.waits_for),
        Fact(page.problem_heading, page.problem),
        *page.facts,
        *page.quote,
    ]
    about = state_and_facts(page.facts_heading, page.state, page.due, known(facts))
    return [about, *page.tables, course_table(page.timeline_heading, page.timeline)]


def _lacking(page: _Page) -> Sequence[str]:
    """Why envelopes are missing in the course."""
    refused = "" if page.hops_refused is None else page.hops_refused.text
    return [each for each in (refused, page.hops_more) if each]


def _facts(visit: Visit, order: Order) -> Sequence[Fact]:
    request, fee = order.request, order.handling_fee
    ticket = request.characteristics.get(_TICKET, "")
    is_origin = order.origin_region == visit.person.region  # the home region may lack the complaint
    facts = [
        number_fact(visit, request.number),
        Fact(translated("Applicant"), applicant_name(request.applicant)),
        Fact(translated("From and to"), way_of(order)),
        Fact(translated("Accepted"), told_if_set(order.create_time)),
        Fact(translated("Submitted by"), submitted_by(order.operator, request.requester.staff_id)),
        Fact(translated("Promised"), told_if_set(order.expected_completion_time)),
        Fact(translated("Completed"), told_if_set(order.completion_time)),
        Fact(translated("Cancelled"), told_if_set(order.cancellation_time)),
        Fact(translated("Reason of the cancellation"), order.cancellation_reason),
        Fact(translated("Documents still required"), enumerated(map(material_name, order.documents_requested))),
        Fact(translated("Handling fee"), in_major_units(fee.minor_units, fee.currency) if fee.currency else ""),
        Fact(translated("Complaint"), ticket, visit.address(complaint.path_of(ticket)) if ticket and is_origin else ""),
        Fact(translated("Steps done"), f"{order.steps_done} / {len(order.steps)}" if order.steps else ""),
    ]
    return known(facts)


def _quote(order: Order) -> Sequence[Fact]:
    quote = order.quote
    facts = [
        Fact(translated("Offer"), in_language(quote.description)),
        Fact(translated("Amount"), in_major_units(quote.amount.minor_units, quote.amount.currency)),
        Fact(translated("Effective"), told_if_set(quote.effective_time) or translated("at once")),
    ]
    return known(facts)


def requested(request: OrderRequest, guide: GetBusinessGuideResponse | Refused, sold: Sold) -> Sequence[Table]:
    """The documents and the characteristics of a request, in the words of the guide of its business.

    `sold` has the plans and offerings that it may name.
    """
    characteristics = _characteristics(request.characteristics, guide, sold)
    return [
        _documents(request.documents),
        facts_table(translated("Requested"), characteristics),
    ]


def _tables(order: Order, guide: GetBusinessGuideResponse | Refused, sold: Sold) -> Iterator[Table]:
    yield from requested(order.request, guide, sold)
    yield facts_table(translated("Results"), _results(order.results, sold))


def _documents(documents: Sequence[Document]) -> Table:
    return Table(
        label=translated("Documents"),
        head=[
            Cell(translated("Document"), "col"),
            Cell(translated("Verified by"), "col"),
            Cell(translated("Verified"), "col"),
        ],
        rows=[
            [
                Cell(material_name(each.code), "row", note=each.document_id),
                Cell(each.verifier),
                Cell(told_if_set(each.verify_time), style="time"),
            ]
            for each in documents
        ],
    )


def _characteristics(
    values: Mapping[str, str], guide: GetBusinessGuideResponse | Refused, sold: Sold
) -> Sequence[Fact]:
    """The values of an order by their labels in the catalogue, in its order; then those that it has no more."""
    known_ones = () if isinstance(guide, Refused) else guide.business.characteristics
    kinds = {each.name: each for each in known_ones if each.name in values}
    named = [Fact(characteristic_label(each), _value(each, values[name], sold)) for name, each in kinds.items()]
    return [*named, *(Fact(name, values[name]) for name in sorted(values.keys() - kinds.keys()))]


def _value(characteristic: CharacteristicSpecification, value: str, sold: Sold) -> str:
    """A value for people."""
    match characteristic.value_type:
        case ValueType.VALUE_TYPE_REGION:
            return region_name(value)
        case ValueType.VALUE_TYPE_TIME:
            return _time(value)
        case ValueType.VALUE_TYPE_CHOICE:
            return choice_name(characteristic, value)
        case ValueType.VALUE_TYPE_AMOUNT:
            return _amount(value)
        case ValueType.VALUE_TYPE_PLAN | ValueType.VALUE_TYPE_OFFERING:
            return sold.name_of(value)
    return value


def _results(results: Mapping[str, str], sold: Sold) -> Sequence[Fact]:
    """The results for people; as they are where this version does not know them, or a system of a region sent them."""
    known_ones: Mapping[str, tuple[str, Callable[[str], str]]] = {
        "authorisation_expire_time": (translated("Authorisation ends"), _time),
        "balance_minor_units": (translated("Balance"), _amount),
        "corrected_minor_units": (translated("Corrected by"), _amount),
        "given_minor_units": (translated("Money given"), _amount),
        "number": (translated("Number"), str),
        "plan": (translated("Plan"), sold.name_of),
        "product_id": (translated("Line"), str),
        "refund_minor_units": (translated("Paid out"), _amount),
        "settles": (translated("Bills are shown from"), _time),
    }
    found = ((*known_ones.get(name, (name, str)), results[name]) for name in sorted(results))
    return [Fact(label, told(value)) for label, told, value in found]


def _amount(value: str) -> str:
    amount = minor_units_of(value.removeprefix("-"))
    if amount is None:
        return value
    return in_major_units(-amount if value.startswith("-") else amount, CURRENCY)


def _time(value: str) -> str:
    with suppress(ValueError, OverflowError):  # a region that does not check it may have sent any text
        return told_time(instant_of(value))
    return value


def _hops(visit: Visit, order: Order) -> Link:
    """The link that shows the envelopes on their way, or hides them."""
    if visit.query.text(_HOPS) == _SIGNED:
        return Link(translated("Hide the envelopes"), visit.address(order_path(order.id)))
    return Link(translated("Show the envelopes between the regions"), visit.address(order_path(order.id), hops=_SIGNED))


def _timeline(order: Order, proofs: Sequence[SignedProof]) -> Sequence[Event]:
    """All that has happened, oldest first."""
    happened = sorted([*_changes(order), *_said(order), *_signed(proofs)], key=lambda each: each[0])
    return [event for _, event in happened]


_Happened = Iterator[tuple[datetime, Event]]


def _changes(order: Order) -> _Happened:
    for change in order.state_changes:
        style = ORDER_BADGES.get(change.state, "")
        why = change_reason(change.reason)
        yield _event(change.time, order_state(change.state), region_name(change.region), why, style)
    for alert in order.jeopardy_alerts:
        yield _event(
            alert.alert_time, translated("promise in danger"), region_name(alert.region), alert.message, "late"
        )


def _said(order: Order) -> _Happened:
    for note in order.notes:
        yield _event(note.time, translated("note"), note.author, note.text)
    for haste in order.expedites:
        yield _event(haste.time, translated("haste asked for"), f"{order.origin_region}/{haste.staff_id}", "", "near")


def _signed(proofs: Sequence[SignedProof]) -> _Happened:
    for proof in proofs:
        kind = value_word(ProofKind.DESCRIPTOR, proof.kind)
        what = translated("{kind} signed", kind=kind)
        yield _event(proof.sign_time, what, region_name(proof.region), proof.envelope_id, "moving")


def _event(time: Timestamp, what: str, who: str, text: str = "", style: str = "") -> tuple[datetime, Event]:
    return from_timestamp(time), Event(told_time(time, timespec="seconds"), what, who, text, style)


def _titles(action: str) -> Mapping[ReviewDecision.ValueType, str]:
    """What each decision does to an order that waits for an action of staff."""
    approve, reject = ReviewDecision.REVIEW_DECISION_APPROVE, ReviewDecision.REVIEW_DECISION_REJECT
    if action == rules.FULFIL:
        return {
            approve: translated("Repeat: the region's own system is asked again"),
            reject: translated("Reject: what was done is undone, and the order fails"),
        }
    if action == rules.UNDO:
        return {
            approve: translated("Repeat: the region's own system is asked to undo its work again"),
            reject: translated("Undone by other means: the order ends"),
        }
    if action == rules.ADJUST:
        return {approve: translated("Corrected: the customer is asked again to accept the work")}
    return {
        approve: translated("Approve: the order goes on"),
        ReviewDecision.REVIEW_DECISION_RETURN: translated("Return: the origin region brings more documents"),
        reject: translated("Reject: the order fails"),
    }


def _of_others() -> str:
    return translated("You have submitted this order, or a paper of it: a colleague decides.")


def _review_form(visit: Visit, found: _Found) -> _Review:
    """The form, with what was entered where it was refused.

    A return names documents: there is none for a business without any, or without the guide that lists them.
    """
    order, known_ones = found.order, () if isinstance(found.guide, Refused) else found.guide.materials
    titles, possible = _titles(order.awaiting.action), list(rules.decisions_of(order))
    takes_documents = ReviewDecision.REVIEW_DECISION_RETURN in possible
    if takes_documents and not known_ones:
        possible.remove(ReviewDecision.REVIEW_DECISION_RETURN)
    decisions = {told_word(ReviewDecision.DESCRIPTOR, each): titles[each] for each in possible}
    chosen, documents = visit.form.text(_DECISION), visit.form.texts(_DOCUMENTS)
    materials = [Option(each.code, named(each.code, each.name)) for each in known_ones]
    return _Review(
        heading=translated("Review"),
        request_id=visit.id_for(_REVIEW),
        decision=translated("Decision"),
        decisions=[_Check(Option(said, title), said == chosen) for said, title in decisions.items()],
        missing=translated("No return: the guide that names the documents of the business cannot be read.")
        if takes_documents and isinstance(found.guide, Refused)
        else "",
        documents=translated("Documents still required, for a return"),
        materials=[_Check(each, each.value in documents) for each in materials] if takes_documents else [],
        note_label=translated("Reason for the origin region; required unless the order is approved")
        if len(decisions) > 1
        else translated("Note for the origin region"),
        note=visit.form.text(_NOTE),
        longest_note=_LONGEST_NOTE,
        send=translated("Decide"),
    )


def _review(visit: Visit) -> ReviewOrderRequest:
    decision = number_of(ReviewDecision.DESCRIPTOR, visit.form.text(_DECISION))
    if decision is None:
        raise invalid(_DECISION, "is not chosen", "未选择")
    return ReviewOrderRequest(
        request_id=visit.request_id,
        order_id=visit.names[_ID],
        decision=ReviewDecision.ValueType(decision),
        documents=visit.form.texts(_DOCUMENTS),
        note=visit.form.text(_NOTE),
    )


def _reviewed(_: Visit, answer: ReviewOrderResponse) -> str:
    return translated("Decided. The order is now: {state}.", state=order_state(answer.order.state))


def view(counted: Papers) -> View:
    """The page, which takes in papers under the key of the region."""
    review = Form.of(_REVIEW, rpcs.REVIEW_ORDER, _review, _reviewed, (_DECISION, _DOCUMENTS, _NOTE))
    return View.of(
        "/orders/{id:.+}",
        (rpcs.GET_ORDER, rpcs.GET_ORDER_PROOF, *RPCS),
        _read,
        partial(_show, counted),
        (_HOPS,),
        (review, *order_commands.forms(counted)),
    )
