"""Alarms as they are stored."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import attrgetter

from gateway.api.federation.v1.problem_pb2 import PerceivedSeverity
from gateway.api.region.v1.alarm_pb2 import Alarm, AlarmAckState, AlarmState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.port import Transaction, Value
from gateway.time.clock import from_timestamp, to_microseconds
from region_node.network.measurements.objects import LINK, SITE, key_of
from region_node.records.listing import BY_TOKEN, FAR, Direction, Page, Position, too_far

ALARMS = "alarms/"  # the prefix of notifications to other processes about an alarm
_UNCLEARED = "clear_time IS NULL"
_BAD = PerceivedSeverity.PERCEIVED_SEVERITY_CRITICAL


@dataclass(frozen=True)
class AlarmChanged:
    """Published for each change of an alarm."""

    alarm_id: str

    @property
    def about(self) -> str:
        """The subject of notifications to other processes."""
        return f"{ALARMS}{self.alarm_id}"


@dataclass(frozen=True)
class _Rows:
    """Rows of alarms: an SQL condition and its parameters."""

    condition: str
    parameters: Mapping[str, Value] = field(repr=False)

    def also(self, other: "_Rows") -> "_Rows":
        """The rows of both."""
        return _Rows(f"{self.condition} AND {other.condition}", {**self.parameters, **other.parameters})

    def change_at(self, tx: Transaction, place: int, direction: Direction) -> int | None:
        """The change at a place of the list; None where there are fewer rows."""
        return tx.first(
            int,
            f"SELECT change FROM alarms WHERE {self.condition}"  # noqa: S608 - no values
            f" ORDER BY change {direction.word} LIMIT 1 OFFSET :skipped",
            skipped=place - 1,
            **self.parameters,
        )


@dataclass(frozen=True)
class AlarmFilter:
    """A filter of alarms."""

    include_cleared: bool = False
    unacknowledged: bool = False
    about: str = ""
    """The key of an object; empty for all."""
    least_severity: PerceivedSeverity.ValueType = PerceivedSeverity.PERCEIVED_SEVERITY_UNSPECIFIED
    in_reverse: bool = False

    @property
    def direction(self) -> Direction:
        """The latest change comes first, or the earliest in reverse."""
        return Direction.of(is_rising=self.in_reverse)

    @property
    def scanned(self) -> _Rows:
        """The rows that a page looks at, by an index."""
        if self.about:
            return _Rows("object = :about", {"about": self.about})
        return _Rows("1 = 1" if self.include_cleared else _UNCLEARED, {})

    @property
    def selected(self) -> _Rows:
        """The rows that the filter selects among these."""
        found = self.scanned
        if not self.include_cleared:
            found = found.also(_Rows(_UNCLEARED, {}))
        if self.unacknowledged:
            found = found.also(_Rows("acknowledged = 0", {}))
        if self.least_severity:  # the enum begins with the worst
            found = found.also(_Rows("severity <= :severity", {"severity": self.least_severity}))
        return found


_OF_A_STORM = 10_000_000


@dataclass(frozen=True)
class _Numbers:
    alarm: int
    change: int


def next_number(tx: Transaction) -> int:
    """The number of a new alarm."""
    return _counted(tx, alarms=1, changes=0).alarm


class AlarmNumbers:
    """The numbers of alarms, and of their changes."""

    def skip(self, tx: Transaction, count: int) -> None:
        """See `region_node.records.numbers.Counted`.

        Reports of alarms have no audit rows, by which the count is bounded: a day of a storm is left out beside it.
        """
        beyond = max(count, _OF_A_STORM)
        _counted(tx, alarms=beyond, changes=beyond)


def external_key(operator: str, source: str, external_id: str) -> str:
    """The key of an active alarm."""
    return f"{operator} {source} {external_id}"


def open_alarm(tx: Transaction, external: str) -> Alarm | None:
    """The active alarm with this key."""
    body = tx.first(
        bytes, "SELECT body FROM alarms WHERE external = :external AND clear_time IS NULL", external=external
    )
    return Alarm.FromString(body) if body is not None else None


def last_alarm(tx: Transaction, external: str) -> Alarm | None:
    """The active alarm with this key, else the one that was created last; None where the key is new."""
    found = open_alarm(tx, external)
    if found is not None:
        return found
    sql = "SELECT body FROM alarms WHERE external = :external ORDER BY COALESCE(first_change, 0) DESC LIMIT 1"
    body = tx.first(bytes, sql, external=external)
    return Alarm.FromString(body) if body is not None else None


def find_alarm(tx: Transaction, alarm_id: str) -> Alarm | None:
    """An alarm of this region; None for an unknown id."""
    body = tx.first(bytes, "SELECT body FROM alarms WHERE alarm_id = :id", id=alarm_id)
    return Alarm.FromString(body) if body is not None else None


def require_alarm(tx: Transaction, alarm_id: str) -> Alarm:
    """An alarm. Raises Refused with ALARM_NOT_FOUND."""
    found = find_alarm(tx, alarm_id)
    if found is None:
        raise Refused(Reason.REASON_ALARM_NOT_FOUND, alarm=alarm_id)
    return found


def keep(tx: Transaction, alarm: Alarm) -> None:
    """Stores a new or changed alarm, and notifies watchers."""
    told: dict[str, Value] = {
        "alarm_id": alarm.id,
        "severity": alarm.perceived_severity,
        "acknowledged": int(alarm.ack_state == AlarmAckState.ALARM_ACK_STATE_ACKNOWLEDGED),
        "change": _counted(tx, alarms=0, changes=1).change,
        "clear_time": to_microseconds(from_timestamp(alarm.clear_time)) if is_cleared(alarm) else None,
        "body": alarm.SerializeToString(),
        "object": key_of(alarm.alarmed_object),
    }
    changed = tx.execute(
        "UPDATE alarms SET severity = :severity, acknowledged = :acknowledged, change = :change,"
        " clear_time = :clear_time, body = :body, object = :object WHERE alarm_id = :alarm_id",
        **told,
    )
    if not changed:
        tx.execute(
            "INSERT INTO alarms (alarm_id, external, object, severity, acknowledged, change, clear_time, body,"
            " first_change) VALUES"
            " (:alarm_id, :external, :object, :severity, :acknowledged, :change, :clear_time, :body, :change)",
            external=external_key(alarm.operator, alarm.source, alarm.external_id),
            **told,
        )
    event = AlarmChanged(alarm.id)
    tx.publish(event, about=event.about)


def keep_event_time(tx: Transaction, alarm: Alarm) -> None:
    """Stores the event time of an alarm that is otherwise unchanged, of which no watcher is notified."""
    tx.execute("UPDATE alarms SET body = :body WHERE alarm_id = :id", body=alarm.SerializeToString(), id=alarm.id)


def is_cleared(alarm: Alarm) -> bool:
    """Whether the trouble is over."""
    return alarm.state == AlarmState.ALARM_STATE_CLEARED


def list_alarms(
    tx: Transaction, wanted: AlarmFilter, before: int | None, limit: int, position: Position = BY_TOKEN
) -> Page[Alarm]:
    """At most `limit` alarms, latest change first, behind the change `before` in the list.

    A page looks at a limited number of rows, like all lists (`region_node/records/listing.py`). Raises Refused for a
    position behind all that it looks at.
    """
    direction, behind = wanted.direction, _Rows("1 = 1", {})
    if before is not None:
        behind = _Rows(f"change {direction.later} :before", {"before": before})
    scanned, selected = wanted.scanned.also(behind), wanted.selected.also(behind)
    end = scanned.change_at(tx, position.scanned, direction)
    if end is not None:
        selected = selected.also(_Rows(f"change {direction.sooner}= :end", {"end": end}))
    found = tx.all(
        _numbered,
        f"SELECT change, body FROM alarms WHERE {selected.condition}"  # noqa: S608 - no values
        f" ORDER BY change {direction.word} LIMIT :limit OFFSET :skip",
        limit=limit + 1,
        skip=position.skip,
        **selected.parameters,
    )
    if not found and position.skip and end is not None:
        raise too_far(position)
    following = found[limit - 1][0] if len(found) > limit else end
    total = _total(tx, wanted) if position.counts else None
    return Page([alarm for _, alarm in found[:limit]], "" if following is None else str(following), total)


def _total(tx: Transaction, wanted: AlarmFilter) -> int | None:
    """The number of alarms; None where a page would have to look at more rows than it may."""
    if wanted.scanned.change_at(tx, FAR, wanted.direction) is not None:
        return None
    selected = wanted.selected
    sql = f"SELECT COUNT(*) FROM alarms WHERE {selected.condition}"  # noqa: S608 - no values
    return tx.first(int, sql, **selected.parameters)


@dataclass(frozen=True)
class AlarmChange:
    """The creation or the last change of an alarm, which is in its present state."""

    number: int
    alarm: Alarm = field(repr=False)
    is_creation: bool


def changes_after(tx: Transaction, change: int, limit: int) -> list[AlarmChange]:
    """At most `limit` creations and last changes of alarms after a change, the first first.

    An alarm that has changed since its creation has both, so that no reader passes the creation over.
    """
    last = "SELECT change, body FROM alarms WHERE change > :change ORDER BY change LIMIT :limit"
    changes = tx.all(_change, last, change=change, limit=limit)
    if not changes:
        return []
    # A creation comes before the last change of its alarm. The bound spares those that have not changed since.
    created = (
        "SELECT first_change, body FROM alarms WHERE first_change > :change AND first_change < :end"
        " AND first_change < change ORDER BY first_change LIMIT :limit"
    )
    creations = tx.all(_creation, created, change=change, end=changes[-1].number, limit=limit)
    return sorted([*creations, *changes], key=attrgetter("number"))[:limit]


def last_change(tx: Transaction) -> int:
    """The number of the last change of any alarm."""
    return tx.first(int, "SELECT change FROM alarm_numbers") or 0


def objects_down(tx: Transaction) -> set[str]:
    """The keys of links and sites with an active critical alarm that affects customers."""
    sql = "SELECT body FROM alarms WHERE clear_time IS NULL AND severity = :bad"
    found = [Alarm.FromString(body) for body in tx.all(bytes, sql, bad=_BAD)]
    keys = [key_of(each.alarmed_object) for each in found if each.service_affecting]
    return {key for key in keys if key.startswith((f"{LINK}/", f"{SITE}/"))}


def _numbered(change: int, body: bytes) -> tuple[int, Alarm]:
    return change, Alarm.FromString(body)


def _creation(number: int, body: bytes) -> AlarmChange:
    return AlarmChange(number, Alarm.FromString(body), is_creation=True)


def _change(number: int, body: bytes) -> AlarmChange:
    alarm = Alarm.FromString(body)
    return AlarmChange(number, alarm, is_creation=alarm.version == 1)


def _counted(tx: Transaction, *, alarms: int, changes: int) -> _Numbers:
    """The numbers after counting on."""
    sql = "UPDATE alarm_numbers SET alarm = alarm + :alarms, change = change + :changes"
    if not tx.execute(sql, alarms=alarms, changes=changes):
        tx.execute("INSERT INTO alarm_numbers (only_one, alarm, change) VALUES (1, 0, 0)")
        tx.execute(sql, alarms=alarms, changes=changes)
    found = tx.first(_Numbers, "SELECT alarm, change FROM alarm_numbers")
    assert found is not None, "the row was just written"
    return found
