"""Unmistakable data of a customer crosses the border in every way; then all that others kept or carried is searched."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.message import Message

from coordinator.membership.service import FederationService
from coordinator.routing.router import Router
from gateway.api.federation.v1.configuration_pb2 import SharedField
from gateway.api.region.v1.complaint_pb2 import ComplaintState
from gateway.api.region.v1.customer_service_pb2 import Customer
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.region.v1.retention_service_pb2 import HoldCustomerRequest, ReleaseHoldRequest
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.relay.grpc_carrier import GrpcCarrier
from tests.federation.archive import Archive
from tests.federation.complainant import Complainant
from tests.federation.counter import REQUESTER, Counter, Reviewer
from tests.federation.databases import Databases
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation, until
from tests.federation.sharing_counter import DECLINED, DUTY, FILE_NUMBER, SharingCounter, told
from tests.federation.test_erasure import end_line
from tests.federation.test_privacy import traced
from tests.federation.test_retention import customer_of, retention
from tests.federation.test_verification_privacy import files_of

# What stands nowhere else; of each, also a part that no mask shows.
PLANTED = ("令狐冲霄汉", "冲霄汉", "linghu.chongxiao@planted.example", "linghu.chong", "华山派思过崖七号院", "思过崖")
PAPER = "archive-planted-4711"
# Said in commands: an order, a complaint and what is said to it, an identity document.
GRIEVANCE, FINDING, NEW_NAME = "独孤九剑被多扣了钱", "已核实风清扬处的多收", "令狐改名君子剑"
IDENTITY = "510104199001014711"
SAID = (GRIEVANCE, "独孤九剑", FINDING, "风清扬", NEW_NAME, "君子剑", IDENTITY)
COMMANDS = {
    EnvelopeKind.ENVELOPE_KIND_ORDER_SUBMIT,
    EnvelopeKind.ENVELOPE_KIND_ORDER_COMMAND,
    EnvelopeKind.ENVELOPE_KIND_ORDER_UPDATE,
    EnvelopeKind.ENVELOPE_KIND_DOCUMENT,
    EnvelopeKind.ENVELOPE_KIND_COMPLAINT_FILED,
    EnvelopeKind.ENVELOPE_KIND_COMPLAINT_COMMAND,
    EnvelopeKind.ENVELOPE_KIND_COMPLAINT_UPDATE,
    EnvelopeKind.ENVELOPE_KIND_COMPLAINT_NOTED,
    EnvelopeKind.ENVELOPE_KIND_ERASURE,
    EnvelopeKind.ENVELOPE_KIND_CUSTOMER_STATUS,
    EnvelopeKind.ENVELOPE_KIND_LEGAL_HOLD,
}


def planted_customer(counter: Counter, number: str) -> Customer:
    """A customer of Sichuan with that data."""
    customer = counter.customer(number, name=PLANTED[0], plan_id="sichuan-99", address=PLANTED[4])
    customer.email = PLANTED[2]
    return customer


async def share_in_every_way(federation: Federation, number: str) -> bytes:
    """Guangdong is allowed to read, and Henan is not; both ask for everything, and the customer looks at it.

    Returns what Guangdong's operator was shown.
    """
    south, henan = SharingCounter.of(federation, "guangdong"), SharingCounter.of(federation, "henan")
    for purpose in ("counter-service", "complaint-handling", "enterprise-support"):
        await south.consent(number, "guangdong", purpose)
    await south.give(south.decision(number, "guangdong", "installation", paper=await south.sign(number)))
    await south.give(south.decision(number, "henan", "installation", DECLINED, paper=PAPER))
    await henan.consent(number, "henan", "complaint-handling", DECLINED)
    answer = await south.read(number, "enterprise-support")
    seen = told(answer)
    assert (seen[SharedField.SHARED_FIELD_NAME], seen[SharedField.SHARED_FIELD_EMAIL]) == ([PLANTED[0]], [PLANTED[2]])
    assert seen[SharedField.SHARED_FIELD_ADDRESS] == [PLANTED[4]]
    for purpose in ("counter-service", "complaint-handling", "enterprise-support", "installation"):
        await henan.read(number, purpose)
    assert (await refusal(henan.read(number, "fraud-investigation"))).reason == "SHARING_NOT_ALLOWED"
    await south.by_staff().ask_by_two(south.question(number, "fraud-investigation", DUTY, reference=FILE_NUMBER))
    assert await south.disclosures(number)
    assert await south.grants(number)
    await south.withdraw(number)
    await south.read(number)
    return answer.SerializeToString()


async def command_in_every_way(federation: Federation) -> list[str]:
    """Guangdong takes in orders, a document and a complaint of two customers; at the end Sichuan erases one of them.

    Returns their numbers.
    """
    south, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
    staying, leaving = federation.next_number("sichuan"), federation.next_number("sichuan")
    for number in (staying, leaving):
        customer = planted_customer(sichuan, number)
        customer.billing_account.balance.minor_units = 0
        await sichuan.create(customer)
    await Archive(south).put(staying, identity_number=IDENTITY)
    change = south.request("PROFILE_UPD", staying, papers=("ID_ORIG", "FACE"), name=NEW_NAME)
    await south.cancel((await south.submit(change)).id)
    order = await south.submit(change)
    await Reviewer(federation, "sichuan").approve(order.id)
    await south.reaches(order.id, OrderState.ORDER_STATE_COMPLETED)
    await south.bill(staying)
    desk, quality = Complainant(federation, "guangdong"), Complainant(federation, "sichuan", "staff/wang")
    for number in (staying, leaving):
        await desk.withdraw((await desk.file("OTHER", number, description=GRIEVANCE)).ticket_id)
    filed = await desk.file("BILL_WRONG", leaving, description=GRIEVANCE)
    await quality.reaches(filed.ticket_id, ComplaintState.COMPLAINT_STATE_IN_PROGRESS)
    await quality.respond(filed.ticket_id, FINDING)
    await desk.respond(filed.ticket_id, GRIEVANCE)
    await desk.withdraw(filed.ticket_id)
    await quality.reaches(filed.ticket_id, ComplaintState.COMPLAINT_STATE_CANCELLED)
    staff, held = retention(federation), customer_of(leaving)
    await staff.HoldCustomer(HoldCustomerRequest(customer_id=held, reference="court/1"), timeout=CALL_SECONDS)
    release = ReleaseHoldRequest(customer_id=held, reference="court/1")
    await sichuan.by_two(lambda: staff.ReleaseHold(release, timeout=CALL_SECONDS))
    end_line(federation, leaving)
    await sichuan.erase(leaving)

    async def is_all_answered() -> bool:
        open_ones = "SELECT 1 FROM outbox WHERE closed IS NULL"
        return not any(federation.database(region).rows(open_ones) for region in ("guangdong", "sichuan"))

    await until(is_all_answered, "everything has crossed the border")
    return [staying, leaving]


class Wire:
    """All bytes through the coordinator: received, forwarded, and returned."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.carried: list[bytes] = []
        self._record(patch, Router, "deliver")
        self._record(patch, GrpcCarrier, "deliver")
        self._record(patch, FederationService, "Join")

    def _record(self, patch: pytest.MonkeyPatch, owner: type, method: str) -> None:
        original = getattr(owner, method)

        async def recorded(*arguments: object) -> Message:
            given = [each for each in arguments if isinstance(each, Message)]
            answer = await original(*arguments)
            assert isinstance(answer, Message)
            self.carried += [each.SerializeToString() for each in (*given, answer)]
            return answer

        patch.setattr(owner, method, recorded)


