"""The facts of a region, from the heartbeats of its processes, and its live processes. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gateway.api.federation.v1.federation_pb2 import (
    Capabilities,
    EnvelopesInFlight,
    Feature,
    NodeReport,
    OpenBreaker,
    SealingKey,
    WaitingAnomalies,
)
from gateway.federation.capabilities import features_of
from gateway.time.clock import from_timestamp

_MOST_COUNTED = 2**32 - 1  # that the field of a destination holds

Proves = Callable[[bytes, SealingKey], bool]
"""Whether a signing certificate (PEM) proves a sealing key."""


@dataclass(frozen=True)
class Heartbeat:
    """The last heartbeat of a region's process."""

    endpoint: str
    """`host:port`, where coordinators reach it."""
    time: datetime
    """When it came in, by the coordinator's clock."""
    federation_revision: int
    """The configuration revision that it works by."""
    clock_error: timedelta
    """Its clock minus the coordinator's."""
    signing_certificate: bytes
    """The verified certificate, as PEM encoded anew; empty where the region has a newer one."""
    sealing_key: SealingKey = field(default_factory=SealingKey)
    """The verified sealing key for batches to the region; empty where the process reports none."""
    capabilities: Capabilities = field(default_factory=Capabilities)
    """The process's capabilities for configurations; empty where it reports none."""
    report: NodeReport = field(default_factory=NodeReport)

    def brings_news_after(self, known: "Heartbeat | None") -> bool:
        """Whether the process is new, or reports another certificate, key or capabilities than before."""
        if known is None or self.signing_certificate not in (b"", known.signing_certificate):
            return True
        return (known.sealing_key.key, known.capabilities) != (self.sealing_key.key, self.capabilities)


@dataclass(frozen=True)
class Suspension:
    """An administrator's decision: coordinators route nothing to the region and accept nothing from it."""

    since: datetime
    note: str
    actor: str


@dataclass(frozen=True)
class RegionFacts:
    """All known facts of a region."""

    region: str
    ever_joined: bool = False
    signing_certificate: bytes = b""
    """PEM; kept when the region is silent."""
    sealing_key: SealingKey = field(default_factory=SealingKey)
    """Kept when the region is silent, too."""
    capabilities: Capabilities = field(default_factory=Capabilities)
    """Kept when the region is silent, too."""
    live: Mapping[str, Heartbeat] = field(default_factory=dict)
    """The last heartbeat of each process with a live lease, by endpoint."""
    last: Heartbeat | None = None
    """The last heartbeat of any process since the registry started."""
    presence_since: datetime | None = None
    """The start of the live time, or of the silence."""
    suspension: Suspension | None = None

    def standing(self, suspension: Suspension | None) -> "RegionFacts":
        """The facts under a suspension, or without one."""
        return self if suspension == self.suspension else replace(self, suspension=suspension)

    def joined_by(self, heartbeat: Heartbeat, proves: Proves) -> "RegionFacts":
        """The facts after a process with news: the latest newcomer counts.

        During a replacement of certificates or keys, the processes of a region differ.
        """
        certificate = heartbeat.signing_certificate or self.signing_certificate
        is_proven_anew = self._is_proven_anew_by(heartbeat, proves)
        is_other = certificate != self.signing_certificate or self.is_told_otherwise_by(heartbeat)
        if not is_other and not is_proven_anew:
            return replace(self, ever_joined=True)
        # The same key by another signature: only one that outlasts the former certificate.
        is_new_key = self._is_sealed_otherwise_by(heartbeat) or is_proven_anew
        return replace(
            self,
            ever_joined=True,
            signing_certificate=certificate,
            sealing_key=heartbeat.sealing_key if is_new_key else self.sealing_key,
            capabilities=heartbeat.capabilities if heartbeat.capabilities.capabilities else self.capabilities,
        )

    def is_told_otherwise_by(self, heartbeat: Heartbeat) -> bool:
        """Whether a process reports a sealing key, or capabilities, other than the stored ones."""
        return self._is_sealed_otherwise_by(heartbeat) or heartbeat.capabilities not in (
            Capabilities(),
            self.capabilities,
        )

    def has_news_in(self, heartbeat: Heartbeat, proves: Proves) -> bool:
        """Whether a heartbeat may change the facts, other than by being the last of its process."""
        is_news = heartbeat.brings_news_after(self.live.get(heartbeat.endpoint))
        return is_news or self._is_proven_anew_by(heartbeat, proves)

    def _is_sealed_otherwise_by(self, heartbeat: Heartbeat) -> bool:
        return heartbeat.sealing_key.key not in (b"", self.sealing_key.key)

    def _is_proven_anew_by(self, heartbeat: Heartbeat, proves: Proves) -> bool:
        """Whether a process's certificate proves its sealing key, but not the stored one.

        Who learns of the region now has its stored certificate alone, and uses no key that another one proves.
        """
        certificate = heartbeat.signing_certificate
        return not proves(certificate, self.sealing_key) and proves(certificate, heartbeat.sealing_key)

    def versions(self) -> Sequence[Capabilities]:
        """The capabilities of the region's processes; of a silent region, those of its last one."""
        return [each.capabilities for each in self.live.values()] or [self.capabilities]

    def features(self) -> Sequence[Feature.ValueType]:
        """The features of every live process, in ascending order; none of a silent region."""
        told = [features_of(each.capabilities) for each in self.live.values()]
        return sorted(frozenset.intersection(*told)) if told else []

    def report(self) -> NodeReport:
        """The last report of a process, with what every live process adds to it.

        Each process looks by itself at what waits for people, so it has the most that any of them has seen, from the
        first begin. Its certificate is the one that ends first.
        """
        report = NodeReport()
        if self.last is not None:
            report.CopyFrom(self.last.report)
        report.ClearField("orders_per_minute")
        if self.live:
            _unite(report, [each.report for each in self.live.values()])
        return report

    def change_since(self, before: "RegionFacts | None") -> str:
        """The audit action for the change from `before` to this."""
        if before is None:
            return "REGION_JOINED"
        if before.signing_certificate != self.signing_certificate:
            return "SIGNING_CERTIFICATE_CHANGED"
        return "SEALING_KEY_CHANGED" if before.sealing_key != self.sealing_key else "CAPABILITIES_CHANGED"


