"""The node's side of the federation: follows its state, sends heartbeats, and says when it leaves."""

from pathlib import Path

from gateway.api.types.v1.access_pb2 import Role
from gateway.channels import Replicas, close_channels
from gateway.identity import server_name
from region_node.membership.heartbeat import Heartbeat
from region_node.membership.last_good import LastGood
from region_node.membership.node import MembershipPorts, Node
from region_node.membership.state import StateKeeper
from region_node.membership.watch import Watcher


class FederationClient:
    """Membership of one process. Made on the event loop that will use it.

    `load` once at the start; `follow` and `stay_joined` as tasks; on drain cancel `stay_joined`, then `leave`, then
    `close`.
    """

    def __init__(self, node: Node, data: Path, ports: MembershipPorts) -> None:
        """`data` is the directory of the last good state. Raises CredentialsUnusable."""
        name = server_name(Role.ROLE_COORDINATOR, "", node.federation)
        self._channels = {each: ports.dialer.dial(each, name) for each in node.coordinators}
        replicas = Replicas(self._channels.__getitem__, ports.source)
        replicas.update(list(self._channels))
        self._keeper = StateKeeper(node, ports.clock, LastGood(data))
        self._watcher = Watcher(replicas, self._keeper, node.border.current, ports)
        self._heartbeat = Heartbeat(node, self._channels, ports)

    def load(self) -> None:
        """Puts the state that was last kept on disk in force, so that the node works without any coordinator."""
        self._keeper.load()

    async def follow(self) -> None:
        """Keeps the federation state up to date, and its copy on disk, until it is cancelled."""
        await self._watcher.follow()

    async def stay_joined(self, endpoint: str) -> None:
        """Sends heartbeats to every coordinator until it is cancelled. `endpoint` is where they reach this process."""
        await self._heartbeat.stay_joined(endpoint)

    async def leave(self, endpoint: str) -> None:
        """Says that the process takes no more envelopes. Returns within two seconds, heard or not."""
        await self._heartbeat.leave(endpoint)

    async def close(self) -> None:
        """Closes the channels."""
        await close_channels(self._channels.values())
