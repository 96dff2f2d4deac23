"""What coordinators bring to nodes in an administrator's name, in a federation whose administrators sign."""

from datetime import timedelta
from pathlib import Path

import grpc
import pytest

from gateway.api.coordinator.v1 import issue_service_pb2 as through
from gateway.api.coordinator.v1.issue_service_pb2_grpc import IssueServiceStub
from gateway.api.region.v1 import bulletin_oversight_service_pb2 as bulletins
from gateway.api.region.v1 import case_service_pb2 as cases
from gateway.api.region.v1 import complaint_oversight_service_pb2 as complaints
from gateway.api.region.v1 import issue_oversight_service_pb2 as issues
from gateway.api.region.v1.issue_pb2 import IssueRequest
from gateway.federation.acts import signed_act
from gateway.security.signing import ISSUE_OWNERSHIP, Signer
from gateway.time.clock import to_timestamp
from region_node.requests.administrators import Brought
from tests.administrators import Administrators
from tests.federation.certificates import FEDERATION
from tests.federation.commands import as_administrator, run_command
from tests.federation.databases import Databases
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation, running
from tests.federation.test_split_views import REGIONS

APPOINT = "/gateway.api.region.v1.IssueOversightService/AppointIssueOwner"
TICKET = "sichuan/20261210-17"
UNSIGNED, UNPROVEN = "ADMINISTRATOR_ACT_UNSIGNED", "ADMINISTRATOR_ACT_UNPROVEN"
ROOT, COORDINATOR = "admin/root", "coordinator/0"
BULLETIN = ("--severity", "urgent", "--title-zh", "t", "--title-en", "t", "--text-zh", "t", "--text-en", "t")


def acts() -> list[tuple[str, str, Brought]]:
    """Each RPC by which a coordinator does something at Sichuan's node, with the region of the act, and a request."""
    raised = complaints.RaiseComplaintRequest(request_id="r1", ticket_id=TICKET, level=4, reason="r")
    classified = complaints.ReclassifyComplaintRequest(request_id="r2", ticket_id=TICKET, category="c", reason="r")
    assigned = cases.AssignComplaintRequest(request_id="r3", ticket_id=TICKET, region="guangdong", department="d")
    opened = issues.OpenIssueForAdministratorRequest(request_id="r4", issue=IssueRequest(subject="s"))
    appointed = issues.AppointIssueOwnerRequest(issue_id="guangdong/I1", owner_region="sichuan", reason="r")
    published = bulletins.PublishForAdministratorRequest(request_id="r5")
    return [
        ("ComplaintOversightService/RaiseComplaint", "", raised),
        ("ComplaintOversightService/ReclassifyComplaint", "sichuan", classified),
        ("CaseService/AssignComplaint", "sichuan", assigned),
        ("IssueOversightService/OpenIssueForAdministrator", "sichuan", opened),
        ("IssueOversightService/AppointIssueOwner", "", appointed),
        ("BulletinOversightService/PublishForAdministrator", "sichuan", published),
    ]


async def told(channel: grpc.aio.Channel, method: str, request: Brought) -> str:
    """The reason for which a node refuses a call."""
    content = request.SerializeToString()
    call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
    return (await refusal(call(content, timeout=CALL_SECONDS))).reason


@pytest.mark.long("two regions")
async def test_a_coordinator_that_invents_or_changes_an_act_of_an_administrator_is_refused(
    tmp_path: Path, databases: Databases
) -> None:
    people = Administrators(tmp_path, FEDERATION)
    async with running(tmp_path / "federation", databases, REGIONS, administrators=people) as federation:
        now, li = federation.clock.now(), people.signers["li"]
        channel = federation.dial_node("sichuan", COORDINATOR)
        for name, region, request in acts():
            method = f"/gateway.api.region.v1.{name}"
            request.administrator = ROOT
            assert await told(channel, method, request) == UNSIGNED, method
            request.signed.CopyFrom(signed_act(li, FEDERATION, method, region, request, now))
            assert await told(channel, method, request) not in (UNSIGNED, UNPROVEN), f"{method} is looked at"
            request.signed.CopyFrom(signed_act(li, FEDERATION, method, "guangdong", request, now))
            assert await told(channel, method, request) == UNPROVEN, f"{method} at another node"
        await opened_once(federation, people)
        await owned_by_the_new_owner_alone(federation, people)


