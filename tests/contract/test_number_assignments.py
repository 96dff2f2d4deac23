"""Assignments of numbers on their way: registries of both kinds, a real coordinator, and a node that trusts neither."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path

import grpc
import pytest

from coordinator.registry import assignment_rows
from coordinator.registry.etcd import assignments as etcd_assignments
from coordinator.registry.port import Registry
from gateway.api.coordinator.v1.administration_pb2 import AssignNumberRequest, GetNumberRequest
from gateway.api.coordinator.v1.administration_pb2_grpc import ConfigurationServiceStub
from gateway.api.federation.v1.configuration_pb2 import Configuration, NumberException
from gateway.api.federation.v1.federation_pb2 import (
    NumberAssignment,
    NumberAssignmentMark,
    NumberAssignments,
    WatchRequest,
)
from gateway.api.federation.v1.federation_pb2_grpc import FederationServiceStub
from gateway.federation.assignments import Standing, mark_after, signed_assignment
from gateway.rpc.channels import invoke
from gateway.time.clock import BETWEEN_TRUSTED
from tests.contract.coordinators import (
    ADMIN,
    PATIENCE_S,
    Federation,
    RegionKeys,
    Watching,
    federation,
    keys_of,
    next_of,
    refused,
)
from tests.contract.coordinators import run as run_federation
from tests.contract.membership_node import NodeUnderTest, eventually, node, running
from tests.contract.registries import Registries, audit_rows, changed, run
from tests.contract.small_federation import CLOCK, CONFIGURATION, Certificates, Coordinator, coordinator
from tests.number_assignments import chain, giver

NUMBERS = [f"+861985100009{each}" for each in range(3)]
NUMBER = NUMBERS[0]
HOME, NEW, THIRD = "sichuan", "guangdong", "henan"
NOTHING = NumberAssignmentMark()


@pytest.fixture(name="certificates")
def certificates_of_a_federation(tmp_path: Path) -> Certificates:
    (tmp_path / "data").mkdir()
    return Certificates(tmp_path / "certificates")


async def kept(registry: Registry, made: NumberAssignment, *, wanted: bool = True) -> NumberAssignmentMark:
    certificate = giver(made.giver).certificate
    return await registry.assignments.keep(made, certificate, lambda _: wanted, actor=f"region/{made.giver}")


async def all_after(registry: Registry, mark: NumberAssignmentMark) -> list[NumberAssignments]:
    pages = [await registry.assignments.after(mark)]
    while pages[-1].has_more:
        pages.append(await registry.assignments.after(pages[-1].mark))
    return pages


def test_a_registry_keeps_assignments_in_their_order_and_gives_them_page_by_page_after_a_mark(
    opened: Registries, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (assignment_rows, etcd_assignments):
        monkeypatch.setattr(module, "PAGE", 2)
    made = [each for number in NUMBERS for each in chain(number, HOME, NEW, THIRD)]

    async def scenario() -> None:
        async with opened() as registry:
            assert registry.snapshot().assignment_mark == NOTHING
            assert [page.mark for page in await all_after(registry, NOTHING)] == [NOTHING]
            expected, marks = NOTHING, []
            for each in made:
                marks.append(await kept(registry, each))
                expected = mark_after(expected, each)
                assert marks[-1] == expected
            assert await kept(registry, made[0], wanted=False) == marks[-1], "nothing is kept"
            assert [each.detail for each in await audit_rows(registry)][:1] == ["sichuan to guangdong, sequence 1"]
            assert not [row for row in await audit_rows(registry) if NUMBER in f"{row.subject}{row.detail}"]
            await changed_to(registry, marks[-1])
        async with opened() as registry:
            assert registry.snapshot().assignment_mark == marks[-1]
            pages = await all_after(registry, NOTHING)
            assert [len(page.assignments) for page in pages] == [2, 2, 2]
            assert [each for page in pages for each in page.assignments] == made
            assert set(pages[0].signing_certificates) == {giver(each).certificate for each in (HOME, NEW)}
            (rest,) = await all_after(registry, marks[3])
            assert list(rest.assignments) == made[4:]
            (end,) = await all_after(registry, marks[-1])
            assert (end.mark, list(end.assignments)) == (marks[-1], [])
            of_number = await registry.assignments.of(NUMBER)
            assert list(of_number.assignments) == made[:2]
            assert len(of_number.signing_certificates) == 2
            for foreign in (NumberAssignmentMark(revision=3, hash=bytes(32)), NumberAssignmentMark(revision=99)):
                again = await all_after(registry, foreign)
                assert [each for page in again for each in page.assignments] == made, "the list of another backup"

    run(scenario())


async def changed_to(registry: Registry, mark: NumberAssignmentMark) -> None:
    await changed(registry, lambda: registry.snapshot().assignment_mark == mark)


def test_of_two_regions_at_the_same_time_the_second_sees_what_the_first_did(opened: Registries) -> None:
    made = [chain(number, HOME, NEW)[0] for number in (NUMBER, NUMBER)]
    seen: list[int] = []

    async def scenario() -> None:
        async with opened() as registry:

            async def keep(each: NumberAssignment) -> None:
                def is_first(known: Sequence[NumberAssignment]) -> bool:
                    seen.append(len(known))
                    return not known

                await registry.assignments.keep(each, giver(HOME).certificate, is_first, actor="region/sichuan")

            await asyncio.gather(*map(keep, made))
            assert registry.snapshot().assignment_mark.revision == 1

    run(scenario())
    assert seen[-1] == 1


def given(
    keys: RegionKeys, region: str, before: Standing, number: str = NUMBER, ahead: timedelta = timedelta()
) -> AssignNumberRequest:
    """The assignment of a number that a region signs, whose clock is ahead of the coordinator's."""
    now = CLOCK.now() + ahead
    assignment = signed_assignment(number, region, keys.region, before, keys.signer, keys.certificate, now)
    return AssignNumberRequest(assignment=assignment, signing_certificate=keys.certificate)


