"""A federation whose administrators sign: what a coordinator applies, and what a node takes of a coordinator."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.api.coordinator.v1.administration_pb2 import (
    ApplyConfigurationRequest,
    ApplyConfigurationResponse,
    GetConfigurationRequest,
    SignedConfiguration,
)
from gateway.api.coordinator.v1.administration_pb2_grpc import ConfigurationServiceStub
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.federation_pb2 import MemberState, WatchResponse
from gateway.api.federation.v1.revision_pb2 import Anchor, SignedRevision, SignedSuspension
from gateway.errors import Refused, reason_name
from gateway.federation.anchors import anchor_text, load_anchor
from gateway.federation.files import dump
from gateway.federation.revisions import place_of
from gateway.federation.rules import problems
from gateway.federation.suspensions import signed_suspension
from gateway.rpc.channels import invoke
from gateway.security.tls import CredentialsUnusable
from region_node.node.membership.last_good import LastGood
from tests import preloaded
from tests.administrators import VALID, Administrators
from tests.contract.coordinators import ADMIN, PATIENCE_S, Federation, eventually, federation, refused
from tests.contract.membership_node import NodeUnderTest, node, running
from tests.contract.small_federation import CLOCK, CONFIGURATION, FEDERATION, Certificates, coordinator

POISON = 10**12


@pytest.fixture(name="people")
def two_administrators(tmp_path: Path) -> Administrators:
    return Administrators(tmp_path, FEDERATION)


def changed(name: str) -> Configuration:
    configuration = Configuration()
    configuration.CopyFrom(CONFIGURATION)
    configuration.regions[0].name.en = name
    return configuration


def given_away() -> Configuration:
    """A configuration in which two regions own each other's numbers."""
    configuration = changed("poisoned")
    first, second = configuration.number_plan.prefixes[:2]
    first.region, second.region = second.region, first.region
    return configuration


async def place(it: Federation) -> Anchor:
    stub = ConfigurationServiceStub(it.as_(ADMIN))
    return (await invoke(stub.GetConfiguration, GetConfigurationRequest(), PATIENCE_S)).place


async def apply(
    it: Federation, signed: SignedConfiguration, *, validate_only: bool = False
) -> ApplyConfigurationResponse:
    request = ApplyConfigurationRequest(signed=signed, validate_only=validate_only)
    return await invoke(ConfigurationServiceStub(it.as_(ADMIN)).ApplyConfiguration, request, PATIENCE_S)


def test_a_coordinator_applies_what_enough_administrators_have_signed_and_nothing_else(
    certificates: Certificates, tmp_path: Path, people: Administrators
) -> None:
    async def story() -> None:
        data = tmp_path / "data"
        async with federation(certificates, data, anchor=people.anchor_file) as it:
            now = CLOCK.now()
            begin = await place(it)
            assert begin == people.anchor
            first = people.signed(begin, CONFIGURATION, now)
            foreign = Administrators(data, FEDERATION)
            forged = {
                "one signature": people.signed(begin, CONFIGURATION, now, ["li"]),
                "foreign keys": foreign.signed(begin, CONFIGURATION, now),
                "other content": SignedConfiguration(
                    revision=first.revision,
                    content=people.configuration(given_away()).SerializeToString(),
                ),
                "expired": people.signed(begin, CONFIGURATION, now - 2 * VALID),
                "skipped": people.signed(
                    Anchor(federation=FEDERATION, revision=POISON, administration=people.administration),
                    CONFIGURATION,
                    now,
                ),
            }
            for signed in forged.values():
                for validate_only in (True, False):
                    reason = await refused(apply(it, signed, validate_only=validate_only))
                    assert reason == "CONFIGURATION_SIGNATURES_INVALID"
            assert await refused(it.apply(CONFIGURATION)) == "CONFIGURATION_UNSIGNED"
            assert await refused(apply(it, SignedConfiguration(content=b"\xff"))) == "CONFIGURATION_CHANGED"
            assert (await apply(it, first)).federation_revision == 1
            assert (await apply(it, first)).federation_revision == 1, "repeated after a lost answer"
            renewed = people.signed(await place(it), CONFIGURATION, now)
            assert (await apply(it, renewed)).federation_revision == 2, "the same configuration for longer"
            assert await refused(apply(it, people.signed(begin, changed("older"), now))) == "CONFIGURATION_CHANGED"
            at = await place(it)
        async with federation(certificates, data, anchor=people.anchor_file) as it:
            assert await place(it) == at, "after a restart"
            assert (await apply(it, people.signed(at, changed("next"), now))).federation_revision == 3

    asyncio.run(story())


