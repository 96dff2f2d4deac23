"""The saga of joint orders: all is committed or all released, whatever arrives when and however often."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from deploy.local.federation import FEDERATION_FILES
from gateway.api.federation.v1.configuration_pb2 import Business, Configuration, LineKind, Precondition
from gateway.api.region.v1.joint_order_envelopes_pb2 import JointCommand
from gateway.api.region.v1.joint_order_pb2 import JointItem, JointOrder, JointPlace, JointVerb
from gateway.api.region.v1.order_pb2 import OrderRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.files import load
from gateway.federation.rules import problems
from gateway.time.clock import BETWEEN_TRUSTED, from_timestamp
from region_node.business.joint import rules, saga, templates

NOW = datetime(2030, 6, 15, 4, 0, tzinfo=UTC)
CONFIGURATION = load(FEDERATION_FILES)
JOINT = {each.code: each for each in CONFIGURATION.businesses if each.HasField("joint")}
REGIONS = ("guangdong", "sichuan", "henan")


def order_of(code: str, places: int = 2) -> JointOrder:
    business = JOINT[code]
    named = [JointPlace(region=REGIONS[(index + 1) % 3], address="1 Main Street") for index in range(places)]
    order = JointOrder(id="guangdong/J1", request=OrderRequest(business=code), places=named, leader_region="guangdong")
    saga.begin_survey(order, business.joint, NOW)
    order.items.extend(templates.new_items(business, named, "guangdong", from_timestamp(order.survey_due_time)))
    return order


@dataclass
class World:
    """A leading region, the regions of the items, and the messages between them; reports may overtake each other."""

    order: JointOrder
    now: datetime = NOW
    held: dict[str, JointItem] = field(default_factory=dict)
    commands: dict[str, list[JointVerb.ValueType]] = field(default_factory=dict)
    reports: list[JointItem] = field(default_factory=list)
    sent: list[JointItem] = field(default_factory=list)
    proofs: dict[str, JointCommand] = field(default_factory=dict)
    """The last step by which the leading region committed each item, as the region of the item can prove it."""
    was_restored: bool = False

    def lead(self) -> None:
        decided = {each.id: each.decision for each in self.order.items if each.decision}
        saga.advance(self.order, self.now)
        for step in saga.next_steps(self.order):
            saga.request(step.item, step.verb, self.now)
            self.commands.setdefault(step.item.id, []).append(step.verb)
        saga.alert(self.order, self.now)
        saga.note_awaiting(self.order)
        assert decided.items() <= {each.id: each.decision for each in self.order.items}.items(), "decided once"

    def obey(self, item_id: str, *, again: bool) -> None:
        """The region of an item does the next command, or repeats nothing of it where the inbox knows it."""
        queue = self.commands.get(item_id, [])
        if not queue:
            return
        verb, known = queue[0], saga.item_of(self.order, item_id)
        assert known is not None
        if not again:
            queue.pop(0)
        if verb == JointVerb.JOINT_VERB_RESERVE:
            if item_id not in self.held:
                item = self.held[item_id] = JointItem()
                item.CopyFrom(known)
                item.state, item.version = rules.ACKNOWLEDGED, 0
                rules.survey(item, from_timestamp(self.order.hold_until_time), self.now)
        elif verb == JointVerb.JOINT_VERB_RELEASE:
            with contextlib.suppress(Refused):  # the answer has the unchanged item
                rules.release(self.held[item_id], self.now)
        else:
            begin = known.begin_time if verb == JointVerb.JOINT_VERB_BEGIN else None
            rules.commit(self.held[item_id], begin, self.now)
            self.proofs[item_id] = JointCommand(item_id=item_id, verb=verb, begin_time=begin)
        self.tell(item_id)

    def work(self, item_id: str, *, refuses: bool = False) -> None:
        """Staff do the next thing on an item."""
        item = self.held.get(item_id)
        if item is None:
            return
        milestone = rules.next_milestone(item)
        if item.state == rules.SURVEYING and refuses:
            rules.refuse(item, Refused(Reason.REASON_JOINT_SURVEY_REFUSED, problem="no duct"), self.now)
        elif item.state in (rules.SURVEYING, rules.HELD):
            rules.reserve(item, self.now)
        elif item.state == rules.IN_PROGRESS and milestone is not None:
            rules.reach(item, milestone.kind, self.now)
        self.tell(item_id)

    def expire(self) -> None:
        """The timers of reservations."""
        for item_id, item in self.held.items():
            if self.now >= from_timestamp(self.order.hold_until_time) and rules.expire(item, self.now):
                self.tell(item_id)

    def tell(self, item_id: str) -> None:
        copy = JointItem()
        copy.CopyFrom(self.held[item_id])
        self.reports.append(copy)
        self.sent.append(copy)

    def hear(self, report: JointItem) -> None:
        before = [each.version for each in self.order.items]
        item, proof = saga.item_of(self.order, report.id), self.proofs.get(report.id)
        if item is not None and proof is not None and rules.is_committed(report) and saga.may_recall(self.order, item):
            saga.recall(self.order, proof, self.now)
        saga.take_report(self.order, report, self.now)
        assert all(each.version >= known for each, known in zip(self.order.items, before, strict=True)), "stale"
        self.lead()

    def hear_one(self, reports: list[JointItem], drawn: int, *, again: bool) -> None:
        if reports:
            place = drawn % len(reports)
            self.hear(reports[place] if again else reports.pop(place))

    def check(self) -> None:
        """What holds at every instant, but for a leader that does not know yet what it has lost."""
        if self.was_restored:
            return
        decisions = {each.id: each.decision for each in self.order.items}
        for item_id, item in self.held.items():
            if item.state in (rules.COMMITTED, rules.IN_PROGRESS, rules.HELD, rules.COMPLETED):
                assert decisions[item_id] == saga.COMMIT, "committed without a decision"
                assert item.milestones[0].HasField("reach_time"), "committed without a reservation"
            if item.state == rules.RELEASED:
                assert decisions[item_id] == saga.RELEASE, "released without a decision"
        committed = [each for each in decisions.values() if each == saga.COMMIT]
        if committed and not self.order.partial_allowed:
            assert len(committed) == len(decisions), "half committed"
        held = [each.id for each in self.held.values() if each.state in rules.RESERVING]
        assert not held or self.now < from_timestamp(self.order.hold_until_time), "a reservation without an end"
        assert not held or self.order.state not in (saga.FAILED, saga.CANCELLED), "a reservation outlives its order"

    def settle(self) -> None:
        """Everything that is under way arrives, everybody does their work, and time passes."""
        for _ in range(60):
            for item in self.order.items:
                while self.commands.get(item.id):
                    self.obey(item.id, again=False)
                self.work(item.id)
            reports, self.reports = self.reports, []
            for report in reports:
                self.hear(report)
            if saga.is_final(self.order):
                return
            look = saga.next_look(self.order, self.now)
            if look is not None and not any(self.commands.values()) and not self.reports:
                self.now = max(self.now, look)
            self.expire()
            self.lead()
            self.check()
        raise AssertionError(f"never final: {self.order}")


ACTIONS = ("obey", "again", "work", "refuse", "hear", "old", "time", "far", "cancel")


CODES = st.sampled_from(sorted(JOINT))
COURSES = st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 1000)), max_size=60)


def run(code: str, actions: list[tuple[str, int]]) -> None:
    """An order of a business to its end, with everything that holds checked at every step."""
    world = World(order_of(code, 3 if JOINT[code].joint.most_places > 2 else 2))
    world.lead()
    ids = [each.id for each in world.order.items]
    does: dict[str, Callable[[int], object]] = {
        "obey": lambda drawn: world.obey(ids[drawn % len(ids)], again=False),
        "again": lambda drawn: world.obey(ids[drawn % len(ids)], again=True),
        "work": lambda drawn: world.work(ids[drawn % len(ids)]),
        "refuse": lambda drawn: world.work(ids[drawn % len(ids)], refuses=True),
        "hear": lambda drawn: world.hear_one(world.reports, drawn, again=False),
        "old": lambda drawn: world.hear_one(world.sent, drawn, again=True),
    }
    for action, drawn in actions:
        if action in does:
            does[action](drawn)
        elif action == "cancel" and world.order.state == saga.SURVEYING and drawn % 5 == 0:
            saga.cancel(world.order, "changed plans", world.now)
        elif action in ("time", "far"):
            world.now += timedelta(hours=drawn % (12 if action == "time" else 120))
            world.expire()
        world.lead()
        world.check()
    world.settle()
    committed = [each for each in world.order.items if each.decision == saga.COMMIT]
    assert all(world.held[each.id].state == rules.COMPLETED for each in committed)
    assert bool(committed) == (world.order.state in (saga.COMPLETED, saga.PARTIAL))
    assert not world.order.awaiting


@settings(max_examples=150, deadline=None)
@given(CODES, COURSES)
def test_all_is_committed_or_all_released_whatever_comes_in_whatever_order(
    code: str, actions: list[tuple[str, int]]
) -> None:
    run(code, actions)


def _commits_what_it_has(order: JointOrder, now: datetime) -> list[str] | None:
    reserved = any(each.state == rules.RESERVED for each in order.items)
    return [each.id for each in order.items] if reserved and order.state == saga.SURVEYING else None


def _gives_up(order: JointOrder, now: datetime, advance: Callable[[JointOrder, datetime], bool] = saga.advance) -> bool:
    is_new = advance(order, now)
    if order.state == saga.IN_PROGRESS and any(each.state == rules.IN_PROGRESS for each in order.items):
        for item in order.items:
            item.decision = saga.RELEASE
    return is_new


def _believes_old_reports(order: JointOrder, told: JointItem, now: datetime) -> bool:
    item = saga.item_of(order, told.id)
    assert item is not None
    rules.adopt(item, told)
    return True


def _run_unless_refused(code: str, actions: list[tuple[str, int]]) -> None:
    """A course that the product refuses to follow shows nothing: only a check names a defect."""
    with contextlib.suppress(Refused):
        run(code, actions)


def test_defects_of_the_saga_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    found, quickly = (
        [],
        settings(
            max_examples=400,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            report_multiple_bugs=False,
        ),
    )
    for module, name, defect in (
        (saga, "_chosen", _commits_what_it_has),
        (saga, "advance", _gives_up),
        (saga, "take_report", _believes_old_reports),
        (saga, "_holds", lambda item: False),
        (rules, "expire", lambda item, now: False),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(module, name, defect)
            try:
                quickly(given(CODES, COURSES)(_run_unless_refused))()
            except AssertionError:
                found.append(name)
    assert found == ["_chosen", "advance", "take_report", "_holds", "expire"]


def test_an_item_begins_when_those_on_which_it_relies_are_done() -> None:
    world = World(order_of("LEASED_LINE"))
    world.lead()
    reserve_all(world)
    begun = {each.id for each in world.order.items if each.requested == saga.BEGIN}
    assert begun == {"access-1", "access-2", "backbone"}
    for item_id in ("access-1", "access-2"):
        _finish(world, item_id)
    assert world.order.items[-1].requested == JointVerb.JOINT_VERB_COMMIT
    _finish(world, "backbone")
    assert (world.order.items[-1].id, world.order.items[-1].requested) == ("service", saga.BEGIN)


def test_the_old_line_goes_only_after_the_new_one_was_tested() -> None:
    world = World(order_of("BB_MOVE"))
    world.lead()
    reserve_all(world)
    install, remove = world.order.items
    assert (install.requested, remove.requested) == (saga.BEGIN, JointVerb.JOINT_VERB_COMMIT)
    _step(world, "install")
    assert remove.requested == JointVerb.JOINT_VERB_COMMIT, "configured alone"
    _step(world, "install")
    assert remove.requested == saga.BEGIN
    assert install.state == rules.IN_PROGRESS, "not yet handed over"


def test_single_items_are_done_without_the_others_only_where_the_catalogue_says_so() -> None:
    states = {}
    for code in ("GROUP_ONESTOP", "LEASED_CHANGE"):
        world = World(order_of(code))
        world.lead()
        for item in world.order.items:
            world.obey(item.id, again=False)
            world.work(item.id, refuses=item is world.order.items[0])
        world.settle()
        states[code] = world.order.state
    assert states == {"GROUP_ONESTOP": saga.PARTIAL, "LEASED_CHANGE": saga.FAILED}


def test_a_region_that_never_answers_is_left_out_and_not_looked_at_again_and_again() -> None:
    world = World(order_of("GROUP_ONESTOP"))
    world.lead()
    world.obey("site-1", again=False)
    world.work("site-1")
    world.now = from_timestamp(world.order.survey_due_time)
    world.hear(world.reports[-1])
    assert [each.decision for each in world.order.items] == [saga.COMMIT, saga.RELEASE]
    end = from_timestamp(world.order.hold_until_time) + BETWEEN_TRUSTED
    world.now = end + timedelta(days=30)
    world.lead()
    assert saga.next_look(world.order, world.now) is None
    assert world.order.state == saga.IN_PROGRESS
    _finish(world, "site-1")
    assert world.order.state == saga.PARTIAL


def test_a_commitment_behind_the_end_of_the_reservation_holds_the_item_until_there_is_room() -> None:
    world = World(order_of("BB_MOVE"))
    world.lead()
    reserve_all(world)
    world.now = from_timestamp(world.order.hold_until_time)
    world.expire()
    world.obey("install", again=False)
    assert world.held["install"].state == rules.HELD
    world.work("install")
    assert world.held["install"].state == rules.IN_PROGRESS
    world.settle()
    assert world.order.state == saga.COMPLETED


@pytest.mark.parametrize("code", ["BB_MOVE", "GROUP_ONESTOP"])
def test_a_leader_restored_from_before_its_decision_learns_it_from_what_is_committed(code: str) -> None:
    world = World(order_of(code))
    world.lead()
    backup = JointOrder()
    backup.CopyFrom(world.order)
    reserve_all(world)
    first, second = (each.id for each in world.order.items)
    world.obey(first, again=False)
    world.commands.clear()
    world.reports.clear()
    world.order = backup
    world.was_restored = True
    world.hear(world.sent[3])  # the second item is reserved
    world.now = from_timestamp(backup.survey_due_time)
    world.lead()
    assert backup.decide_time.seconds
    world.settle()
    assert backup.state == saga.COMPLETED
    assert {world.held[each].state for each in (first, second)} == {rules.COMPLETED}


def test_a_held_item_is_awaited_until_there_is_room_also_while_its_work_waits() -> None:
    world = World(order_of("BB_MOVE"))
    world.lead()
    reserve_all(world)
    world.now = from_timestamp(world.order.hold_until_time)
    world.expire()
    world.obey("remove", again=False)
    world.hear(world.reports[-1])
    assert [each.item_id for each in world.order.awaiting] == ["install", "remove"]
    assert not world.order.awaiting[1].HasField("due_time")
    world.work("remove")
    assert saga.is_notable(world.order, world.reports[-1]), "the other regions see it"
    world.hear(world.reports[-1])
    assert [each.item_id for each in world.order.awaiting] == ["install"]


def test_a_leader_that_was_away_too_long_releases_what_all_have_reserved() -> None:
    world = World(order_of("BB_MOVE"))
    world.lead()
    _survey_all(world)
    world.now = from_timestamp(world.order.hold_until_time) - timedelta(hours=1)
    for report in list(world.reports):
        world.hear(report)
    assert world.order.state == saga.RELEASING
    world.settle()
    assert world.order.state == saga.FAILED


def test_a_defect_of_the_leading_region_is_refused_by_the_region_of_the_item() -> None:
    item = order_of("BB_MOVE").items[0]
    rules.survey(item, NOW + timedelta(days=1), NOW)
    with pytest.raises(Refused) as unreserved:
        rules.commit(item, None, NOW)
    rules.reserve(item, NOW)
    rules.commit(item, None, NOW)
    with pytest.raises(Refused) as committed:
        rules.release(item, NOW)
    assert {unreserved.value.reason, committed.value.reason} == {Reason.REASON_ENVELOPE_INVALID}


def test_a_warning_comes_once_before_each_limit_and_the_order_says_who_has_it_until_when() -> None:
    world = World(order_of("TRANSFER"))
    world.lead()
    (first, second) = world.order.awaiting
    assert (first.region, second.region) == (world.order.items[0].region, world.order.items[1].region)
    assert first.due_time == world.order.survey_due_time
    look = saga.next_look(world.order, NOW)
    assert look == from_timestamp(world.order.survey_due_time) - JOINT["TRANSFER"].joint.warn_before.ToTimedelta()
    assert not saga.alert(world.order, look - timedelta(seconds=1))
    assert saga.alert(world.order, look)
    assert not saga.alert(world.order, look)
    assert saga.next_look(world.order, look) == from_timestamp(world.order.survey_due_time)


def test_items_that_wait_for_each_other_or_miss_what_they_need_are_found_in_the_catalogue() -> None:
    def circle(business: Business) -> None:
        business.joint.items[0].relations.add(kind=1, item_id="remove")

    def untested(business: Business) -> None:
        del business.joint.items[0].milestones[1]

    def unknown(business: Business) -> None:
        business.joint.items[1].relations[0].item_id = "nothing"

    def few(business: Business) -> None:
        business.joint.least_places = 1

    def two_ends(business: Business) -> None:
        business.joint.items[0].ends_line = True

    def unpromised(business: Business) -> None:
        business.preconditions.remove(Precondition.PRECONDITION_LINE_NOT_PROMISED)

    def without_a_line(business: Business) -> None:
        business.joint.items[1].ends_line = False

    def no_plan(business: Business) -> None:
        del business.characteristics[:]

    def opened_nowhere(business: Business) -> None:
        business.joint.items[1].opens_line.kind = LineKind.LINE_KIND_BROADBAND

    wanted = {
        no_plan: "opens_line: the business has no characteristic plan of VALUE_TYPE_PLAN",
        opened_nowhere: "opens_line: only JOINT_ACTION_ADD at the first or the second place opens a line",
        two_ends: "items: install, remove end the same line",
        unpromised: "preconditions: an item ends a line, which another order may have promised",
        without_a_line: "preconditions: no item is of a line that could be checked",
        circle: "items: install, remove wait for each other",
        untested: "relations: install is never tested",
        unknown: "relations: there is no other item 'nothing'",
        few: "site: an order may have fewer places",
    }
    missing = []
    for change, problem in wanted.items():
        changed = Configuration()
        changed.CopyFrom(CONFIGURATION)
        change(next(each for each in changed.businesses if each.code == "BB_MOVE"))
        if not any(each.endswith(problem) for each in problems(changed)):
            missing.append((problem, list(problems(changed))))
    assert not missing


def _survey_all(world: World) -> None:
    for item in world.order.items:
        world.obey(item.id, again=False)
        world.work(item.id)


def reserve_all(world: World) -> None:
    _survey_all(world)
    for report in list(world.reports):
        world.hear(report)
    assert world.order.state == saga.IN_PROGRESS


def _step(world: World, item_id: str) -> None:
    while world.commands[item_id]:
        world.obey(item_id, again=False)
    world.work(item_id)
    world.hear(world.reports[-1])


def _finish(world: World, item_id: str) -> None:
    while world.held[item_id].state != rules.COMPLETED:
        _step(world, item_id)
