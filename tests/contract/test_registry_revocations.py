"""Revocation lists in the registry; on both adapters."""

import pytest

from coordinator.registry.port import PublishedList
from gateway.api.federation.v1.federation_pb2 import RevocationList
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from tests.contract.registries import ADMIN, Registries, changes, run


def test_a_revocation_list_is_kept_with_one_row_and_only_replaced_by_one_that_may(opened: Registries) -> None:
    def wanted(content: bytes, *, may_replace: bool = True) -> PublishedList:
        def require(former: RevocationList) -> None:
            if not may_replace:
                raise Refused(Reason.REASON_REVOCATION_LIST_OUTDATED, problem=former.crl.decode())

        return PublishedList("ab12", RevocationList(crl=content), require, "number 1")

    async def scenario() -> None:
        async with opened() as registry:
            seen = changes(registry)
            await registry.publish(wanted(b"first"), actor=ADMIN)
            assert seen
            await registry.publish(wanted(b"first", may_replace=False), actor=ADMIN)
            with pytest.raises(Refused) as refused:
                await registry.publish(wanted(b"older", may_replace=False), actor=ADMIN)
            assert refused.value.parameters["problem"] == "first"
            await registry.publish(wanted(b"second"), actor="region/sichuan")
        async with opened() as registry:
            lists = registry.snapshot().revocation_lists
            assert {issuer: each.crl for issuer, each in lists.items()} == {"ab12": b"second"}
            rows = [row for row in await registry.audit_page(0) if row.action == "REVOCATION_LIST_PUBLISHED"]
            told = [(row.actor, row.subject, row.detail) for row in rows]
            assert told == [(who, "issuer/ab12", "number 1") for who in (ADMIN, "region/sichuan")]

    run(scenario())
