"""A leading region that has lost its decision believes its own signature alone, which the regions of the items show."""

from collections.abc import Callable, Mapping
from functools import partial

import pytest

from gateway.api.federation.v1.configuration_pb2 import JointMilestoneKind
from gateway.api.region.v1.joint_order_envelopes_pb2 import JointCommand, JointReport
from gateway.api.region.v1.joint_order_pb2 import JointItem, JointOrder, JointVerb
from gateway.api.region.v1.joint_order_service_pb2 import WorkOnJointOrderRequest
from gateway.api.relay.v1.relay_pb2 import Envelope, EnvelopeContent, EnvelopeKind
from gateway.relay.at_rest import INBOX, INBOX_RECEIPT, inbox_key, seal_signed
from gateway.security.signing import ENVELOPE
from gateway.store.port import Transaction
from gateway.time.clock import to_microseconds, to_timestamp
from region_node.business.joint import rules, saga
from region_node.business.joint.proofs import proven
from tests.contract.test_joint_steps import LEADER, MORE_ROOM, ROOM, Course, Federation, a_federation
from tests.simulation.world import START, keys

CONFIGURED = WorkOnJointOrderRequest(reach=JointMilestoneKind.JOINT_MILESTONE_KIND_CONFIGURE)
SECOND = START.replace(hour=23)

__all__ = ["a_federation"]


class Kept(Course):
    """A course whose regions keep what they have received, as signed."""

    def _carry(self, origin: str, content: EnvelopeContent) -> None:
        super()._carry(origin, content)
        self.do("inbox", content.destination, partial(_keep, content))


def _keep(content: EnvelopeContent, tx: Transaction) -> None:
    signed, place = content.SerializeToString(), inbox_key(content.origin, content.id)
    tx.execute(
        "INSERT INTO inbox (origin, envelope_id, subject, content, signature, receipt_content, receipt_signature,"
        " received) VALUES (:origin, :id, :subject, :content, :signature, :receipt, :signature, :received)",
        origin=content.origin,
        id=content.id,
        subject=content.subject,
        content=seal_signed(tx, content.subject, INBOX, place, signed),
        signature=keys().signers[content.origin].sign(ENVELOPE, signed),
        receipt=seal_signed(tx, content.subject, INBOX_RECEIPT, place, b"x"),
        received=to_microseconds(START),
    )


def test_a_leader_restored_from_before_its_decision_learns_it_by_its_own_signature_and_the_order_is_completed(
    federation: Federation,
) -> None:
    course = Kept(federation)
    course.submit()
    image = federation.image(LEADER)
    course.work(ROOM, "access-1", "access-2", "service")
    federation.restore(LEADER, image)
    course.work(CONFIGURED, "access-1")
    order = course.order()
    states = {each.id: rules.state_name(each.state) for each in order.items}
    assert order.state == saga.IN_PROGRESS
    assert states["access-1"] == "inProgress"
    assert states["service"] == "held", "its reservation was lost: staff make room again"
    course.work(MORE_ROOM, "service")
    course.finish()
    assert course.order().state == saga.COMPLETED


def _order() -> JointOrder:
    order = JointOrder(id="guangdong/J1", leader_region=LEADER, state=saga.SURVEYING)
    order.create_time.CopyFrom(to_timestamp(START))
    order.items.add(id="install", region="henan", requested=saga.RESERVE)
    return order


def _shown(spoil: Callable[[EnvelopeContent, JointCommand], object], signer: str = LEADER) -> JointReport:
    command = JointCommand(joint_order_id="guangdong/J1", item_id="install", verb=JointVerb.JOINT_VERB_COMMIT)
    content = EnvelopeContent(
        id="guangdong/J1#install/commit>henan",
        origin=LEADER,
        destination="henan",
        kind=EnvelopeKind.ENVELOPE_KIND_JOINT_COMMAND,
        create_time=to_timestamp(SECOND),
        subject="guangdong/J1",
    )
    spoil(content, command)
    content.payload = content.payload or command.SerializeToString()
    signed = content.SerializeToString()
    envelope = Envelope(content=signed, signature=keys().signers[signer].sign(ENVELOPE, signed))
    return JointReport(joint_order_id="guangdong/J1", item=JointItem(id="install", region="henan"), decision=envelope)


FORGED: Mapping[str, Callable[[EnvelopeContent, JointCommand], object]] = {
    "another order": lambda content, command: setattr(content, "subject", "guangdong/J2"),
    "a command on another order": lambda content, command: setattr(command, "joint_order_id", "guangdong/J2"),
    "another item": lambda content, command: setattr(command, "item_id", "remove"),
    "a reservation": lambda content, command: setattr(command, "verb", saga.RESERVE),
    "a release": lambda content, command: setattr(command, "verb", saga.GIVE_UP),
    "of another region": lambda content, command: setattr(content, "origin", "henan"),
    "to another region": lambda content, command: setattr(content, "destination", "sichuan"),
    "of another kind": lambda content, command: setattr(content, "kind", EnvelopeKind.ENVELOPE_KIND_JOINT_REPORT),
    "from before the order": lambda content, command: setattr(content.create_time, "seconds", 1),
    "no command": lambda content, command: setattr(content, "payload", b"\xff"),
}


def test_only_the_leading_regions_own_commitment_of_just_this_item_proves_a_decision(federation: Federation) -> None:
    context, nothing = federation.context(LEADER), _shown(lambda content, command: None)
    command = proven(context, _order(), nothing)
    assert command is not None
    assert command.verb == JointVerb.JOINT_VERB_COMMIT
    believed = [name for name, spoil in FORGED.items() if proven(context, _order(), _shown(spoil)) is not None]
    assert not believed
    assert proven(context, _order(), _shown(lambda content, command: None, signer="henan")) is None
    nothing.ClearField("decision")
    assert proven(context, _order(), nothing) is None


@pytest.mark.parametrize("state", sorted(saga.FINAL))
def test_an_order_that_has_ended_is_not_decided_again(federation: Federation, state: int) -> None:
    order = _order()
    order.state = state  # type: ignore[assignment]  # from the closed set
    assert proven(federation.context(LEADER), order, _shown(lambda content, command: None)) is None
