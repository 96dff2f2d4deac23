"""The metrics of a node besides those of its calls."""

from collections import Counter
from collections.abc import Callable, Mapping

from opentelemetry.metrics import Meter

from gateway.api.region.v1.quarantine_service_pb2 import QuarantineSource
from gateway.process.clock_metrics import observe_clock
from gateway.process.metrics import Read, observe, observe_total
from gateway.relay.lanes import LaneCounts
from gateway.security.metrics import observe_certificates
from gateway.store.fenced import FencedStore
from gateway.store.metrics import observe_store, observe_timers
from gateway.time.agreed_clock import AgreedClock
from gateway.time.clock import Clock
from region_node.app.core import RegionCore
from region_node.care.anomalies.watching import AnomalyWatch
from region_node.care.quarantine.counting import WaitingWork
from region_node.customers.documents.reuse import measure_reuse
from region_node.lifecycle.recovery.watching import RecoveryWatch
from region_node.node.deliveries import Deliveries
from region_node.node.operator_work import OperatorWork
from region_node.node.settings import RegionSettings


def observe_node(
    meter: Meter,
    core: RegionCore,
    work: WaitingWork,
    store: FencedStore,
    settings: RegionSettings,
    clock: AgreedClock,
) -> None:
    """Registers all metrics of a node."""
    own, signing = settings.own_credentials, settings.signing.certificate
    observe_store(meter, store)
    observe_clock(meter, clock)
    observe_certificates(meter, {"tls": lambda now: own.in_use(now).certificate, "signing": lambda _: signing}, clock)
    measure_reuse(meter, store)
    observe_timers(meter, core.scheduler)
    _observe_lanes(meter, core, clock)
    _observe_deliveries(meter, core)
    _observe_quarantine(meter, work)
    observe(meter, "crossregion.store.fenced", "{store}", lambda: [(int(not store.is_open), {})])


def observe_anomalies(meter: Meter, watch: AnomalyWatch) -> None:
    """Registers the anomalies that wait for people, by the asking region."""
    observe(
        meter,
        "crossregion.anomaly.waiting",
        "{anomaly}",
        lambda: [(each.count, {"region": each.region}) for each in watch.waiting],
    )


def observe_recovery(meter: Meter, watch: RecoveryWatch, clock: Clock) -> None:
    """Registers what is left after a loss: the age of incomplete reports by region, and listed commands."""
    observe(
        meter,
        "crossregion.recovery.unfinished",
        "s",
        lambda: [
            ((clock.now() - accepted).total_seconds(), {"region": region})
            for region, accepted in watch.unfinished.items()
        ],
    )
    observe(meter, "crossregion.recovery.lost", "{command}", lambda: [(watch.lost, {})])


def observe_work(meter: Meter, open_work: OperatorWork, day_work: OperatorWork) -> None:
    """Registers work by operator system; that of members of staff, whose names no metric has, is one figure."""

    def read(work: OperatorWork) -> list[tuple[int, dict[str, str]]]:
        shown = Counter[str]()
        for operator, count in work.by_operator.items():
            shown[operator.partition("/")[0]] += count
        return [(count, {"operator": operator}) for operator, count in shown.items()]

    observe(meter, "crossregion.operator.open_work", "{record}", lambda: read(open_work))
    observe(meter, "crossregion.operator.day_work", "{request}", lambda: read(day_work))


def _observe_lanes(meter: Meter, core: RegionCore, clock: Clock) -> None:
    """By destination: envelopes that wait, deliveries and their envelopes, and how long a lane has stopped."""
    lanes = core.lanes

    def counted(count: Callable[[LaneCounts], float]) -> Read:
        return lambda: [(count(lane.counts), {"destination": lane.destination}) for lane in lanes.all()]

    def by_status(counts: Callable[[LaneCounts], Mapping[str, int]]) -> Read:
        return lambda: [
            (count, {"destination": lane.destination, "error.type": status})
            for lane in lanes.all()
            for status, count in counts(lane.counts).items()
        ]

    observe(
        meter,
        "crossregion.lane.waiting",
        "{envelope}",
        lambda: [(len(lane), {"destination": lane.destination}) for lane in lanes.all()],
    )
    observe_total(meter, "crossregion.lane.repeated", "{envelope}", counted(lambda counts: counts.repeated))
    observe_total(meter, "crossregion.lane.delivered", "{envelope}", counted(lambda counts: counts.delivered))
    observe_total(meter, "crossregion.lane.not_taken", "{envelope}", by_status(lambda counts: counts.not_taken))
    observe_total(meter, "crossregion.lane.answered", "{delivery}", counted(lambda counts: counts.answered))
    observe_total(meter, "crossregion.lane.delivery.time", "s", counted(lambda counts: counts.seconds))
    observe_total(meter, "crossregion.lane.failed", "{delivery}", by_status(lambda counts: counts.failed))
    observe(
        meter,
        "crossregion.lane.stopped",
        "s",
        lambda: [
            ((clock.now() - stop.since).total_seconds(), {"destination": destination})
            for destination, stop in lanes.stopped().items()
        ],
    )


def _observe_deliveries(meter: Meter, core: RegionCore) -> None:
    """By system beside the node: deliveries and their time, and how long a system has accepted none."""

    def each_of(figure: Callable[[Deliveries], float]) -> Read:
        return lambda: [(figure(each), {"system": each.system}) for each in core.deliveries]

    observe_total(meter, "crossregion.system.accepted", "{delivery}", each_of(lambda each: each.accepted))
    observe_total(meter, "crossregion.system.failed", "{delivery}", each_of(lambda each: each.failed))
    observe_total(meter, "crossregion.system.delivery.time", "s", each_of(lambda each: each.seconds))
    observe(meter, "crossregion.system.failing", "s", each_of(lambda each: each.failing()))


def _observe_quarantine(meter: Meter, work: WaitingWork) -> None:
    """By source: work that failed again and again and waits for people."""
    observe(
        meter,
        "crossregion.quarantine.waiting",
        "{work}",
        lambda: [
            (count, {"source": QuarantineSource.Name(source).removeprefix("QUARANTINE_SOURCE_").lower()})
            for source, count in work.by_source.items()
        ],
    )
