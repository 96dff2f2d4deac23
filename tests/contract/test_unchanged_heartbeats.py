"""Heartbeats at a real coordinator: those without news are neither verified nor stored."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from gateway.security.signing import TrustedKeys
from gateway.store.port import Operation
from gateway.store.sqlite import SqliteStore
from tests.contract.coordinators import federation, join_request, keys_of, refused, run
from tests.contract.small_federation import Certificates

T = TypeVar("T")


@pytest.fixture(name="counts")
def counted_work() -> Iterator[Counter[str]]:
    """How many signatures were verified, and how many writes of the store were made."""
    counts, verify, write = Counter[str](), TrustedKeys.verify, SqliteStore.write

    def counted_verify(keys: TrustedKeys, region: str, domain: bytes, content: bytes, signature: bytes) -> bool:
        counts["verified"] += 1
        return verify(keys, region, domain, content, signature)

    def counted_write(store: SqliteStore, operation: Operation[T]) -> object:
        counts["written"] += 1
        return write(store, operation)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrustedKeys, "verify", counted_verify)
        patch.setattr(SqliteStore, "write", counted_write)
        yield counts


def test_an_unchanged_heartbeat_verifies_and_writes_nothing_and_a_changed_or_forged_one_is_verified(
    tmp_path: Path, counts: Counter[str]
) -> None:
    certificates = Certificates(tmp_path / "certificates")

    async def scenario() -> None:
        sichuan, henan = keys_of(certificates, "sichuan"), keys_of(certificates, "henan")
        async with federation(certificates, tmp_path / "data") as it:
            await it.apply()
            request = join_request(sichuan)
            request.audit_head.CopyFrom(sichuan.audit_head(5))
            await it.join(sichuan, request)
            counts.clear()
            for _ in range(3):
                await it.join(sichuan, request)
            assert counts == {}
            request.audit_head.CopyFrom(sichuan.audit_head(6))
            for _ in range(3):
                await it.join(sichuan, request)
            assert counts == {"verified": 1, "written": 1}
            request.audit_head.signature = henan.audit_head(6).signature
            assert await refused(it.join(sichuan, request)) == "REQUEST_INVALID"
            assert counts["verified"] == 2
            request.audit_head.CopyFrom(sichuan.audit_head(6, b"b"))
            before = it.audit_rows()
            for _ in range(2):
                await it.join(sichuan, request)
            actions = [row.action for row in it.audit_rows()[len(before) :]]
            assert actions == ["AUDIT_HEAD_CONTRADICTED"]

    run(scenario())
