"""Staff of a region, and what they do with agreements and outages."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import grpc
from google.protobuf.message import Message

from gateway.api.region.v1 import agreement_service_pb2 as api
from gateway.api.region.v1.agreement_pb2 import Agreement, AgreementStatement, OutageCause, ServiceOutage
from gateway.api.region.v1.agreement_service_pb2_grpc import AgreementServiceStub
from gateway.api.types.v1.types_pb2 import Money
from gateway.time.clock import to_timestamp
from tests.federation.counter import REQUESTER
from tests.federation.running import CALL_SECONDS, Federation, until

CHINA = ZoneInfo("Asia/Shanghai")
SERVICE = "lines-chengdu-zhengzhou"  # of Sichuan, Henan and Shaanxi
OPERATOR = OutageCause.OUTAGE_CAUSE_OPERATOR
CHARGE = 100_000


@dataclass(frozen=True)
class Agreements:
    """The calls of a region's staff to its node."""

    federation: Federation
    region: str
    staff: str = "chen"

    @property
    def node(self) -> AgreementServiceStub:
        """The service of its node."""
        return AgreementServiceStub(self.federation.dial_node(self.region, f"region/{self.region}/staff/{self.staff}"))

    async def make(self, number: str, service: str = SERVICE, template: str = "leased-line") -> Agreement:
        """An agreement from now on."""
        request = api.CreateAgreementRequest(
            request_id=self.federation.next_id(),
            number=number,
            service=service,
            template=template,
            monthly_charge=Money(minor_units=CHARGE, currency="CNY"),
        )
        return (await self.node.CreateAgreement(request, timeout=CALL_SECONDS)).agreement

    def noting(
        self, start: datetime, lasts: timedelta, cause: OutageCause.ValueType = OPERATOR, agreement_id: str = ""
    ) -> api.NoteOutageRequest:
        """A request that notes an outage."""
        return api.NoteOutageRequest(
            request_id=self.federation.next_id(),
            service=SERVICE,
            start_time=to_timestamp(start),
            end_time=to_timestamp(start + lasts),
            cause=cause,
            agreement_id=agreement_id,
        )

    async def note(
        self, start: datetime, lasts: timedelta, cause: OutageCause.ValueType = OPERATOR, agreement_id: str = ""
    ) -> ServiceOutage:
        """Notes an outage."""
        request = self.noting(start, lasts, cause, agreement_id)
        return (await self.node.NoteOutage(request, timeout=CALL_SECONDS)).outage

    async def statement(self, agreement: Agreement, month: str, revision: int = 0) -> AgreementStatement:
        """The statement of an agreement in a month."""
        request = api.GetStatementRequest(agreement_id=agreement.id, month=month, revision=revision)
        return (await self.node.GetStatement(request, timeout=CALL_SECONDS)).statement

    async def knows(self, outage: ServiceOutage) -> None:
        """Returns once the region has an outage."""
        sql = "SELECT COUNT(*) FROM service_outages WHERE source = ? AND version >= ?"

        async def holds() -> bool:
            return self.federation.database(self.region).rows(sql, outage.source, outage.version) != [(0,)]

        await until(holds, f"{self.region} knows of {outage.source}")

    async def has_stated(self, agreement: Agreement, month: str, revision: int = 1) -> AgreementStatement:
        """The statement of a month, once there is that revision of it."""
        sql = "SELECT COUNT(*) FROM agreement_statements WHERE agreement_id = ? AND month = ? AND revision = ?"

        async def holds() -> bool:
            return self.federation.database(self.region).rows(sql, agreement.id, month, revision) == [(1,)]

        await until(holds, f"{self.region} has stated {month} in revision {revision}")
        return await self.statement(agreement, month, revision)

    def postings(self, agreement: Agreement) -> list[tuple[object, ...]]:
        """The postings for an agreement on accounts of customers."""
        sql = (
            "SELECT posting_id, amount FROM ledger_entries WHERE posting_id LIKE ? AND account LIKE 'account-%'"
            " ORDER BY posting_id DESC"
        )
        return [*self.federation.database(self.region).rows(sql, f"{agreement.id}/%")]


def month_of(federation: Federation) -> str:
    """The running month."""
    return f"{federation.clock.now().astimezone(CHINA):%Y-%m}"


def calls_about_agreements(
    channel: grpc.aio.Channel, number: str, agreement_id: str
) -> Mapping[str, Callable[[], Awaitable[bytes]]]:
    """The calls that show a customer's agreement, and its results."""
    node = AgreementServiceStub(channel)
    got = api.GetAgreementRequest(agreement_id=agreement_id, requester=REQUESTER)
    listed = api.ListAgreementsRequest(number=number, requester=REQUESTER)
    stated = api.GetStatementRequest(agreement_id=agreement_id, month="2026-01", requester=REQUESTER)

    async def written(answer: Awaitable[Message]) -> bytes:
        return (await answer).SerializeToString()

    return {
        "GetAgreement": lambda: written(node.GetAgreement(got, timeout=CALL_SECONDS)),
        "ListAgreements": lambda: written(node.ListAgreements(listed, timeout=CALL_SECONDS)),
        "GetStatement": lambda: written(node.GetStatement(stated, timeout=CALL_SECONDS)),
    }