def test_a_configuration_without_the_signatures_of_enough_administrators_is_refused_before_it_is_examined(
    certificates: Certificates, tmp_path: Path, people: Administrators, monkeypatch: pytest.MonkeyPatch
) -> None:
    examined: list[Configuration] = []

    def examine(each: Configuration) -> list[str]:
        examined.append(each)
        return problems(each)

    monkeypatch.setattr("coordinator.configuration.service.problems", examine)

    async def story() -> None:
        async with federation(certificates, tmp_path / "data", anchor=people.anchor_file) as it:
            now = CLOCK.now()
            assert await refused(apply(it, people.signed(people.anchor, CONFIGURATION, now, ["li"]))) == (
                "CONFIGURATION_SIGNATURES_INVALID"
            )
            assert await refused(it.apply(CONFIGURATION)) == "CONFIGURATION_UNSIGNED"
            assert examined == []
            await apply(it, people.signed(people.anchor, CONFIGURATION, now))
            assert len(examined) == 1

    asyncio.run(story())


def test_a_coordinator_without_an_anchor_takes_no_signed_configuration_for_an_unsigned_one(
    certificates: Certificates, tmp_path: Path, people: Administrators
) -> None:
    async def story() -> None:
        async with federation(certificates, tmp_path / "data") as it:
            assert (await place(it)).revision == 0
            assert await refused(apply(it, people.signed(people.anchor, CONFIGURATION, CLOCK.now()))) == (
                "ANCHOR_MISSING"
            )

    asyncio.run(story())


def poison(data: Path, revision: int = POISON) -> None:
    """What somebody with the coordinator's files can do: a configuration of a high revision that nobody signed."""
    with sqlite3.connect(data / "coordinator.db") as database:
        database.execute(
            "INSERT INTO configurations (revision, content, actor, applied, signed) VALUES (?, ?, 'x', 0, NULL)",
            (revision, given_away().SerializeToString()),
        )


def test_a_poisoned_registry_serves_the_last_signed_revision_and_the_next_one_cleans_it(
    certificates: Certificates, tmp_path: Path, people: Administrators
) -> None:
    async def story() -> None:
        data, now = tmp_path / "data", CLOCK.now()
        async with federation(certificates, data, anchor=people.anchor_file) as it:
            await apply(it, people.signed(people.anchor, CONFIGURATION, now))
        poison(data)
        poison(data, 2)
        async with federation(certificates, data, anchor=people.anchor_file) as it:
            at = await place(it)
            assert at.revision == 1
            assert (await apply(it, people.signed(at, changed("mended"), now))).federation_revision == 2
            rows = [row.detail for row in it.audit_rows() if row.action == "CONFIGURATION_APPLIED"]
            assert rows[-1].endswith("2 revisions that nobody signed removed")
        async with federation(certificates, data, anchor=people.anchor_file) as it:
            assert (await place(it)).revision == 2

    asyncio.run(story())


def test_a_federation_that_never_signed_begins_after_the_configuration_in_force(
    certificates: Certificates, tmp_path: Path, people: Administrators
) -> None:
    async def story() -> None:
        data = tmp_path / "data"
        async with federation(certificates, data) as it:
            await it.apply()
            await it.apply(changed("second"))
            begin = await place(it)
            assert (begin.revision, len(begin.digest)) == (2, 32)
        begin.administration.CopyFrom(people.administration)
        people.write_anchor(begin)
        async with (
            federation(certificates, data, anchor=people.anchor_file) as it,
            following(certificates, tmp_path, begin, it.endpoint) as under_test,
        ):
            await eventually(lambda: under_test.current.revision == 2)
            await apply(it, people.signed(await place(it), changed("third"), CLOCK.now()))
            await eventually(lambda: under_test.current.revision == 3)

    asyncio.run(story())


