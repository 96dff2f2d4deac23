"""The complaint application service: the work of the service, without gRPC."""

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import chain

from gateway.api.federation.v1.problem_pb2 import ProblemHeader
from gateway.api.region.v1.complaint_envelopes_pb2 import ComplaintCommand
from gateway.api.region.v1.complaint_pb2 import (
    ClassifiedBy,
    Complaint,
    ComplaintNote,
    ComplaintRequest,
    LedgerEntry,
    Resolution,
    ReturnReason,
)
from gateway.api.region.v1.complaint_service_pb2 import GetComplaintResponse, ReachedLevels, SettleRemedyRequest
from gateway.process import failpoints
from gateway.rpc.admission import elsewhere
from gateway.security.identity import Identity
from gateway.store.port import CommittedElsewhere, Store, Transaction
from gateway.time.clock import Clock, from_timestamp
from region_node.care.complaints import case_lead, handling, ledger, owner, remedy_orders, returning, rules
from region_node.care.complaints.classifying import Classification, classify
from region_node.care.complaints.private_notes import add_private_note, private_notes
from region_node.care.complaints.replay import levels_at
from region_node.care.complaints.rows import (
    COMPLAINT,
    COMPLAINT_SUBJECTS,
    ComplaintChanged,
    find_complaint,
    require_complaint,
)
from region_node.network.problems.complaints import problems_of
from region_node.node.context import RegionContext
from region_node.requests.caller import Caller, note
from region_node.requests.changes import Changes
from region_node.requests.room import Room
from region_node.requests.rows import RequestKey, insert_request
from region_node.tickets.followed import answered_request, known_request

Decide = Callable[[Transaction, datetime], Complaint]


