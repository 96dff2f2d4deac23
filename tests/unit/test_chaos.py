"""The parts of the chaos that need no process: the drawing of faults, and the checker that finds what is planted."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.alarms import Troubles
from tests.chaos.checking import (
    CHAIN,
    DIFFERS,
    DOUBLED,
    LOST,
    MONEY,
    UNASKED,
    WAITS,
    Facts,
    Known,
    Stored,
    Violation,
    check,
    check_alarms,
)
from tests.chaos.drawing import CLOCKS, FaultKind, Target, drawn
from tests.chaos.operations import Kind, Operation, Outcome, summary
from tests.crash.records import Row

TARGETS = {kind: [Target(f"{kind.name}-{number}", (kind.name,)) for number in range(3)] for kind in FaultKind}
HERE, HOME = "guangdong", "sichuan"
PAID, TICKET, READ = f"{HERE}/counter/r-1", f"{HERE}/complaint-1", "r-3"
ENTRY: Row = (f"{PAID}#credit", "account", 1000)


class Scene:
    """A payment, a complaint and a reading across a border, all well."""

    def __init__(self) -> None:
        self.operations = [
            Operation(Kind.PAYMENT, "r-1", HERE, HOME, outcome=Outcome.ACKNOWLEDGED, record_id=PAID),
            Operation(Kind.COMPLAINT, "r-2", HERE, HOME, outcome=Outcome.ACKNOWLEDGED, record_id=TICKET),
            Operation(Kind.READING, READ, HERE, HOME, outcome=Outcome.ACKNOWLEDGED),
        ]
        self.facts = {HERE: Facts(), HOME: Facts()}
        for facts in self.facts.values():
            facts.records = [Stored(each, HERE, HOME, 7, 1, is_done=True) for each in (PAID, TICKET)]
            facts.completions[PAID] = 1
            facts.entries = [ENTRY]
        here, home = self.facts[HERE], self.facts[HOME]
        here.requests = {"r-1": PAID, "r-2": TICKET}
        here.actions.update({("SubmitOrder", PAID): 1, ("FileComplaint", TICKET): 1})
        here.sent, home.received = {HOME: {"e-1", "e-2"}}, {HERE: {"e-1", "e-2"}}
        home.readings[HERE] = 1
        home.suspended = {"+1"}

    def check(self) -> list[Violation]:
        """What the checker finds."""
        return check(self.operations, self.facts, {HERE: [ENTRY], HOME: [ENTRY]}, {"+1": True, "+2": False})


def _drop(records: list[Stored]) -> None:
    records.pop(0)


def _change(records: list[Stored]) -> None:
    records[0] = replace(records[0], version=2)


def _second(scene: Scene) -> None:
    scene.facts[HERE].records.append(Stored(f"{HERE}/complaint-2", HERE, HOME, 7, 1, is_done=True))


def _halt(scene: Scene) -> None:
    for facts in scene.facts.values():
        facts.records[0] = replace(facts.records[0], is_done=False)


PLANTED: Sequence[tuple[str, Callable[[Scene], object], str, str]] = (
    ("the origin lost it", lambda scene: _drop(scene.facts[HERE].records), LOST, PAID),
    ("the home region lost it", lambda scene: _drop(scene.facts[HOME].records), LOST, PAID),
    ("another version", lambda scene: _change(scene.facts[HOME].records), DIFFERS, PAID),
    ("it does not end", _halt, WAITS, PAID),
    ("a second complaint", _second, UNASKED, f"{HERE}/complaint-2"),
    ("completed twice", lambda scene: scene.facts[HOME].completions.update([PAID]), DOUBLED, PAID),
    ("a state went back", lambda scene: scene.facts[HOME].returned.append(PAID), DIFFERS, PAID),
    ("noted twice", lambda scene: scene.facts[HERE].actions.update([("FileComplaint", TICKET)]), DOUBLED, TICKET),
    ("not noted", lambda scene: scene.facts[HERE].actions.clear(), LOST, PAID),
    ("another subject", lambda scene: scene.facts[HERE].requests.update({"r-1": "x"}), DIFFERS, PAID),
    ("booked twice", lambda scene: scene.facts[HOME].entries.append(ENTRY), MONEY, str(ENTRY[0])),
    ("not booked", lambda scene: scene.facts[HOME].entries.clear(), MONEY, str(ENTRY[0])),
    ("unbalanced", lambda scene: scene.facts[HOME].unbalanced.append("p"), MONEY, "p"),
    ("a receipt for nothing", lambda scene: scene.facts[HOME].received[HERE].remove("e-1"), LOST, "e-1"),
    ("no receipt", lambda scene: scene.facts[HERE].sent[HOME].remove("e-2"), WAITS, "e-2"),
    ("set aside", lambda scene: scene.facts[HOME].quarantined.append("e-3"), WAITS, "e-3"),
    ("a reading is not noted", lambda scene: scene.facts[HOME].readings.clear(), LOST, HOME),
    ("the line is in use", lambda scene: scene.facts[HOME].suspended.clear(), DIFFERS, "+1"),
    ("the line is suspended", lambda scene: scene.facts[HOME].suspended.add("+2"), DIFFERS, "+2"),
    ("a broken chain", lambda scene: setattr(scene.facts[HOME], "broken", "row 3"), CHAIN, HOME),
)


def test_the_checker_finds_nothing_where_all_is_well() -> None:
    assert Scene().check() == []


def test_each_trouble_is_one_alarm_in_its_last_state_at_its_region_and_at_the_coordinators() -> None:
    first, second = f"{HERE}/alarm/1", f"{HERE}/alarm/2"
    over, lasting = Known(2, is_over=True), Known(1, is_over=False)
    right = {"x": {first: over}}

    def found(alarms: dict[str, dict[str, Known]], known: dict[str, Known]) -> list[tuple[str, str]]:
        facts = {HERE: Facts(alarms=alarms)}
        return [(each.promise, each.subject) for each in check_alarms({HERE: {"x": True}}, facts, known)]

    assert found(right, {first: over}) == []
    assert found(right, {}) == [(LOST, first)]
    assert found(right, {first: lasting}) == [(DIFFERS, first)]
    assert found(right, {first: over, second: over}) == [(UNASKED, second)]
    assert found({}, {}) == [(LOST, "x")]
    assert found({"x": {first: lasting}}, {first: lasting}) == [(DIFFERS, "x")]
    assert found({"x": {first: over, second: over}}, {first: over, second: over}) == [(DOUBLED, "x")]


def test_a_report_of_a_trouble_that_is_repeated_after_its_end_does_not_begin_it_anew() -> None:
    troubles = Troubles()
    raised, cleared = troubles.next(HERE, "s"), troubles.next(HERE, "s")
    assert raised.content.external_id == cleared.content.external_id != troubles.next(HERE, "s").content.external_id
    for report, is_over in ((raised, False), (cleared, True), (raised, True)):
        troubles.accepted(report)
        assert troubles.are_over[HERE] == {raised.content.external_id: is_over}


def test_a_refused_report_of_an_alarm_is_a_violation() -> None:
    scene = Scene()
    refused = Operation(Kind.ALARM, "r-9", HERE, HERE, outcome=Outcome.REFUSED, reason="ALARM_NOT_FOUND")
    scene.operations.append(refused)
    assert [(each.promise, each.subject) for each in scene.check()] == [(LOST, "r-9")]


def test_the_checker_names_what_was_lost_doubled_or_changed() -> None:
    missed = []
    for name, plant, promise, subject in PLANTED:
        scene = Scene()
        plant(scene)
        if (promise, subject) not in {(each.promise, each.subject) for each in scene.check()}:
            missed.append(name)
    assert not missed


def test_an_operation_without_an_answer_is_a_violation_whether_it_happened_or_not() -> None:
    scene = Scene()
    scene.operations.append(Operation(Kind.FAULT, "r-4", HERE, HOME))
    assert [each.promise for each in scene.check()] == [WAITS]


def test_a_refused_operation_must_not_be_there() -> None:
    scene = Scene()
    scene.operations[1].outcome, scene.operations[1].reason = Outcome.REFUSED, "TOO_LATE"
    assert DOUBLED in {each.promise for each in scene.check()}


def test_operations_are_counted_by_what_their_callers_know() -> None:
    kind = Kind.FAULT
    operations = [
        Operation(kind, "r-1", HERE, HOME, outcome=Outcome.ACKNOWLEDGED, turns=1, seconds=0.5),
        Operation(kind, "r-2", HERE, HOME, outcome=Outcome.ACKNOWLEDGED, turns=2, seconds=20.0),
        Operation(kind, "r-3", HERE, HOME, outcome=Outcome.REFUSED, reason="NUMBER_UNKNOWN", turns=1),
        Operation(kind, "r-4", HERE, HOME, turns=3),
        Operation(Kind.JOINT, "r-5", HERE, HOME),
    ]
    found = summary(kind, operations)
    assert (found.asked, found.acknowledged, found.given_up, found.unanswered) == (4, 2, 1, 1)
    assert (found.refused, found.slowest) == ({"NUMBER_UNKNOWN": 1}, 20.0)


@given(seed=st.integers(0, 1 << 32), seconds=st.floats(1, 900))
def test_the_same_seed_draws_the_same_faults_within_the_time_and_every_kind_in_turn(seed: int, seconds: float) -> None:
    plan = drawn(seed, seconds, TARGETS)
    assert plan == drawn(seed, seconds, TARGETS)
    assert all(0 < each.at < seconds and each.target in TARGETS[each.kind] for each in plan)
    assert [each.at for each in plan] == sorted(each.at for each in plan)
    for first in range(0, len(plan) - len(FaultKind) + 1, len(FaultKind)):
        assert {each.kind for each in plan[first : first + len(FaultKind)]} == set(FaultKind)
    assert all((each.hours != 0) is (each.kind in CLOCKS) for each in plan)


def test_another_seed_draws_other_faults() -> None:
    assert len({tuple(drawn(seed, 60, TARGETS)) for seed in range(20)}) == 20
