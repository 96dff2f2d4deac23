"""The configuration of a federation state, verified from the anchor of this node."""

from dataclasses import dataclass, field

from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.federation_pb2 import WatchResponse
from gateway.federation.revisions import Chain, RevisionRefused
from gateway.time.clock import Clock


@dataclass(frozen=True)
class Verified:
    """A configuration with what proves it. Without an anchor nothing is proven, and only the message is set."""

    configuration: Configuration = field(repr=False)
    content: bytes = field(default=b"", repr=False)
    """The configuration as transported."""
    chain: Chain | None = None

    def put_into(self, state: WatchResponse) -> None:
        """Puts the configuration into a state, in the form in which it can be verified again."""
        if self.chain is None:
            state.configuration.CopyFrom(self.configuration)
        else:
            state.configuration_content = self.content
            state.revisions.extend(self.chain.revisions)


def verified(state: WatchResponse, chain: Chain | None, clock: Clock | None) -> Verified:
    """The configuration of a state, which follows a chain; None for a node without an anchor.

    With a clock, one whose validity has ended is refused; without one it is kept, because the network must not stop.
    Raises RevisionRefused. Takes seconds for half a million prefixes.
    """
    if chain is None:
        return Verified(state.configuration)
    if not state.configuration_content:
        raise RevisionRefused(
            "it came without its signed configuration: upgrade the coordinator", "未附签名配置：请升级协调中心"
        )
    followed = chain.followed(state.revisions)
    if followed.place.revision != state.federation_revision:
        raise RevisionRefused(
            f"its signatures end at revision {followed.place.revision}", f"其签名止于修订{followed.place.revision}"
        )
    configuration = followed.require(state.configuration_content)
    if clock is not None:
        followed.require_valid(clock.now())
    return Verified(configuration, state.configuration_content, followed)
