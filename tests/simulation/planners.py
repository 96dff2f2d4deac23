"""The staff who make agreements, note outages by hand, and plan works on the network."""

import asyncio
from datetime import datetime, timedelta

from gateway.api.region.v1.agreement_service_pb2 import CreateAgreementRequest, NoteOutageRequest
from gateway.api.region.v1.planned_outage_service_pb2 import (
    AnnouncePlannedOutageRequest,
    CancelPlannedOutageRequest,
    ChangePlannedOutageRequest,
)
from gateway.errors import Refused, reason_name
from gateway.time.clock import to_timestamp
from tests.simulation import world
from tests.simulation.calls import served
from tests.simulation.network_plans import AgreementErrand, OutageErrand, WorksErrand
from tests.simulation.people import Line

TEMPLATES = {"lines": "leased-line", "broadband": "broadband-business"}


class Planner:
    """A member of a region's staff, who repeats each request with the same id until there is a response."""

    def __init__(self, line: Line, name: str) -> None:
        self._line = line
        self._source = line.source
        self._identity = world.staff(line.region.name, name)
        self._who = f"{line.region.name}/{name}"

    async def agree(self, errand: AgreementErrand) -> None:
        """Makes an agreement."""
        await asyncio.sleep(errand.begins)
        request = CreateAgreementRequest(
            request_id="agreement",
            number=errand.number,
            service=errand.service,
            template=TEMPLATES[errand.service.partition("-")[0]],
            start_time=to_timestamp(world.START - errand.since),
        )
        for _ in range(self._times()):
            try:
                answer = await self._line.insist(
                    lambda node: served(node.agreements.CreateAgreement, self._identity, request)
                )
            except Refused as refused:
                self._note(f"may not agree: {reason_name(refused.reason)}")
            else:
                if errand.agreement_id not in ("", answer.agreement.id):
                    self._broken(errand.agreement_id, f"a second request gave {answer.agreement.id}")
                errand.agreement_id = answer.agreement.id
                self._note("agrees", answer.agreement.id)

    async def note_outage(self, errand: OutageErrand) -> None:
        """Notes that a service was down."""
        await asyncio.sleep(errand.begins)
        end = self._now() - errand.ended_before - timedelta(minutes=1)
        errand.start = end - errand.lasted
        request = NoteOutageRequest(
            request_id="outage",
            service=errand.service,
            start_time=to_timestamp(errand.start),
            end_time=to_timestamp(end),
            cause=errand.cause,
        )
        for _ in range(self._times()):
            try:
                answer = await self._line.insist(
                    lambda node: served(node.agreements.NoteOutage, self._identity, request)
                )
            except Refused as refused:
                errand.refused = refused.reason
                self._note(f"may not note an outage: {reason_name(refused.reason)}")
            else:
                errand.source = answer.outage.source
                self._note(f"notes an outage of {errand.service}", answer.outage.source)

    async def plan(self, errand: WorksErrand) -> None:
        """Announces works on the network, and changes them later."""
        await asyncio.sleep(errand.begins)
        start = self._now() + errand.ahead
        request = AnnouncePlannedOutageRequest(
            request_id="works",
            links=[errand.link],
            start_time=to_timestamp(start),
            end_time=to_timestamp(start + errand.lasts),
            emergency=errand.emergency,
        )
        for _ in range(self._times()):
            try:
                answer = await self._line.insist(
                    lambda node: served(node.planned_outages.AnnouncePlannedOutage, self._identity, request)
                )
            except Refused as refused:
                self._note(f"may not work on {errand.link}: {reason_name(refused.reason)}")
                return
            errand.outage_id = answer.planned_outage.id
            self._note(f"works on {errand.link} are announced", errand.outage_id)
        if errand.then:
            await asyncio.sleep(self._source.uniform(0.5, 8.0))
            await self._change(errand, start)

    async def _change(self, errand: WorksErrand, start: datetime) -> None:
        later = start + timedelta(hours=self._source.uniform(0.0, 20.0))
        moving = ChangePlannedOutageRequest(
            request_id="works-changed",
            planned_outage_id=errand.outage_id,
            start_time=to_timestamp(later),
            end_time=to_timestamp(later + errand.lasts),
        )
        cancelling = CancelPlannedOutageRequest(request_id="works-changed", planned_outage_id=errand.outage_id)
        for _ in range(self._times()):
            try:
                if errand.then == "move":
                    await self._line.insist(
                        lambda node: served(node.planned_outages.ChangePlannedOutage, self._identity, moving)
                    )
                else:
                    await self._line.insist(
                        lambda node: served(node.planned_outages.CancelPlannedOutage, self._identity, cancelling)
                    )
            except Refused as refused:
                self._note(f"may not {errand.then} them: {reason_name(refused.reason)}", errand.outage_id)
            else:
                errand.changed = errand.then
                self._note(f"{errand.then} is granted", errand.outage_id)

    def _times(self) -> int:
        return 2 if self._source.random() < 0.3 else 1

    def _now(self) -> datetime:
        return self._line.region.ports.clock.of_people()

    def _note(self, what: str, about: str = "") -> None:
        self._line.history.note(self._who, what, about)

    def _broken(self, about: str, text: str) -> None:
        self._line.history.broken("same answer", about, text)
