"""The story of a customer who moves to another region, to be played with kills at each fail point."""

import hashlib
from collections import Counter
from collections.abc import Awaitable
from copy import copy
from datetime import datetime
from functools import partial

from gateway.api.region.v1.agreement_pb2 import Agreement
from gateway.api.region.v1.agreement_service_pb2 import CreateAgreementRequest
from gateway.api.region.v1.complaint_envelopes_pb2 import ComplaintCommand
from gateway.api.region.v1.complaint_pb2 import Complaint, Remedy, Resolution
from gateway.api.region.v1.customer_move_pb2 import CustomerMove
from gateway.api.region.v1.document_service_pb2 import DocumentChunk, DocumentUpload
from gateway.api.types.v1.types_pb2 import Money
from gateway.store.port import Transaction
from gateway.time.clock import to_timestamp
from region_node.care.complaints.index_rows import indexed_about
from region_node.customers.accounts.rules import receivable
from region_node.customers.documents import receiving as receiving_files
from region_node.customers.documents.rows import documents_of
from region_node.customers.documents.uploads import Upload
from region_node.customers.rows import find_line
from region_node.customers.status import ACTIVE, status_of
from region_node.lifecycle.moving import operations as moving
from region_node.network.agreements import operations as agreements
from region_node.network.agreements.rows import list_agreements, running_of
from region_node.requests.auditing import AuditedCall
from region_node.requests.caller import Caller
from tests.crash.callers import CLERK, HANDLING, HOME, complaint, number, ordered, review_all, worker
from tests.simulation.kills import Calm
from tests.simulation.region import Node
from tests.simulation.world import operator

PAPERS = (HOME, HANDLING, "henan")  # the regions that verify documents of the customer who moves
SERVICE = "lines-chengdu-zhengzhou"


async def filed(calm: Calm, region: str) -> None:
    """A region verifies a document of the customer who moves, and keeps it."""
    line, content = calm.line(region), b"\x89PNG\r\n\x1a\n" + region.encode()
    named = DocumentUpload(
        request_id="paper",
        number=number(0),
        code="ID_ORIG",
        media_type="image/png",
        size=len(content),
        sha256=hashlib.sha256(content).digest(),
        verify_time=to_timestamp(calm.wall.now()),
        identity_number="510101199001011234",
        requester=CLERK,
    )

    def upload(node: Node) -> Awaitable[object]:
        call = AuditedCall(f"region/{region}/operator/crm", CLERK.staff_id, calm.wall.now())
        incoming = Upload(f"{region}/crm/paper", call, node.core.context, named, HOME, "crm", "")

        def act(tx: Transaction) -> object:
            receiving_files.begin(tx, incoming)
            receiving_files.take(tx, incoming, DocumentChunk(data=content))
            return receiving_files.complete(tx, incoming, content, named.sha256)

        return node.store.write(act)

    await line.insist(upload)


async def moves(calm: Calm) -> None:
    """A customer moves to another region, and a payment for it finds its way through the old home.

    Documents go along whose content is at the old home, at the new one, and at a third region; and an agreement. A
    complaint that is open at the old home goes on there, and its money arrives at the new one.
    """
    home, new_home = calm.line(HOME), calm.line(HANDLING)
    filer = Caller(operator(HOME, "crm"), "complaint", "")
    wrong = complaint("BILL_WRONG", 0)
    open_one: Complaint = await home.insist(lambda node: node.core.complaints.file(filer, wrong, 5.0))
    for region in PAPERS:
        await filed(calm, region)
    promise = CreateAgreementRequest(request_id="sla", number=number(0), service=SERVICE, template="leased-line")

    def promised(node: Node) -> Awaitable[Agreement]:
        def act(tx: Transaction) -> Agreement:
            known = list_agreements(tx, None, SERVICE, None, 1)
            if known and known[0].agreement is not None:
                return known[0].agreement
            return agreements.create(tx, node.core.context, "li", promise, calm.wall.now())

        return node.store.write(act)

    await home.insist(promised)
    await calm.become_quiet()
    asked = CustomerMove(id=f"{HOME}/crm/move", to_region=HANDLING)
    asked.lines.add(number=number(0), plan_id="guangdong-79")

    def started(node: Node) -> Awaitable[CustomerMove]:
        return node.store.write(
            lambda tx: moving.start(tx, node.core.registry, asked, number(0), calm.wall.now()),
        )

    def confirmed(node: Node) -> Awaitable[CustomerMove]:
        return node.store.write(lambda tx: moving.confirm(tx, node.core.registry, asked.id, calm.wall.now(), ""))

    await home.insist(started)
    await home.insist(confirmed)
    await calm.become_quiet()
    homes = [region for region in (HOME, HANDLING) if await calm.line(region).insist(owns)]
    assert homes == [HANDLING], f"the customer has the homes {homes}"
    pay, origin = ordered(calm, "PAY", 0, (), amount="1000"), Caller(operator("henan", "crm"), "late-pay", "")
    await calm.line("henan").insist(lambda node: node.core.application.submit(origin, pay, 0.0))
    await calm.become_quiet()
    paid = await new_home.insist(lambda node: node.store.read(payments))
    assert paid == 1, f"{paid} payments"
    money = Resolution(
        text="sorry", cause_code="manners", remedy=Remedy.REMEDY_CREDIT, amount=Money(minor_units=700, currency="CNY")
    )
    ticket_id = open_one.ticket_id
    await home.insist(lambda node: node.core.complaints.propose(worker(HOME, "pay"), ticket_id, copy(money)))
    await calm.become_quiet()
    accept = ComplaintCommand(ticket_id=ticket_id, requester=CLERK, accept=ComplaintCommand.Accept())
    accepter = Caller(operator(HOME, "crm"), "accept", "")
    await home.insist(lambda node: node.core.complaints.command(accepter, accept, 5.0))
    await calm.become_quiet()
    await review_all(calm, HANDLING)
    await calm.become_quiet()
    given = await new_home.insist(lambda node: node.store.read(remedies))
    assert given == [-700], "the new home credits it once, at the expense of the old one"
    await new_home.insist(lambda node: node.store.read(partial(require_belongings, now=calm.wall.now())))
    await home.insist(lambda node: node.store.read(require_nothing_left))


