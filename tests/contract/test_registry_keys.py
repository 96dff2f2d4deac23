"""The keys of regions in every registry: the certificate by which a region signs, and the key to which others seal."""

from dataclasses import replace
from pathlib import Path

from gateway.security.sealing_keys import published
from tests.contract.coordinators import keys_of
from tests.contract.registries import NOW, Registries, changes, heartbeat, run
from tests.contract.small_federation import Certificates
from tests.keys import region_keys


def test_the_certificate_that_came_last_counts_and_is_kept(opened: Registries) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            await registry.beat("sichuan", heartbeat(certificate=b"old"))
            seen = changes(registry)
            await registry.beat("sichuan", heartbeat(certificate=b"new"))
            assert registry.snapshot().facts("sichuan").signing_certificate == b"new"
            assert seen
            await registry.beat("sichuan", heartbeat("127.0.0.1:2", certificate=b""))
            assert registry.snapshot().facts("sichuan").signing_certificate == b"new", "one without takes none away"
        async with opened() as registry:
            assert registry.snapshot().facts("sichuan").signing_certificate == b"new"

    run(scenario())


def test_the_sealing_key_that_came_last_counts_and_is_kept(opened: Registries) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            await registry.beat("sichuan", heartbeat("127.0.0.1:1"))
            await registry.beat("sichuan", heartbeat("127.0.0.1:1", key=b"old"))
            await registry.beat("sichuan", heartbeat("127.0.0.1:2", key=b"new"))
            seen = changes(registry)
            for _ in range(2):
                await registry.beat("sichuan", heartbeat("127.0.0.1:1", key=b"old"))
            assert registry.snapshot().facts("sichuan").sealing_key.key == b"new"
            assert not seen
            await registry.beat("sichuan", heartbeat("127.0.0.1:3"))
            assert registry.snapshot().facts("sichuan").sealing_key.key == b"new", "one without takes none away"
        async with opened() as registry:
            assert registry.snapshot().facts("sichuan").sealing_key.key == b"new"

    run(scenario())


def test_a_heartbeat_without_news_brings_back_the_proof_of_the_sealing_key(opened: Registries, tmp_path: Path) -> None:
    """A process with the former certificate has told another key meanwhile, which the newest does not prove."""
    former, present = (keys_of(Certificates(tmp_path / name), "sichuan") for name in ("former", "present"))
    keys = region_keys("sichuan").set
    own = published(keys, present.signer, NOW)
    beat = replace(heartbeat(certificate=present.certificate), sealing_key=own)
    lagging = replace(
        heartbeat("127.0.0.1:2", certificate=b""), sealing_key=published(keys.rotated(), former.signer, NOW)
    )

    async def scenario() -> None:
        async with opened() as registry:
            await registry.beat("sichuan", beat)
            await registry.beat("sichuan", lagging)
            assert registry.snapshot().facts("sichuan").sealing_key == lagging.sealing_key
            await registry.beat("sichuan", beat)
            assert registry.snapshot().facts("sichuan").sealing_key == own
            seen = changes(registry)
            await registry.beat("sichuan", lagging)
            assert not seen, "a process changes a thing by its news alone"
        async with opened() as registry:
            assert registry.snapshot().facts("sichuan").sealing_key == own

    run(scenario())


def test_a_process_that_still_signs_by_the_old_certificate_does_not_bring_it_back(opened: Registries) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            await registry.beat("sichuan", heartbeat("127.0.0.1:1", b"old"))
            await registry.beat("sichuan", heartbeat("127.0.0.1:2", b"new"))
            seen = changes(registry)
            await registry.beat("sichuan", heartbeat("127.0.0.1:1", b"old"))
            assert registry.snapshot().facts("sichuan").signing_certificate == b"new"
            assert not seen

    run(scenario())
