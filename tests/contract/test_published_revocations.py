"""Lists of issuers that keep their key, published one after the other; on both adapters of the registry."""

import pytest

from coordinator.registry.port import PublishedList, Registry
from coordinator.revocations.in_force import follow_registry
from coordinator.revocations.publishing import published
from gateway.api.federation.v1.federation_pb2 import RevocationList
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.security.revocations import Revocations
from tests.contract.registries import ADMIN, Registries, run
from tests.unit.test_issuers_certified_anew import BY_SUCCESSOR, RENAMED, SUCCESSOR, after_rotation
from tests.unit.test_revocations import AUTHORITY, HENAN, is_refused, issued, peer, revocations, signed


async def publish(registry: Registry, kept: Revocations, told: RevocationList) -> None:
    wanted = published(kept.verified(told), registry.snapshot().revocation_lists)
    await registry.publish(wanted, actor=ADMIN)


def crls(registry: Registry) -> set[bytes]:
    return {each.crl for each in registry.snapshot().revocation_lists.values()}


def test_each_name_of_one_key_has_its_list_and_the_first_keeps_the_id_of_the_key(opened: Registries) -> None:
    first, renamed, further = signed(HENAN, 5, 7), signed(RENAMED, 1, 8), signed(HENAN, 6, 7, 9)

    async def scenario() -> None:
        async with opened() as registry:
            kept = revocations()
            follow_registry(registry, kept)
            key_id = kept.verified(first).key_id
            for told in (first, renamed, further):
                await publish(registry, kept, told)
            assert registry.snapshot().revocation_lists[key_id] == further
            assert crls(registry) == {renamed.crl, further.crl}
            with pytest.raises(Refused) as refused:
                await publish(registry, kept, signed(RENAMED, 2, 9))
            assert refused.value.reason == Reason.REASON_REVOCATION_LIST_OUTDATED
        async with opened() as registry:
            kept = revocations()
            follow_registry(registry, kept)
            assert {each.crl for each in kept.lists()} == {renamed.crl, further.crl}

    run(scenario())


def test_of_two_names_that_come_at_the_same_time_the_later_is_told_to_come_again(opened: Registries) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            kept, told = revocations(), [signed(HENAN, 5, 7), signed(RENAMED, 1, 8)]
            both: list[PublishedList] = [published(kept.verified(each), {}) for each in told]
            await registry.publish(both[0], actor=ADMIN)
            with pytest.raises(Refused) as refused:
                await registry.publish(both[1], actor=ADMIN)
            assert refused.value.reason == Reason.REASON_REVOCATION_LIST_OUTDATED
            await publish(registry, kept, told[1])
            assert crls(registry) == {each.crl for each in told}

    run(scenario())


def test_a_list_under_a_removed_authority_counts_at_a_restarted_coordinator_and_gives_way_to_the_next(
    opened: Registries,
) -> None:
    revoked = issued(HENAN)
    serial = revoked.certificate.serial_number

    async def scenario() -> None:
        async with opened() as registry:
            await publish(registry, revocations(), signed(HENAN, 5, serial))
            await publish(registry, revocations(), signed(AUTHORITY, 5, 7))
        async with opened() as registry:
            kept = after_rotation()
            follow_registry(registry, kept)
            assert is_refused(kept, peer(revoked, BY_SUCCESSOR))
            with pytest.raises(Refused) as refused:
                await publish(registry, kept, signed(BY_SUCCESSOR, 6, 8))
            assert refused.value.reason == Reason.REASON_REVOCATION_LIST_OUTDATED
            later = [signed(BY_SUCCESSOR, 6, serial, 8), signed(SUCCESSOR, 1, 9)]
            for told in later:
                await publish(registry, kept, told)
            assert {each.crl for each in kept.lists()} == {each.crl for each in later}

    run(scenario())
