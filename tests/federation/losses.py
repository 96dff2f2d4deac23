"""A member of staff who looks after what the database of a region has lost."""

import grpc

from gateway.api.region.v1 import recovery_service_pb2 as api
from gateway.api.region.v1.approval_service_pb2 import DecideApprovalRequest
from gateway.api.region.v1.approval_service_pb2_grpc import ApprovalServiceStub
from gateway.api.region.v1.recovery_service_pb2_grpc import RecoveryServiceStub
from gateway.auditing import audit
from gateway.errors import from_rpc_error
from tests.federation.running import CALL_SECONDS, Federation, until


def end_of(federation: Federation, region: str) -> int:
    """The last row of a region's audit chain."""
    with federation.region_settings(region).database.look() as tx:
        return audit.head(tx).sequence


async def until_head_is_kept(federation: Federation, region: str) -> None:
    """Returns once the coordinator has the end of a region's chain as it is now."""
    end = end_of(federation, region)

    async def is_kept() -> bool:
        kept = "SELECT 1 FROM audit_heads WHERE region = ? AND sequence >= ?"
        return bool(federation.coordinator_database.rows(kept, region, end))

    await until(is_kept, "the coordinator keeps the head")


class Recovery:
    """Looks at losses, and accepts them."""

    def __init__(self, federation: Federation, node: str) -> None:
        self._federation = federation
        self._node = node
        self._region = node.partition("/")[0]

    @property
    def stub(self) -> RecoveryServiceStub:
        """The service at the node that runs now."""
        return RecoveryServiceStub(self._federation.dial_node(self._node, f"region/{self._region}/staff/zhao"))

    async def found(self) -> api.ListLossesResponse:
        """All losses."""
        return await self.stub.ListLosses(api.ListLossesRequest(), timeout=CALL_SECONDS)

    async def accept(self, reference: str = "INC-2041") -> api.Loss:
        """Accepts the last loss, once it is found; returns once business is served."""
        await until(self.is_fenced, "the region has found a loss")
        accepted = list[api.Loss]()
        asked = 0

        async def is_accepted() -> bool:
            nonlocal asked
            request = api.AcceptLossRequest(number=(await self.found()).losses[0].number, reference=reference)
            try:
                accepted.append((await self.stub.AcceptLoss(request, timeout=CALL_SECONDS)).loss)
            except grpc.aio.AioRpcError as error:
                refused = from_rpc_error(error)
                assert refused is not None
                asked += 1
                await self._confirm(refused.parameters["approval"])
            return bool(accepted)

        # What another process of the region finds meanwhile belongs to the loss, and is confirmed anew.
        await until(is_accepted, "two people have accepted the loss")
        assert asked, "one person alone accepts nothing"
        await until(self.serves, "the region serves again")
        return accepted[0]

    async def _confirm(self, approval_id: str) -> None:
        """A second member of staff agrees."""
        request = DecideApprovalRequest(request_id=self._federation.next_id(), approval_id=approval_id, confirmed=True)
        channel = self._federation.dial_node(self._node, f"region/{self._region}/staff/wang")
        await ApprovalServiceStub(channel).DecideApproval(request, timeout=CALL_SECONDS)

    async def serves(self) -> bool:
        """Whether business is served."""
        return (await self.found()).serving

    async def is_fenced(self) -> bool:
        """Whether the process knows of the loss, and has stored it. False while it reaches no database."""
        try:
            found = await self.found()
        except grpc.aio.AioRpcError:
            return False
        return bool(found.losses) and not found.serving