class ComplaintApplication:
    """Accepts complaints and commands on them, and waits for the owner region on request."""

    def __init__(self, context: RegionContext, store: Store, clock: Clock, changes: Changes, room: Room) -> None:
        self._context = context
        self._store = store
        self._clock = clock
        self._changes = changes
        self._room = room
        self._filing: dict[str, set[asyncio.Event]] = {}
        store.subscribe(ComplaintChanged, self._changed)
        store.subscribe(CommittedElsewhere, self._committed_elsewhere)

    async def file(self, caller: Caller, request: ComplaintRequest, wait: float = 0.0) -> Complaint:
        """Accepts a complaint; waits up to `wait` seconds for its acceptance by another owner region."""
        self._room.require(caller.operator, number=request.number, regions=[request.location_region])
        now = self._clock.now()
        complaint = await self._store.write(lambda tx: handling.file(tx, self._context, caller, request, now))
        failpoints.reach("complaint-filed.after-commit")
        if wait and rules.is_on_its_way(complaint):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    return await self._taken_up(complaint.ticket_id)
        return complaint

    async def _taken_up(self, ticket_id: str) -> Complaint:
        """A complaint after its acceptance, or refusal, by the owner region."""
        changed = asyncio.Event()
        waiting = self._filing.setdefault(ticket_id, set())
        waiting.add(changed)
        try:
            while True:
                changed.clear()
                row = await self._store.read(lambda tx: find_complaint(tx, ticket_id))
                if row is not None and not rules.is_on_its_way(row.complaint):
                    return row.complaint
                with elsewhere():
                    await changed.wait()
        finally:
            waiting.discard(changed)
            if not waiting:
                self._filing.pop(ticket_id, None)

    async def command(self, caller: Caller, asked: ComplaintCommand, wait: float) -> Complaint:
        """Forwards the customer's command; raises Refused where the owner region has refused it."""
        now = self._clock.now()
        writing = self._store.write(lambda tx: handling.command(tx, self._context, caller, asked, now))
        complaint = await self._changes.answered(caller, writing, wait)
        return await self._store.read(lambda tx: answered_request(COMPLAINT, tx, caller, complaint))

    async def respond(
        self, caller: Caller, ticket_id: str, text: str, *, asks: bool, asks_region: str = ""
    ) -> Complaint:
        """Staff of the owner region answer, or ask the customer or another region."""

        def decide(tx: Transaction, now: datetime) -> Complaint:
            staff_id = caller.identity.name
            return owner.respond(tx, self._context, ticket_id, staff_id, text, now, asks=asks, asks_region=asks_region)

        content = f"respond\0{ticket_id}\0{text}\0{asks}" + (f"\0{asks_region}" if asks_region else "")
        return await self._decide(caller, ticket_id, content.encode(), "RespondToComplaint", decide)

    def levels_at(self, complaints: Sequence[Complaint], until: datetime) -> list[ReachedLevels]:
        """The levels of complaints at an instant, past or future; without those filed later."""
        now, hours = self._clock.now(), self._context.federation.working_hours
        return [
            ReachedLevels(ticket_id=each.ticket_id, escalations=levels_at(each, hours, until, now))
            for each in complaints
            if from_timestamp(each.create_time) <= until
        ]

    async def note_privately(self, caller: Caller, ticket_id: str, text: str) -> Sequence[ComplaintNote]:
        """Stores a private note of this region's staff; returns all private notes."""

        def decide(tx: Transaction, now: datetime) -> Complaint:
            complaint = handling.find_for(tx, ticket_id, caller.identity)
            author = f"{self._context.region}/{caller.identity.name}"
            add_private_note(tx, ticket_id, author, text, now)
            return complaint

        await self._decide(caller, ticket_id, f"note\0{ticket_id}\0{text}".encode(), "AddPrivateNote", decide)
        return await self._store.read(lambda tx: private_notes(tx, ticket_id))

    async def propose(self, caller: Caller, ticket_id: str, resolution: Resolution) -> Complaint:
        """Staff of the owner region propose a resolution."""
        content = f"propose\0{ticket_id}\0".encode() + resolution.SerializeToString(deterministic=True)

        def decide(tx: Transaction, now: datetime) -> Complaint:
            return owner.propose(tx, self._context, ticket_id, caller.identity.name, resolution, now)

        complaint = await self._decide(caller, ticket_id, content, "ProposeResolution", decide)
        failpoints.reach("complaint-proposed.after-commit")
        return complaint

    async def settle_remedy(self, caller: Caller, request: SettleRemedyRequest) -> Complaint:
        """Staff of the owner region settle money that the home region has refused."""
        content = b"settle\0" + request.SerializeToString(deterministic=True)

        def decide(tx: Transaction, now: datetime) -> Complaint:
            if request.HasField("again"):
                return remedy_orders.order_again(tx, self._context, request.ticket_id, now)
            name = caller.identity.name
            return remedy_orders.settle_otherwise(tx, self._context, request.ticket_id, name, request.otherwise, now)

        return await self._decide(caller, request.ticket_id, content, "SettleRemedy", decide)

    async def give_back(self, caller: Caller, ticket_id: str, reason: ReturnReason.ValueType, text: str) -> Complaint:
        """Returns a complaint that is not the work of the owner region's department."""

        def decide(tx: Transaction, now: datetime) -> Complaint:
            return returning.give_back(tx, self._context, ticket_id, caller.identity.name, reason, text, now)

        content = f"return\0{ticket_id}\0{reason}\0{text}".encode()
        complaint = await self._decide(caller, ticket_id, content, "ReturnComplaint", decide)
        failpoints.reach("complaint-returned.after-commit")
        return complaint

    async def classify(self, caller: Caller, ticket_id: str, category: str, reason: str) -> Complaint:
        """Sets the category of a complaint by staff of the origin region."""
        author = f"{self._context.region}/{caller.identity.name}"
        wanted = Classification(ticket_id, category, reason, author, ClassifiedBy.CLASSIFIED_BY_DESK)

        def decide(tx: Transaction, now: datetime) -> Complaint:
            return classify(tx, self._context, wanted, now)

        content = f"classify\0{ticket_id}\0{category}\0{reason}".encode()
        complaint = await self._decide(caller, ticket_id, content, "ClassifyComplaint", decide)
        failpoints.reach("complaint-classified.after-commit")
        return complaint

    async def owner_of(self, ticket_id: str, identity: Identity) -> str:
        """The owner region. Raises Refused with COMPLAINT_NOT_FOUND, also for callers who may not see it."""
        return (await self._store.read(lambda tx: handling.find_for(tx, ticket_id, identity))).owner_region

    def told(self, complaint: Complaint, now: datetime) -> GetComplaintResponse:
        """A complaint with the ledger of its time."""
        entries: list[LedgerEntry] = list(ledger.entries(complaint, now, self._context.federation.working_hours))
        response = GetComplaintResponse(complaint=complaint, ledger=entries)
        late = ledger.lateness(complaint, now)
        if late is not None:
            response.lateness.FromTimedelta(late)
        money_late = ledger.remedy_lateness(complaint, now)
        if money_late is not None:
            response.remedy_lateness.FromTimedelta(money_late)
        return response

    def network_problems(self, tx: Transaction, complaint: Complaint) -> Sequence[ProblemHeader]:
        """The network problems of a complaint, newest first."""
        return problems_of(tx, self._context, complaint)

    async def _decide(self, caller: Caller, ticket_id: str, content: bytes, action: str, decide: Decide) -> Complaint:
        """Executes a staff member's request on a complaint once."""
        now = self._clock.now()
        key = RequestKey(caller.operator, caller.request_id, hashlib.sha256(content).digest())

        def once(tx: Transaction) -> Complaint:
            handling.require_readable(tx, ticket_id)
            if (known := known_request(COMPLAINT, tx, key)) is not None:
                return known
            complaint = decide(tx, now)
            case_lead.follow(tx, self._context, complaint, now)
            insert_request(tx, key, complaint.ticket_id, settled=True, now=now)
            note(tx, caller, action, complaint.ticket_id, now)
            return require_complaint(tx, complaint.ticket_id).complaint

        return await self._store.write(once)

    def _changed(self, changed: ComplaintChanged) -> None:
        self._changes.wake_watchers()
        for event in self._filing.get(changed.ticket_id, ()):
            event.set()

    def _committed_elsewhere(self, committed: CommittedElsewhere) -> None:
        for event in chain.from_iterable(self._filing.values()):
            event.set()
        if any(subject.startswith(COMPLAINT_SUBJECTS) for subject in committed.subjects):
            self._changes.wake_watchers()
