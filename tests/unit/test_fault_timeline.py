"""Each step of the work on a fault says what it has done, and stands in the timeline of the fault."""

from datetime import timedelta

import pytest

from gateway.api.region.v1.fault_envelopes_pb2 import FaultCommand
from gateway.api.region.v1.fault_pb2 import Fault, FaultPlace, FaultReport
from region_node.cli.faults.fault_step import STEPS, step_of
from region_node.cli.faults.fault_view import print_done, print_fault
from region_node.network.faults import handling, owner
from region_node.network.faults.rows import require_fault
from region_node.requests.caller import OwnNode
from tests.unit.purging import Archive, archive
from tests.unit.test_fault_operations import START, done

MINUTE = timedelta(minutes=1)
# A repair from its beginning to its end, and what each step is told as.
COURSE = (
    ("take-up", (), "in progress (taken up)"),
    ("assess", ("severity=major", "terminal_caused=no"), "assessed: major"),
    ("assess", ("severity=minor", "terminal_caused=yes"), "assessed: minor, the customer's own terminal"),
    ("triage", ("mode=visit", "advice=switch it off"), "repair: visit"),
    ("estimate", ("end_time=2026-12-11T09:00+08:00",), "expected to be repaired by 2026-12-11"),
    (
        "appoint",
        ("start_time=2026-12-11T07:00+08:00", "end_time=2026-12-11T08:00+08:00"),
        "appointment agreed: 2026-12",
    ),
    ("assign", ("engineer=li",), "assigned to li"),
    ("name-part", ("name=ONU", "price=12000 CNY"), "part 1 (ONU) is to be replaced"),
    ("accept", (), "the price of part 1 (ONU) was accepted"),
    ("install-part", ("part=1",), "part 1 (ONU) was put in"),
    ("reach", ("milestone=tested",), "tested"),
    ("hold", ("reason=rain",), "held (rain)"),
    ("take-up", (), "in progress (taken up)"),
    ("ask-customer", ("text=are you in?",), "pending (customer asked)"),
    ("note", ("text=called twice",), "called twice"),
    ("resolve", ("cause=cable", "text=spliced"), "resolved (repaired)"),
    ("reopen", ("reason=dark again",), "in progress (dark again)"),
    ("resolve", ("cause=cable", "text=spliced"), "resolved (repaired)"),
    ("close", ("summary=it lay bare", "measure=bury it;li;2027-01-31"), "closed (closed)"),
)


def reported(node: Archive, name: str) -> Fault:
    report = FaultReport(number="+8619851000009", description="no signal", place=FaultPlace(site="chengdu"))
    return handling.report(node.tx, node.context, OwnNode("sichuan", name, ""), report, START)


def taken(node: Archive, fault: Fault, step: str, fields: tuple[str, ...], minutes: int) -> None:
    at = START + minutes * MINUTE
    if step == "accept":
        decision = FaultCommand.DecideQuote(part=1, accepted=True)
        owner.apply_command(node.tx, node.context, FaultCommand(fault_id=fault.id, decide_quote=decision), at)
    else:
        done(node, fault, step_of(step, fields), at)


def test_every_step_says_what_it_has_done_and_stands_in_the_timeline(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = []
    with archive() as node:
        fault, refused = reported(node, "whole"), reported(node, "refused")
        steps = [(fault, *each) for each in COURSE]
        steps.append((refused, "reject", ("reason=no fault of ours",), "rejected (no fault of ours)"))
        assert {each[1] for each in steps} - {"accept"} == set(STEPS)
        for minutes, (about, step, fields, told) in enumerate(steps, 1):
            taken(node, about, step, fields, minutes)
            known = require_fault(node.tx, about.id).fault
            print_done(known)
            said = capsys.readouterr().out.splitlines()
            print_fault(known)
            timeline = capsys.readouterr().out
            if (
                told not in said[0]
                or about.id not in said[1]
                or " ".join(told.split()) not in " ".join(timeline.split())
            ):
                wrong.append(f"{step}: {said}")
    assert not wrong, "\n".join(wrong)
