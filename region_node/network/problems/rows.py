"""The stored events for coordinators, followed problems, and network services of lines."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.api.coordinator.v1.problem_service_pb2 import NetworkEvent
from gateway.api.federation.v1.problem_pb2 import PROBLEM_STATE_CANCELLED, ProblemHeader
from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.store.batched_lookup import among
from gateway.store.port import Transaction, Value
from gateway.time.clock import from_microseconds, from_timestamp, to_microseconds

ABOUT = "network-problems"  # the subject of notifications to other processes
_ACTIVE = ProductStatus.PRODUCT_STATUS_ACTIVE
_COLUMNS = "content, customers, follow_time, to_count, notified_services, confirmed"


@dataclass(frozen=True)
class MessageQueued:
    """Published when coordinators need a message: an event, or a number of affected customers."""


@dataclass(frozen=True)
class Followed:
    """A problem, as last received from coordinators."""

    header: ProblemHeader
    customers: int
    follow_time: datetime
    to_count: int
    """The number of requested counts since the last report to coordinators."""
    notified_services: Sequence[str]
    """The services whose customers get notices of the present state."""
    is_confirmed: bool
    """Whether staff of this region have confirmed a state of the problem."""


@dataclass(frozen=True)
class AffectedCustomer:
    """A customer with lines on affected elements, and the first of these lines."""

    customer_id: str
    product_id: str


def note_event(tx: Transaction, event: NetworkEvent) -> None:
    """Queues an event for coordinators, unless a version as high is queued."""
    tx.execute(
        "INSERT INTO network_events_to_tell (event_id, version, content) VALUES (:event_id, :version, :content)"
        " ON CONFLICT (event_id) DO UPDATE SET version = excluded.version, content = excluded.content"
        " WHERE excluded.version > network_events_to_tell.version",
        event_id=event.id,
        version=event.version,
        content=event.SerializeToString(),
    )
    tx.publish(MessageQueued(), about=ABOUT)


def queued_events(tx: Transaction, after: str, limit: int) -> list[NetworkEvent]:
    """At most `limit` queued events, by id, after one."""
    return tx.all(
        NetworkEvent.FromString,
        "SELECT content FROM network_events_to_tell WHERE event_id > :after ORDER BY event_id LIMIT :limit",
        after=after,
        limit=limit,
    )


def note_delivered(tx: Transaction, events: Sequence[NetworkEvent]) -> None:
    """Removes sent events from the queue, except those that have changed meanwhile."""
    tx.execute_many(
        "DELETE FROM network_events_to_tell WHERE event_id = :event_id AND version = :version",
        [{"event_id": each.id, "version": each.version} for each in events],
    )


def find_followed(tx: Transaction, problem: str) -> Followed | None:
    """A problem that is followed."""
    return tx.first(
        _followed,
        f"SELECT {_COLUMNS} FROM followed_problems WHERE problem_id = :problem",  # noqa: S608 - column names only
        problem=problem,
    )


def keep_followed(tx: Transaction, header: ProblemHeader, notified_services: Sequence[str], now: datetime) -> None:
    """Stores the version of a problem, and whose customers get notices. Its customers are to be counted."""
    parameters: dict[str, Value] = {
        "problem": header.id,
        "version": header.version,
        "start": to_microseconds(from_timestamp(header.start_time)),
        "end": to_microseconds(from_timestamp(header.end_time)) if header.HasField("end_time") else None,
        "merged_into": header.merged_into_id,
        "now": to_microseconds(now),
        "content": header.SerializeToString(),
        "services": " ".join(notified_services),
    }
    tx.execute(
        "INSERT INTO followed_problems (problem_id, version, start_time, end_time, merged_into_id,"
        " follow_time, customers, to_count, content, notified_services)"
        " VALUES (:problem, :version, :start, :end, :merged_into, :now, 0, 1, :content, :services)"
        " ON CONFLICT (problem_id) DO UPDATE SET version = excluded.version, start_time = excluded.start_time,"
        " end_time = excluded.end_time, merged_into_id = excluded.merged_into_id, follow_time = excluded.follow_time,"
        " to_count = followed_problems.to_count + 1, content = excluded.content,"
        " notified_services = excluded.notified_services"
        " WHERE excluded.version > followed_problems.version",
        **parameters,
    )
    tx.publish(MessageQueued(), about=ABOUT)


def note_confirmed(tx: Transaction, header: ProblemHeader) -> None:
    """Notes that staff have confirmed the stored version of a problem: all its services get notices."""
    tx.execute(
        "UPDATE followed_problems SET confirmed = 1, notified_services = :services WHERE problem_id = :problem",
        problem=header.id,
        services=" ".join(header.services),
    )


def note_grounds(tx: Transaction, problem: str, events: Sequence[str]) -> None:
    """Adds events of this region by which customers get notices of a problem."""
    tx.execute_many(
        "INSERT INTO problem_grounds (problem_id, event_id) VALUES (:problem, :event) ON CONFLICT DO NOTHING",
        [{"problem": problem, "event": each} for each in events],
    )


def grounds(tx: Transaction, problems: Iterable[str]) -> list[str]:
    """The events of this region by which customers got notices of any of the problems."""
    sql = "SELECT event_id FROM problem_grounds WHERE problem_id = :problem ORDER BY event_id"
    return [event for problem in problems for event in tx.all(str, sql, problem=problem)]


def followed_problems(
    tx: Transaction, before: tuple[int, str] | None, *, include_ended: bool, limit: int
) -> list[Followed]:
    """At most so many of the problems that are followed, the newest first, older than `before` (begin in microseconds,
    id).

    Without ended ones, those remain whose end affects customers and has notified nobody.
    """
    unnotified = "notified_services = '' AND customers > 0"
    conditions = ["1 = 1"] if include_ended else [f"(end_time IS NULL OR {unnotified}) AND merged_into_id = ''"]
    place: dict[str, Value] = {}
    if before is not None:
        conditions.append("start_time <= :start AND (start_time < :start OR problem_id < :id)")
        place = {"start": before[0], "id": before[1]}
    return tx.all(
        _followed,
        f"SELECT {_COLUMNS} FROM followed_problems WHERE {' AND '.join(conditions)}"  # noqa: S608 - no values
        " ORDER BY start_time DESC, problem_id DESC LIMIT :limit",
        limit=limit,
        **place,
    )


def problems_to_count(tx: Transaction, limit: int) -> list[Followed]:
    """At most `limit` problems whose affected customers coordinators still need."""
    return tx.all(
        _followed,
        f"SELECT {_COLUMNS} FROM followed_problems WHERE to_count > 0 ORDER BY problem_id LIMIT :limit",  # noqa: S608
        limit=limit,
    )


def note_counted(tx: Transaction, counted: Followed, customers: int) -> None:
    """Notes that a coordinator has the count, unless another count was requested since."""
    tx.execute(
        "UPDATE followed_problems SET customers = :customers, to_count = 0"
        " WHERE problem_id = :problem AND to_count = :to_count",
        problem=counted.header.id,
        to_count=counted.to_count,
        customers=customers,
    )


def count_again(tx: Transaction) -> None:
    """Requests new counts of current problems after a change of lines' services."""
    tx.execute("UPDATE followed_problems SET to_count = to_count + 1 WHERE end_time IS NULL AND merged_into_id = ''")
    tx.publish(MessageQueued(), about=ABOUT)


