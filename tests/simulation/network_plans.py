"""People's demand on the network, drawn from the seed before anything runs: faults, agreements, outages, works."""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.api.region.v1.agreement_pb2 import OutageCause
from gateway.api.region.v1.fault_pb2 import Fault, FaultPlace, FaultReport, FaultSeverity
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Channel, Requester
from tests.simulation.plans import OPERATORS
from tests.simulation.world import NETWORK_SERVICES, REGIONS, UNPLANNED, Subscriber, subscribers

FAULTS, OUTAGES, WORKS = 5, 2, 2  # of one run
_PLACES = (
    FaultPlace(link="chengdu-guangzhou-1"),
    FaultPlace(link="chengdu-zhengzhou-1"),
    FaultPlace(link="zhengzhou-luoyang-1"),
    FaultPlace(link="guangzhou-shenzhen-1"),
    FaultPlace(site="chengdu"),
    FaultPlace(site="guangzhou"),
    FaultPlace(site="zhengzhou"),
    FaultPlace(site="songpan"),
    FaultPlace(address="Road 1", region="henan"),
    FaultPlace(address="Road 2", region="guangdong"),
)
_RUN_BY = {  # of each service, the regions that may note when it was down
    "lines-chengdu-guangzhou": ("sichuan", "guangdong"),
    "lines-chengdu-zhengzhou": ("sichuan", "henan"),
    "broadband-guangzhou": ("guangdong",),
}
_WORKED_ON = {  # of each region, links whose loss takes something down, and a site
    "sichuan": ("chengdu-guangzhou-1", "chengdu-xichang-1"),
    "guangdong": ("guangzhou-shenzhen-1", "guangzhou-nanning-1"),
    "henan": ("zhengzhou-wuhan-1", "zhengzhou-luoyang-1"),
}


@dataclass
class FaultErrand:
    """A fault as its operator reports it, the customer's messages, and the operator's responses."""

    region: str
    operator: str
    request_id: str
    number: str
    place: FaultPlace
    severity: FaultSeverity.ValueType
    terminal_caused: bool
    begins: float  # virtual seconds
    says: list[str]
    """The customer's future messages, each as soon as the fault permits."""
    resends: bool
    report: FaultReport | None = None
    fault_id: str = ""
    refused: Reason.ValueType | None = None
    said: dict[str, tuple[str, Reason.ValueType | None]] = field(default_factory=dict)
    """The last response to each request: its message, and the reason of a refusal; None for an accepted one."""
    seen: list[Fault] = field(default_factory=list)

    @property
    def trace(self) -> str:
        """The trace to which all that is sent about it belongs."""
        return f"trace-of-{self.region}/{self.operator}/{self.request_id}"

    def fill_in(self) -> FaultReport:
        """The report; it stays the same from then on."""
        if self.report is None:
            self.report = FaultReport(
                number=self.number,
                description=f"nothing works: {self.request_id}",
                place=self.place,
                severity=self.severity,
                terminal_caused=self.terminal_caused,
                requester=Requester(staff_id=f"clerk-{self.operator}", channel=Channel.CHANNEL_COUNTER),
            )
        return self.report


@dataclass
class AgreementErrand:
    """An agreement on a service of the network that a region makes with a customer of its own."""

    region: str
    number: str
    service: str
    begins: float  # virtual seconds
    since: timedelta
    """How long before the start of the run it runs already."""
    agreement_id: str = ""


@dataclass
class OutageErrand:
    """An outage that staff of a region note by hand: so long, which ended so long before it is noted."""

    region: str
    service: str
    begins: float  # virtual seconds
    lasted: timedelta
    ended_before: timedelta
    cause: OutageCause.ValueType
    source: str = ""
    start: datetime | None = None
    refused: Reason.ValueType | None = None


@dataclass
class WorksErrand:
    """A planned outage, and whether it is moved or cancelled later."""

    region: str
    link: str
    begins: float  # virtual seconds
    ahead: timedelta
    lasts: timedelta
    emergency: bool
    then: str
    """`move`, `cancel` or nothing."""
    outage_id: str = ""
    changed: str = ""
    """The granted part of `then`."""


@dataclass
class NetworkErrands:
    """All demand on the network in one run, and the engineers' work."""

    faults: list[FaultErrand]
    agreements: list[AgreementErrand]
    outages: list[OutageErrand]
    works: list[WorksErrand]
    worked: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    """The step and the fault of each request of an engineer that was taken in, by region and request id."""


def draw_network_errands(source: random.Random, seconds: float) -> NetworkErrands:
    """The demand of one run, spread over a time."""
    return NetworkErrands(
        [_fault(source, number, seconds) for number in range(FAULTS)],
        [
            AgreementErrand(each.region, each.number, service, source.uniform(0.0, seconds), _days(source, 3, 24))
            for each, service in zip(_of_network(), NETWORK_SERVICES, strict=True)
        ],
        [_outage(source, seconds) for _ in range(OUTAGES)],
        [_works(source, seconds) for _ in range(WORKS)],
    )


def _of_network() -> list[Subscriber]:
    return [each for each in subscribers() if "network" in each.traits]


def _fault(source: random.Random, number: int, seconds: float) -> FaultErrand:
    planned, chance = [each for each in subscribers() if each.number != UNPLANNED], source.random()
    # One customer has several faults at the same time.
    about = source.choice(_of_network()[: 1 if chance < 0.4 else None] if chance < 0.6 else planned)
    says = [each for each, share in _SAID.items() if source.random() < share]
    return FaultErrand(
        region=source.choice(REGIONS),
        operator=source.choice(OPERATORS),
        request_id=f"fault{number}",
        number=about.number,
        place=source.choice(_PLACES),
        severity=source.choice((_MINOR, _MAJOR, _CRITICAL, _CRITICAL)),
        terminal_caused=source.random() < 0.1,
        begins=source.uniform(0.0, seconds),
        says=says,
        resends=source.random() < 0.5,
    )


def _outage(source: random.Random, seconds: float) -> OutageErrand:
    service = source.choice(NETWORK_SERVICES)
    return OutageErrand(
        region=source.choice(_RUN_BY[service]),
        service=service,
        begins=source.uniform(0.0, seconds),
        lasted=timedelta(minutes=source.choice((1, 30, 300, 2_000))),
        ended_before=timedelta(minutes=source.uniform(0.0, 5_000.0)),
        cause=source.choice((_OPERATOR, _OPERATOR, _OPERATOR, OutageCause.OUTAGE_CAUSE_FORCE_MAJEURE)),
    )


def _works(source: random.Random, seconds: float) -> WorksErrand:
    region, emergency = source.choice(REGIONS), source.random() < 0.3
    return WorksErrand(
        region=region,
        link=source.choice(_WORKED_ON[region]),
        begins=source.uniform(0.0, seconds),
        ahead=timedelta(hours=source.uniform(1.0, 70.0)) if emergency else _days(source, 3.01, 9),
        lasts=timedelta(hours=source.uniform(0.5, 30.0)),
        emergency=emergency,
        then=source.choice(("", "", "move", "cancel")),
    )


def _days(source: random.Random, least: float, most: float) -> timedelta:
    return timedelta(days=source.uniform(least, most))


_MINOR = FaultSeverity.FAULT_SEVERITY_MINOR
_MAJOR = FaultSeverity.FAULT_SEVERITY_MAJOR
_CRITICAL = FaultSeverity.FAULT_SEVERITY_CRITICAL
_OPERATOR = OutageCause.OUTAGE_CAUSE_OPERATOR
_SAID = {"respond": 0.5, "cancel": 0.1, "reopen": 0.4, "evaluate": 0.3}
