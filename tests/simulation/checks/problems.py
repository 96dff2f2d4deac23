"""Problems of the network: every felt fault belongs to one, all regions follow it, and customers have notices."""

from collections import Counter
from collections.abc import Mapping

from coordinator.problems import rules
from coordinator.problems.following import header_for
from gateway.api.coordinator.v1.problem_service_pb2 import NetworkEvent, Problem
from gateway.api.region.v1.fault_pb2 import Fault
from gateway.federation.network import NetworkRegistry
from gateway.federation.problems import is_cause_known
from region_node.network.faults.evidence import event_of
from region_node.network.faults.rows import KIND
from region_node.network.problems.following import DAILY_LIMIT
from region_node.network.problems.port import record_of
from region_node.network.problems.rows import find_followed
from region_node.network.problems.rules import supported_services
from tests.simulation import fault_status
from tests.simulation.evidence import Evidence
from tests.simulation.world import NETWORK_SERVICES, REGIONS, configuration, subscribers

TOLD, FOLLOWED, LOST = "told once", "problems are followed", "nothing lost"


def check(evidence: Evidence) -> None:
    """The book of the coordinators against the faults of the regions, and what regions follow against the book."""
    book = evidence.registry.kept
    network = NetworkRegistry(configuration().network)
    owned = {
        fault.id: fault
        for stored in evidence.faults.values()
        for region, fault in stored.items()
        if fault.owner_region == region and fault.version
    }
    for fault in owned.values():
        _is_in_the_book(evidence, network, fault, book.events)
    going_on = {name: each for name, each in book.problems.items() if each.header.state != rules.CANCELLED}
    _children(evidence, going_on, book.events)
    for name, problem in book.problems.items():
        for region in REGIONS:
            _follows(evidence, region, problem)
        if name in going_on:
            _faults_follow(evidence, problem, owned)
            _counted(evidence, problem)
    _customers_told(evidence, network, book.problems, owned)


def _is_in_the_book(
    evidence: Evidence, network: NetworkRegistry, fault: Fault, events: Mapping[str, NetworkEvent]
) -> None:
    event = event_of(fault.owner_region, network, fault, evidence.now)
    kept = events.get(event.id)
    if event.retracted:
        if kept is not None and not kept.retracted:
            evidence.broken(LOST, fault.id, "coordinators take it for a fault of the network")
    elif kept is None:
        evidence.broken(LOST, fault.id, "no coordinator has heard of it")
    elif (kept.version, kept.HasField("clear_time")) != (event.version, event.HasField("clear_time")):
        evidence.broken(LOST, fault.id, f"coordinators know version {kept.version} of {event.version}")


def _children(evidence: Evidence, problems: Mapping[str, Problem], events: Mapping[str, NetworkEvent]) -> None:
    """Every open, felt fault belongs to one current problem; none belongs to two; ended problems have ended parts."""
    parents = Counter(child for each in problems.values() for child in each.header.child_ids)
    for child, times in parents.items():
        if times > 1:
            evidence.broken(FOLLOWED, _about(child), f"it is the child of {times} problems")
    open_in = {
        child for each in problems.values() if each.header.state == rules.IN_PROGRESS for child in each.header.child_ids
    }
    for event in events.values():
        is_open = not event.HasField("clear_time")
        if is_open and not event.of_one_line and event.severity in rules.GRAVE and event.id not in open_in:
            evidence.broken(FOLLOWED, _about(event.id), "it is felt, and belongs to no problem that goes on")
    for name, each in problems.items():
        is_open = any(not events[child].HasField("clear_time") for child in each.header.child_ids)
        if is_open != (each.header.state == rules.IN_PROGRESS):
            evidence.broken(FOLLOWED, name, f"some of it is open: {is_open}; it goes on: {not is_open}")


def _follows(evidence: Evidence, region: str, problem: Problem) -> None:
    name, version = problem.header.id, problem.header.version
    if evidence.registry.told.get((name, region), 0) != version:
        evidence.broken(FOLLOWED, name, f"{region} was not told of version {version}")
    disk = next(each.ports.disk for each in evidence.regions if each.name == region)
    followed = disk.read(lambda tx: find_followed(tx, name))
    if followed is None or followed.header != header_for(region, problem.header):
        known = followed.header.version if followed is not None else 0
        evidence.broken(FOLLOWED, name, f"{region} follows version {known} of {version}")


def _faults_follow(evidence: Evidence, problem: Problem, owned: Mapping[str, Fault]) -> None:
    """Of a problem all children follow it that are not repaired."""
    cause = problem.header.root_cause.id if is_cause_known(problem.header) else ""
    for fault_id in (record for kind, record in map(record_of, problem.header.child_ids) if kind == KIND):
        fault = owned.get(fault_id)
        if fault is None:
            evidence.broken(FOLLOWED, fault_id, f"it belongs to {problem.header.id}, and is nowhere")
        elif fault.state in fault_status.UNREPAIRED and fault.problem_id != problem.header.id:
            evidence.broken(FOLLOWED, fault_id, f"it belongs to {problem.header.id} and follows {fault.problem_id!r}")
        elif fault.state in fault_status.UNREPAIRED and fault.root_cause_id != cause:
            evidence.broken(FOLLOWED, fault_id, f"it does not know the cause {cause!r}")


def _counted(evidence: Evidence, problem: Problem) -> None:
    """In each region one customer uses what the network's customers use."""
    header = problem.header
    if header.state != rules.IN_PROGRESS:
        return
    expected = int(not set(NETWORK_SERVICES).isdisjoint(header.services))
    for region in REGIONS:
        counted = [each.customers for each in problem.affected if each.region == region]
        if counted != [expected]:
            evidence.broken(FOLLOWED, header.id, f"{region} has counted {counted} and not {expected} customers")


def _customers_told(
    evidence: Evidence, network: NetworkRegistry, problems: Mapping[str, Problem], owned: Mapping[str, Fault]
) -> None:
    """Every customer has one notice of each current problem that the home region's faults show, or of a merged part."""
    rows = evidence.rows("SELECT notice_id FROM notices WHERE kind = 'network-problem-begun'")
    told = Counter((parts[1], parts[3]) for _, row in rows if (parts := row["notice_id"].split("/")))
    (most,) = (each.figure.value for each in configuration().policies if each.name == DAILY_LIMIT)
    for name, problem in problems.items():
        header = problem.header
        if header.severity not in rules.GRAVE or header.state != rules.IN_PROGRESS:
            continue
        parts = [name, *(other for other, each in problems.items() if each.header.merged_into_id == name)]
        faults = [
            owned[record] for kind, record in map(record_of, header.child_ids) if record in owned and kind == KIND
        ]
        events = [(each.owner_region, event_of(each.owner_region, network, each, evidence.now)) for each in faults]
        for subscriber in subscribers():
            if "network" not in subscriber.traits or subscriber.number in evidence.moved:
                continue
            own = [event for region, event in events if region == subscriber.region and not event.of_one_line]
            shown = supported_services(network, own).intersection(header.services)
            times = [told[each, subscriber.customer_id] for each in parts]
            notices = sum(count for (_, customer), count in told.items() if customer == subscriber.customer_id)
            if not shown.isdisjoint(NETWORK_SERVICES) and not any(times) and notices < most:
                evidence.broken(TOLD, name, f"{subscriber.customer_id} was never told that it goes on")


def _about(event_id: str) -> str:
    kind, record = record_of(event_id)
    return record if kind == KIND else event_id
