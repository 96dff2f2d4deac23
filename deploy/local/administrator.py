"""The administrator of a federation on one machine: a key, the anchor of all members, and what the key signs."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.api.coordinator.v1.administration_pb2 import SignedConfiguration
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.revision_pb2 import Administration, Administrator, Anchor, SignedSuspension
from gateway.federation.anchors import anchor_text
from gateway.federation.files import dump
from gateway.federation.revisions import signed_revision, statement_after
from gateway.federation.suspensions import signed_suspension
from gateway.security.signing import Signer

NAME = "root"  # as in the certificate
_KEY, _ANCHOR = "administrator.key", "federation.anchor"
_ADMINISTRATION = "administration.yaml"  # beside the other files of a configuration that the key is to sign
_VALID = timedelta(days=365)


class LocalAdministrator:
    """The one administrator, whose files are in the directory of the federation."""

    def __init__(self, directory: Path, federation: str) -> None:
        self.key = directory / _KEY
        self.anchor = directory / _ANCHOR
        self.administration = directory / _ADMINISTRATION
        self._federation = federation

    def prepare(self) -> None:
        """Makes the key, the anchor by which members verify what it signs, and the configuration's file about it.

        A key that is there stays.
        """
        signer = Signer.load(self.key) if self.key.exists() else Signer.create(self.key)
        administration = _administration(signer)
        anchor = Anchor(federation=self._federation, administration=administration)
        self.anchor.write_text(anchor_text(anchor), "utf-8")
        files = dump(Configuration(administration=administration))
        self.administration.write_text(files[_ADMINISTRATION], "utf-8")

    def signed(self, place: Anchor, wanted: Configuration) -> SignedConfiguration:
        """A configuration that follows a place of the chain, with this administrator and no other."""
        signer, configuration, now = Signer.load(self.key), Configuration(), datetime.now(UTC)
        configuration.CopyFrom(wanted)
        configuration.administration.CopyFrom(_administration(signer))
        content = configuration.SerializeToString(deterministic=True)
        statement = statement_after(place, content, now, now + _VALID)
        return SignedConfiguration(revision=signed_revision(statement, [signer]), content=content)

    def suspension(self, place: Anchor, region: str, *, suspended: bool, note: str = "") -> SignedSuspension:
        """The statement that a region is suspended, or no longer, by a place of the chain."""
        signer, now = Signer.load(self.key), datetime.now(UTC)
        return signed_suspension(signer, place, region, now, suspended=suspended, note=note)


def _administration(signer: Signer) -> Administration:
    return Administration(threshold=1, administrators=[Administrator(name=NAME, key=signer.public_key)])
