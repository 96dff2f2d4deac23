"""The features of regions: reported by nodes, stored by coordinators, and told to every member."""

from dataclasses import replace
from pathlib import Path

from coordinator.membership.members import member_of
from coordinator.registry.port import Registry
from coordinator.registry.rules import Heartbeat
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.federation_pb2 import Capabilities, Capability, Feature, Member
from gateway.federation.capabilities import FEATURES, Readability, features_of, own_capabilities
from gateway.federation.catalogue import Federation
from gateway.federation.current import CurrentFederation
from tests.contract.coordinators import federation, join_request, keys_of, next_of
from tests.contract.registries import Registries, heartbeat, run
from tests.contract.small_federation import CONFIGURATION, Certificates
from tests.later_version import LATER_VALUE

TREES, SESSIONS = Feature.FEATURE_TREE_SIGNATURES, Feature.FEATURE_SESSION_KEYS


def having(*features: int) -> Capabilities:
    """The capabilities of a version with some features."""
    older = [each for each in own_capabilities().capabilities if each.name != Feature.DESCRIPTOR.full_name]
    told = [Capability(name=Feature.DESCRIPTOR.full_name, numbers=features)] if features else []
    return Capabilities(capabilities=[*older, *told])


def beat(process: int, *features: int) -> Heartbeat:
    return replace(heartbeat(f"127.0.0.1:{process}"), capabilities=having(*features))


def told(registry: Registry) -> list[Feature.ValueType]:
    return [*member_of(registry.snapshot().facts("sichuan")).features]


def test_a_region_has_the_features_that_all_its_live_processes_have(opened: Registries) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            await registry.beat("sichuan", beat(1, TREES, SESSIONS))
            assert told(registry) == [TREES, SESSIONS]
            await registry.beat("sichuan", beat(2, TREES))
            assert told(registry) == [TREES]
            await registry.beat("sichuan", beat(3))
            assert told(registry) == [], "one process is of a version without features"
            await registry.beat("sichuan", beat(3, SESSIONS, TREES))
            assert told(registry) == [TREES], "it was upgraded"
            await registry.leave("sichuan", "127.0.0.1:2")
            assert told(registry) == [TREES, SESSIONS]
            await registry.beat("sichuan", beat(1))
            assert told(registry) == [], "a process went back to a former version"

    run(scenario())


def test_members_are_told_when_the_last_former_process_returns_upgraded_at_its_endpoint(opened: Registries) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            for process in (1, 2):
                await registry.beat("sichuan", beat(process))
            await registry.beat("sichuan", beat(1, TREES))
            heard: list[list[Feature.ValueType]] = []
            registry.on_change(lambda: heard.append(told(registry)))
            await registry.beat("sichuan", beat(2, TREES))
            assert heard == [[TREES]]
            await registry.beat("sichuan", beat(2, TREES))
            assert heard == [[TREES]], "the process only renewed its lease"

    run(scenario())


def test_a_silent_region_has_no_features(opened: Registries) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            await registry.beat("sichuan", beat(1, TREES))
            await registry.leave("sichuan", "127.0.0.1:1")
            assert told(registry) == []
            assert features_of(registry.snapshot().facts("sichuan").capabilities) == {TREES}, "it is stored"
        async with opened() as registry:
            assert told(registry) == []
            await registry.beat("sichuan", beat(1, TREES))
            assert told(registry) == [TREES]

    run(scenario())


def test_features_unknown_to_a_version_are_left_out() -> None:
    assert features_of(having(0, TREES, LATER_VALUE)) == {TREES}
    assert features_of(Capabilities()) == features_of(having()) == frozenset()
    assert features_of(own_capabilities()) == {*FEATURES}


def test_features_say_nothing_about_readable_configurations() -> None:
    """A coordinator without features takes their name for that of an enum in which no configuration makes a choice."""
    readability = Readability(CONFIGURATION)
    versions = [having(), having(TREES), having(TREES, LATER_VALUE), own_capabilities()]
    assert readability.first_unreadable(versions) is None


def test_every_member_is_told_the_features_of_the_others(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path / "certificates")

    async def scenario() -> None:
        sichuan, henan = (keys_of(certificates, region) for region in ("sichuan", "henan"))
        async with federation(certificates, tmp_path / "data") as it:
            await it.apply()
            request = join_request(sichuan)
            request.capabilities.CopyFrom(having(TREES))
            await it.join(sichuan, request)
            await it.join(henan)
            current = CurrentFederation()
            assert not current.understands("sichuan", TREES), "before the first state"
            state = await next_of(it.watch("henan"))
            current.update(Federation(state.federation_revision, state.configuration), state.members)
        assert current.understands("sichuan", TREES)
        assert not current.understands("sichuan", SESSIONS)
        assert not current.understands("henan", TREES), "it has reported none"
        assert not current.understands("elsewhere", TREES)

    run(scenario())


def test_a_feature_of_a_later_version_does_no_harm() -> None:
    current = CurrentFederation()
    member = Member(region="sichuan", features=[TREES, Feature.ValueType(LATER_VALUE)])
    current.update(Federation(1, Configuration()), [Member.FromString(member.SerializeToString())])
    assert current.understands("sichuan", TREES)
    assert not current.understands("sichuan", SESSIONS)


def test_a_region_that_falls_silent_has_the_features_with_which_it_was_heard_last() -> None:
    current = CurrentFederation()

    def told(*members: Member) -> None:
        current.update(Federation(1, Configuration()), members)

    told(Member(region="sichuan"))
    assert not current.has_heard("sichuan"), "it was silent from the start"
    assert not current.understands("sichuan", TREES)
    told(Member(region="sichuan", endpoints=["localhost:1"], features=[TREES]))
    told(Member(region="sichuan"))
    assert current.understands("sichuan", TREES), "its silence does not make its processes older"
    told(Member(region="sichuan", endpoints=["localhost:1"]))
    assert current.has_heard("sichuan")
    assert not current.understands("sichuan", TREES), "an older process was heard since"
    told(Member(region="sichuan", endpoints=["localhost:1"], features=[TREES]))
    told()
    told(Member(region="sichuan"))
    assert not current.has_heard("sichuan"), "it has left the federation meanwhile"