def forget_followed(tx: Transaction, before: datetime) -> None:
    """Removes problems that have ended or were merged, and whose last version came before an instant.

    The clock is the region's own: a coordinator may name any end, and without its grounds each end notifies customers.
    """
    ended = "(end_time IS NOT NULL OR merged_into_id <> '') AND follow_time < :before"
    tx.execute(
        f"DELETE FROM problem_grounds WHERE problem_id IN (SELECT problem_id FROM followed_problems WHERE {ended})",  # noqa: S608 - no values
        before=to_microseconds(before),
    )
    tx.execute(f"DELETE FROM followed_problems WHERE {ended}", before=to_microseconds(before))  # noqa: S608 - no values


def merged_problems(tx: Transaction, problem: str) -> list[str]:
    """The problems merged into a problem, directly or not."""
    found: list[str] = []
    ahead = [problem]
    while ahead:
        sql = "SELECT problem_id FROM followed_problems WHERE merged_into_id = :problem AND merged_into_id <> ''"
        parts = [each for each in tx.all(str, sql, problem=ahead.pop()) if each not in (problem, *found)]
        found += parts
        ahead += parts
    return found


def bind(tx: Transaction, product_id: str, service: str) -> bool:
    """A line uses a service; False where that is known."""
    return bool(
        tx.execute(
            "INSERT INTO line_services (product_id, service) VALUES (:product_id, :service) ON CONFLICT DO NOTHING",
            product_id=product_id,
            service=service,
        )
    )