async def assigned(it: Federation, request: AssignNumberRequest, caller: str = "") -> NumberAssignmentMark:
    stub = ConfigurationServiceStub(it.as_(f"region/{caller or request.assignment.giver}"))
    return (await invoke(stub.AssignNumber, request, PATIENCE_S)).mark


def watched(it: Federation, region: str, mark: NumberAssignmentMark) -> Watching:
    stub = FederationServiceStub(it.as_(f"region/{region}"))
    return stub.Watch(WatchRequest(number_assignments=mark))


async def next_assignments(watching: Watching) -> NumberAssignments:
    while not (response := await next_of(watching)).HasField("number_assignments"):
        pass
    return response.number_assignments


def test_a_coordinator_keeps_what_the_home_signs_changes_no_configuration_and_tells_every_node_the_rest(
    certificates: Certificates, tmp_path: Path
) -> None:
    async def scenario() -> None:
        regions = {each: keys_of(certificates, each) for each in (HOME, NEW, THIRD)}
        async with federation(certificates, tmp_path / "data") as it:
            revision = await it.apply()
            for each in regions.values():
                await it.join(each)
            watching, old_version = watched(it, THIRD, NOTHING), it.watch(THIRD)
            away = given(regions[HOME], NEW, Standing(HOME, 0))
            mark = await assigned(it, away)
            assert await assigned(it, away) == mark, "a repeat changes nothing"
            told = await next_assignments(watching)
            assert list(told.assignments) == [away.assignment]
            assert list(told.signing_certificates) == [regions[HOME].certificate]
            on = given(regions[NEW], THIRD, Standing(NEW, 1, away.assignment.sign_time_us))
            end = await assigned(it, on)
            assert list((await next_assignments(watching)).assignments) == [on.assignment]
            assert list((await next_assignments(watched(it, HOME, mark))).assignments) == [on.assignment]
            assert (await next_of(watched(it, NEW, end))).number_assignments == NumberAssignments()
            old = await next_of(old_version)
            assert (old.federation_revision, old.HasField("number_assignments")) == (revision, False)
            await require_refusals(it, regions, on.assignment)
            admin = ConfigurationServiceStub(it.as_(ADMIN))
            way = await invoke(admin.GetNumber, GetNumberRequest(number="198 5100 0090"), PATIENCE_S)
            assert (way.region, way.prefix_region, way.HasField("exception")) == (THIRD, HOME, False)
            assert [(each.assignment.giver, each.counts) for each in way.assignments] == [(HOME, True), (NEW, True)]
            assert [each.signing_certificate for each in way.assignments] == [
                regions[HOME].certificate,
                regions[NEW].certificate,
            ]
            await require_plans(it)

    run_federation(scenario())