async def _briefly(_: float) -> None:
    await asyncio.sleep(0.01)


@asynccontextmanager
async def following(
    certificates: Certificates, directory: Path, anchor: Anchor | None, *endpoints: str
) -> AsyncIterator[NodeUnderTest]:
    """A node with an anchor that follows coordinators."""
    (directory / "node").mkdir(exist_ok=True)
    async with (
        node(certificates, directory / "node", *endpoints, anchor=anchor, sleep=_briefly) as under_test,
        running(under_test.client.follow()),
    ):
        yield under_test


def state(*signed: SignedConfiguration, revision: int | None = None) -> WatchResponse:
    """The state that a coordinator sends: all statements, and the last configuration."""
    last = signed[-1]
    return WatchResponse(
        federation_revision=place_of(last.revision).revision if revision is None else revision,
        revisions=[each.revision for each in signed],
        configuration_content=last.content,
    )


async def print_anchor(it: Federation, wanted: Configuration, file: Path) -> None:
    """Has `coordinator federation anchor-in-force` write the anchor for the administrators who are wanted."""
    (directory := file.with_suffix(".wanted")).mkdir()
    for name, text in dump(wanted).items():
        (directory / name).write_text(text, encoding="utf-8")
    environment = {
        "CROSSREGION_COORDINATOR": it.endpoint,
        "CROSSREGION_CREDENTIALS": str(it.certificates.credentials(ADMIN).certificate.parent),
        "CROSSREGION_FEDERATION": FEDERATION,
    }
    words = ("federation", "anchor-in-force", str(directory), str(file))
    ended = await asyncio.to_thread(preloaded.run, "coordinator.cli.main", *words, environment=environment)
    assert ended.code == 0, ended.err


@pytest.fixture(name="others")
def administrators_whose_keys_nobody_has_stolen(tmp_path: Path) -> Administrators:
    (tmp_path / "others").mkdir()
    return Administrators(tmp_path / "others", FEDERATION, ("zhao", "qian"))


def test_members_whose_anchor_is_old_or_lost_take_the_printed_one_and_the_configuration_in_force(
    certificates: Certificates, tmp_path: Path, people: Administrators, others: Administrators
) -> None:
    async def story() -> None:
        data, file, now = tmp_path / "data", tmp_path / "printed.anchor", CLOCK.now()
        async with federation(certificates, data, anchor=people.anchor_file) as it:
            await apply(it, people.signed(people.anchor, CONFIGURATION, now))
            await print_anchor(it, others.configuration(CONFIGURATION), file)
        anchor = load_anchor(file, FEDERATION)
        async with federation(certificates, data, anchor=file) as it:
            assert await place(it) == anchor, "what is in force stays so"
            async with following(certificates, tmp_path, people.anchor, it.endpoint) as member:
                await eventually(lambda: member.current.revision == 1)
            stolen = people.signed(anchor, given_away(), now)
            assert await refused(apply(it, stolen)) == "CONFIGURATION_SIGNATURES_INVALID"
            second = others.signed(anchor, changed("second"), now)
            await apply(it, second)
            for told in ("it is old", "it is lost, with all that the member kept"):
                async with following(certificates, tmp_path, anchor, it.endpoint) as again:
                    await eventually(lambda again=again: again.current.revision == 2)  # type: ignore[misc]
                    held = again.current.federation.configuration
                    assert held == Configuration.FromString(second.content), told
                shutil.rmtree(tmp_path / "node")

    asyncio.run(story())