def kinds_sent(federation: Federation) -> set[int]:
    """The kinds of the commands that crossed the border."""
    sql = "SELECT DISTINCT kind FROM outbox"
    rows = [row for region in ("guangdong", "sichuan") for row in federation.database(region).rows(sql)]
    return {kind for (kind,) in rows if isinstance(kind, int)}


def leaks(places: dict[str, bytes], values: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """The places of values that must not be there."""
    for place, content in places.items():
        for value in values:
            # A span escapes what is not ASCII.
            if value.encode() in content or value.encode("unicode_escape") in content:
                yield place, value


@pytest.mark.clause("7.3(1)")
async def test_what_is_for_one_region_stands_nowhere_else_and_nobody_on_the_way_can_read_it(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for package in ("gateway", "region_node", "coordinator", "grpc"):
        caplog.set_level(logging.DEBUG, logger=package)
    wire = Wire(monkeypatch)
    async with traced(tmp_path, databases, monkeypatch) as (federation, spans):
        sichuan, number = Counter(federation, "sichuan"), federation.next_number("sichuan")
        await sichuan.create(planted_customer(sichuan, number))
        shown = await share_in_every_way(federation, number)
        numbers = [number, *await command_in_every_way(federation)]
        assert kinds_sent(federation) == COMMANDS
        places = {
            "database of the coordinator": federation.coordinator_database.raw(),
            "database of henan": federation.database("henan").raw(),
            "database of guangdong": federation.database("guangdong").raw(),
        }
        kept = federation.database("sichuan").contents()
    formatter = logging.Formatter()
    places["what the coordinator carried"] = b"\n".join(wire.carried)
    assert len(wire.carried) > 100, "what passed the coordinator was seen"
    places["log"] = "\n".join(formatter.format(record) for record in caplog.records).encode()
    places["spans"] = spans.path.read_bytes()
    files, _ = files_of(tmp_path)
    abroad = {path: content for path, content in files.items() if f"{tmp_path}/sichuan/" not in path}
    assert any("coordinator" in path for path in abroad), "the coordinator's files are among those searched"
    assert list(leaks(places | abroad, (*PLANTED, *SAID, PAPER))) == []
    coordinator = {path: content for path, content in (places | abroad).items() if "coordinator" in path}
    rest = {name: places[name] for name in ("log", "spans")}
    spoken = (*numbers, *(each.removeprefix("+86") for each in numbers), REQUESTER.staff_id, "reviewer-1")
    assert list(leaks(coordinator | rest, spoken)) == []
    assert {value for _, value in leaks({"answer": shown}, PLANTED)} == set(PLANTED), "the search finds what is there"
    assert b"ENVELOPE_KIND_SHARING" in places["spans"]
    for table in ("sharing_grants", "disclosures", "sharing_requests"):
        cells = [cell for row in kept[table] for cell in row]
        content = b"\n".join(cell if isinstance(cell, bytes) else str(cell).encode() for cell in cells)
        assert content
        assert list(leaks({table: content}, (*PLANTED, PAPER, number))) == []
