"""When revisions came into force; written against the port, so that each adapter of the registry keeps the same."""

from gateway.time.clock import from_microseconds
from tests.contract.registries import ADMIN, Registries, audit_rows, configuration, run


def test_a_revision_came_into_force_when_the_audit_chain_says_so_and_one_that_is_none_never_did(
    opened: Registries,
) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            assert await registry.applied_times(range(1, 4)) == {}
            for revision, region in enumerate("abc"):
                await registry.apply(configuration(region), expected_revision=revision, actor=ADMIN)
            rows = [each for each in await audit_rows(registry) if each.action == "CONFIGURATION_APPLIED"]
        async with opened() as registry:
            told = await registry.applied_times(range(2, 6))
            assert told == {2: from_microseconds(rows[1].time), 3: from_microseconds(rows[2].time)}

    run(scenario())