def test_an_assignment_may_be_signed_by_any_trusted_clock_and_by_none_that_is_further_ahead(
    certificates: Certificates, tmp_path: Path
) -> None:
    async def scenario() -> None:
        home = keys_of(certificates, HOME)
        async with federation(certificates, tmp_path / "data") as it:
            await it.apply()
            for each in (home, keys_of(certificates, NEW)):
                await it.join(each)
            future = given(home, NEW, Standing(HOME, 0), ahead=timedelta(minutes=5))
            assert await refused(assigned(it, future)) == "CLOCK_UNTRUSTED"
            assert (await assigned(it, given(home, NEW, Standing(HOME, 0), ahead=BETWEEN_TRUSTED))).revision == 1

    run_federation(scenario())


async def require_refusals(it: Federation, regions: dict[str, RegionKeys], last: NumberAssignment) -> None:
    """What is not by the home, not its signature, or not the next one, is refused."""
    home, third = regions[HOME], regions[THIRD]
    standing = Standing(THIRD, last.sequence, last.sign_time_us)
    unsigned = AssignNumberRequest(assignment=NumberAssignment(number=NUMBER, region=HOME))
    forged = given(home, HOME, standing)
    forged.assignment.giver = THIRD
    absent = given(third, "yunnan", standing)
    skipping = given(third, HOME, Standing(THIRD, 7, last.sign_time_us))
    for name, request, caller, reason in (
        ("without a signature", unsigned, THIRD, "NUMBER_ASSIGNMENT_UNPROVEN"),
        ("with the signature of another", forged, THIRD, "NUMBER_ASSIGNMENT_UNPROVEN"),
        ("handed in by another", given(third, HOME, standing), HOME, "NOT_HOME"),
        ("another's number", given(home, NEW, standing), HOME, "NOT_HOME"),
        ("out of order", skipping, THIRD, "NUMBER_ASSIGNMENT_OUT_OF_ORDER"),
        ("to a region that never joined", absent, THIRD, "REGION_NOT_JOINED"),
        ("of no number", given(third, HOME, standing, "1234"), THIRD, "NUMBER_INVALID"),
    ):
        assert await refused(assigned(it, request, caller)) == reason, name
    stub = FederationServiceStub(it.as_(f"region/{HOME}"))
    endless = WatchRequest(number_assignments=NumberAssignmentMark(revision=2**64 - 1))
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await next_of(stub.Watch(endless))
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def require_plans(it: Federation) -> None:
    """Another number plan may not change the home of the moved number unless it says so."""
    moved = Configuration()
    moved.CopyFrom(CONFIGURATION)
    moved.number_plan.exceptions.append(NumberException(number=NUMBER, region=NEW))
    assert await refused(it.apply(moved)) == "NUMBER_ASSIGNMENTS_LOST"
    moved.number_plan.exceptions[-1].outranked_sequence = 2
    await it.apply(moved)
    admin = ConfigurationServiceStub(it.as_(ADMIN))
    way = await invoke(admin.GetNumber, GetNumberRequest(number=NUMBER), PATIENCE_S)
    assert (way.region, way.exception.outranked_sequence) == (NEW, 2)
    assert [each.counts for each in way.assignments] == [False, False]


class Peer:
    """A region that gives numbers away, with the list of a coordinator that a test writes."""

    def __init__(self, certificates: Certificates, region: str) -> None:
        self.keys = keys_of(certificates, region)

    def gives(self, region: str, before: Standing, number: str = NUMBER) -> NumberAssignment:
        return given(self.keys, region, before, number).assignment


def tell(hub: Coordinator, peers: list[Peer], *assignments: NumberAssignment, revision: int | None = None) -> None:
    """The coordinator's next state has these assignments."""
    hub.change(1)
    told = hub.state.number_assignments
    told.assignments.extend(assignments)
    told.signing_certificates.extend(each.keys.certificate for each in peers)
    told.mark.revision = len(assignments) if revision is None else revision
    told.mark.hash = bytes([told.mark.revision])


def home_at(under_test: NodeUnderTest, number: str = NUMBER) -> str | None:
    return under_test.current.federation.number_plan.home_of(number)