def test_no_broken_anchor_is_read_and_by_none_that_is_forged_a_member_takes_a_configuration(
    certificates: Certificates, tmp_path: Path, people: Administrators, others: Administrators
) -> None:
    now = CLOCK.now()
    first = people.signed(people.anchor, CONFIGURATION, now)
    printed = Anchor()
    printed.CopyFrom(place_of(first.revision))
    printed.administration.CopyFrom(others.administration)
    second, stolen = others.signed(printed, changed("second"), now), people.signed(printed, given_away(), now)
    forged, foreign, short, nobody = (Anchor.FromString(printed.SerializeToString()) for _ in range(4))
    forged.digest, foreign.federation, short.digest = bytes(32), "other.example", b"short"
    nobody.ClearField("administration")
    for broken in (foreign, short, nobody):
        (file := tmp_path / "broken.anchor").write_text(anchor_text(broken))
        with pytest.raises(CredentialsUnusable):
            load_anchor(file, FEDERATION)

    async def story() -> None:
        async with coordinator(certificates) as hub:
            for problem, anchor, told in (
                ("a coordinator has told another place", forged, state(first, second)),
                ("it names those whose keys were stolen", people.anchor, state(first, second)),
                ("stolen keys sign on", printed, state(first, stolen)),
            ):
                hub.put(told)
                seen = hub.watched
                async with following(certificates, tmp_path, anchor, hub.endpoint) as member:
                    await eventually(lambda seen=seen: hub.watched >= seen + 2)  # type: ignore[misc]
                    assert member.current.revision == 0, problem

    asyncio.run(story())


def test_a_node_takes_of_a_coordinator_only_what_the_administrators_have_signed(
    certificates: Certificates, tmp_path: Path, people: Administrators
) -> None:
    now = CLOCK.now()
    first = people.signed(people.anchor, CONFIGURATION, now)
    second = people.signed(place_of(first.revision), changed("second"), now)
    third = people.signed(place_of(second.revision), changed("third"), now)
    poisoned = people.configuration(given_away()).SerializeToString()
    alone = people.signed(place_of(first.revision), given_away(), now, ["wang"])
    expired = people.signed(people.anchor, CONFIGURATION, now - 2 * VALID)
    forged = {
        "unsigned": WatchResponse(federation_revision=POISON, configuration=given_away()),
        "content without statements": WatchResponse(federation_revision=POISON, configuration_content=poisoned),
        "signed content, another revision": state(first, second, revision=POISON),
        "other content": WatchResponse(
            federation_revision=2, revisions=[first.revision, second.revision], configuration_content=poisoned
        ),
        "one signature": state(first, alone),
        "a statement left out": state(first, third),
        "none at all": WatchResponse(
            federation_revision=2, revisions=[SignedRevision()], configuration_content=second.content
        ),
    }

    async def story() -> None:
        async with coordinator(certificates) as hub:
            hub.put(state(expired))
            async with following(certificates, tmp_path, people.anchor, hub.endpoint) as under_test:
                await eventually(lambda: hub.watched >= 2)
                assert under_test.current.revision == 0, "no revision whose validity has ended is newly taken"
                hub.put(state(first))
                await eventually(lambda: under_test.current.revision == 1)
                for name, each in forged.items():
                    seen = hub.watched
                    hub.put(each)
                    await eventually(lambda seen=seen: hub.watched > seen)  # type: ignore[misc]
                    assert under_test.current.revision == 1, name
                    assert under_test.current.federation.configuration.regions == CONFIGURATION.regions, name
                hub.put(state(first, second, third))
                await eventually(lambda: under_test.current.revision == 3)
        kept = LastGood(tmp_path / "node")
        async with following(certificates, tmp_path, people.anchor) as again:
            assert again.current.revision == 3, "by its own disk, verified again"
        saved = kept.load()
        assert saved is not None
        saved.configuration_content = poisoned
        kept.save(saved)
        async with following(certificates, tmp_path, people.anchor) as again:
            assert again.current.revision == 0, "a copy that somebody altered is no configuration"

    asyncio.run(story())


