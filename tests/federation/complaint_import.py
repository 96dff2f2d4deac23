"""An import stream of another system's complaints to a region's node."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.api.region.v1.complaint_import_service_pb2 import (
    ComplaintLine,
    ImportComplaintsRequest,
    ImportComplaintsResponse,
    ImportedComplaint,
)
from gateway.api.region.v1.complaint_import_service_pb2_grpc import ComplaintImportServiceStub
from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintChannel, ComplaintRequest, Remedy
from gateway.api.region.v1.customer_service_pb2 import ImportFile
from gateway.time.clock import from_timestamp, to_timestamp
from tests.federation.complainant import Complainant
from tests.federation.counter import REQUESTER
from tests.federation.running import CALL_SECONDS, Federation

Level = tuple[int, int, datetime]


def levels(complaint: Complaint) -> list[Level]:
    """Each level with its trigger and when it was due."""
    return [(each.level, each.trigger, from_timestamp(each.due_time)) for each in complaint.escalations]


@dataclass(frozen=True)
class OldSystem:
    """The former system of a region's complaints, and the region's desk."""

    federation: Federation
    desk: Complainant

    def complaint(
        self, number: str = "", *, filed: datetime, category: str = "BILL_WRONG", reference: str = ""
    ) -> ImportedComplaint:
        """An open complaint that the region answers for."""
        return ImportedComplaint(
            external_id=reference or self.federation.next_id(),
            request=ComplaintRequest(
                category=category,
                number=number or self.federation.next_number(self.desk.region),
                description="账单多收了钱",
                remedy_sought=Remedy.REMEDY_REFUND,
                channel=ComplaintChannel.COMPLAINT_CHANNEL_HOTLINE,
            ),
            filed_time=to_timestamp(filed),
        )

    def closed(self, *, filed: datetime, took: timedelta, rating: int = 4, number: str = "") -> ImportedComplaint:
        """An answered, resolved and closed complaint."""
        found = self.complaint(number, filed=filed)
        found.first_response_time.CopyFrom(to_timestamp(filed + took / 2))
        found.resolved_time.CopyFrom(to_timestamp(filed + took))
        found.closed_time.CopyFrom(to_timestamp(filed + took * 2))
        found.cause_code, found.resolution, found.rating = "billing-error", "已退费", rating
        return found

    async def hand_over(
        self,
        complaints: Sequence[ImportedComplaint | None],
        *,
        sha256: bytes = b"",
        piece: int = 100,
        as_of: datetime | None = None,
        validate_only: bool = False,
    ) -> list[ImportComplaintsResponse]:
        """Imports them as one file; the answers, of which the first says what was done before."""
        lines = [
            ComplaintLine(number=number, complaint=each if each is not None else None)
            for number, each in enumerate(complaints, 2)
        ]
        file = ImportFile(
            sha256=sha256 or self.new_hash(),
            lines=len(lines),
            requester=REQUESTER,
            validate_only=validate_only or as_of is not None,
        )
        first = ImportComplaintsRequest(file=file, as_of_time=to_timestamp(as_of) if as_of is not None else None)
        pieces = [ImportComplaintsRequest(lines=lines[at : at + piece]) for at in range(0, len(lines), piece)]
        channel = self.federation.dial_node(self.desk.region, f"region/{self.desk.region}/{self.desk.name}")
        call = ComplaintImportServiceStub(channel).ImportComplaints(iter([first, *pieces]), timeout=CALL_SECONDS)
        return [answer async for answer in call]

    async def imported(self, *complaints: ImportedComplaint) -> list[Complaint]:
        """Imports them; how they stand then, in the same order."""
        last = (await self.hand_over(complaints))[-1]
        assert (last.created, last.rejected_total) == (len(complaints), 0), last
        return [await self.found(each) for each in complaints]

    async def found(self, told: ImportedComplaint) -> Complaint:
        """The one complaint that was imported from a line."""
        ticket_ids = await self.desk.list(number=told.request.number)
        complaints = [await self.desk.get(each) for each in ticket_ids]
        (found,) = [each for each in complaints if each.external_id == told.external_id]
        return found

    def new_hash(self) -> bytes:
        """Of a file that nobody imported before."""
        return hashlib.sha256(self.federation.next_id().encode()).digest()