def require_belongings(tx: Transaction, now: datetime) -> None:
    """Documents of all regions count at the new home as those of one person, and the agreement runs."""
    line = find_line(tx, number(0))
    assert line is not None
    kept = documents_of(tx, line.customer_id)
    assert {each.region for each in kept} == set(PAPERS), kept
    (person,) = tx.all(str, "SELECT DISTINCT identity_hash FROM documents")
    assert person
    assert len(running_of(tx, line.product_id, now)) == 1
    assert len(indexed_about(tx, line.number)) == 1, "the complaint counts for repeats"


def require_nothing_left(tx: Transaction) -> None:
    """The old home has no register, and its content is no longer sealed under the key of its former customer."""
    assert tx.all(str, "SELECT document_id FROM documents") == []
    assert tx.all(str, "SELECT agreement_id FROM agreements WHERE end_time IS NULL") == []
    (subject,) = tx.all(str, "SELECT subject FROM document_files")
    assert subject.startswith("number/")


def remedies(tx: Transaction) -> list[int]:
    sql = "SELECT amount FROM ledger_entries WHERE kind = 'remedy' AND account = :account"
    return tx.all(int, sql, account=receivable(HOME))


async def owns(node: Node) -> bool:
    """Whether a region is the home of the customer who moves."""

    def look(tx: Transaction) -> bool:
        line = find_line(tx, number(0))
        return line is not None and status_of(tx, line.customer_id) == ACTIVE

    return await node.store.read(look)


def payments(tx: Transaction) -> int:
    sql = "SELECT COUNT(*) FROM ledger_entries WHERE kind = 'payment' AND account LIKE 'account-moved-%'"
    return tx.first(int, sql) or 0


class LostNewHome:
    """A customer moves, and the new home gets a database of before; the old home hands the customer over once more."""

    def __init__(self) -> None:
        self.before: Counter[str] = Counter()
        """How often each fail point was reached before the new home starts on that database."""

    async def __call__(self, calm: Calm) -> None:
        """Plays it."""
        home, new_home = calm.line(HOME), calm.regions[HANDLING]
        backup = new_home.ports.disk.connection.serialize()
        await home.insist(lambda node: node.store.write(lambda tx: self._moved(tx, node, calm)))
        await calm.become_quiet()
        new_home.kill()
        new_home.ports.disk.connection.deserialize(backup)
        self.before = calm.reached.copy()
        await new_home.start()
        await calm.become_quiet()
        homes = [region for region in (HOME, HANDLING) if await calm.line(region).insist(owns)]
        assert homes == [HANDLING], f"the customer has the homes {homes}"
        pay, origin = ordered(calm, "PAY", 0, (), amount="1000"), Caller(operator("henan", "crm"), "late-pay", "")
        await calm.line("henan").insist(lambda node: node.core.application.submit(origin, pay, 0.0))
        await calm.become_quiet()
        assert await calm.line(HANDLING).insist(lambda node: node.store.read(payments)) == 1

    def _moved(self, tx: Transaction, node: Node, calm: Calm) -> CustomerMove:
        asked = CustomerMove(id=f"{HOME}/crm/move", to_region=HANDLING)
        asked.lines.add(number=number(0), plan_id="guangdong-79")
        moving.start(tx, node.core.registry, asked, number(0), calm.wall.now())
        return moving.confirm(tx, node.core.registry, asked.id, calm.wall.now(), "")
