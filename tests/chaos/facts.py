"""The databases of the regions, read from outside: how far they are from quiet, and what they say then."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TypeAlias, cast

from deploy.local.federation import OPERATOR
from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.region.v1.joint_order_pb2 import JointOrderState
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.auditing.audit import ChainBroken
from region_node.business.orders.rules import FINAL
from tests.bench.sharing import PURPOSE
from tests.chaos import crowd
from tests.chaos.alarms import stored as alarm
from tests.chaos.checking import ACTIONS, Facts, Stored
from tests.crash.records import Records
from tests.rolling.proof import ENTRIES
from tests.simulation.status import may_follow

_State: TypeAlias = OrderState.ValueType
_COMPLETED = OrderState.ORDER_STATE_COMPLETED
_JOINT_COMPLETED = JointOrderState.JOINT_ORDER_STATE_COMPLETED
_JOINT_ENDED = (
    _JOINT_COMPLETED,
    JointOrderState.JOINT_ORDER_STATE_PARTIAL,
    JointOrderState.JOINT_ORDER_STATE_FAILED,
    JointOrderState.JOINT_ORDER_STATE_CANCELLED,
)
_LATE = 10.0  # seconds after which a due timer is one that does not fire
_TAKEN = "version > 0"  # the first version of a ticket is that of its owner
_TABLES = (
    ("SELECT order_id, origin_region, home_region, state, version, state = {completed} FROM orders"),
    (f"SELECT ticket_id, origin_region, owner_region, state, version, {_TAKEN} FROM complaints"),
    (f"SELECT fault_id, origin_region, owner_region, state, version, {_TAKEN} FROM faults"),
    ("SELECT joint_order_id, origin_region, origin_region, state, version, state = {joint} FROM joint_orders"),
)
_WAITING = {
    "envelopes without a receipt": "SELECT envelope_id FROM outbox WHERE closed IS NULL",
    "orders": "SELECT order_id FROM orders WHERE state NOT IN ({final})",
    "complaints": f"SELECT ticket_id FROM complaints WHERE NOT {_TAKEN}",
    "faults": f"SELECT fault_id FROM faults WHERE NOT {_TAKEN}",
    "joint orders": "SELECT joint_order_id FROM joint_orders WHERE state NOT IN ({ended})",
    "alarms and faults that no coordinator was told of": "SELECT event_id FROM network_events_to_tell",
    "timers that are due": "SELECT timer_id FROM timers WHERE due_time < {late}",
}
_REQUESTS = "SELECT request_id, order_id FROM requests WHERE caller IN (?, ?) AND reason = 0"
_SHOWN = 3  # ids that are named


def waiting(region: str, records: Records) -> Iterator[str]:
    """What has not come to its end in a region, by kind, with some ids."""
    for name, sql in _WAITING.items():
        ids = records.column(_filled(sql))
        if ids:
            yield f"{region}: {len(ids)} {name}, as {', '.join(map(str, ids[:_SHOWN]))}"


def read(records: Records, numbers: Iterable[str]) -> Facts:
    """The facts of a region. `numbers` are those of its customers."""
    facts = Facts(
        records=[_stored(*row) for sql in _TABLES for row in records.rows(_filled(sql))],
        requests=_texts(records, _REQUESTS, OPERATOR, crowd.OPERATOR),
        completions=_counts(records, _grouped("order_id", "order_events", f"state = {_COMPLETED}")),
        returned=sorted(_returned(records)),
        entries=records.rows(ENTRIES, "%/%#%"),
        unbalanced=[str(each) for each in records.column(_UNBALANCED)],
        readings=_counts(records, _grouped("region", "disclosures", "purpose = ?"), PURPOSE),
        quarantined=[str(each) for each in records.column("SELECT work_id FROM quarantined_work WHERE state = 1")],
        suspended={
            number for number in numbers if records.line_status(number) == ProductStatus.PRODUCT_STATUS_SUSPENDED
        },
    )
    for external_id, event_id, known in map(alarm, records.column("SELECT body FROM alarms")):
        facts.alarms.setdefault(external_id, {})[event_id] = known
    for action in sorted(set(ACTIONS.values())):
        noted = _counts(records, _grouped("subject", "audit", "action = ?"), action)
        facts.actions.update({(action, subject): count for subject, count in noted.items()})
    facts.sent = _by_peer(records, "SELECT destination, envelope_id FROM outbox WHERE receipt_content IS NOT NULL")
    facts.received = _by_peer(records, "SELECT origin, envelope_id FROM inbox")
    try:
        records.verify_chain()
    except (ChainBroken, AssertionError) as broken:
        facts.broken = str(broken)
    return facts


_UNBALANCED = "SELECT posting_id FROM ledger_entries GROUP BY posting_id HAVING SUM(amount) <> 0"


def _returned(records: Records) -> Iterator[str]:
    """The orders with two events of which the second cannot follow the first."""
    events = records.rows("SELECT order_id, state FROM order_events ORDER BY order_id, sequence")
    for (order_id, before), (next_id, after) in pairwise(events):
        if order_id == next_id and not may_follow(cast("_State", before), cast("_State", after)):
            yield str(order_id)


def _grouped(column: str, table: str, where: str) -> str:
    return f"SELECT {column}, COUNT(*) FROM {table} WHERE {where} GROUP BY {column}"


def _filled(sql: str) -> str:
    late = int((time.time() - _LATE) * 1e6)
    ended, final = (", ".join(map(str, sorted(states))) for states in (_JOINT_ENDED, FINAL))
    return sql.format(completed=_COMPLETED, joint=_JOINT_COMPLETED, ended=ended, final=final, late=late)


def _stored(record_id: object, origin: object, owner: object, state: object, version: object, done: object) -> Stored:
    numbers = cast("int", state), cast("int", version)
    return Stored(str(record_id), str(origin), str(owner), *numbers, is_done=bool(done))


def _texts(records: Records, sql: str, *values: object) -> dict[str, str]:
    return {str(key): str(value) for key, value in records.rows(sql, *values)}


def _counts(records: Records, sql: str, *values: object) -> Counter[str]:
    return Counter({str(key): cast("int", count) for key, count in records.rows(sql, *values)})


def _by_peer(records: Records, sql: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for peer, envelope_id in records.rows(sql):
        found.setdefault(str(peer), set()).add(str(envelope_id))
    return found
