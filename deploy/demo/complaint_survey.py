"""The customer of a settled complaint is asked how it was; a low mark opens a follow-up at home."""

import re
from datetime import datetime, time, timedelta

from deploy.demo import wording
from deploy.demo.cast import CLERK
from deploy.demo.commands import staff_command
from deploy.demo.complaint_cast import STAFF, Elsewhen
from deploy.demo.fibre_cut_cast import until
from deploy.demo.stage import Stage
from deploy.local.federation import OPERATOR
from gateway.api.region.v1.complaint_pb2 import Complaint

_MORNING = time(10)  # behind the quiet hours
_ORIGIN, _HOME = "guangdong", "sichuan"


async def how_it_was(stage: Stage, there: Elsewhen, case: Complaint) -> None:
    """The region that took the complaint in requests a survey; the home region invites, and an app of it answers."""
    day = there.clock.now().astimezone(wording.ZONE).date() + timedelta(days=1)
    await there.drive_to(datetime.combine(day, _MORNING, wording.ZONE))
    code = await _said(stage, there, _ORIGIN, "invite", case.ticket_id)
    stage.check("Guangdong requests a survey", "exit 0", f"exit {code}", "and does not learn whether there is one")
    home, number = there.staff[_HOME], case.request.number
    notices = await until(
        lambda: home.notices(number), lambda told: any(each.kind == "survey" for each in told), "the invitation"
    )
    text = next(each.text for each in notices if each.kind == "survey")
    stage.told("the customer reads", text)
    token = re.findall(r"[0-9A-Z]{8,}", text.en)[0]
    marks = ("--attitude", "satisfied", "--complaints", "dissatisfied", "--recommend", "6", "--staff-id", CLERK)
    words = ("surveys", "answer", token, *marks)
    code = await staff_command(stage, there.federation, _HOME, f"{_HOME}-{OPERATOR}", *words)
    stage.check("the answer is kept at home", "exit 0", f"exit {code}", "a low mark opens a follow-up")
    code = await _said(stage, there, _HOME, "follow-ups")
    stage.check("region-node surveys follow-ups", "exit 0", f"exit {code}")


async def _said(stage: Stage, there: Elsewhen, region: str, *words: str) -> int:
    return await staff_command(stage, there.federation, region, f"{region}-{STAFF[region]}", "surveys", *words)
