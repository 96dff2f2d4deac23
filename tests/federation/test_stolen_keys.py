"""What a thief can do with each kind of stolen key, before and after its revocation: a test that tries."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from gateway.api.federation.v1.federation_pb2 import MemberState
from tests.federation.databases import Databases
from tests.federation.running import Federation, until
from tests.federation.stolen_administrator import ADMINISTRATOR, ADMINISTRATOR_KEYS
from tests.federation.stolen_keys import REGIONS, Act, Scene, robbed
from tests.federation.stolen_members import COORDINATOR, HUB, KEYS_OF_A_NODE, NODE, SIGNATURE, by_a_helper
from tests.federation.stolen_people import OPERATOR, ROBBED, STAFF, TILL
from tests.federation.test_forged_configuration import replaced_by_a_false_one
from tests.shipped import shipped_configuration

pytestmark = [
    pytest.mark.slow,  # a federation of three regions for each
    pytest.mark.files,  # no part of it depends on the engine
]


async def tried(scene: Scene, acts: Sequence[Act], expected: Callable[[Act], str]) -> dict[str, tuple[str, str]]:
    """The acts that went otherwise than expected: what was found, and what was expected."""
    found = {act.what: (await act.attempt(scene), expected(act)) for act in acts}
    return {what: pair for what, pair in found.items() if pair[0] != pair[1]}


async def try_before_and_after(scene: Scene, acts: Sequence[Act], revoke: Callable[[], Awaitable[None]]) -> None:
    """Tries all acts, revokes the key, and tries them again."""
    assert await tried(scene, acts, lambda act: act.before) == {}
    await revoke()
    assert await tried(scene, acts, lambda act: act.after) == {}


async def revoked_everywhere(scene: Scene, path: str) -> None:
    """Revokes the TLS certificate of a member, and waits until every server knows."""
    await scene.revoke(scene.federation.certificates.credentials(path).certificate)
    await scene.until_refused(path)


async def test_a_stolen_key_of_an_operator_system(tmp_path: Path, databases: Databases) -> None:
    async with robbed(tmp_path, databases) as scene:
        await try_before_and_after(scene, OPERATOR, lambda: revoked_everywhere(scene, TILL))


async def test_a_stolen_key_of_a_member_of_staff(tmp_path: Path, databases: Databases) -> None:
    async with robbed(tmp_path, databases) as scene:
        await try_before_and_after(scene, STAFF, lambda: revoked_everywhere(scene, ROBBED))


async def test_the_stolen_keys_of_a_regions_node(tmp_path: Path, databases: Databases) -> None:
    async with robbed(tmp_path, databases) as scene:

        async def revoke() -> None:
            files = scene.federation.certificates
            await scene.revoke(files.credentials(NODE).certificate, files.signing(NODE).certificate)
            await scene.until_refused(NODE)
            await until(lambda: is_unsigned(scene), "Sichuan believes no envelope of the thief")

        await try_before_and_after(scene, KEYS_OF_A_NODE, revoke)


async def is_unsigned(scene: Scene) -> bool:
    """Whether Sichuan's node takes the signature of the thief for none."""
    return await by_a_helper(scene) == SIGNATURE


async def test_a_stolen_key_of_a_coordinator(tmp_path: Path, databases: Databases) -> None:
    async with robbed(tmp_path, databases) as scene:
        await try_before_and_after(scene, COORDINATOR, lambda: revoked_everywhere(scene, HUB))


async def test_a_server_with_the_stolen_key_of_a_coordinator_gives_no_region_another_configuration(
    tmp_path: Path, databases: Databases
) -> None:
    """Before it is revoked: nodes ask no server with a revoked certificate (`test_revocation`)."""
    async with robbed(tmp_path, databases) as scene:
        federation = scene.federation
        held = (await federation.members())["sichuan"].federation_revision
        assert held == 1
        false, port = await replaced_by_a_false_one(federation, HUB, "false")
        honest, federation.coordinator = federation.coordinator, false
        try:
            await until(lambda: all_have_asked(federation), "every region is a member at the false coordinator")
            told = {region: each.federation_revision for region, each in (await federation.members()).items()}
            assert {told[region] for region in REGIONS} == {held}
        finally:
            await false.stop()
            federation.coordinator = honest
        await federation.restart_coordinator(port)
        await federation.until_members(dict.fromkeys(REGIONS, MemberState.MEMBER_STATE_JOINED))


async def all_have_asked(federation: Federation) -> bool:
    """Whether each region has joined."""
    members = await federation.members()
    return all(members[region].endpoints for region in REGIONS)


async def all_are_at(federation: Federation, revision: int) -> bool:
    """Whether each region works by a revision."""
    members = await federation.members()
    return {members[region].federation_revision for region in REGIONS} == {revision}


async def test_the_stolen_keys_of_an_administrator(tmp_path: Path, databases: Databases) -> None:
    async with robbed(tmp_path, databases) as scene:

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

        await try_before_and_after(scene, ADMINISTRATOR_KEYS, revoke)
