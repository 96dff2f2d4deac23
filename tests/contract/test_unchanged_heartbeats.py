"""Heartbeats at a real coordinator: those without news are neither verified nor stored."""

from pathlib import Path
from types import FunctionType
from typing import TypeVar

import pytest

from coordinator.registry.embedded import EmbeddedRegistry
from gateway.store.port import Operation
from gateway.store.sqlite import SqliteStore
from tests.contract.coordinators import federation, join_request, keys_of, refused, run
from tests.contract.small_federation import Certificates
from tests.verified_signatures import checks_of

T = TypeVar("T")


class Work:
    """The signatures that were verified, and how often the registry wrote; loops of the process write beside it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.verified = checks_of(patch)
        self.written = 0
        write = SqliteStore.write

        def counted_write(store: SqliteStore, operation: Operation[T]) -> object:
            self.written += isinstance(operation, FunctionType) and EmbeddedRegistry.__name__ in operation.__qualname__
            return write(store, operation)

        patch.setattr(SqliteStore, "write", counted_write)

    def taken(self) -> tuple[int, int]:
        """How many there were of each since the last time."""
        found = len(self.verified), self.written
        self.verified.clear()
        self.written = 0
        return found


def test_an_unchanged_heartbeat_verifies_and_writes_nothing_and_a_changed_or_forged_one_is_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificates, work = Certificates(tmp_path / "certificates"), Work(monkeypatch)

    async def scenario() -> None:
        sichuan, henan = keys_of(certificates, "sichuan"), keys_of(certificates, "henan")
        async with federation(certificates, tmp_path / "data") as it:
            await it.apply()
            request = join_request(sichuan)
            request.audit_head.CopyFrom(sichuan.audit_head(5))
            await it.join(sichuan, request)
            work.taken()
            for _ in range(3):
                await it.join(sichuan, request)
            assert work.taken() == (0, 0)
            request.audit_head.CopyFrom(sichuan.audit_head(6))
            for _ in range(3):
                await it.join(sichuan, request)
            assert work.taken() == (1, 1)
            request.audit_head.signature = henan.audit_head(6).signature
            assert await refused(it.join(sichuan, request)) == "REQUEST_INVALID"
            assert work.taken()[0] == 1
            request.audit_head.CopyFrom(sichuan.audit_head(6, b"b"))
            before = it.audit_rows()
            for _ in range(2):
                await it.join(sichuan, request)
            actions = [row.action for row in it.audit_rows()[len(before) :]]
            assert actions == ["AUDIT_HEAD_CONTRADICTED"]

    run(scenario())
