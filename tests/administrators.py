"""Administrators of a federation, with their keys, who sign revisions of its configuration."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.api.coordinator.v1.administration_pb2 import SignedConfiguration
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.revision_pb2 import (
    Administration,
    Administrator,
    Anchor,
    SignedRevision,
)
from gateway.federation.anchors import anchor_text
from gateway.federation.revisions import signed_revision, statement_after
from gateway.security.signing import Signer

VALID = timedelta(days=365)


class Administrators:
    """Administrators by name; `threshold` of them sign."""

    def __init__(
        self,
        directory: Path,
        federation: str,
        names: Sequence[str] = ("li", "wang"),
        threshold: int = 2,
        *,
        known: Mapping[str, Signer] = MappingProxyType({}),
    ) -> None:
        """Makes the keys of those that are not among the `known`."""
        self.signers = {name: known.get(name) or Signer(Ed25519PrivateKey.generate()) for name in names}
        self.administration = Administration(
            threshold=threshold,
            administrators=[Administrator(name=name, key=signer.public_key) for name, signer in self.signers.items()],
        )
        self.anchor = Anchor(federation=federation, administration=self.administration)
        self.anchor_file = directory / "federation.anchor"
        self.write_anchor(self.anchor)

    def write_anchor(self, anchor: Anchor) -> None:
        """Replaces the anchor file."""
        self.anchor_file.write_text(anchor_text(anchor))

    def configuration(self, wanted: Configuration) -> Configuration:
        """A configuration that names these administrators, unless it names any."""
        own = Configuration()
        own.CopyFrom(wanted)
        if not own.HasField("administration"):
            own.administration.CopyFrom(self.administration)
        return own

    def signed(
        self, place: Anchor, wanted: Configuration, now: datetime, names: Sequence[str] | None = None
    ) -> SignedConfiguration:
        """A configuration that follows a place of the chain, signed by these of them; by all if none are named."""
        content = self.configuration(wanted).SerializeToString(deterministic=True)
        statement = statement_after(place, content, now, now + VALID)
        return SignedConfiguration(revision=self.signatures(statement, names), content=content)

    def signatures(self, statement: bytes, names: Sequence[str] | None = None) -> SignedRevision:
        """A statement with the signatures of these of them."""
        return signed_revision(statement, [self.signers[name] for name in (self.signers if names is None else names)])