def unbind(tx: Transaction, product_id: str, service: str) -> bool:
    """Ends a line's use of a service; returns False for an unknown use."""
    return bool(
        tx.execute(
            "DELETE FROM line_services WHERE product_id = :product_id AND service = :service",
            product_id=product_id,
            service=service,
        )
    )


def count_affected(tx: Transaction, services: Sequence[str]) -> int:
    """How many customers have an active line that uses one of the services."""
    if not services:
        return 0
    named, parameters = among(services)
    counted = tx.first(
        int,
        "SELECT COUNT(DISTINCT products.customer_id) FROM line_services"  # noqa: S608 - names of parameters
        " JOIN products ON products.product_id = line_services.product_id"
        " JOIN customers ON customers.customer_id = products.customer_id"
        f" WHERE line_services.service IN ({named}) AND products.status = :active AND customers.status <> 3",
        active=_ACTIVE,
        **parameters,
    )
    return counted or 0


def affected_after(tx: Transaction, services: Sequence[str], after: str, limit: int) -> list[AffectedCustomer]:
    """At most `limit` affected customers whose data may be used, by id, after one."""
    if not services:
        return []
    named, parameters = among(services)
    return tx.all(
        AffectedCustomer,
        "SELECT products.customer_id, MIN(products.product_id) FROM line_services"  # noqa: S608 - names of parameters
        " JOIN products ON products.product_id = line_services.product_id"
        " JOIN customers ON customers.customer_id = products.customer_id"
        f" WHERE line_services.service IN ({named}) AND products.status = :active AND customers.status = 1"
        " AND products.customer_id > :after GROUP BY products.customer_id ORDER BY products.customer_id LIMIT :limit",
        active=_ACTIVE,
        after=after,
        limit=limit,
        **parameters,
    )


def bound_services(tx: Transaction, services: Sequence[str]) -> list[str]:
    """The services among `services` that lines of this region use, in order."""
    if not services:
        return []
    named, parameters = among(services)
    return tx.all(
        str,
        f"SELECT DISTINCT service FROM line_services WHERE service IN ({named}) ORDER BY service",  # noqa: S608 - names of parameters
        **parameters,
    )


def services_used(tx: Transaction, customer_id: str, services: Sequence[str]) -> list[str]:
    """The services among `services` that active lines of a customer use, in order."""
    named, parameters = among(services)
    return tx.all(
        str,
        "SELECT DISTINCT line_services.service FROM line_services"  # noqa: S608 - names of parameters
        " JOIN products ON products.product_id = line_services.product_id"
        f" WHERE products.customer_id = :customer AND products.status = :active AND line_services.service IN ({named})"
        " ORDER BY line_services.service",
        customer=customer_id,
        active=_ACTIVE,
        **parameters,
    )


def problems_at(tx: Transaction, number_index: str, time: datetime) -> list[ProblemHeader]:
    """The problems that went on at a time and affect the line with a number, the newest first."""
    services = frozenset(
        tx.all(
            str,
            "SELECT line_services.service FROM line_services"
            " JOIN products ON products.product_id = line_services.product_id WHERE products.number = :number",
            number=number_index,
        )
    )
    if not services:
        return []
    found = tx.all(
        ProblemHeader.FromString,
        "SELECT content FROM followed_problems WHERE merged_into_id = '' AND start_time <= :time"
        " AND (end_time IS NULL OR end_time >= :time) ORDER BY start_time DESC, problem_id DESC",
        time=to_microseconds(time),
    )
    return [each for each in found if each.state != PROBLEM_STATE_CANCELLED and not services.isdisjoint(each.services)]


def note_complaint(tx: Transaction, number_index: str) -> None:
    """Requests new counts after a new or reclassified complaint about a number, if a problem affects its line."""
    affected = tx.execute(
        "UPDATE followed_problems SET to_count = to_count + 1 WHERE end_time IS NULL AND merged_into_id = '' AND EXISTS"
        " (SELECT 1 FROM line_services JOIN products ON products.product_id = line_services.product_id"
        " WHERE products.number = :number)",
        number=number_index,
    )
    if affected:
        tx.publish(MessageQueued(), about=ABOUT)


def _followed(
    content: bytes, customers: int, follow_time: int, to_count: int, notified_services: str | None, confirmed: int
) -> Followed:
    header = ProblemHeader.FromString(content)
    return Followed(
        header,
        customers,
        from_microseconds(follow_time),
        to_count,
        header.services if notified_services is None else notified_services.split(),
        bool(confirmed),
    )
