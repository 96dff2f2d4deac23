"""`coordinator problems`, `coordinator outages` and `region-node problems` against a federation that runs."""

import json
from pathlib import Path

import pytest

from gateway.api.coordinator.v1 import problem_service_pb2 as api
from gateway.api.coordinator.v1.problem_service_pb2_grpc import ProblemServiceStub
from gateway.api.federation.v1.problem_pb2 import PERCEIVED_SEVERITY_MAJOR
from tests.federation.commands import as_administrator, as_caller, run_command
from tests.federation.complainant import Complainant
from tests.federation.counter import Counter
from tests.federation.running import CALL_SECONDS, Federation, until
from tests.unit.network_events import MINOR, event

SERVICE = "Broadband in Chengdu (broadband-chengdu)"
LINK = "Chengdu - Xichang (chengdu-xichang-1)"
FOLDED = SERVICE.split(" (")  # as a full table has it
CLERK = ("--staff-id", "4711")


async def administrator(federation: Federation, *words: str, code: int = 0) -> str:
    """The output of the coordinator's command."""
    ended = await run_command("coordinator.cli.main", *words, environment=as_administrator(federation))
    assert ended.code == code, ended.err
    return ended.out + ended.err


async def clerk(federation: Federation, *words: str, code: int = 0, caller: str = "operator/counter") -> str:
    """The output of the command of Sichuan's node."""
    environment = as_caller(federation, "sichuan", caller)
    ended = await run_command("region_node.cli.main", "problems", *words, *CLERK, environment=environment)
    assert ended.code == code, ended.err
    return ended.out + ended.err


@pytest.mark.files  # the commands are the same on either engine
async def test_a_problem_is_seen_and_reported_by_commands(
    federation: Federation, sichuan: Counter, tmp_path: Path
) -> None:
    numbers = [await sichuan.new_customer() for _ in range(2)]
    file = tmp_path / "lines.csv"
    file.write_text("number,service\n" + "".join(f"{each},broadband-chengdu\n" for each in numbers), "utf-8")
    assert "2 bound, 2 of them new" in await clerk(federation, "import", str(file))
    assert "1 bound, 0 of them new" in await clerk(federation, "bind", numbers[0], "broadband-chengdu")
    file.write_text(
        f"number,service\n{numbers[0]},broadband-chengdu\n{federation.next_number('sichuan')},broadband-chengdu\n"
        f"{numbers[1]},broadband-nowhere\n{numbers[1]},broadband-chengdu\n",
        "utf-8",
    )
    partly = await clerk(federation, "import", str(file), code=1)
    assert "2 bound, 0 of them new" in partly
    assert [each.partition(":")[0] for each in partly.splitlines() if each.startswith("line")] == ["line 3", "line 4"]
    assert "SUBSCRIPTION_NOT_FOUND" in partly
    assert "broadband-nowhere" in partly
    await clerk(federation, "unbind", numbers[1], "broadband-chengdu")
    told = event("sichuan/fault/commands", services=["broadband-chengdu"], raised=federation.clock.now())
    stub = ProblemServiceStub(federation.dial_coordinator("region/sichuan"))
    await stub.ReportEvent(api.ReportEventRequest(event=told), timeout=CALL_SECONDS)
    complaint = await Complainant(federation, "sichuan").file("NET_OUTAGE", numbers[0])
    found: list[str] = []

    async def is_counted() -> bool:
        listed = json.loads(await administrator(federation, "problems", "list", "--json"))["problems"]
        counts = {
            each["header"]["id"]: [(one["customers"], one["complaints"]) for one in each["affected"]] for each in listed
        }
        found[:] = [name for name, told in counts.items() if ("1", "1") in told]
        return len(found) == 1

    await until(is_counted, "the customer is counted")
    listed = await administrator(federation, "problems", "list")
    assert all(each in listed for each in (found[0], *FOLDED, "ordinary", "monthly"))
    shown = await administrator(federation, "problems", "show", found[0])
    assert all(
        each in shown
        for each in (told.id, "Customers affected: 1; complaints: 1", "accident is ordinary; customers: 1")
    )
    assert f"service {SERVICE}" in await administrator(federation, "outages")
    made = await administrator(federation, "problems", "report-made", found[0], "--kind", "monthly")
    assert "admin/root" in made
    assert found[0] not in await administrator(federation, "problems", "list", "--reports")
    followed = await clerk(federation, "list")
    assert all(each in followed for each in (found[0], complaint.ticket_id))
    await _confirmed(federation, found[0], numbers[0])
    assert f"service {SERVICE} (80 %)" in shown
    for each in (
        event("sichuan/alarm/major", links=["chengdu-xichang-1"], severity=PERCEIVED_SEVERITY_MAJOR),
        event("sichuan/alarm/minor", sites=["xichang"], severity=MINOR),
    ):
        await stub.ReportEvent(api.ReportEventRequest(event=each), timeout=CALL_SECONDS)

    async def is_listed() -> bool:
        return await _lists(federation, "unknown, near link", *LINK.split(" ("))

    await until(is_listed, "two alarms that may be together by chance are listed without a cause")
    assert LINK not in await administrator(federation, "outages")
    again = event("sichuan/alarm/again", links=["chengdu-xichang-1"], severity=PERCEIVED_SEVERITY_MAJOR)
    await stub.ReportEvent(api.ReportEventRequest(event=again), timeout=CALL_SECONDS)

    async def is_degraded() -> bool:
        down, _, degraded = (await administrator(federation, "outages")).partition("Degraded now")
        return LINK not in down and f"link {LINK}" in degraded

    await until(is_degraded, "what works badly is shown, and not as down")
    refused = await administrator(federation, "problems", "show", "problem-none", code=1)
    assert "There is no problem problem-none" in refused


async def _lists(federation: Federation, *told: str) -> bool:
    listed = await administrator(federation, "problems", "list", "--all")
    return all(each in listed for each in told)


@pytest.mark.files
async def test_a_path_names_links_and_sites_for_people_and_has_their_ids_alone_for_programs(
    federation: Federation,
) -> None:
    question = ("network", "paths", "xichang", "chengdu", "--by-design")
    shown = await administrator(federation, *question)
    assert all(each in shown for each in (LINK, "Xichang (xichang)"))
    assert "(chengdu-xichang-1)" not in await administrator(federation, *question, "--json")


async def _confirmed(federation: Federation, problem: str, number: str) -> None:
    """Staff confirm a problem, of which the region itself has no fault, and the customer is told."""
    listed = json.loads(await clerk(federation, "list", "--json"))["problems"]
    (waiting,) = (each for each in listed if each["header"]["id"] == problem)
    assert waiting["unconfirmed_services"] == ["broadband-chengdu"]
    await clerk(federation, "confirm", problem, "--version", waiting["header"]["version"], caller="staff/wang")

    async def is_told() -> bool:
        return any("network" in each.en for each in federation.texts(number))

    await until(is_told, "the customer is told, by the word of staff")