def test_a_node_suspends_and_reinstates_a_region_by_the_word_of_an_administrator_and_of_no_coordinator(
    certificates: Certificates, tmp_path: Path, people: Administrators
) -> None:
    now, region = CLOCK.now(), CONFIGURATION.regions[0].id
    first = people.signed(people.anchor, CONFIGURATION, now)
    place, li = place_of(first.revision), people.signers["li"]
    suspended = signed_suspension(li, place, region, now, suspended=True, note="under suspicion")
    ended = signed_suspension(li, place, region, now + timedelta(seconds=1), suspended=False)
    (tmp_path / "strangers").mkdir()
    stranger = Administrators(tmp_path / "strangers", FEDERATION).signers["li"]
    forged = signed_suspension(stranger, place, region, now + timedelta(days=1), suspended=True, note="forged")
    said, joined = MemberState.MEMBER_STATE_SUSPENDED, MemberState.MEMBER_STATE_JOINED

    def told(by_coordinator: MemberState.ValueType, *signed: SignedSuspension) -> WatchResponse:
        response = state(first)
        response.members.add(region=region, state=by_coordinator)
        response.suspensions.extend(signed)
        return response

    async def story() -> None:
        async with coordinator(certificates) as hub:
            hub.put(told(said, forged))
            async with following(certificates, tmp_path, people.anchor, hub.endpoint) as under_test:

                def noted() -> str:
                    probe = under_test.current.state().members.get("probe")
                    return "" if probe is None else probe.state_note

                async def stands(wanted: MemberState.ValueType, response: WatchResponse, mark: str) -> None:
                    response.members.add(region="probe", state_note=mark)
                    hub.put(response)
                    await eventually(lambda: noted() == mark)
                    assert under_test.current.state().member_state(region) == wanted, mark

                await eventually(lambda: under_test.current.revision == 1)
                assert under_test.current.state().member_state(region) == MemberState.MEMBER_STATE_LOST
                again = signed_suspension(li, place, region, now + timedelta(seconds=2), suspended=True, note="again")
                await stands(said, told(joined, suspended), "suspended")
                await stands(said, told(joined), "a coordinator reinstates it")
                await stands(said, told(joined, forged), "by a forged statement")
                await stands(joined, told(joined, ended), "reinstated")
                await stands(MemberState.MEMBER_STATE_LOST, told(said, suspended), "by an earlier statement")
                await stands(said, told(joined, again), "suspended again")
        async with following(certificates, tmp_path, people.anchor) as restarted:
            assert restarted.current.state().member_state(region) == said, "by its own disk, verified again"
            assert restarted.current.state().members[region].state_note == "again"

    asyncio.run(story())


def test_a_node_keeps_a_revision_whose_validity_has_ended(
    certificates: Certificates, tmp_path: Path, people: Administrators
) -> None:
    first = people.signed(people.anchor, CONFIGURATION, CLOCK.now() - VALID - timedelta(days=1))
    kept = state(first)
    (tmp_path / "node").mkdir(exist_ok=True)
    LastGood(tmp_path / "node").save(kept)

    async def story() -> None:
        async with following(certificates, tmp_path, people.anchor) as under_test:
            assert under_test.current.revision == 1

    asyncio.run(story())


def test_a_poisoned_node_recovers_by_its_anchor_and_a_restart(
    certificates: Certificates, tmp_path: Path, people: Administrators
) -> None:
    first = people.signed(people.anchor, CONFIGURATION, CLOCK.now())

    async def story() -> None:
        async with coordinator(certificates) as hub:
            hub.put(WatchResponse(federation_revision=POISON, configuration=given_away()))
            async with following(certificates, tmp_path, None, hub.endpoint) as poisoned:
                await eventually(lambda: poisoned.current.revision == POISON)
            hub.put(state(first))
            async with following(certificates, tmp_path, people.anchor, hub.endpoint) as recovered:
                await eventually(lambda: recovered.current.revision == 1)
                assert recovered.current.federation.configuration.regions == CONFIGURATION.regions

    asyncio.run(story())


def test_a_refusal_says_what_is_wrong_with_the_signatures(
    certificates: Certificates, tmp_path: Path, people: Administrators
) -> None:
    async def story() -> None:
        async with federation(certificates, tmp_path / "data", anchor=people.anchor_file) as it:
            with pytest.raises(Refused) as refusal:
                await apply(it, people.signed(people.anchor, CONFIGURATION, CLOCK.now(), ["li"]))
            assert "1 of the administrators have signed it, and 2 of them must" in str(refusal.value)
            assert reason_name(refusal.value.reason) == "CONFIGURATION_SIGNATURES_INVALID"

    asyncio.run(story())
