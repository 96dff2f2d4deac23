"""The findings of `region-node doctor` about the published sealing key."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.api.federation.v1.federation_pb2 import Member, SealingKey
from gateway.api.types.v1.access_pb2 import Role
from gateway.maintenance.doctor.findings import Finding, State
from gateway.security.authority import AUTHORITY_CERTIFICATE, Authority
from gateway.security.identity import Identity
from gateway.security.region_keys import KeySet
from gateway.security.sealing_keys import published
from gateway.security.signing import Signer
from gateway.security.tls import Credentials
from region_node.cli.node.sealing_checks import check_sealing_key
from region_node.node.settings import RegionSettings, SigningFiles

NOW = datetime(2031, 11, 24, 12, tzinfo=UTC)
FEDERATION = "crossregion.example"


@dataclass
class Node:
    """The files of a node, and what a coordinator says of its region."""

    settings: RegionSettings
    keys: KeySet

    def checked(self, told: SealingKey | None) -> Finding:
        """The finding about a published key."""
        certificate = self.settings.signing.certificate.read_bytes()
        member = Member(region="sichuan", signing_certificate=certificate, sealing_key=told)
        return check_sealing_key("hub:7443", member, self.settings, NOW)

    def signed(self, keys: KeySet, signer: Path | None = None) -> SealingKey:
        """The published key of a node with these keys."""
        return published(keys, Signer.load(signer or self.settings.signing.key), NOW)


@pytest.fixture(name="node")
def a_node(tmp_path: Path) -> Node:
    authority = Authority.create(FEDERATION, NOW - timedelta(days=1), NOW + timedelta(days=30))
    for region in ("sichuan", "henan"):
        identity = Identity(FEDERATION, Role.ROLE_REGION, region, "")
        authority.issue(identity, NOW - timedelta(days=1), NOW + timedelta(days=30)).write(tmp_path / region)
    own, keys = tmp_path / "sichuan", KeySet.new()
    keys.save(tmp_path / "region.keys")
    settings = RegionSettings(
        region="sichuan",
        federation=FEDERATION,
        listen="127.0.0.1:0",
        data=tmp_path,
        credentials=Credentials(own / AUTHORITY_CERTIFICATE, own / "tls.crt", own / "tls.key"),
        signing=SigningFiles(own / "signing.crt", own / "signing.key"),
        coordinators=("hub:7443",),
        keys=tmp_path / "region.keys",
        allow_unscoped_operators=True,
    )
    return Node(settings, keys)


def test_the_key_in_use_is_good(node: Node) -> None:
    found = node.checked(node.signed(node.keys))
    assert (found.state, found.todo) == (State.GOOD, "")
    assert node.keys.in_use.id in found.found


def test_a_key_that_is_not_published_keeps_others_from_sending(node: Node) -> None:
    found = node.checked(None)
    assert found.state == State.BAD
    assert "no other region can send" in found.found
    assert found.todo


def test_just_after_a_rotation_the_former_key_is_published(node: Node) -> None:
    told = node.signed(node.keys)
    node.keys.rotated().save(node.settings.keys)
    found = node.checked(told)
    assert found.state == State.WARNING
    assert node.keys.in_use.id in found.found
    assert "hand the file of keys to every process" in found.todo


def test_a_key_that_the_node_does_not_have_is_bad(node: Node) -> None:
    found = node.checked(node.signed(KeySet.new()))
    assert (found.state, "cannot be opened" in found.found, bool(found.todo)) == (State.BAD, True, True)


def test_a_key_that_another_has_signed_is_bad(node: Node, tmp_path: Path) -> None:
    found = node.checked(node.signed(node.keys, tmp_path / "henan" / "signing.key"))
    assert (found.state, "not signed" in found.found, bool(found.todo)) == (State.BAD, True, True)


@pytest.mark.parametrize("why", ["unknown", "never joined", "no file of keys"])
def test_what_cannot_be_compared_is_not_checked(node: Node, why: str) -> None:
    if why == "no file of keys":
        node.settings.keys.unlink()
        found = node.checked(node.signed(node.keys))
    else:
        member = Member(region="sichuan") if why == "never joined" else None
        found = check_sealing_key("hub:7443", member, node.settings, NOW)
    assert found.state == State.NOT_CHECKED