def test_a_coordinator_neither_invents_an_assignment_nor_makes_an_older_one_count_again_nor_hides_one_for_ever(
    certificates: Certificates, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = tmp_path / "data"

    async def scenario() -> None:
        home, new, thief = (Peer(certificates, each) for each in (HOME, NEW, THIRD))
        peers = [home, new, thief]
        first = home.gives(NEW, Standing(HOME, 0))
        second = new.gives(HOME, Standing(NEW, 1, first.sign_time_us))
        third = home.gives(THIRD, Standing(HOME, 2, second.sign_time_us))
        invented, stolen = NumberAssignment(), thief.gives(THIRD, Standing(THIRD, 0))
        invented.CopyFrom(first)
        invented.region = THIRD
        other = home.gives(NEW, Standing(HOME, 0), NUMBERS[1])
        async with coordinator(certificates) as hub:
            tell(hub, peers, invented, stolen)
            async with node(certificates, data, hub.endpoint) as under_test, running(under_test.client.follow()):
                await eventually(lambda: under_test.current.revision == 1)
                assert home_at(under_test) == HOME, "neither what nobody signed, nor what the home did not sign"
                tell(hub, peers, first, second)
                await eventually(lambda: under_test.current.assignments == 3)
                assert home_at(under_test) == HOME
                tell(hub, peers, first)  # a replay alone, and then with news, so that the test knows it was taken
                tell(hub, peers, first, other)
                await eventually(lambda: under_test.current.assignments == 4)
                assert (home_at(under_test), home_at(under_test, NUMBERS[1])) == (HOME, NEW)
                tell(hub, peers, third, revision=9)
                await eventually(lambda: home_at(under_test) == THIRD)
            async with node(certificates, data, "127.0.0.1:1") as restarted:
                assert (home_at(restarted), restarted.current.assignments) == (THIRD, 5), "kept on its own disk"

    asyncio.run(scenario())
    assert "is not proven by its giver sichuan" in caplog.text
    assert NUMBER not in caplog.text


def test_what_a_node_could_not_verify_comes_again_with_the_next_stream(
    certificates: Certificates, tmp_path: Path
) -> None:
    async def scenario() -> None:
        home = Peer(certificates, HOME)
        first = home.gives(NEW, Standing(HOME, 0))
        async with coordinator(certificates) as hub:
            tell(hub, [], first)
            async with (
                node(certificates, tmp_path / "data", hub.endpoint) as under_test,
                running(under_test.client.follow()),
            ):
                await eventually(lambda: under_test.current.revision == 1)
                assert hub.marks == [NOTHING]
                tell(hub, [home], first)
                await eventually(lambda: home_at(under_test) == NEW)
            async with (
                node(certificates, tmp_path / "data", hub.endpoint) as restarted,
                running(restarted.client.follow()),
            ):
                await eventually(lambda: len(hub.marks) == 2)
                assert hub.marks[1] == NOTHING, "the mark stands before what was refused in that stream"

    asyncio.run(scenario())


def test_a_region_hands_in_again_what_a_restored_coordinator_has_lost(
    certificates: Certificates, tmp_path: Path
) -> None:
    data = tmp_path / "data"

    async def scenario() -> None:
        issued = certificates.issue(f"region/{HOME}")
        home, new = RegionKeys(HOME, issued), keys_of(certificates, NEW)
        for place, count in (("before", 2), ("after", 3)):
            async with (
                federation(certificates, tmp_path / place) as it,
                node(certificates, data, it.endpoint, issued=issued) as under_test,
                running(under_test.client.follow()),
            ):
                await it.apply()
                for each in (home, new):
                    await it.join(each)
                await eventually(partial(_is_whole, under_test, count - 2))
                if place == "before":
                    await under_test.client.assign_number(NUMBER, NEW)
                    await under_test.client.assign_number(NUMBERS[1], NEW)
                else:
                    await assigned(it, given(home, NEW, Standing(HOME, 0), NUMBERS[2]))
                await require_known(it, count)
                await eventually(partial(_is_whole, under_test, count))

    run_federation(scenario())


def _is_whole(under_test: NodeUnderTest, count: int) -> bool:
    return under_test.current.revision == 1 and under_test.current.assignments >= count


async def require_known(it: Federation, count: int) -> None:
    """The coordinator's list comes to have so many."""
    watching, known = watched(it, THIRD, NOTHING), 0
    while known < count:
        known += len((await next_assignments(watching)).assignments)
    assert known == count