@dataclass(frozen=True)
class Lease:
    """The time for which one process counts as live. `expires` is monotonic seconds: no stepped clock moves it."""

    region: str
    endpoint: str
    expires: float


def expired(leases: Iterable[Lease], now: float) -> list[Lease]:
    """The leases that have run out."""
    return [lease for lease in leases if lease.expires <= now]


def next_expiry(leases: Iterable[Lease]) -> float | None:
    """The time of the next lease's expiry; None without leases."""
    return min((lease.expires for lease in leases), default=None)


def _unite(report: NodeReport, live: Sequence[NodeReport]) -> None:
    """Puts what the live processes say together into the report of one of them."""
    report.unreadable = next((each.unreadable for each in live if each.unreadable), "")
    disputed = {each.region: each for told in live for each in told.disputed_revisions}
    del report.disputed_revisions[:]
    report.disputed_revisions.extend(disputed[region] for region in sorted(disputed))
    del report.in_flight[:]
    report.in_flight.extend(_sums(live))
    del report.open_breakers[:]
    report.open_breakers.extend(_opened(live))
    del report.anomalies[:]
    report.anomalies.extend(_most_waiting(live))
    counting = [each.orders_per_minute for each in live if each.HasField("orders_per_minute")]
    if counting:
        report.orders_per_minute = min(sum(counting), _MOST_COUNTED)
    report.ClearField("certificate_begin_time")
    report.ClearField("certificate_end_time")
    ending = [each for each in live if each.HasField("certificate_end_time")]
    if ending:
        first = min(ending, key=lambda each: from_timestamp(each.certificate_end_time))
        report.certificate_end_time.CopyFrom(first.certificate_end_time)
        if first.HasField("certificate_begin_time"):
            report.certificate_begin_time.CopyFrom(first.certificate_begin_time)


def _sums(reports: Iterable[NodeReport]) -> Iterable[EnvelopesInFlight]:
    """The envelopes in flight of several processes, by destination; at most what the field holds."""
    found = Counter[str]()
    for report in reports:
        for each in report.in_flight:
            found[each.destination] += each.count
    return [EnvelopesInFlight(destination=each, count=min(found[each], _MOST_COUNTED)) for each in sorted(found)]


def _opened(reports: Iterable[NodeReport]) -> Iterable[OpenBreaker]:
    """The open breakers of several processes: of each destination the one that opened first, with all that wait."""
    found: dict[str, list[OpenBreaker]] = {}
    for report in reports:
        for each in report.open_breakers:
            found.setdefault(each.destination, []).append(each)
    return [_first_open(found[each]) for each in sorted(found)]


def _first_open(breakers: Sequence[OpenBreaker]) -> OpenBreaker:
    """The breaker of one destination that opened first, with the envelopes that wait at any process."""
    first = OpenBreaker()
    first.CopyFrom(min(breakers, key=lambda each: from_timestamp(each.open_time)))
    if counting := [each.waiting for each in breakers if each.HasField("waiting")]:
        first.waiting = min(sum(counting), _MOST_COUNTED)
    return first


def _most_waiting(reports: Iterable[NodeReport]) -> Iterable[WaitingAnomalies]:
    """The anomalies of one database as several processes have seen them last: the most of each region, the first."""
    found: dict[str, WaitingAnomalies] = {}
    for report in reports:
        for each in report.anomalies:
            known = found.setdefault(each.region, each)
            begin = min(known.begin_time, each.begin_time, key=from_timestamp)
            found[each.region] = WaitingAnomalies(
                region=each.region, count=max(known.count, each.count), begin_time=begin
            )
    return [found[each] for each in sorted(found)]