async def opened_once(federation: Federation, people: Administrators) -> None:
    """An issue that an administrator opens through the coordinator, and what it makes of the signed act."""
    service, now = IssueServiceStub(federation.dial_coordinator(ROOT)), federation.clock.now()
    due = to_timestamp(now + timedelta(days=7))
    asked = IssueRequest(subject="bills differ", description="the cut-off", owner_region="sichuan", due_time=due)
    at_node = issues.OpenIssueForAdministratorRequest(request_id="one", issue=asked)
    method = "/gateway.api.region.v1.IssueOversightService/OpenIssueForAdministrator"
    signed = signed_act(people.signers["wang"], FEDERATION, method, "sichuan", at_node, now)
    request = through.OpenIssueRequest(request_id="one", issue=asked, signed=signed)
    first = await service.OpenIssue(request, timeout=CALL_SECONDS)
    again = await service.OpenIssue(request, timeout=CALL_SECONDS)
    assert first.issue.id == again.issue.id, "a replay changes nothing"
    other = through.OpenIssueRequest(request_id="two", issue=asked, signed=signed)
    assert (await refusal(service.OpenIssue(other, timeout=CALL_SECONDS))).reason == UNPROVEN
    changed = through.OpenIssueRequest()
    changed.CopyFrom(request)
    changed.issue.description = "something else"
    assert (await refusal(service.OpenIssue(changed, timeout=CALL_SECONDS))).reason == UNPROVEN
    rows = federation.database("sichuan").rows("SELECT actor, detail FROM audit WHERE action = 'OpenIssue'")
    ((actor, detail),) = rows
    assert actor == "admin/wang", "by the signature, whatever certificate brought it"
    assert signed.signature.hex() in str(detail)


async def owned_by_the_new_owner_alone(federation: Federation, people: Administrators) -> None:
    """An appointment that a coordinator has kept back, at a region whose owner of the issue still takes part."""
    channel, method = federation.dial_node("sichuan", COORDINATOR), APPOINT
    request = issues.AppointIssueOwnerRequest(issue_id="sichuan/I1", owner_region="guangdong", reason="r", version=9)
    now = federation.clock.now()
    request.signed.CopyFrom(signed_act(people.signers["li"], FEDERATION, method, "", request, now))
    assert await told(channel, method, request) == UNPROVEN, "the new owner has signed nothing"
    signer = Signer.load(federation.certificates.signing("region/guangdong").key)
    for version, reason in ((8, UNPROVEN), (9, "ISSUE_NOT_FOUND")):
        request.ownership = signer.sign(ISSUE_OWNERSHIP, f"sichuan/I1\nguangdong\n{version}".encode())
        assert await told(channel, method, request) == reason, version


@pytest.mark.slow
async def test_each_command_that_does_something_at_a_node_signs_it(tmp_path: Path, databases: Databases) -> None:
    people, key = Administrators(tmp_path, FEDERATION), tmp_path / "li.key"
    people.signers["li"] = Signer.create(key)
    people.administration.administrators[0].key = people.signers["li"].public_key
    people.anchor.administration.CopyFrom(people.administration)
    people.write_anchor(people.anchor)
    async with running(tmp_path / "federation", databases, REGIONS, administrators=people) as federation:
        environment, signing = as_administrator(federation), ("--key", str(key))
        until = f"{federation.clock.now() + timedelta(days=7):%Y-%m-%dT%H:%M}+08:00"
        for words in (
            ("complaints", "raise", TICKET, "--level", "4", "--reason", "r"),
            ("complaints", "reclassify", TICKET, "--category", "c", "--reason", "r"),
            ("complaints", "assign", TICKET, "--region", "sichuan", "--department", "BILLING"),
            ("issues", "open", "s", "--description", "d", "--owner", "sichuan", "--due", until),
            ("issues", "appoint", "guangdong/I1", "sichuan", "--reason", "r"),
            ("bulletins", "publish", "--through", "sichuan", *BULLETIN, "--until", until),
        ):
            ended = await run_command("coordinator.cli.main", *words, environment=environment)
            assert UNSIGNED in ended.err, (words, ended.err)
            by_its_clock = ("deploy.local.driven", str(federation.clock_file), "coordinator")
            ended = await run_command(*by_its_clock, *words, *signing, environment=environment)
            assert ended.code == (0 if words[1] in ("open", "publish") else 1), (words, ended.err)
            assert UNSIGNED not in ended.err, (words, ended.err)
            assert UNPROVEN not in ended.err, (words, ended.err)
        appoint = ("coordinator.cli.main", "issues", "appoint", "guangdong/I1", "sichuan", "--reason", "r")
        ended = await run_command(*appoint, *signing, environment=environment)
        assert "not signed within a day" in ended.err, "a command signs by a clock that is weeks behind"
