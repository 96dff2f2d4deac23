"""A coordinator's members are made anew where the facts of a region have changed, and stay what they are elsewhere."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

from coordinator.membership.members import CurrentMembers, members_of
from coordinator.registry.port import Registry, Snapshot
from coordinator.registry.rules import RegionFacts
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.federation_pb2 import MemberState
from tests.shipped import shipped_configuration


class Changing:
    """A registry whose snapshot a test replaces, and the members by it."""

    def __init__(self) -> None:
        facts = {name: RegionFacts(name, ever_joined=True) for name in ("henan", "sichuan")}
        self.snapshot = Snapshot(1, shipped_configuration(), facts)
        self._listeners = list[Callable[[], None]]()
        registry = SimpleNamespace(snapshot=lambda: self.snapshot, on_change=self._listeners.append)
        self.members = CurrentMembers(cast("Registry", registry))

    def put(self, snapshot: Snapshot) -> None:
        """The registry changes."""
        self.snapshot = snapshot
        for each in self._listeners:
            each()


def test_a_change_of_one_region_makes_its_message_anew_and_no_other() -> None:
    changing = Changing()
    before = changing.members.all()
    absent = replace(changing.snapshot.regions["sichuan"], ever_joined=False)
    changing.put(replace(changing.snapshot, regions={**changing.snapshot.regions, "sichuan": absent}))
    after = changing.members.all()
    assert before["sichuan"].state != after["sichuan"].state == MemberState.MEMBER_STATE_ABSENT
    assert [name for name in after if after[name] is not before[name]] == ["sichuan"]
    assert after == members_of(changing.snapshot)


def test_members_follow_the_regions_of_the_configuration() -> None:
    changing = Changing()
    whole, fewer = shipped_configuration(), Configuration()
    fewer.CopyFrom(whole)
    del fewer.regions[1:]
    for revision, configuration in ((2, fewer), (3, whole)):
        changing.put(replace(changing.snapshot, revision=revision, configuration=configuration))
        assert list(changing.members.all()) == sorted(each.id for each in configuration.regions)
        assert changing.members.all() == members_of(changing.snapshot)
