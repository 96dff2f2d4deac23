"""What a thief can do with each kind of stolen key, before and after its revocation: a test that tries."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from gateway.api.federation.v1.federation_pb2 import MemberState
from tests.federation.databases import Databases
from tests.federation.honest_callers import beside_an_honest_caller
from tests.federation.running import REGIONS, until
from tests.federation.stolen_administrator import ADMINISTRATOR, ADMINISTRATOR_KEYS
from tests.federation.stolen_keys import Act, Scene, robbed
from tests.federation.stolen_members import COORDINATOR, HUB, KEYS_OF_A_NODE, NODE, SIGNATURE, by_a_helper
from tests.federation.stolen_people import OPERATOR, ROBBED, STAFF, TILL
from tests.federation.test_forged_configuration import (
    all_are_at,
    replaced_by_a_false_one,
    with_another_configuration,
)
from tests.hostile.served import KEPT, require_served
from tests.shipped import shipped_configuration

pytestmark = [
    pytest.mark.slow,  # a federation of three regions for each
    pytest.mark.files,  # no part of it depends on the engine
]


async def tried(scene: Scene, acts: Sequence[Act], expected: Callable[[Act], str]) -> dict[str, tuple[str, str]]:
    """The acts that went otherwise than expected: what was found, and what was expected."""
    found = {act.what: (await act.attempt(scene), expected(act)) for act in acts}
    return {what: pair for what, pair in found.items() if pair[0] != pair[1]}


async def try_before_and_after(
    scene: Scene, acts: Sequence[Act], revoke: Callable[[], Awaitable[None]], server: str
) -> None:
    """Tries all acts, revokes the key, and tries them again: an honest caller of a server notices nothing."""
    async with beside_an_honest_caller(scene.federation, server) as served:
        assert await tried(scene, acts, lambda act: act.before) == {}
        await revoke()
        assert await tried(scene, acts, lambda act: act.after) == {}
        await served.end()
    require_served(served, KEPT)


async def revoked_everywhere(scene: Scene, path: str) -> None:
    """Revokes a member, whom every server refuses within the promised time."""
    await scene.revoke(path)
    await scene.until_refused(path)


async def test_a_stolen_key_of_an_operator_system(tmp_path: Path, databases: Databases) -> None:
    async with robbed(tmp_path, databases, TILL) as scene:
        await try_before_and_after(scene, OPERATOR, lambda: revoked_everywhere(scene, TILL), "guangdong")


async def test_a_stolen_key_of_a_member_of_staff(tmp_path: Path, databases: Databases) -> None:
    async with robbed(tmp_path, databases, ROBBED) as scene:
        await try_before_and_after(scene, STAFF, lambda: revoked_everywhere(scene, ROBBED), "guangdong")


async def test_the_stolen_keys_of_a_regions_node(tmp_path: Path, databases: Databases) -> None:
    async with robbed(tmp_path, databases, renewed="node") as scene:

        async def revoke() -> None:
            await revoked_everywhere(scene, NODE)
            await until(lambda: is_unsigned(scene), "Sichuan believes no envelope of the thief")

        await try_before_and_after(scene, KEYS_OF_A_NODE, revoke, "sichuan")


async def is_unsigned(scene: Scene) -> bool:
    """Whether Sichuan's node takes the signature of the thief for none."""
    return await by_a_helper(scene) == SIGNATURE


async def test_a_stolen_key_of_a_coordinator(tmp_path: Path, databases: Databases) -> None:
    async with robbed(tmp_path, databases, renewed="coordinator") as scene:
        await try_before_and_after(scene, COORDINATOR, lambda: revoked_everywhere(scene, HUB), "sichuan")


async def test_a_server_with_the_stolen_key_of_a_coordinator_gives_no_region_another_configuration(
    tmp_path: Path, databases: Databases
) -> None:
    """Before it is revoked: nodes ask no server with a revoked certificate (`test_revocation`)."""
    async with robbed(tmp_path, databases) as scene:
        federation = scene.federation
        assert await all_are_at(federation, 1)
        async with replaced_by_a_false_one(federation, "false", with_another_configuration, HUB):
            assert await all_are_at(federation, 1)
        await federation.until_members(dict.fromkeys(REGIONS, MemberState.MEMBER_STATE_JOINED))


async def test_the_stolen_keys_of_an_administrator(tmp_path: Path, databases: Databases) -> None:
    async with robbed(tmp_path, databases, renewed="coordinator") as scene:

        async def revoke() -> None:
            """The list ends the certificate; a revision that the two others sign ends the key."""
            people, federation = scene.people, scene.federation
            wanted = people.configuration(shipped_configuration())
            kept = [each for each in people.administration.administrators if each.name != "zhao"]
            del wanted.administration.administrators[:]
            wanted.administration.administrators.extend(kept)
            assert await federation.apply(wanted) == 2
            await until(lambda: all_are_at(federation, 2), "every node has the revision without the thief")
            await revoked_everywhere(scene, ADMINISTRATOR)

        await try_before_and_after(scene, ADMINISTRATOR_KEYS, revoke, "coordinator")
