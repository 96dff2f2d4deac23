"""Of joint orders: committed everywhere or nowhere, nothing stays reserved, nothing committed is released."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial

from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.region.v1.joint_order_envelopes_pb2 import JointCommand
from gateway.api.region.v1.joint_order_pb2 import JointItem, JointOrder, JointVerb
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind
from gateway.time.clock import from_timestamp
from region_node.business.joint import rules, saga
from region_node.business.joint.rows import work_id
from region_node.customers.rows import find_line
from tests.simulation.evidence import Evidence
from tests.simulation.joint_orders import ENDS, SAME, is_decided, led_and_kept

EVERYWHERE = "committed everywhere"
NEVER_RELEASED = "no release after a commitment"
AGREE = "regions agree on a joint order"
ENDED = "a line ends with its joint order"
_PROMISED = frozenset({rules.RESERVED, rules.COMMITTED, rules.IN_PROGRESS})
_TERMINATED = ProductStatus.PRODUCT_STATUS_TERMINATED
_MARGIN = timedelta(minutes=5)  # behind the end of a reservation: clocks, and what is under way
Items = Mapping[tuple[str, str], JointItem]
"""The items as their regions have them, by order and item."""


def check(evidence: Evidence) -> None:
    """Notes what does not hold of joint orders."""
    led, followed = dict[str, JointOrder](), list[tuple[str, JointOrder]]()
    kept = dict[tuple[str, str], JointItem]()
    for region in evidence.regions:
        for order, own in region.ports.disk.read(lambda tx, name=region.name: led_and_kept(tx, name)):  # type: ignore[misc]
            kept.update({(order.id, each.id): each for each in own})
            if order.leader_region == region.name:
                led[order.id] = order
            else:
                followed.append((region.name, order))
    for order in led.values():
        _check_decision(evidence, order, kept)
        _check_end(evidence, order, kept)
        _check_line(evidence, order, kept)
        evidence.history.count(f"joint orders {saga.state_name(order.state)}")
    for follower, order in followed:
        leading = led.get(order.id)
        if leading is None or (leading.version, leading.state) != (order.version, order.state):
            evidence.broken(AGREE, order.id, f"{follower} has another version than the leading region")
    _check_commands(evidence)
    wanted = sorted(each.order_id for each in evidence.joint if each.order_id)
    if wanted != sorted(led):
        evidence.broken(SAME, "-", f"the regions lead {sorted(led)}, and people were told of {wanted}")


def committed_works(evidence: Evidence) -> set[str]:
    """The ids by which the regions' own systems know the items that are committed."""
    return {
        work_id(order.id, item.id)
        for region in evidence.regions
        for order, own in region.ports.disk.read(partial(led_and_kept, region=region.name))
        for item in own
        if rules.is_committed(item)
    }


def _check_decision(evidence: Evidence, order: JointOrder, kept: Items) -> None:
    decided = {each.decision == saga.COMMIT for each in order.items}
    if is_decided(order) and not order.partial_allowed and len(decided) > 1:
        evidence.broken(EVERYWHERE, order.id, "a part is committed")
    for item in order.items:
        own = kept.get((order.id, item.id))
        is_committed = own is not None and rules.is_committed(own)
        if is_committed != (item.decision == saga.COMMIT):
            evidence.broken(EVERYWHERE, order.id, f"{item.id} is not in its region as it was decided: {own}")


def _check_end(evidence: Evidence, order: JointOrder, kept: Items) -> None:
    items = [kept.get((order.id, each.id)) for each in order.items]
    held = [each.id for each in items if each is not None and each.state in rules.RESERVING]
    is_over = evidence.now > from_timestamp(order.hold_until_time) + _MARGIN
    if held and (is_over or saga.is_final(order)):
        evidence.broken(ENDS, order.id, f"reserved still: {held}")
    if (is_over or is_decided(order)) and not saga.is_final(order):
        evidence.broken("nothing lost", order.id, f"the order has not ended: {saga.state_name(order.state)}")


def _check_line(evidence: Evidence, order: JointOrder, kept: Items) -> None:
    """An item that is done has ended its line, and a line is promised to an order for as long as that holds it."""
    for item in (each for each in order.items if each.ends_line):
        own = kept.get((order.id, item.id))
        (home,) = (each for each in evidence.regions if each.name == item.region)
        line = home.ports.disk.read(lambda tx: find_line(tx, order.request.number))
        if own is None or line is None:
            continue  # never taken in, or the customer has moved before it was promised
        if own.state == rules.COMPLETED:
            evidence.history.count("lines ended by joint orders")
        if own.state == rules.COMPLETED and line.status != _TERMINATED:
            evidence.broken(ENDED, order.id, f"{item.id} is done, and the line is in service")
        if (line.promised_to == order.id) != (own.state in _PROMISED):
            evidence.broken(ENDED, order.id, f"the line is promised to {line.promised_to!r}, {item.id}: {own.state}")


def _check_commands(evidence: Evidence) -> None:
    verbs = dict[tuple[str, str], list[JointVerb.ValueType]]()
    for _, each in evidence.sent:
        if each.kind == EnvelopeKind.ENVELOPE_KIND_JOINT_COMMAND:
            command = JointCommand.FromString(EnvelopeContent.FromString(each.content).payload)
            verbs.setdefault((command.joint_order_id, command.item_id), []).append(command.verb)
    for (order_id, item_id), sent in verbs.items():
        if JointVerb.JOINT_VERB_RELEASE in sent and _commits(sent):
            evidence.broken(NEVER_RELEASED, order_id, f"{item_id}: {list(map(JointVerb.Name, sent))}")


def _commits(sent: Iterable[JointVerb.ValueType]) -> Sequence[JointVerb.ValueType]:
    return [each for each in sent if each in (JointVerb.JOINT_VERB_COMMIT, saga.BEGIN)]
