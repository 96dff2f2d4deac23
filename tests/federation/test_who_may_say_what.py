"""Every kind of envelope: who may say it, and about whom. A region that is not concerned sends a forged one of each."""

from gateway.api.relay.v1.relay_pb2 import EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from tests.federation import test_fault_envelopes
from tests.federation.archive import Archive, scan
from tests.federation.bulletin_staff import BulletinStaff
from tests.federation.complainant import Complainant
from tests.federation.counter import Counter
from tests.federation.fault_reporter import FaultReporter
from tests.federation.folder import Folder
from tests.federation.forged import LATER, LIAR, Scene, forgeries
from tests.federation.forged_books import of_the_books
from tests.federation.forger import Forger, not_delivered
from tests.federation.issue_staff import IssueStaff
from tests.federation.joint_staff import JointStaff
from tests.federation.loan_staff import LoanStaff
from tests.federation.running import Federation
from tests.federation.support_staff import LINK, SupportStaff
from tests.later_version import with_later_choice


async def scene_of(federation: Federation, guangdong: Counter, sichuan: Counter) -> Scene:
    """All of it, under way; and the scan of an identity card, which is kept in Guangdong."""
    number = await sichuan.new_customer()
    desk = Complainant(federation, "guangdong")
    filed = await desk.file("BILL_WRONG", number)
    attachment = await Folder(desk, filed.ticket_id).attach(scan(mark="attached"))
    order = await guangdong.order("TERMINATE", number)
    paper = await Archive(guangdong).put(number)
    fault = await test_fault_envelopes.taken_up(federation, number)
    south = SupportStaff(federation, "guangdong")
    support = await south.is_taken((await south.open(number, link=LINK)).id)
    opener = IssueStaff(federation, "guangdong")
    issue = await opener.is_taken((await opener.open("sichuan")).id)
    loan = await LoanStaff(federation, "guangdong").borrows("sichuan")
    bulletin = await BulletinStaff(federation, "guangdong").publishes("sichuan")
    await BulletinStaff(federation, "sichuan").has(bulletin.id)
    staff = JointStaff(federation, "guangdong")
    joint = await staff.submits(staff.request("LEASED_CHANGE", ["sichuan", "guangdong"], number))
    joint = await staff.follows(joint.id, lambda each: all(item.version for item in each.items), "taken in")
    complaint = await desk.get(filed.ticket_id)
    return Scene(federation, number, order, paper, complaint, attachment, fault, support, issue, loan, bulletin, joint)


async def kept_of(scene: Scene) -> object:
    """How all of it stands, and whether it can be read."""
    federation = scene.federation
    guangdong = Counter(federation, "guangdong")
    (paper,) = await Archive(guangdong).list(scene.number)
    desk = Complainant(federation, "guangdong")
    return (
        await guangdong.get(scene.order.id),
        await desk.get(scene.complaint.ticket_id),
        await Folder(desk, scene.complaint.ticket_id).read(scene.attachment),
        await FaultReporter(federation, "guangdong").get(scene.fault.id),
        await SupportStaff(federation, "guangdong").get(scene.support.id),
        await IssueStaff(federation, "guangdong").get(scene.issue.id),
        await IssueStaff(federation, "sichuan").get(scene.issue.id),
        await LoanStaff(federation, "guangdong").get(scene.loan.id),
        await LoanStaff(federation, "sichuan").get(scene.loan.id),
        await BulletinStaff(federation, "sichuan").listed(),
        await BulletinStaff(federation, "guangdong").readers(scene.bulletin.id),
        await JointStaff(federation, "guangdong").get(scene.joint.id),
        await JointStaff(federation, "sichuan").get(scene.joint.id),
        paper,
        await Archive(guangdong).content(scene.number, scene.paper),
        federation.database("guangdong").rows("SELECT * FROM known_statuses"),
        federation.database("guangdong").rows("SELECT * FROM holds_of_others"),
    )


async def test_no_kind_of_envelope_is_believed_of_a_region_that_may_not_say_it(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    scene = await scene_of(federation, guangdong, sichuan)
    before = await kept_of(scene)
    table = {**forgeries(scene), **of_the_books()}
    kinds = {kind for kind in EnvelopeKind.values() if kind != EnvelopeKind.ENVELOPE_KIND_UNSPECIFIED}
    assert {EnvelopeKind.Name(kind) for kind in kinds ^ set(table)} == set(), "each kind says who may send it"
    henan, wrong = Forger(federation, LIAR), list[str]()
    for kind, lie in table.items():
        envelope = henan.seal(lie.destination, kind, lie.payload, lie.subject)
        receipt = ReceiptContent.FromString((await henan.deliver(envelope, lie.destination)).receipt.content)
        answer = Outcome.Name(receipt.outcome)
        if receipt.outcome == Outcome.OUTCOME_REFUSED:
            answer = Reason.Name(receipt.reason).removeprefix("REASON_")
        if answer != lie.answer or receipt.result:
            wrong.append(f"{EnvelopeKind.Name(kind)}: {answer}, only {lie.who}")
        later = with_later_choice(LATER.get(kind, lie.payload))
        if later is None:
            continue
        result = await henan.deliver(henan.seal(lie.destination, kind, later, lie.subject), lie.destination)
        if not result.HasField("not_delivered") or not_delivered(result) != "UPGRADE_REQUIRED":
            wrong.append(f"{EnvelopeKind.Name(kind)}: what a later version says is not left to an upgrade: {result}")
    assert wrong == []
    assert await kept_of(scene) == before
