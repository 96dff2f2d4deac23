"""Documents are attested facts: wherever one arrives, it names what was verified, by whom, when, and its hash."""

import itertools
from collections.abc import Callable
from typing import Literal

import pytest

from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.region.v1.billing_service_pb2 import QueryBillRequest
from gateway.api.region.v1.order_envelopes_pb2 import OrderCommand, OrderSubmission
from gateway.api.region.v1.order_pb2 import Order, OrderState, Party
from gateway.api.region.v1.order_service_pb2 import ReviewDecision, SubmitOrderRequest, SupplementOrderRequest
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.api.types.v1.types_pb2 import Applicant, Document
from gateway.time.clock import to_timestamp
from tests.federation.counter import REQUESTER, Counter, Reviewer
from tests.federation.forger import COMMAND, SUBMIT, Forger, refused
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation, until

Spoil = Callable[[Document], None]
Field = Literal["code", "verifier", "verify_time", "keyed_hash"]


def _clear(field: Field) -> Spoil:
    return lambda document: document.ClearField(field)


def _short_hash(document: Document) -> None:
    document.keyed_hash = bytes(20)


def _unknown(document: Document) -> None:
    document.code = "HOROSCOPE"


FAULTS: dict[str, tuple[Field, Spoil]] = {
    "no code": ("code", _clear("code")),
    "no material": ("code", _unknown),
    "no verifier": ("verifier", _clear("verifier")),
    "no time": ("verify_time", _clear("verify_time")),
    "no hash": ("keyed_hash", _clear("keyed_hash")),
    "a short hash": ("keyed_hash", _short_hash),
}


async def apply_everywhere(federation: Federation, configuration: Configuration) -> None:
    """Puts a configuration in force and returns when every node works by it."""
    revision = await federation.apply(configuration)

    async def holds() -> bool:
        members = await federation.members()
        return all(members[region].federation_revision == revision for region in federation.nodes)

    await until(holds, f"every node works by revision {revision}")


@pytest.mark.files  # nothing of it depends on the engine
@pytest.mark.parametrize("home", ["guangdong", "sichuan"])
async def test_an_order_with_an_incomplete_document_is_refused_and_the_field_named(
    federation: Federation, guangdong: Counter, home: str
) -> None:
    found, number = {}, federation.next_number(home)
    for (fault, (_, spoil)), only_check in itertools.product(FAULTS.items(), (False, True)):
        order = guangdong.request("SUSPEND", number, papers=["SIM", "ID_ORIG"])
        spoil(order.documents[0])
        request = SubmitOrderRequest(request_id=federation.next_id(), order=order, validate_only=only_check)
        told = await refusal(guangdong.orders.SubmitOrder(request, timeout=CALL_SECONDS))
        found[fault, only_check] = told.reason, told.parameters["field"]
    fields = {fault: field for fault, (field, _) in FAULTS.items()}
    assert found == {each: ("REQUEST_INVALID", f"documents[0].{fields[each[0]]}") for each in found}


@pytest.mark.files  # nothing of it depends on the engine
@pytest.mark.parametrize("home", ["guangdong", "sichuan"])
async def test_a_supplement_with_an_incomplete_document_is_refused_and_the_order_waits_on(
    federation: Federation, guangdong: Counter, home: str
) -> None:
    order = await guangdong.order("TERMINATE", await Counter(federation, home).new_customer())
    returned = ReviewDecision.REVIEW_DECISION_RETURN
    await Reviewer(federation, home).decide(order.id, returned, documents=["SIM"], note="which SIM?")
    pending, found = await guangdong.reaches(order.id, OrderState.ORDER_STATE_PENDING), {}
    for fault, (_, spoil) in FAULTS.items():
        request = SupplementOrderRequest(
            request_id=federation.next_id(),
            order_id=order.id,
            documents=[guangdong.document("SIM"), guangdong.document("FACE")],
            requester=REQUESTER,
        )
        request.wait.FromSeconds(10)
        spoil(request.documents[1])
        told = await refusal(guangdong.orders.SupplementOrder(request, timeout=CALL_SECONDS))
        found[fault] = told.reason, told.parameters["field"]
    assert found == {fault: ("REQUEST_INVALID", f"documents[1].{field}") for fault, (field, _) in FAULTS.items()}
    assert await guangdong.get(order.id) == pending


