"""Every step of the saga of joint orders, failed once and done twice, on both engines: the end is the same."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from uuid import uuid4

import pytest

from deploy.local.postgresql import LocalPostgresql
from gateway.api.federation.v1.configuration_pb2 import JointMilestoneKind
from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.api.region.v1.joint_order_pb2 import JointItem, JointOrder, JointOrderState, JointPlace
from gateway.api.region.v1.joint_order_service_pb2 import CancelJointOrderRequest, WorkOnJointOrderRequest
from gateway.api.region.v1.order_pb2 import OrderRequest
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, ReceiptContent
from gateway.api.types.v1.types_pb2 import Applicant, Channel, Document, Requester
from gateway.federation.current import CurrentFederation
from gateway.relay.border import Border, Command
from gateway.relay.envelopes import Answer
from gateway.store import postgresql_schema
from gateway.store.port import Database, Transaction
from gateway.store.postgresql_connecting import Servers, connect
from gateway.store.postgresql_connection import Writer
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteDatabase
from gateway.store.timers import TimerHandler, due_timers, fire
from region_node.business.joint import leading, rules, saga, working
from region_node.business.joint.items import RESERVATION_TIMER
from region_node.business.joint.proving import VERIFY_TIMER
from region_node.business.joint.relayed import JointEnvelopes
from region_node.business.joint.rows import ORDER_RECORDS, own_items
from region_node.node.context import RegionContext
from region_node.requests.caller import Caller
from tests import at_rest
from tests.empty_database import empty_image
from tests.keys import region_keys
from tests.simulation.batch import run_batch
from tests.simulation.plans import documents
from tests.simulation.world import REGIONS, START, keys, operator, staff
from tests.unit.situations import FEDERATION, LINE

LEADER = "guangdong"
PLACES = ("sichuan", "henan")
CLERK = Requester(staff_id="c-17", channel=Channel.CHANNEL_COUNTER)
MORE_ROOM = WorkOnJointOrderRequest(request_id="again", reserve=WorkOnJointOrderRequest.Reserve())
ROOM = WorkOnJointOrderRequest(reserve=WorkOnJointOrderRequest.Reserve())
VERIFIED = WorkOnJointOrderRequest(verify=WorkOnJointOrderRequest.Verify())
END = JointOrderState.Name
BUSINESSES: Mapping[str, tuple[Sequence[str], Mapping[str, str]]] = {
    "LEASED_CHANGE": (("CONTRACT", "SEAL_LETTER"), {"bandwidth": "1 Gbit/s"}),
    "BB_MOVE": (("BIZ_LIC", "ADDR"), {}),
    "TRANSFER": (("BIZ_LIC", "SEAL_LETTER", "NEW_OWNER_ID", "TRANSFER_AGR"), {"new_owner": "Li Si"}),
}
"""The papers and the values of an order of each business."""
COUNTED = (
    "SELECT COUNT(*) FROM outbox WHERE subject = :id",
    "SELECT COUNT(*) FROM joint_items WHERE joint_order_id = :id",
    "SELECT COUNT(*) FROM notices WHERE notice_id LIKE 'joint/' || :id || '/%'",
    "SELECT COUNT(*) FROM timers WHERE subject = :id OR subject LIKE :id || '/%'",
)
Work = Callable[[Transaction], object]


class Lost(Exception):
    """The process is gone before its commit."""


@dataclass
class Federation:
    """The databases of all regions."""

    databases: Mapping[str, Database]
    orders: int = 0

    def image(self, region: str) -> bytes:
        """The database of a region as it is."""
        return self._memory(region).connection.serialize()

    def restore(self, region: str, image: bytes) -> None:
        """An older database of a region comes back."""
        self._memory(region).connection.deserialize(image)

    def _memory(self, region: str) -> SqliteDatabase:
        database = self.databases[region]
        assert isinstance(database, SqliteDatabase)
        return database

    def context(self, region: str) -> RegionContext:
        """A region that knows the others."""
        current, shared = CurrentFederation(), keys()
        members = [Member(region=each, state=MemberState.MEMBER_STATE_JOINED) for each in REGIONS]
        current.update(FEDERATION, members)
        return RegionContext(Border(region, shared.signers[region], shared.trusted, current))


@dataclass
class Course:
    """One joint order from its first step to its last, of which one step fails, or is done twice."""

    federation: Federation
    faulty: int = -1
    """The step, from 0; -1 for none."""
    fails: bool = False
    business: str = "LEASED_CHANGE"
    now: datetime = START
    values: Mapping[str, str] = field(default_factory=dict)
    """Characteristics besides those of `BUSINESSES`."""
    steps: list[str] = field(default_factory=list)
    order_id: str = ""
    is_held_back: Callable[[EnvelopeContent], bool] = lambda content: False
    """Whether an envelope is still on its way."""
    _delivered: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.federation.orders += 1
        self._number = self.federation.orders
        self.request_id = f"submit-{self._number}"
        self.contexts = {region: self.federation.context(region) for region in REGIONS}

    def do(self, name: str, region: str, work: Work) -> object:
        """One transaction. The faulty one is lost before its commit and comes again, or is done twice."""
        is_faulty, database = len(self.steps) == self.faulty, self.federation.databases[region]
        self.steps.append(f"{name} in {region}")

        def lose(tx: Transaction) -> object:
            work(tx)
            raise Lost

        if is_faulty:
            (first,) = run_batch(database, [lose if self.fails else work])
            assert isinstance(first.error, Lost) if self.fails else first.error is None, first.error
        (outcome,) = run_batch(database, [work])
        if outcome.error is not None:
            raise outcome.error
        return outcome.result

    def read(self, region: str, work: Callable[[Transaction], object]) -> object:
        """What a region has."""
        (outcome,) = run_batch(self.federation.databases[region], [work])
        assert outcome.error is None, outcome.error
        return outcome.result

    def submit(self, number: str = LINE.number, regions: Sequence[str] = PLACES, code: Sequence[Document] = ()) -> None:
        """An order with a place in each of the regions, and with codes or papers on file; Guangdong leads it."""
        papers, values = BUSINESSES[self.business]
        handed_in = [each for each in papers if each not in {named.code for named in code}]
        request = OrderRequest(
            business=self.business,
            number=number,
            applicant=Applicant.APPLICANT_ENTERPRISE,
            documents=[*documents(handed_in, self.now, ""), *code],
            characteristics={**values, **self.values},
            requester=CLERK,
        )
        places = [JointPlace(region=region, address="1 Main Street") for region in regions]
        caller, context = Caller(operator(LEADER, "counter"), self.request_id, ""), self.contexts[LEADER]
        order = self.do("submit", LEADER, lambda tx: leading.submit(tx, context, caller, request, places, self.now))
        assert isinstance(order, JointOrder)
        self.order_id = order.id
        self.deliver()

    def deliver(self) -> None:
        """Every envelope about the order reaches its region, and every receipt its sender, until none is left."""
        while pending := [
            (region, EnvelopeContent.FromString(each.content))
            for region in REGIONS
            for each in self._sent(region)
            if (region, each.envelope_id) not in self._delivered
            and not self.is_held_back(EnvelopeContent.FromString(each.content))
        ]:
            for origin, content in pending:
                self._carry(origin, content)
                self._delivered.add((origin, content.id))

    def work(self, step: WorkOnJointOrderRequest, *items: str) -> None:
        """Staff do a step on items, each in its region. Before they reserve, they ask the customer."""
        for region, item in [(item.region, item) for item in self.order().items if item.id in items]:
            if step.HasField("reserve") and item.HasField("verify_until_time"):
                self.work(VERIFIED, item.id)
            asked = WorkOnJointOrderRequest(joint_order_id=self.order_id, item_id=item.id)
            asked.MergeFrom(step)
            name = f"{self._number}-{item.id}-{step.WhichOneof('step')}-{step.reach}{step.request_id}"
            asked.request_id, caller = name, Caller(staff(region, "li"), name, "")
            self.do(name.partition("-")[2], region, self._worked(region, caller, asked))
            self.deliver()

    def finish(self) -> None:
        """The milestones of all items, in the order of the saga."""
        for item in list(self.order().items):
            for milestone in item.milestones[1:]:
                self.work(WorkOnJointOrderRequest(reach=milestone.kind), item.id)

    def cancel(self) -> None:
        """The customer cancels."""
        name = f"cancel-{self._number}"
        asked = CancelJointOrderRequest(
            request_id=name, joint_order_id=self.order_id, reason="no need", requester=CLERK
        )
        caller, context = Caller(operator(LEADER, "counter"), name, ""), self.contexts[LEADER]
        self.do("cancel", LEADER, lambda tx: leading.cancel(tx, context, caller, asked, self.now))

    def pass_time(self, until: datetime, *regions: str) -> None:
        """The timers of regions fire."""
        self.now = until
        for region in regions:
            self.do("timers", region, partial(self._fire, self.contexts[region]))

    def order(self, region: str = LEADER) -> JointOrder:
        """The order as a region has it."""
        order = self.read(region, lambda tx: ORDER_RECORDS.read(tx, self.order_id))
        assert isinstance(order, JointOrder)
        return order

    def own(self, region: str) -> Sequence[JointItem]:
        """The items of a region, as it has them."""
        order = self.order(region)
        found = self.read(region, lambda tx: own_items(tx, region, order))
        assert isinstance(found, list)
        return found

    def left(self) -> dict[str, object]:
        """What is left of the order in each region, without the ids and the times."""
        return {region: self.read(region, partial(self._left, region)) for region in REGIONS}

    def _fire(self, context: RegionContext, tx: Transaction) -> None:
        handlers: Mapping[str, TimerHandler] = {
            leading.ORDER_TIMER: lambda tx, timer, now: leading.order_is_due(tx, context, timer, now),
            RESERVATION_TIMER: lambda tx, timer, now: working.reservation_is_due(tx, context, timer, now),
            VERIFY_TIMER: lambda tx, timer, now: working.verify_is_due(tx, context, timer, now),
        }
        for timer in due_timers(tx, self.now):
            if timer.kind in handlers and timer.subject.startswith(self.order_id):
                fire(tx, timer, handlers, self.now)

    def _left(self, region: str, tx: Transaction) -> object:
        order = ORDER_RECORDS.read(tx, self.order_id)
        assert order is not None
        own = own_items(tx, region, order)
        counts = [tx.first(int, sql, id=self.order_id) for sql in COUNTED]
        return END(order.state), order.version, [_short(each) for each in (*order.items, *own)], counts

    def _sent(self, region: str) -> Sequence[at_rest.Kept]:
        found = self.read(region, lambda tx: list(at_rest.sent(tx, self.order_id)))
        assert isinstance(found, list)
        return found

    def _carry(self, origin: str, content: EnvelopeContent) -> None:
        sender, receiver = (JointEnvelopes(self.contexts[each]).kinds() for each in (origin, content.destination))
        there, here = receiver[content.kind], sender[content.kind]
        assert isinstance(there, Command)
        assert isinstance(here, Command)
        name = content.id.partition("#")[2] or content.id.partition("@")[2]
        answer = self.do(name, content.destination, lambda tx: there.act(tx, content, self.now))
        assert isinstance(answer, Answer)
        receipt = ReceiptContent(outcome=answer.outcome, result=answer.result, reason=answer.reason)
        self.do(f"receipt of {name}", origin, lambda tx: here.answered(tx, content, receipt, self.now))

    def _worked(self, region: str, caller: Caller, asked: WorkOnJointOrderRequest) -> Work:
        return lambda tx: working.work(tx, self.contexts[region], caller, asked, self.now)


def _short(item: JointItem) -> tuple[str, int, int, int, int]:
    return item.id, item.state, item.version, item.decision, item.requested


def built(course: Course) -> None:
    """All reserve, and all is done."""
    course.submit()
    course.work(ROOM, "access-1", "access-2", "service")
    course.finish()


def refused(course: Course) -> None:
    """One region refuses what two have reserved."""
    course.submit()
    course.work(ROOM, "access-1", "service")
    course.work(WorkOnJointOrderRequest(refuse="no duct"), "access-2")


def cancelled(course: Course) -> None:
    """The customer cancels while the last region reserves."""
    course.submit()
    course.work(ROOM, "access-1", "service")
    course.cancel()
    course.work(ROOM, "access-2")


def ended(course: Course) -> None:
    """Nobody answers in time, and the reservations end at their regions before the leading region says so."""
    course.submit()
    course.work(ROOM, "access-1")
    course.pass_time(_end(course), "sichuan", "henan", LEADER)
    course.deliver()


def held(course: Course) -> None:
    """The commitment of an item arrives behind the end of its reservation, and staff make room again."""
    course.submit()
    course.work(ROOM, "access-1", "service")
    course.is_held_back = lambda content: content.id.endswith(("/commit>sichuan", "/begin>sichuan"))
    course.work(ROOM, "access-2")
    course.pass_time(_end(course), "sichuan")
    course.is_held_back = lambda content: False
    course.deliver()
    course.work(MORE_ROOM, "access-1")
    course.finish()


def overtaken(course: Course) -> None:
    """A region hears of the end of a cancelled order first, then of the release, and of the reservation last."""
    late = ["/reserve>henan", "/release>henan"]
    course.is_held_back = lambda content: content.id.endswith(tuple(late))
    course.submit()
    course.work(ROOM, "access-1", "service")
    course.cancel()
    course.deliver()
    course.pass_time(_end(course), LEADER)
    while late:
        course.deliver()
        late.pop()
    course.deliver()


def _end(course: Course) -> datetime:
    return course.order().hold_until_time.ToDatetime(START.tzinfo) + timedelta(minutes=2)


COURSES: Mapping[Callable[[Course], None], JointOrderState.ValueType] = {
    built: saga.COMPLETED,
    refused: saga.FAILED,
    cancelled: saga.CANCELLED,
    ended: saga.FAILED,
    held: saga.COMPLETED,
    overtaken: saga.CANCELLED,
}
COSTLY = (held, overtaken)


@contextlib.contextmanager
def _databases(engine: str, request: pytest.FixtureRequest) -> Iterator[Mapping[str, Database]]:
    migrations = migrations_of("gateway", "region_node")
    with contextlib.ExitStack() as stack:
        found: dict[str, Database] = {}
        for region in REGIONS:
            if engine == "sqlite":
                memory = SqliteDatabase(":memory:", region_keys())
                memory.connection.deserialize(empty_image("gateway", "region_node"))
                found[region] = stack.enter_context(contextlib.closing(memory))
                continue
            server: LocalPostgresql = request.getfixturevalue("postgresql_server")
            name = f"test_{uuid4().hex}"
            server.create_database(name)
            with connect(server.conninfo(name), "crossregion-test") as connection:
                postgresql_schema.apply(connection, migrations)
            servers = Servers(server.conninfo(name))
            writer = Writer.open(servers, migrations, 0, alone=True, keys=region_keys(), seconds=30.0)
            found[region] = stack.enter_context(contextlib.closing(writer))
        yield found


@pytest.fixture(name="federation")
def a_federation(request: pytest.FixtureRequest) -> Iterator[Federation]:
    with _databases(getattr(request, "param", "sqlite"), request) as databases:
        yield Federation(databases)


def differences(
    federation: Federation,
    course: Callable[[Course], None],
    faults: Callable[[int], Sequence[bool]] = lambda step: (True, False),
) -> list[str]:
    """The steps after whose loss (True in `faults`) or repetition the end is another."""
    whole = Course(federation)
    course(whole)
    assert whole.order().state == COURSES[course]
    expected, wrong = whole.left(), []
    for step, name in enumerate(whole.steps):
        for fails in faults(step):
            broken = Course(federation, step, fails)
            course(broken)
            if broken.left() != expected:
                wrong.append(f"{name} {'fails' if fails else 'is done twice'}: {broken.left()} instead of {expected}")
    return wrong


@pytest.mark.guarantee("G2")
@pytest.mark.parametrize(
    "course",
    [pytest.param(each, id=each.__name__, marks=pytest.mark.slow if each in COSTLY else ()) for each in COURSES],
)
def test_each_step_may_fail_once_or_be_done_twice_and_the_end_is_the_same(
    federation: Federation, course: Callable[[Course], None]
) -> None:
    wrong = differences(federation, course)
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
@pytest.mark.timeout(1800)  # thousands of transactions, each of them synced
@pytest.mark.parametrize("federation", ["postgresql"], indirect=True)
@pytest.mark.parametrize("course", [pytest.param(each, id=each.__name__) for each in COURSES])
def test_the_end_is_the_same_on_postgresql_where_each_other_step_fails_or_is_done_twice(
    federation: Federation, course: Callable[[Course], None]
) -> None:
    wrong = differences(federation, course, lambda step: (step % 2 == 0,))
    assert not wrong, "\n".join(wrong)


def test_whatever_a_region_hears_first_of_a_cancelled_order_it_has_the_last_version_and_nothing_reserved(
    federation: Federation,
) -> None:
    course = Course(federation)
    overtaken(course)
    versions = {region: (course.order(region).version, course.order(region).state) for region in REGIONS}
    assert set(versions.values()) == {(course.order().version, saga.CANCELLED)}
    (item,) = (each for each in course.own("henan") if each.id == "access-2")
    assert item.state == rules.RELEASED


def _restored(federation: Federation, taken: int, back: int) -> str:
    """The course of an order whose region Henan gets its database of after `taken` steps back, after `back` steps."""
    course, reach = Course(federation), JointMilestoneKind
    course.now += timedelta(days=30) * federation.orders
    steps: Sequence[Callable[[], object]] = (
        course.submit,
        lambda: course.work(ROOM, "access-2"),
        lambda: course.work(ROOM, "access-1", "service"),
        lambda: course.work(WorkOnJointOrderRequest(reach=reach.JOINT_MILESTONE_KIND_CONFIGURE), "access-2"),
        lambda: course.work(WorkOnJointOrderRequest(reach=reach.JOINT_MILESTONE_KIND_TEST), "access-2"),
    )
    image = federation.image("henan")
    for index, step in enumerate(steps[:back]):
        if index == taken:
            image = federation.image("henan")
        step()
    federation.restore("henan", image)
    look = saga.next_look(course.order(), course.now)
    assert look is not None
    course.pass_time(look, LEADER)  # the warning before a limit, at the latest, tells the order again
    course.deliver()
    told = rules.state_name(course.own("henan")[0].state)
    room = WorkOnJointOrderRequest(request_id=f"again-{federation.orders}")
    room.MergeFrom(ROOM)
    course.work(room, *(each.id for each in course.order().items if each.state in (rules.SURVEYING, rules.HELD)))
    while open_ := [each for each in course.order().items if each.state == rules.IN_PROGRESS]:
        for item in open_:
            milestone = rules.next_milestone(item)
            assert milestone is not None
            course.work(WorkOnJointOrderRequest(reach=milestone.kind), item.id)
    order = course.order()
    own, there = course.own("henan")[0], saga.item_of(order, "access-2")
    assert there is not None
    agree = (own.state, own.version) == (there.state, there.version)
    ends = (END(order.state), agree, course.order("henan").version == order.version)
    return f"{told}, then {ends}"


ALL_WELL = ("JOINT_ORDER_STATE_COMPLETED", True, True)
RECOVERED: Mapping[tuple[int, int], str] = {
    (0, 1): "surveying",
    (0, 2): "surveying",
    (1, 2): "surveying",
    (0, 3): "held",
    (1, 3): "held",
    (2, 3): "held",
    (0, 4): "held",
    (2, 4): "held",
    (3, 4): "held",
    (0, 5): "completed",
    (4, 5): "completed",
}
"""How a region has its item again: by the steps in the database that comes back, and by those that were done."""


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([(0, 2), (1, 3), (4, 5)], id="some"),
        pytest.param(sorted(RECOVERED), id="all", marks=pytest.mark.slow),
    ],
)
def test_a_region_whose_older_database_comes_back_recovers_its_item_and_the_order_is_completed(
    federation: Federation, steps: Sequence[tuple[int, int]]
) -> None:
    found = {each: _restored(federation, *each) for each in steps}
    assert found == {each: f"{RECOVERED[each]}, then {ALL_WELL}" for each in steps}


def test_a_report_that_counts_twice_is_found(federation: Federation, monkeypatch: pytest.MonkeyPatch) -> None:
    def believe(order: JointOrder, told: JointItem, now: datetime) -> bool:
        item = saga.item_of(order, told.id)
        assert item is not None
        rules.adopt(item, told)
        return True

    monkeypatch.setattr(saga, "take_report", believe)
    assert any("is done twice" in each for each in differences(federation, refused))