@pytest.mark.files  # nothing of it depends on the engine
@pytest.mark.parametrize("home", ["guangdong", "sichuan"])
async def test_no_bill_for_an_incomplete_document(federation: Federation, guangdong: Counter, home: str) -> None:
    number, found = await Counter(federation, home).new_customer(), {}
    for fault, (_, spoil) in FAULTS.items():
        request = QueryBillRequest(
            number=number,
            month=f"{federation.clock.now():%Y-%m}",
            applicant=Applicant.APPLICANT_HOLDER,
            documents=[guangdong.document("SIM"), guangdong.document("ID_ORIG")],
            requester=REQUESTER,
        )
        spoil(request.documents[0])
        told = await refusal(guangdong.billing.QueryBill(request, timeout=CALL_SECONDS))
        found[fault] = told.reason, told.parameters["field"]
    assert found == {fault: ("REQUEST_INVALID", f"documents[0].{field}") for fault, (field, _) in FAULTS.items()}


@pytest.mark.files  # nothing of it depends on the engine
async def test_the_home_region_takes_no_incomplete_document_from_another_region(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    number, now = await sichuan.new_customer(), to_timestamp(federation.clock.now())
    forger, found = Forger(federation, "guangdong"), {}
    for fault, (_, spoil) in FAULTS.items():
        order = Order(
            id=f"guangdong/counter/{federation.next_id()}",
            state=OrderState.ORDER_STATE_ACKNOWLEDGED,
            request=guangdong.request("SUSPEND", number, papers=["ID_ORIG", "SIM"]),
            origin_region="guangdong",
            operator="counter",
            home_region="sichuan",
            create_time=now,
            expected_completion_time=now,
        )
        spoil(order.request.documents[1])
        envelope = forger.seal("sichuan", SUBMIT, OrderSubmission(order=order), order.id)
        reason = refused(await forger.deliver(envelope, "sichuan"))
        kept = federation.database("sichuan").rows("SELECT 1 FROM orders WHERE order_id = ?", order.id)
        found[fault] = reason, kept
    assert found == dict.fromkeys(FAULTS, ("REQUEST_INVALID", []))


@pytest.mark.files  # nothing of it depends on the engine
async def test_the_home_region_takes_no_incomplete_supplement_from_another_region(
    federation: Federation, guangdong: Counter, sichuan: Counter, reviewer: Reviewer
) -> None:
    order = await guangdong.order("TERMINATE", await sichuan.new_customer())
    await reviewer.decide(order.id, ReviewDecision.REVIEW_DECISION_RETURN, documents=["SIM"], note="which SIM?")
    pending = await guangdong.reaches(order.id, OrderState.ORDER_STATE_PENDING)
    forger, found = Forger(federation, "guangdong"), {}
    for fault, (_, spoil) in FAULTS.items():
        command = OrderCommand(order_id=order.id, requester=REQUESTER)
        command.supplement.documents.extend([guangdong.document("SIM"), guangdong.document("FACE")])
        spoil(command.supplement.documents[1])
        found[fault] = refused(await forger.deliver(forger.seal("sichuan", COMMAND, command, order.id), "sichuan"))
    assert found == dict.fromkeys(FAULTS, "REQUEST_INVALID")
    assert await sichuan.get(order.id) == pending


async def test_a_bill_query_of_another_region_names_who_asks(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    query = QueryBillRequest(
        number=await sichuan.new_customer(),
        month=f"{federation.clock.now():%Y-%m}",
        applicant=Applicant.APPLICANT_HOLDER,
        documents=[guangdong.document("ID_ORIG")],
    )
    forger = Forger(federation, "guangdong")
    envelope = forger.seal("sichuan", EnvelopeKind.ENVELOPE_KIND_BILL_QUERY, query, "QRY_BILL")
    assert refused(await forger.deliver(envelope, "sichuan")) == "REQUEST_INVALID"


async def test_a_review_asks_for_materials_of_the_catalogue_only(
    guangdong: Counter, sichuan: Counter, reviewer: Reviewer
) -> None:
    order = await guangdong.order("TERMINATE", await sichuan.new_customer())
    returned = ReviewDecision.REVIEW_DECISION_RETURN
    told = await refusal(reviewer.decide(order.id, returned, documents=["SIM", "HOROSCOPE"], note="bring it"))
    assert (told.reason, told.parameters["field"]) == ("REQUEST_INVALID", "documents[1].code")
    assert (await sichuan.get(order.id)).awaiting.party == Party.PARTY_HOME_STAFF


async def test_an_order_made_before_is_answered_alike_when_the_catalogue_has_lost_a_material(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    number, request_id = await sichuan.new_customer(), federation.next_id()
    request = guangdong.request("SUSPEND", number, papers=["ID_ORIG", "ID_GUARD"])
    done = await guangdong.submit(request, request_id=request_id)
    before = await federation.configuration()
    without = await federation.configuration()
    (paper,) = [material for material in without.materials if material.code == "ID_GUARD"]
    without.materials.remove(paper)
    await apply_everywhere(federation, without)
    try:
        assert (await refusal(guangdong.submit(request))).parameters["field"] == "documents[1].code"
        assert await guangdong.submit(request, request_id=request_id) == done
    finally:
        await apply_everywhere(federation, before)
